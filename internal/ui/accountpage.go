package ui

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	accounts "terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/confirm"
	"terrarium/internal/ui/pages/keep"
	"terrarium/internal/ui/pages/settings/account"
	"terrarium/internal/ui/pages/signin"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// accountPage shows the address of an account, or of an organisation to its
// administrators, and leads to its end.
func (f *Face) accountPage(w http.ResponseWriter, r *http.Request) error {
	v, o, shown, err := f.settingsOf(w, r, "Account")
	if err != nil {
		return err
	}
	p := account.Page{Head: settingsHead(v, shown, "Account"), Page: v.frame, Since: o.CreatedAt}
	if !shown.Organization {
		u, err := f.accounts.User(r.Context(), v.actor, v.actor.Name)
		if err != nil {
			return err
		}
		p.Email, p.Verified = u.Email, u.EmailVerifiedAt != nil
		if !p.Verified {
			p.VerifyURL = "/verify"
		}
		p.DeleteURL = "/settings/account/delete"
	} else if access.Role(shown.Role) == access.RoleOwner {
		p.DeleteURL = r.URL.Path + "/delete"
	}
	return render(w, r, http.StatusOK, p.Page, account.View(p))
}

// deleteAccountPage shows what goes with the account, or the organisation, and what
// blocks that.
func (f *Face) deleteAccountPage(w http.ResponseWriter, r *http.Request) error {
	v, d, err := f.ownerToDelete(w, r)
	if err != nil {
		return err
	}
	p, err := f.askOwner(r, v, d)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, v.frame, confirm.View(p))
}

func (f *Face) ownerToDelete(w http.ResponseWriter, r *http.Request) (*visit, accounts.Deletion, error) {
	v, o, _, err := f.settingsOf(w, r, "Delete")
	if err != nil {
		return nil, accounts.Deletion{}, err
	}
	d, err := f.accounts.Deletion(r.Context(), v.actor, o.Name)
	if err != nil {
		return nil, d, err
	}
	if d.Kind == access.Organization && v.actor.Roles[d.ID] != access.RoleOwner {
		return nil, d, errs.New(errs.Forbidden, "Only an owner of %s can delete it.", d.Name)
	}
	return v, d, nil
}

func (f *Face) askOwner(r *http.Request, v *visit, d accounts.Deletion) (confirm.Page, error) {
	held, err := f.registry.Holdings(r.Context(), d.ID)
	if err != nil {
		return confirm.Page{}, err
	}
	base := strings.TrimSuffix(r.URL.Path, "/delete")
	p := confirm.Page{
		Page: v.frame, Trail: []shared.Link{{Text: d.Name, Href: shared.OwnerURL(d.Name)}, {Text: "Account", Href: base}, {Text: "Delete"}},
		Question: "Delete " + d.Name + "?",
		Ends: []string{
			shared.Of(held.Packages, "package") + " with " + shared.Of(held.Files, "file") + " and all channels: gone for everybody at once, pages, indexes and downloads.",
			shared.Of(held.Downloads, "download") + " in the last 30 days: who depends on them is left without.",
		},
		Action: r.URL.Path, Verb: "Delete " + d.Name, KeepURL: base,
	}
	last := "Until " + dayOf(d.ErasedFrom) + " it can be undone"
	if d.Kind == access.Organization {
		p.Sentence, p.Typed = last+", by each of its owners under Settings, Organizations. Then everything is erased for good; the name stays reserved until "+dayOf(d.NameFrom)+".", d.Name
		p.Ends = append(p.Ends, "Its members, groups and tokens: they open nothing any more.")
		return p, nil
	}
	p.Sentence, p.Password = last+": sign in again and keep the account. Then everything is erased for good; the name stays reserved until "+dayOf(d.NameFrom)+".", true
	p.Ends = append(p.Ends, "All your sessions end, your tokens open nothing, and your places in organisations and groups count no more.")
	if len(d.Blocking) > 0 {
		p.Blocked = "First make somebody else owner of these organisations, or delete them: you are their only owner."
		for _, name := range d.Blocking {
			p.Blocking = append(p.Blocking, shared.Link{Text: name, Href: "/organization/" + name + "/settings/account"})
		}
	}
	return p, nil
}

