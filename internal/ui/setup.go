package ui

import (
	"net/http"

	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/setup"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// setupPage shows the form that makes the first operator.
func (f *Face) setupPage(w http.ResponseWriter, r *http.Request) error {
	code := web.Param(r, "code")
	if err := f.accounts.CheckSetup(r.Context(), code); err != nil {
		return err
	}
	return f.showSetup(w, r, http.StatusOK, setup.Page{Page: f.frame(r, "Set up"), Code: code})
}

func (f *Face) showSetup(w http.ResponseWriter, r *http.Request, status int, p setup.Page) error {
	p.Page.NoIndex, p.Minimum, p.Address, p.MailTo = true, minimumPassword, f.opts.URL, "sent by a mail server"
	if f.opts.MailFolder != "" {
		p.MailTo = "written into the folder " + f.opts.MailFolder
	}
	if host := f.site.Host(); host != r.Host {
		p.Mismatch = "This page was asked for at " + r.Host + ", but the public address is " + host + ". Links in mail lead there; set --url if it is wrong."
	}
	return renderSecret(w, r, status, setup.View(p))
}

// setup makes the operator and signs in.
func (f *Face) setup(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	p := setup.Page{Page: f.frame(r, "Set up"), Code: web.Param(r, "code"), Username: typed(r, "username"), Email: typed(r, "email")}
	u, err := f.accounts.CreateOperator(r.Context(), web.CallerOf(r).Actor, p.Code, account.SignUp{
		Name: p.Username, Email: p.Email, Password: r.PostFormValue("password"), Password2: r.PostFormValue("password2"), Terms: true, TermsVersion: termsVersion,
	})
	if err != nil {
		list, status, ok := problems(err, map[string]string{"name": "username"})
		if !ok || errs.Is(err, errs.NotFound) {
			return err
		}
		p.Errors = inOrder(list, "username", "email", "password", "password2")
		return f.showSetup(w, r, status, p)
	}
	if err := f.begin(w, r, u, false); err != nil {
		return err
	}
	f.say(w, shared.Notice{Kind: "ok", Title: f.opts.InstanceName + " is set up.", Text: "You are signed in as its operator."})
	return see(w, r, "/dashboard")
}
