package ui

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/channel"
	"terrarium/internal/ui/shared"
)

// changesShown are the last generations on the page of a channel.
const changesShown = 12

// channelPage shows a channel from inside: how to use it, what is in it, what
// changed.
func (f *Face) channelPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	open, err := f.openedChannel(r, v)
	if err != nil {
		return err
	}
	c := open.Channel
	at := placeOf(r)
	packages, total, err := f.registry.ChannelPackages(r.Context(), open, at.after, pageRows)
	if err != nil {
		return err
	}
	subdirs, err := f.registry.ChannelSubdirs(r.Context(), open)
	if err != nil {
		return err
	}
	changes, err := f.registry.ChannelChanges(r.Context(), open, changesShown)
	if err != nil {
		return err
	}
	v.frame.Title = c.OwnerName + "/" + c.Name
	private := c.Visibility != access.Public
	p := channel.Page{
		Page: v.frame, Owner: c.OwnerName, Name: c.Name, Kind: c.Kind, Description: c.Description,
		Readers: readers(c), Private: private, Frozen: c.FrozenAt != nil && open.Source == nil,
		Setup: f.setupTools(r, c.OwnerName, c.Name, private), PackageAll: total,
	}
	for _, s := range subdirs {
		p.Subdirs = append(p.Subdirs, channel.Subdir{Name: s.Name, Records: s.Records, Size: s.Size})
	}
	if len(p.Subdirs) == 0 {
		p.Subdirs = []channel.Subdir{{Name: "noarch"}} // an empty channel answers for it
	}
	for _, k := range packages {
		p.Packages = append(p.Packages, channel.Package{Owner: open.Records().OwnerName, Name: k.Name, Version: k.Version, Summary: k.Summary, Released: k.Released})
	}
	next := ""
	if n := len(packages); n == pageRows && at.before+n < total {
		next = packages[n-1].Name
	}
	p.Pages = at.pager(r, len(packages), total, next, 0)
	for i, g := range changes {
		if i == 0 {
			p.Generation, p.Changed = g.Generation, g.At
		}
		p.Changes = append(p.Changes, channel.Change{Generation: g.Generation, At: g.At, Sentence: changed(g), By: g.By})
	}
	if total > 0 && open.Source == nil {
		p.AsOf = f.opts.URL + "/conda/" + c.OwnerName + "/" + c.Name + "/at/" + p.Page.Now.UTC().Format(time.DateOnly)
	}
	p.HistoryURL = shared.HistoryURL(c.OwnerName, c.Name)
	if c.TakesFiles() == nil && access.Can(v.actor, access.Admin, channelObject(c)).Allowed {
		p.FreezeURL = shared.FreezeURL(c.OwnerName, c.Name)
	}
	if c.TakesFiles() == nil && access.Can(v.actor, access.Admin, ownerObject(c)).Allowed {
		p.SnapshotURL = shared.SnapshotURL(c.OwnerName, c.Name)
	}
	if s := open.Source; s != nil {
		p.SnapshotOf, p.Generation = &shared.Link{Text: s.OwnerName + "/" + s.Name, Href: shared.ChannelURL(s.OwnerName, s.Name)}, *c.FrozenAt
		p.Changed = c.CreatedAt
	} else if from := c.SourceFor(v.actor); from != "" {
		p.Source = &channel.Source{URL: from}
	}
	if total == 0 && access.Can(v.actor, access.Write, ownerObject(c)).Allowed && c.Kind == "local" {
		p.Upload = []string{uploadCommand(c.OwnerName, c.Name, c.OwnerID == v.actor.ID)}
	}
	return render(w, r, http.StatusOK, p.Page, channel.View(p))
}

func ownerObject(c registry.Channel) access.Object {
	return access.Object{OwnerID: c.OwnerID, OwnerName: c.OwnerName, OwnerKind: c.OwnerKind}
}

// changed says in a sentence what a generation changed.
func changed(g registry.ChannelChange) string {
	verb := map[string]string{
		"upload": "Uploaded", "delete": "Deleted", "restore": "Restored", "label": "Labelled", "unlabel": "Took the label off", "import": "Imported",
		"copy": "Copied", "withdraw": "Withdrew", "package": "Changed", "release": "Changed", "file": "Changed",
		"unwithdraw": "Put back", "hotfix": "Hotfixed",
	}[g.Cause]
	if to, ok := registry.RollbackOf(g.Cause); ok {
		verb = "Rolled back to generation " + shared.Count(to) + ":"
	}
	if verb == "" {
		verb = "Changed"
	}
	names := g.Names
	if len(names) > 3 {
		return verb + " " + strings.Join(names[:2], ", ") + " and " + shared.Count(len(names)-2) + " more"
	}
	return verb + " " + shared.Joined(names)
}
