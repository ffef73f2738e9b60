package ui

import (
	"net/http"
	"strings"

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
	p.Page.NoIndex, p.Minimum, p.Facts = true, minimumPassword, f.facts()
	if host := f.site.Host(); host != r.Host {
		p.Mismatch = "This page was asked for at " + r.Host + ", but the public address is " + host + ". Links in mail lead there; set --url if it is wrong."
	}
	return renderSecret(w, r, status, setup.View(p))
}

// facts are the settings that matter before people come. They are not changed
// here: they come from flags, the environment or a file, and each says from where.
func (f *Face) facts() []setup.Fact {
	facts := []setup.Fact{
		{Name: "Name", Value: f.opts.InstanceName, Source: "instance_name"},
		{Name: "Public address", Value: f.opts.URL, Source: "url"},
		{Name: "Sign-up", Value: f.opts.Signup, Words: signUpWords(f.opts.Signup), Source: "signup"},
		{Name: "Mail", Words: "sent by a mail server", Source: "mail"},
	}
	if folder := f.opts.MailFolder; folder != "" {
		facts[3].Words = "not sent, but written into a folder"
	}
	for i := range facts {
		key := facts[i].Source
		flag := "--" + strings.ReplaceAll(key, "_", "-")
		facts[i].Source = "Set by " + flag + "."
		for _, s := range f.opts.Settings {
			if s.Key != key {
				continue
			}
			facts[i].Value = s.Value
			switch s.Source {
			case "flag":
				facts[i].Source = "From the flag " + flag + "."
			case "environment":
				facts[i].Source = "From TERRARIUM_" + strings.ToUpper(key) + " in the environment."
			case "default":
				facts[i].Source = "The default; " + flag + " changes it."
			default:
				facts[i].Source = "From the " + s.Source + "."
			}
		}
	}
	return facts
}

// signUpWords says what a rule of sign-up means.
func signUpWords(rule string) string {
	switch rule, domains, _ := strings.Cut(rule, ":"); rule {
	case "open":
		return "everybody who comes"
	case "invite":
		return "who is invited"
	case "domain":
		return "addresses of " + domains
	default:
		return "nobody; operators make accounts"
	}
}

// testMail tries the mail, and shows the page again with what became of it.
func (f *Face) testMail(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	p := setup.Page{Page: f.frame(r, "Set up"), Code: web.Param(r, "code"), MailTo: typed(r, "mailto")}
	err := f.accounts.TestMail(r.Context(), web.CallerOf(r).Actor, p.Code, p.MailTo)
	switch {
	case err == nil && f.opts.MailFolder != "":
		p.MailSaid = &shared.Notice{Kind: "ok", Title: "The mail is in the folder " + f.opts.MailFolder + ".", Text: "Nobody gets it there; set --mail to a server to send mail."}
	case err == nil:
		p.MailSaid = &shared.Notice{Kind: "ok", Title: "The mail server took the mail to " + p.MailTo + ".", Text: "Look whether it arrives."}
	case errs.Is(err, errs.Invalid):
		p.MailError = errs.Message(err)
	case errs.Is(err, errs.TooMany):
		waitFor(w, err)
		p.MailSaid = &shared.Notice{Kind: "warn", Title: errs.Message(err)}
	case errs.Is(err, errs.Unavailable):
		p.MailSaid = &shared.Notice{Kind: "bad", Title: errs.Message(err), Text: "The cause is in the log of the server. --mail says where mail goes."}
	default:
		return err
	}
	status := http.StatusOK
	if err != nil {
		status = web.Status(err)
	}
	return f.showSetup(w, r, status, p)
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
