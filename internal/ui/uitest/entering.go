package uitest

import (
	"terrarium/internal/ui/pages/signin"
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
	return []Case{
		{"signup-empty", signin.View(up)},
		{"signup-error", signin.View(wrong)},
		{"signup-closed", signin.View(closed)},
		{"login-empty", signin.View(in)},
		{"login-error", signin.View(no)},
	}
}
