package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/signin"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// signUpPage shows the form, or how to get in where it is closed.
func (f *Face) signUpPage(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if signedIn(r) {
		return see(w, r, cmp.Or(next, "/dashboard"))
	}
	v, err := f.visit(w, r, "Sign up")
	if err != nil {
		return err
	}
	return f.showSignUp(w, r, http.StatusOK, r.URL.Query().Get("invite"), signin.Page{Page: v.frame, Next: next})
}

// showSignUp draws the form. The code of an invitation stays in the address that
// the form is sent to.
func (f *Face) showSignUp(w http.ResponseWriter, r *http.Request, status int, invite string, p signin.Page) error {
	p.SignUp, p.Minimum, p.TermsOf, p.MailTo = true, minimumPassword, termsVersion, f.opts.MailFolder
	p.Invite = invite
	p.Page.NoIndex = true
	if invite == "" {
		p.Closed = f.closed()
	}
	if invite != "" {
		return renderSecret(w, r, status, signin.View(p))
	}
	return render(w, r, status, p.Page, signin.View(p))
}

// closed says how to get in where sign-up is not open to everybody, or "".
func (f *Face) closed() string {
	ask := "Ask who runs " + f.opts.InstanceName + "."
	if f.opts.Support != "" {
		ask = "Write to " + f.opts.Support + "."
	}
	switch rule, _, _ := strings.Cut(f.opts.Signup, ":"); rule {
	case "invite":
		return "Accounts on " + f.opts.InstanceName + " are made by invitation. " + ask
	case "closed":
		return "Accounts on " + f.opts.InstanceName + " are made by those who run it. " + ask
	default:
		return ""
	}
}

// signUp makes the account, signs in and shows the Dashboard.
func (f *Face) signUp(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	p := signin.Page{
		Page: f.frame(r, "Sign up"), Next: localPath(r.PostFormValue("next")),
		Username: typed(r, "username"), Email: typed(r, "email"), Terms: r.PostFormValue("terms") != "",
	}
	invite := r.PostFormValue("invite")
	u, err := f.accounts.SignUp(r.Context(), web.CallerOf(r).Actor, account.SignUp{
		Name: p.Username, Email: p.Email, Password: r.PostFormValue("password"), Password2: r.PostFormValue("password2"),
		Terms: p.Terms, TermsVersion: termsVersion, Invite: invite,
	})
	if err != nil {
		list, status, ok := problems(err, map[string]string{"name": "username"})
		if sentence := dead(err); sentence != "" { // the invitation
			list, status, ok = shared.Problems{{Text: sentence}}, http.StatusUnprocessableEntity, true
		}
		if !ok {
			return err
		}
		waitFor(w, err)
		for i := range list {
			switch list[i].Field {
			case "password2":
				list[i].Summary = "The passwords differ"
			case "terms":
				list[i].Summary = "the Terms are not accepted"
			}
		}
		p.Errors = inOrder(list, "username", "email", "password", "password2", "terms")
		if p.Username != "" && p.Errors.On("username") == "" && f.accounts.CheckName(r.Context(), p.Username) == nil {
			p.Free = f.free(p.Username)
		}
		return f.showSignUp(w, r, status, invite, p)
	}
	if err := f.begin(w, r, u, false); err != nil {
		return err
	}
	text := "You are signed in as " + u.Name + "."
	if u.EmailVerifiedAt == nil {
		text += " A mail with a link to verify your address is on its way."
	}
	f.say(w, shared.Notice{Kind: "ok", Title: "Your account is made.", Text: text})
	return see(w, r, cmp.Or(p.Next, "/dashboard"))
}

// checkUsername answers the check of the field on leaving it.
func (f *Face) checkUsername(w http.ResponseWriter, r *http.Request) error {
	p := signin.Page{Page: f.frame(r, "Sign up"), SignUp: true, Username: strings.TrimSpace(r.URL.Query().Get("username"))}
	if p.Username != "" {
		err := f.accounts.CheckName(r.Context(), p.Username)
		switch {
		case err == nil:
			p.Free = f.free(p.Username)
		case errs.Is(err, errs.Invalid), errs.Is(err, errs.Exists):
			p.Errors = shared.Problems{{Field: "username", Text: errs.Message(err)}}
		default:
			return err
		}
	}
	return write(w, r, http.StatusOK, "no-store", p.FieldNote(p.UsernameField()))
}

// free says what is good about a name that nobody has.
func (f *Face) free(name string) string {
	return "Free. Your packages will live at " + f.site.Host() + "/" + url.PathEscape(strings.ToLower(name))
}
