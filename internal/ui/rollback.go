package ui

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/confirm"
	"terrarium/internal/ui/pages/snapshot"
	"terrarium/internal/ui/shared"
)

// channelToChange opens a channel for somebody who may do verb with it.
func (f *Face) channelToChange(w http.ResponseWriter, r *http.Request, title string, verb access.Verb, object func(registry.Channel) access.Object) (*visit, registry.Opened, error) {
	if r.Method == http.MethodPost {
		if err := form(w, r); err != nil {
			return nil, registry.Opened{}, err
		}
	}
	v, err := f.person(w, r, title)
	if err != nil {
		return nil, registry.Opened{}, err
	}
	open, err := f.openedChannel(r, v)
	if err != nil {
		return nil, registry.Opened{}, err
	}
	o := object(open.Channel)
	return v, open, access.Can(v.actor, verb, o).Err(o)
}

func channelTrail(c registry.Channel, here string) []shared.Link {
	return []shared.Link{
		{Text: c.OwnerName, Href: shared.OwnerURL(c.OwnerName)},
		{Text: "Channels", Href: shared.OwnerURL(c.OwnerName) + "/-/channels"},
		{Text: c.Name, Href: shared.ChannelURL(c.OwnerName, c.Name)},
		{Text: here},
	}
}

// rollbackPage asks before a channel goes back.
func (f *Face) rollbackPage(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Roll back", access.Write, channelObject)
	if err != nil {
		return err
	}
	p, err := f.askRollback(r, v, open)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, p.Page, confirm.View(p))
}

func (f *Face) askRollback(r *http.Request, v *visit, open registry.Opened) (confirm.Page, error) {
	c, spec := open.Channel, strings.TrimSpace(r.FormValue("to"))
	if err := c.TakesFiles(); err != nil {
		return confirm.Page{}, err
	}
	to, err := f.registry.GenerationAt(r.Context(), open, spec)
	if err != nil {
		return confirm.Page{}, err
	}
	name := c.OwnerName + "/" + c.Name
	return confirm.Page{
		Page: v.frame, Trail: channelTrail(c, "Roll back"), Question: "Roll back " + name + " to generation " + shared.Count(to) + "?",
		Sentence: "A new generation will list what the channel listed then. Nothing is lost: the present state stays in the history, and you can roll back to it in turn.",
		Ends: []string{
			"Files that came since leave the channel and its label, and stay with their packages.",
			"Files that left it since come back, unless they were deleted or withdrawn: you will be told which.",
		},
		Action: generationURL(shared.RollbackURL(c.OwnerName, c.Name), "to", to), Verb: "Roll back to " + shared.Count(to), KeepURL: shared.HistoryURL(c.OwnerName, c.Name),
	}, nil
}

// rollback makes a new generation that equals an old one.
func (f *Face) rollback(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Roll back", access.Write, channelObject)
	if err != nil {
		return err
	}
	c := open.Channel
	done, err := f.registry.RollBack(r.Context(), v.actor, c.OwnerName, c.Name, strings.TrimSpace(r.FormValue("to")))
	if err != nil {
		list, status, ok := problems(err, nil)
		if !ok {
			return err
		}
		p, asked := f.askRollback(r, v, open)
		if asked != nil {
			return err
		}
		for i := range list {
			list[i].Field = "" // there is nothing to fill in
		}
		p.Errors = list
		return render(w, r, status, p.Page, confirm.View(p))
	}
	f.say(w, rolledBack(c, done))
	return see(w, r, shared.HistoryURL(c.OwnerName, c.Name))
}

// rolledBack tells what a roll-back did, and what it left out.
func rolledBack(c registry.Channel, done registry.RolledBack) shared.Notice {
	n := shared.Notice{Kind: "ok", Title: c.OwnerName + "/" + c.Name + " is what it was at generation " + shared.Count(done.To) + ".", Text: shared.Of(done.Added, "file") + " came back, " + shared.Count(done.Removed) + " left."}
	if done.LeftOutTotal > 0 {
		n.Kind, n.Title = "warn", c.OwnerName+"/"+c.Name+" is what it was at generation "+shared.Count(done.To)+", as far as it can be."
		for i, l := range done.LeftOut {
			if i == 3 {
				n.Text += " So stay " + shared.Count(done.LeftOutTotal-i) + " more."
				break
			}
			n.Text += " " + l.FileName + " stays out. " + l.Why
		}
	}
	return n
}

