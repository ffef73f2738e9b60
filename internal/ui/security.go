package ui

import (
	"net/http"
	"strings"

	accounts "terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/settings/security"
	"terrarium/internal/ui/shared"
)

// securityPage shows the password's form and the sessions.
func (f *Face) securityPage(w http.ResponseWriter, r *http.Request) error {
	v, _, shown, err := f.settingsOf(w, r, "Security")
	if err != nil {
		return err
	}
	return f.showSecurity(w, r, http.StatusOK, v, shown, nil)
}

func (f *Face) showSecurity(w http.ResponseWriter, r *http.Request, status int, v *visit, shown shared.Owner, wrong shared.Problems) error {
	sessions, err := f.accounts.Sessions(r.Context(), v.actor, f.sessionCookie(r))
	if err != nil {
		return err
	}
	p := security.Page{Head: settingsHead(v, shown, "Security"), Page: v.frame, Minimum: minimumPassword, Errors: wrong}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, session(s))
	}
	return render(w, r, status, p.Page, security.View(p))
}

func session(s accounts.Session) security.Session {
	return security.Session{ID: s.ID, Client: client(s.Agent), Place: s.Remote, Started: s.CreatedAt, Used: s.LastUsedAt, Here: s.Current}
}

// client says in two words what a User-Agent header says in twenty.
func client(agent string) string {
	find := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	browser := find("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chromium/", "Chromium", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("Windows", "Windows", "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Mac OS", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	case agent == "":
		return "Unknown program"
	}
	name, _, _ := strings.Cut(agent, " ")
	return name[:min(len(name), 60)]
}

// changePassword sets another password and ends all other sessions.
func (f *Face) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, _, shown, err := f.settingsOf(w, r, "Security")
	if err != nil {
		return err
	}
	err = f.accounts.ChangePassword(r.Context(), v.actor, r.PostFormValue("old"), r.PostFormValue("password"), r.PostFormValue("password2"), f.sessionCookie(r))
	if err != nil {
		list, status, ok := problems(err, nil)
		if !ok {
			return err
		}
		waitFor(w, err)
		return f.showSecurity(w, r, status, v, shown, inOrder(list, "old", "password", "password2"))
	}
	f.say(w, shared.Notice{Kind: "ok", Title: "Your password is changed.", Text: "All other sessions have ended. Tokens stay."})
	return see(w, r, "/settings/security")
}

// endSessions ends one session, or all but this one.
func (f *Face) endSessions(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, err := f.person(w, r, "")
	if err != nil {
		return err
	}
	said := "The session has ended."
	switch id := r.PostFormValue("end"); id {
	case "others":
		said = "All other sessions have ended."
		err = f.accounts.RevokeSessions(r.Context(), v.actor, f.sessionCookie(r))
	default:
		err = f.accounts.RevokeSession(r.Context(), v.actor, id)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	f.say(w, shared.Notice{Kind: "ok", Title: said})
	return see(w, r, "/settings/security")
}
