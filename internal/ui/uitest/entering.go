package uitest

import (
	"time"

	"terrarium/internal/ui/pages/forgot"
	"terrarium/internal/ui/pages/keep"
	"terrarium/internal/ui/pages/reset"
	"terrarium/internal/ui/pages/setup"
	"terrarium/internal/ui/pages/signin"
	"terrarium/internal/ui/pages/verify"
	"terrarium/internal/ui/shared"
)

// entering are the pages for people without a session.
func (f frames) entering() []Case {
	up := signin.Page{Page: f.anonymous("Sign up", "/signup"), SignUp: true, Minimum: 7, TermsOf: "1 October 2026", Academic: true, SSO: shared.Link{Text: "Acme single sign-on", Href: "/sso/acme"}}
	wrong := up
	wrong.Username, wrong.Email, wrong.Free = "ana-geo", "ana@uni.example", "Free. Your packages will live at conda.acme.example/ana-geo"
	wrong.Errors = shared.Problems{
		{Field: "password2", Summary: "The passwords differ", Text: "This differs from the first one. Type it again."},
		{Field: "terms", Summary: "the Terms are not accepted", Text: "Read and accept the Terms to continue."},
	}
	closed := signin.Page{Page: f.anonymous("Sign up", "/signup"), SignUp: true, Closed: "Accounts are made by the administrators of Acme. Write to conda-help@acme.example."}
	in := signin.Page{Page: f.anonymous("Sign in", "/login"), Next: "/acme/rasterio"}
	no := in
	no.Username = "ana"
	no.Errors = shared.Problems{{Text: "Username or password is wrong."}}
	name := forgot.Page{Page: f.anonymous("I forgot my username", "/forgot/username")}
	password := forgot.Page{Page: f.anonymous("I forgot my password", "/forgot/password"), Password: true}
	sent := password
	sent.Sent = true
	noMail := name
	noMail.NoMail = true
	bad := name
	bad.Value, bad.Errors = "ana", shared.Problems{{Field: "email", Text: "This is no e-mail address."}}
	fresh := reset.Page{Page: f.anonymous("New password", "/reset/c0de"), Code: "c0de", Minimum: 7}
	short := fresh
	short.Errors = shared.Problems{{Field: "password", Text: "Use at least 7 characters."}}
	dead := fresh
	dead.Dead = "This link was used already. Each works once."
	first := setup.Page{Page: f.anonymous("Set up this server", "/setup/c0de"), Code: "c0de", Minimum: 7, Facts: []setup.Fact{
		{Name: "Name", Value: "Acme", Source: "From TERRARIUM_INSTANCE_NAME in the environment."},
		{Name: "Public address", Value: "https://conda.acme.example", Source: "From the flag --url."},
		{Name: "Sign-up", Value: "open", Words: "everybody who comes", Source: "The default; --signup changes it."},
		{Name: "Mail", Value: "dir:terrarium-data/mail", Words: "not sent, but written into a folder", Source: "The default; --mail changes it."},
	}}
	mismatch := first
	mismatch.Mismatch = "Your browser came by http://127.0.0.1:8080, the server believes to be https://conda.acme.example. Set --url to what people use."
	mismatch.Errors = shared.Problems{{Field: "username", Text: "Type a username."}, {Field: "password", Text: "Use at least 7 characters."}}
	mismatch.MailTo, mismatch.MailSaid = "ola@acme.example", &shared.Notice{Kind: "bad", Title: "The mail server does not answer.", Text: "The cause is in the log of the server."}
	refused := first
	refused.MailTo, refused.MailError = "ola", "This is no e-mail address."
	return []Case{
		{"forgot-username", forgot.View(name)},
		{"forgot-password", forgot.View(password)},
		{"forgot-sent", forgot.View(sent)},
		{"forgot-nomail", forgot.View(noMail)},
		{"forgot-error", forgot.View(bad)},
		{"reset-empty", reset.View(fresh)},
		{"reset-error", reset.View(short)},
		{"reset-dead", reset.View(dead)},
		{"keep-full", keep.View(keep.Page{Page: f.anonymous("ana was deleted", "/login/keep"), Name: "ana", Deleted: ago(2), Erased: Now().Add(5 * 24 * time.Hour), Action: "/login/keep"})},
		{"verify-empty", verify.View(verify.Page{Page: f.anonymous("Verify your e-mail", "/verify/c0de"), Code: "c0de", Email: "ana@acme.example"})},
		{"verify-done", verify.View(verify.Page{Page: f.member("Verify your e-mail", "/verify/c0de", "ana"), Done: true, Email: "ana@acme.example"})},
		{"verify-dead", verify.View(verify.Page{Page: f.anonymous("Verify your e-mail", "/verify/c0de"), Dead: "This link has expired."})},
		{"setup-empty", setup.View(first)},
		{"setup-error", setup.View(mismatch)},
		{"setup-mail", setup.View(refused)},
		{"signup-empty", signin.View(up)},
		{"signup-error", signin.View(wrong)},
		{"signup-closed", signin.View(closed)},
		{"login-empty", signin.View(in)},
		{"login-error", signin.View(no)},
	}
}
