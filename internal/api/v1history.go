package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// v1Generation is one generation of a channel, as far as the caller may know.
type v1Generation struct {
	Generation int64            `json:"generation"`
	At         time.Time        `json:"at"`
	By         string           `json:"by,omitempty"`
	Cause      string           `json:"cause,omitempty" doc:"A word such as upload, delete, label, import, or rollback to N."`
	RollbackTo *int64           `json:"rollback_to,omitempty" doc:"Of a roll-back: the generation that it went back to."`
	Added      int64            `json:"added" doc:"Records."`
	Removed    int64            `json:"removed"`
	Subdirs    []v1SubdirChange `json:"subdirs"`
	Packages   []string         `json:"packages" doc:"Some of the packages that it changed, at most 21."`
	URL        string           `json:"url" doc:"The channel as it was then."`
}

// v1SubdirChange counts what a generation changed in a subdir.
type v1SubdirChange struct {
	Subdir  string `json:"subdir"`
	Added   int64  `json:"added"`
	Removed int64  `json:"removed"`
}

// v1FileDifference is a file by which two generations differ.
type v1FileDifference struct {
	Change  string `json:"change" enum:"added,removed,replaced,changed" doc:"replaced: other bytes under the same name; changed: the record of the same file says something else."`
	Subdir  string `json:"subdir"`
	Package string `json:"package"`
	Name    string `json:"name"`
}

// v1Rollback is what a roll-back did.
type v1Rollback struct {
	To           int64       `json:"to" doc:"The generation that the channel equals now."`
	Generation   int64       `json:"generation" doc:"The new one; the present one where nothing had to change."`
	Added        int64       `json:"added" doc:"Records."`
	Removed      int64       `json:"removed"`
	LeftOut      []v1LeftOut `json:"left_out" doc:"Files that cannot come back; the first thousand."`
	LeftOutTotal int         `json:"left_out_total"`
}

// v1LeftOut is a file that a roll-back left out.
type v1LeftOut struct {
	Subdir string `json:"subdir"`
	Name   string `json:"name"`
	Why    string `json:"why"`
}

func (v *v1) generation(c registry.Channel, g registry.ChannelChange) v1Generation {
	d := v1Generation{
		Generation: g.Generation, At: g.At, By: g.By, Cause: g.Cause, Added: g.Added, Removed: g.Removed, Packages: each(g.Names, same),
		Subdirs: each(g.Subdirs, func(s registry.SubdirChange) v1SubdirChange { return v1SubdirChange{s.Name, s.Added, s.Removed} }),
		URL:     v.face.url + "/conda/" + escape(c.OwnerName, c.Name) + "/at/" + strconv.FormatInt(g.Generation, 10),
	}
	if to, ok := registry.RollbackOf(g.Cause); ok {
		d.RollbackTo = &to
	}
	return d
}

// histories has what a channel was and the way back to it.
func (v *v1) histories() {
	reg := v.face.registry
	handle(v, operation{verdict{web.Reader, true}, "list-generations", http.MethodGet, "/generations/{owner}/{channel}", "List the generations of a channel, newest first", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			ChannelPath
		},
		) (*list[v1Generation], error) {
			open, err := reg.ReadChannel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			before, err := strconv.ParseInt(cmp.Or(in.After, "0"), 10, 64)
			if err != nil || before < 0 {
				return nil, errs.New(errs.Invalid, "after is the next of the page before.").On("after")
			}
			all, more, err := reg.ChannelHistory(ctx, open, before, in.Limit)
			if err != nil {
				return nil, err
			}
			next := ""
			if more {
				next = strconv.FormatInt(all[len(all)-1].Generation, 10)
			}
			return page(ctx, each(all, func(g registry.ChannelChange) v1Generation { return v.generation(open.Records(), g) }), next), nil
		})
	handle(v, operation{verdict{web.Reader, true}, "list-changes", http.MethodGet, "/changes/{owner}/{channel}", "List the files by which two generations of a channel differ", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			ChannelPath
			Generation int64  `query:"generation" minimum:"1" doc:"What this generation changed. Or else:"`
			From       string `query:"from" doc:"The older generation, a date or a time."`
			To         string `query:"to" doc:"The newer one; without it, what the channel serves now."`
		},
		) (*list[v1FileDifference], error) {
			open, err := reg.ReadChannel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			from, to, err := v.between(ctx, open, in.Generation, in.From, in.To)
			if err != nil {
				return nil, err
			}
			var after registry.FileChange
			if parts := strings.Split(in.After, "/"); len(parts) == 3 {
				after = registry.FileChange{Subdir: parts[0], Package: parts[1], FileName: parts[2]}
			} else if in.After != "" {
				return nil, errs.New(errs.Invalid, "after is the next of the page before.").On("after")
			}
			all, next, err := reg.ChannelDifferences(ctx, open, from, to, after, in.Limit)
			if err != nil {
				return nil, err
			}
			return page(ctx, each(all, func(c registry.FileChange) v1FileDifference {
				return v1FileDifference{c.Kind, c.Subdir, c.Package, c.FileName}
			}), strings.Trim(next.Subdir+"/"+next.Package+"/"+next.FileName, "/")), nil
		})
	handle(v, operation{verdict{web.Writer, false}, "roll-back-channel", http.MethodPost, "/generations/{owner}/{channel}", "Roll back: make a new generation that equals an old one", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ChannelPath
			Body struct {
				To string `json:"to" minLength:"1" doc:"A generation, a date such as 2026-11-21 (its end, UTC), or an RFC 3339 time."`
			}
		},
		) (*one[v1Rollback], error) {
			done, err := reg.RollBack(ctx, actor, in.Owner, in.Channel, in.Body.To)
			if err != nil {
				return nil, err
			}
			return &one[v1Rollback]{v1Rollback{
				To: done.To, Generation: done.Generation, Added: done.Added, Removed: done.Removed, LeftOutTotal: done.LeftOutTotal,
				LeftOut: each(done.LeftOut, func(l registry.LeftOut) v1LeftOut { return v1LeftOut{l.Subdir, l.FileName, l.Why} }),
			}}, nil
		})
}

// between finds the two generations that a request compares.
func (v *v1) between(ctx context.Context, open registry.Opened, generation int64, from, to string) (older, newer int64, err error) {
	reg := v.face.registry
	switch {
	case generation > 0 && from+to == "":
		g, err := reg.ChannelGeneration(ctx, open, generation)
		return g.Generation - 1, g.Generation, err
	case generation > 0 || from == "":
		return 0, 0, errs.New(errs.Invalid, "Give generation, or from and perhaps to.").On("generation")
	}
	if older, err = reg.GenerationAt(ctx, open, from); err != nil {
		return 0, 0, invalid(err, "from")
	}
	if newer, err = reg.GenerationAt(ctx, open, to); err != nil {
		return 0, 0, invalid(err, "to")
	}
	return older, newer, nil
}
