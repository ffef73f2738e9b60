package ui

import (
	"net/http"
	"slices"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// The cookies of the pages beside that of the session; none holds a secret.
const (
	themeCookie  = "theme"
	toolCookie   = "tool"
	keysCookie   = "keys"
	noticeCookie = "notice"
)

// valueView is where a session keeps the owner that one works as.
const valueView = "view"

// visit is one request for a page: who asks, and the frame around the answer.
type visit struct {
	actor  access.Actor
	orgs   []account.Organization // that the actor belongs to
	frame  shared.Page
	values map[string]string // of the session
}

// visit finds out who asks and draws the frame. A bad Authorization header is
// the error; an old session is simply nobody.
func (f *Face) visit(w http.ResponseWriter, r *http.Request, title string) (*visit, error) {
	caller := web.CallerOf(r)
	if caller.Err != nil {
		return nil, caller.Err
	}
	v := &visit{actor: caller.Actor, frame: f.frame(r, title)}
	v.frame.Notices = f.takeNotice(w, r)
	if v.actor.Kind != access.KindPerson {
		return v, nil
	}
	if v.actor.Credential == "session" {
		values, err := f.accounts.SessionValues(r.Context(), f.sessionCookie(r))
		if err != nil {
			return nil, err
		}
		v.values = values
	}
	if len(v.actor.Roles) > 0 {
		orgs, err := f.accounts.MyOrganizations(r.Context(), v.actor)
		if err != nil {
			return nil, err
		}
		v.orgs = orgs
	}
	me := shared.Owner{Name: v.actor.Name}
	choices := []shared.Owner{me}
	view := me
	for _, o := range v.orgs {
		choice := shared.Owner{Name: o.Name, Organization: true, Role: string(o.Role)}
		choices = append(choices, choice)
		if o.Name == v.values[valueView] {
			view = choice
		}
	}
	v.frame.Viewer = &shared.Viewer{Name: me.Name, View: view, Choices: choices}
	return v, nil
}

// person is visit for pages that need somebody to be signed in.
func (f *Face) person(w http.ResponseWriter, r *http.Request, title string) (*visit, error) {
	v, err := f.visit(w, r, title)
	if err != nil {
		return nil, err
	}
	if v.actor.Kind != access.KindPerson {
		return nil, errs.New(errs.Unauthenticated, "Sign in to see this page.").Because("sign-in")
	}
	return v, nil
}

// organization gives one of the actor's organisations by name.
func (v *visit) organization(name string) (account.Organization, bool) {
	i := slices.IndexFunc(v.orgs, func(o account.Organization) bool { return o.Name == name })
	if i < 0 {
		return account.Organization{}, false
	}
	return v.orgs[i], true
}

// administers reports whether the actor may change the settings of an owner.
func (v *visit) administers(o account.Owner) bool {
	return access.Can(v.actor, access.Admin, o.Object()).Allowed
}

// frame draws the frame for nobody in particular; it needs no database.
func (f *Face) frame(r *http.Request, title string) shared.Page {
	return shared.Page{
		Site: f.site, Now: f.opts.Now(), Title: title, Path: r.URL.RequestURI(),
		Theme: cookieValue(r, themeCookie), KeysOff: cookieValue(r, keysCookie) == "off",
	}
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// tool is the program that the visitor installs with.
func tool(r *http.Request) string {
	if t := cookieValue(r, toolCookie); slices.Contains(shared.ToolNames(), t) {
		return t
	}
	return "conda"
}

// partial reports whether a script asks for a part of the page alone.
func partial(r *http.Request) bool {
	return r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Request-Type") != "full" && r.Header.Get("HX-History-Restore-Request") == ""
}

// localPath gives an address on this server to go to, or "" for any other. What
// a browser takes for another host is none: "//host", "/\host".
func localPath(next string) string {
	if !strings.HasPrefix(next, "/") || len(next) > 1 && (next[1] == '/' || next[1] == '\\') || strings.ContainsAny(next, "\r\n\t\\") {
		return ""
	}
	return next
}
