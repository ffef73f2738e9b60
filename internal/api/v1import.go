package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// NewImport is a channel to be loaded from a folder of the server's machine or
// from an address.
type NewImport struct {
	Owner        string   `json:"-"`
	Channel      string   `json:"-"`
	Source       string   `json:"source" doc:"Address of a channel, or folder on the server's machine, from its root: with SUBDIR/repodata.json (or .zst, .bz2, or shards) and the packages."`
	Subdirs      []string `json:"subdirs,omitempty" doc:"Only these; without it, all that have repodata."`
	MetadataOnly bool     `json:"metadata_only,omitempty" doc:"Take records alone; files are fetched when first asked for."`
	BaseURL      string   `json:"base_url,omitempty" doc:"Address under which files are fetched when first asked for; without it, the source."`
}

// Import is the loading of a channel, and how far it is.
type Import struct {
	ID           string         `json:"id"`
	Owner        string         `json:"owner"`
	Channel      string         `json:"channel"`
	Source       string         `json:"source"`
	MetadataOnly bool           `json:"metadata_only"`
	State        string         `json:"state" enum:"waiting,running,done,failed"`
	Why          string         `json:"why,omitempty" doc:"What went wrong. A waiting import will be tried again."`
	Subdirs      []ImportSubdir `json:"subdirs" doc:"Those begun so far, in their order."`
	CreatedAt    time.Time      `json:"created_at"`
	StartedAt    *time.Time     `json:"started_at,omitempty"`
	EndedAt      *time.Time     `json:"ended_at,omitempty"`
}

// ImportSubdir counts the records of one subdir.
type ImportSubdir struct {
	Subdir  string   `json:"subdir"`
	Visible bool     `json:"visible" doc:"It is in the index, whole. The counts below are then known."`
	Done    int      `json:"done" doc:"New records taken or left out so far."`
	Added   int      `json:"added"`
	Changed int      `json:"changed" doc:"There already with the same bytes and another record."`
	Kept    int      `json:"kept" doc:"There already as the source has them."`
	LeftOut int      `json:"left_out"`
	Reasons []string `json:"reasons,omitempty" doc:"A sentence for each of the first hundred left out."`
}

func (v *v1) imports() {
	operate := v.face.operate
	handle(v, operation{verdict{web.Operator, false}, "import-channel", http.MethodPost, "/channels/{owner}/{channel}/import", "Begin to load an existing channel from an address or a folder of the server", "imports", 202, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ChannelPath
			Body NewImport
		},
		) (*made[Import], error) {
			n := in.Body
			n.Owner, n.Channel = in.Owner, in.Channel
			i, err := operate.Import(ctx, actor, n)
			if err != nil {
				return nil, err
			}
			return &made[Import]{v.at("imports", i.ID), i}, nil
		})
	handle(v, operation{verdict{web.Operator, false}, "list-imports", http.MethodGet, "/imports", "List the imports of the last day, newest first", "imports", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct{ Paging }) (*list[Import], error) {
			all, err := operate.Imports(ctx, actor)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(i Import) string { return i.ID }, func(i Import) Import { return i }), nil
		})
	handle(v, operation{verdict{web.Operator, false}, "get-import", http.MethodGet, "/imports/{id}", "Show how far an import is", "imports", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ID string `path:"id"`
		},
		) (*one[Import], error) {
			if err := access.Operates(actor); err != nil {
				return nil, err
			}
			id, err := strconv.ParseInt(in.ID, 10, 64)
			if err != nil {
				return nil, errs.New(errs.NotFound, "There is no import of this number.")
			}
			i, err := operate.ImportOf(ctx, actor, id)
			if err != nil {
				return nil, err
			}
			return &one[Import]{i}, nil
		})
}