// deleteAccount deletes the account, which ends the session, or the organisation.
func (f *Face) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, d, err := f.ownerToDelete(w, r)
	if err != nil {
		return err
	}
	person := d.Kind == access.User
	var gone accounts.Deletion
	if person {
		gone, err = f.accounts.DeleteAccount(r.Context(), v.actor, r.PostFormValue("password"))
	} else {
		gone, err = f.accounts.DeleteOwner(r.Context(), v.actor, d.Name, typed(r, "typed"))
	}
	if err != nil {
		list, status, ok := problems(err, map[string]string{"confirm": "typed"})
		if !ok {
			return err
		}
		waitFor(w, err)
		p, err := f.askOwner(r, v, d)
		if err != nil {
			return err
		}
		p.Errors = inOrder(list, "typed", "password")
		return render(w, r, status, v.frame, confirm.View(p))
	}
	said := shared.Notice{Kind: "ok", Title: gone.Name + " is deleted.", Text: "It is erased on " + dayOf(gone.ErasedFrom) + "."}
	if person {
		f.setCookie(w, f.opts.CookieName, "", -1, true)
		w.Header().Set("Clear-Site-Data", `"cache"`)
		said.Text += " To keep it, sign in before then."
		f.say(w, said)
		return see(w, r, "/login")
	}
	said.Text += " Until then you can undo it here."
	f.say(w, said)
	return see(w, r, "/settings/organizations")
}

// dayOf writes a day out, for sentences.
func dayOf(t time.Time) string { return t.UTC().Format("2 January 2006") }

// undoDelete brings an organisation back.
func (f *Face) undoDelete(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, err := f.person(w, r, "")
	if err != nil {
		return err
	}
	o, err := f.accounts.RestoreOwner(r.Context(), v.actor, typed(r, "name"))
	if err != nil && errs.Reason(err) != "not-deleted" { // pressed twice
		return err
	}
	f.say(w, shared.Notice{Kind: "ok", Title: o.Name + " is back.", Text: "Everything is as it was."})
	return see(w, r, "/settings/organizations")
}

// offerKeeping leads somebody who has shown the password of a deleted account to the
// page on which it can be kept.
func (f *Face) offerKeeping(w http.ResponseWriter, r *http.Request, u accounts.User) error {
	cookie, err := f.accounts.BeginKeeping(r.Context(), u, requestOf(r))
	if err != nil {
		return err
	}
	f.setCookie(w, f.keepCookie(), cookie, 0, true)
	return see(w, r, "/login/keep")
}

// requestOf says where a request comes from.
func requestOf(r *http.Request) access.Request {
	return access.Request{Remote: web.RemoteOf(r), Agent: r.UserAgent(), RequestID: web.EventOf(r).ID}
}

// keepCookie is the cookie of that page; that of a session it is not, for nobody is
// signed in.
func (f *Face) keepCookie() string { return f.opts.CookieName + "-keep" }

// keepPage says when the account is erased.
func (f *Face) keepPage(w http.ResponseWriter, r *http.Request) error {
	if signedIn(r) {
		return see(w, r, "/dashboard")
	}
	d, err := f.accounts.Keeping(r.Context(), cookieValue(r, f.keepCookie()))
	if errs.Is(err, errs.NotFound) {
		return f.nothingKept(w, r, err)
	}
	if err != nil {
		return err
	}
	p := keep.Page{Page: f.frame(r, d.Name+" was deleted"), Name: d.Name, Deleted: *d.DeletedAt, Erased: d.ErasedFrom, Action: r.URL.Path}
	p.Page.NoIndex = true
	return renderSecret(w, r, http.StatusOK, keep.View(p))
}

// nothingKept shows the sign-in page to somebody for whom no account can be kept, or
// not any more.
func (f *Face) nothingKept(w http.ResponseWriter, r *http.Request, err error) error {
	return f.showSignIn(w, r, http.StatusNotFound, signin.Page{Page: f.frame(r, "Sign in"), Errors: shared.Problems{{Text: errs.Message(err)}}})
}

// keepAccount undoes the deletion and signs in.
func (f *Face) keepAccount(w http.ResponseWriter, r *http.Request) error {
	u, err := f.accounts.Keep(r.Context(), access.Anonymous("").From(requestOf(r)), cookieValue(r, f.keepCookie()))
	if errs.Is(err, errs.NotFound) {
		return f.nothingKept(w, r, err)
	}
	if err != nil {
		return err
	}
	f.setCookie(w, f.keepCookie(), "", -1, true)
	if err := f.begin(w, r, u, false); err != nil {
		return err
	}
	f.say(w, shared.Notice{Kind: "ok", Title: "Your account is kept.", Text: "Everything is as it was."})
	return see(w, r, "/dashboard")
}
