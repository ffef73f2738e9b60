package ui

import (
	"cmp"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/web"
)

// sessionCookie gives the secret of the browser's session, or "".
func (f *Face) sessionCookie(r *http.Request) string { return cookieValue(r, f.opts.CookieName) }

// signedIn reports whether a person asks. It needs no database, so that who is
// only sent on costs nothing, and keeps what say left for the next page.
func signedIn(r *http.Request) bool {
	caller := web.CallerOf(r)
	return caller.Err == nil && caller.Actor.Kind == access.KindPerson
}

// begin signs the browser in with a new session; one that it had before ends, so
// that nobody can hand somebody a session beforehand.
func (f *Face) begin(w http.ResponseWriter, r *http.Request, u account.User, keep bool) error {
	caller := web.CallerOf(r)
	from := requestOf(r)
	cookie, expires, err := f.accounts.CreateSession(r.Context(), u, from, keep)
	if err != nil {
		return err
	}
	if old := f.sessionCookie(r); old != "" {
		if err := f.accounts.EndSession(r.Context(), caller.Actor, old); err != nil {
			return err
		}
	}
	var age time.Duration // ends with the browser
	if keep {
		age = expires.Sub(f.opts.Now())
	}
	f.setCookie(w, f.opts.CookieName, cookie, age, true)
	return nil
}

// end signs the browser out.
func (f *Face) end(w http.ResponseWriter, r *http.Request) error {
	if cookie := f.sessionCookie(r); cookie != "" {
		if err := f.accounts.EndSession(r.Context(), web.CallerOf(r).Actor, cookie); err != nil {
			return err
		}
	}
	f.setCookie(w, f.opts.CookieName, "", -1, true)
	return nil
}

// signOut ends the session.
func (f *Face) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := f.end(w, r); err != nil {
		return err
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return see(w, r, "/")
}

// viewAs chooses the owner that Dashboard, Add a package and Settings refer to.
func (f *Face) viewAs(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, err := f.person(w, r, "")
	if err != nil {
		return err
	}
	name := r.PostFormValue("owner")
	org, member := v.organization(name)
	if !member {
		name = v.actor.Name
	}
	if v.actor.Credential == "session" {
		values := map[string]string{}
		for key, value := range v.values {
			values[key] = value
		}
		values[valueView] = name
		if err := f.accounts.SetSessionValues(r.Context(), f.sessionCookie(r), values); err != nil {
			return err
		}
	}
	return see(w, r, sibling(cmp.Or(localPath(r.PostFormValue("next")), "/dashboard"), name, member && org.Role.Administers()))
}

// setTheme keeps whether pages are light or dark.
func (f *Face) setTheme(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	switch theme := r.PostFormValue("theme"); theme {
	case "light", "dark":
		f.setCookie(w, themeCookie, theme, year, false)
	default:
		f.setCookie(w, themeCookie, "", -1, false)
	}
	return see(w, r, cmp.Or(localPath(r.PostFormValue("next")), "/"))
}

// setKeys switches the shortcuts of single keys on or off.
func (f *Face) setKeys(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	if r.PostFormValue("keys") == "off" {
		f.setCookie(w, keysCookie, "off", year, false)
	} else {
		f.setCookie(w, keysCookie, "", -1, false)
	}
	return see(w, r, cmp.Or(localPath(r.PostFormValue("next")), "/help#keyboard"))
}

// setTool keeps the program that commands are shown for.
func (f *Face) setTool(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	f.setCookie(w, toolCookie, r.PostFormValue("tool"), year, false)
	return see(w, r, cmp.Or(localPath(r.PostFormValue("next")), "/"))
}

const year = 365 * 24 * time.Hour
