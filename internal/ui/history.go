package ui

import (
	"net/http"
	"strconv"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/history"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// openedChannel opens the channel that the rest of the address names. On the web
// what is closed does not exist, also for members.
func (f *Face) openedChannel(r *http.Request, v *visit) (registry.Opened, error) {
	open, err := f.registry.OpenChannel(r.Context(), v.actor, web.Param(r, "owner"), strings.Trim(web.Param(r, "*"), "/"))
	if errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Forbidden) {
		return registry.Opened{}, errs.New(errs.NotFound, nothingHere)
	}
	return open, err
}

func channelObject(c registry.Channel) access.Object {
	o := ownerObject(c)
	o.ChannelID, o.Channel, o.Visibility = c.ID, c.Name, c.Visibility
	return o
}

// mayRollBack reports whether to offer a roll-back; the registry judges it.
func (v *visit) mayRollBack(c registry.Channel) bool {
	return c.TakesFiles() == nil && !c.Locked && access.Can(v.actor, access.Write, channelObject(c)).Allowed
}

// historyPage lists the generations of a channel.
func (f *Face) historyPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	open, err := f.openedChannel(r, v)
	if err != nil {
		return err
	}
	c := open.Channel
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // what is no number is the beginning
	list, more, err := f.registry.ChannelHistory(r.Context(), open, max(0, before), pageRows)
	if err != nil {
		return err
	}
	v.frame.Title = "History · " + c.OwnerName + "/" + c.Name
	p := history.Page{Page: v.frame, Owner: c.OwnerName, Name: c.Name}
	back := v.mayRollBack(c)
	for i, g := range list {
		row := history.Generation{
			Number: g.Generation, At: g.At, By: g.By, Sentence: changed(g), Added: g.Added, Removed: g.Removed,
			Href: generationURL(shared.ChangesURL(c.OwnerName, c.Name), "generation", g.Generation),
		}
		if back && (i > 0 || before > 0) {
			row.RollbackURL = generationURL(shared.RollbackURL(c.OwnerName, c.Name), "to", g.Generation)
		}
		p.Generations = append(p.Generations, row)
	}
	if more {
		p.Older = generationURL(shared.HistoryURL(c.OwnerName, c.Name), "before", list[len(list)-1].Generation)
	}
	if before > 0 {
		p.Newest = shared.HistoryURL(c.OwnerName, c.Name)
	}
	return render(w, r, http.StatusOK, p.Page, history.View(p))
}

func generationURL(base, key string, n int64) string {
	return base + "?" + key + "=" + strconv.FormatInt(n, 10)
}

// changesPage shows what a generation changed, or how two differ.
func (f *Face) changesPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	open, err := f.openedChannel(r, v)
	if err != nil {
		return err
	}
	c, q := open.Channel, r.URL.Query()
	p := history.Changes{Owner: c.OwnerName, Name: c.Name}
	var from, to int64
	if q.Has("generation") {
		n, _ := strconv.ParseInt(q.Get("generation"), 10, 64) // there is no generation 0
		g, err := f.registry.ChannelGeneration(r.Context(), open, n)
		if err != nil {
			return err
		}
		if err := f.neighbours(r, open, n, &p); err != nil {
			return err
		}
		from, to = n-1, n
		p.Heading, p.Sentence, p.By, p.At = "Generation "+shared.Count(n), changed(g), g.By, g.At
		p.Added, p.Removed, p.Counted = g.Added, g.Removed, true
	} else {
		if from, err = f.registry.GenerationAt(r.Context(), open, q.Get("from")); err != nil {
			return err
		}
		if to, err = f.registry.GenerationAt(r.Context(), open, q.Get("to")); err != nil {
			return err
		}
		for _, n := range []*int64{&from, &to} {
			if *n, err = f.lastShown(r, open, *n); err != nil {
				return err
			}
		}
		p.Heading = "From generation " + shared.Count(from) + " to " + shared.Count(to)
	}
	var after registry.FileChange
	if parts := strings.Split(q.Get("after"), "/"); len(parts) == 3 {
		after = registry.FileChange{Subdir: parts[0], Package: parts[1], FileName: parts[2]}
	}
	files, next, err := f.registry.ChannelDifferences(r.Context(), open, from, to, after, 2*pageRows)
	if err != nil {
		return err
	}
	for _, x := range files {
		if n := len(p.Subdirs); n == 0 || p.Subdirs[n-1].Name != x.Subdir {
			p.Subdirs = append(p.Subdirs, history.Subdir{Name: x.Subdir})
		}
		file := history.File{Kind: x.Kind, Package: x.Package, Name: x.FileName}
		if x.Kind != "removed" {
			file.Href = shared.FileURL(open.Records().OwnerName, x.Package, x.Subdir, x.FileName)
		}
		last := &p.Subdirs[len(p.Subdirs)-1]
		last.Files = append(last.Files, file)
	}
	if next.FileName != "" {
		p.Next = with(r, "after", next.Subdir+"/"+next.Package+"/"+next.FileName)
	}
	shown := open.Records()
	p.URL = f.opts.URL + "/conda/" + shown.OwnerName + "/" + shown.Name + "/at/" + strconv.FormatInt(to, 10)
	if v.mayRollBack(c) {
		p.RollbackURL = generationURL(shared.RollbackURL(c.OwnerName, c.Name), "to", to)
	}
	if c.TakesFiles() == nil && access.Can(v.actor, access.Admin, ownerObject(c)).Allowed {
		p.SnapshotURL = generationURL(shared.SnapshotURL(c.OwnerName, c.Name), "at", to)
	}
	v.frame.Title = p.Heading + " · " + c.OwnerName + "/" + c.Name
	p.Page = v.frame
	return render(w, r, http.StatusOK, p.Page, history.ViewChanges(p))
}

// lastShown gives the last generation not above n that the visitor may know of; 0
// where there is none. Another number would tell of what is hidden.
func (f *Face) lastShown(r *http.Request, open registry.Opened, n int64) (int64, error) {
	list, _, err := f.registry.ChannelHistory(r.Context(), open, n+1, 1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[0].Generation, nil
}

// neighbours finds the older generation beside one: numbers may have gaps.
func (f *Face) neighbours(r *http.Request, open registry.Opened, n int64, p *history.Changes) error {
	older, _, err := f.registry.ChannelHistory(r.Context(), open, n, 1)
	if err == nil && len(older) == 1 {
		p.Older = generationURL(shared.ChangesURL(open.Channel.OwnerName, open.Channel.Name), "generation", older[0].Generation)
	}
	return err
}