// freezePage asks before a channel is frozen, or thawed.
func (f *Face) freezePage(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Freeze", access.Admin, channelObject)
	if err != nil {
		return err
	}
	c := open.Channel
	if err := c.TakesFiles(); err != nil {
		return err
	}
	name, action := c.OwnerName+"/"+c.Name, shared.FreezeURL(c.OwnerName, c.Name)
	p := confirm.Page{
		Page: v.frame, Trail: channelTrail(c, "Freeze"), Question: "Freeze " + name + "?",
		Sentence: "Everybody goes on to be served what the channel lists now. Uploads and labels go on behind it and show when you thaw it.",
		Action:   action + "?frozen=true", Verb: "Freeze " + name, KeepURL: shared.ChannelURL(c.OwnerName, c.Name),
	}
	if c.FrozenAt != nil {
		p.Trail, p.Question, p.Verb, p.Action = channelTrail(c, "Thaw"), "Thaw "+name+"?", "Thaw "+name, action+"?frozen=false"
		p.Sentence = "It stands at generation " + shared.Count(*c.FrozenAt) + ". Once thawed it serves all that came since, at once."
	}
	return render(w, r, http.StatusOK, p.Page, confirm.View(p))
}

// freeze freezes a channel at a generation, or thaws it.
func (f *Face) freeze(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Freeze", access.Admin, channelObject)
	if err != nil {
		return err
	}
	c := open.Channel
	notice := shared.Notice{Kind: "ok", Title: c.OwnerName + "/" + c.Name + " serves its newest state again."}
	if r.FormValue("frozen") == "true" {
		c, err = f.registry.FreezeChannel(r.Context(), v.actor, c.OwnerName, c.Name, strings.TrimSpace(r.FormValue("at")))
		if err == nil {
			notice.Title = c.OwnerName + "/" + c.Name + " is frozen at generation " + shared.Count(*c.FrozenAt) + "."
		}
	} else {
		c, err = f.registry.ThawChannel(r.Context(), v.actor, c.OwnerName, c.Name)
	}
	if err != nil {
		return err
	}
	f.say(w, notice)
	return see(w, r, shared.ChannelURL(c.OwnerName, c.Name))
}

// snapshotPage is the form of a snapshot.
func (f *Face) snapshotPage(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Make a snapshot", access.Admin, ownerObject)
	if err != nil {
		return err
	}
	return f.showSnapshot(w, r, http.StatusOK, v, open.Channel, nil)
}

func (f *Face) showSnapshot(w http.ResponseWriter, r *http.Request, status int, v *visit, c registry.Channel, list shared.Problems) error {
	p := snapshot.Page{
		Page: v.frame, Owner: c.OwnerName, Name: c.Name, New: strings.TrimSpace(r.FormValue("name")), At: strings.TrimSpace(r.FormValue("at")),
		Action: shared.SnapshotURL(c.OwnerName, c.Name), Errors: inOrder(list, "name", "at"),
	}
	return render(w, r, status, p.Page, snapshot.View(p))
}

// makeSnapshot makes a snapshot of a channel, beside it.
func (f *Face) makeSnapshot(w http.ResponseWriter, r *http.Request) error {
	v, open, err := f.channelToChange(w, r, "Make a snapshot", access.Admin, ownerObject)
	if err != nil {
		return err
	}
	c := open.Channel
	made, err := f.registry.CreateSnapshot(r.Context(), v.actor, c.OwnerName, registry.NewSnapshot{
		Name: typed(r, "name"), Owner: c.OwnerName, Channel: c.Name, At: typed(r, "at"),
	})
	if err != nil {
		list, status, ok := problems(err, nil)
		if !ok || errs.Is(err, errs.Forbidden) {
			return err
		}
		return f.showSnapshot(w, r, status, v, c, list)
	}
	f.say(w, shared.Notice{Kind: "ok", Title: made.OwnerName + "/" + made.Name + " shows generation " + shared.Count(made.Generation) + " of " + made.Source + "."})
	return see(w, r, shared.ChannelURL(made.OwnerName, made.Name))
}
