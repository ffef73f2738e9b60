package ui

import (
	"cmp"
	"net/http"
	"net/url"

	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/signin"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// minimumPassword is what the pages say of passwords; the rule itself is of
// package account.
const minimumPassword = 7

// signInPage shows the form, unless somebody is signed in already.
func (f *Face) signInPage(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if signedIn(r) {
		return see(w, r, cmp.Or(next, "/dashboard"))
	}
	v, err := f.visit(w, r, "Sign in")
	if err != nil {
		return err
	}
	return f.showSignIn(w, r, http.StatusOK, signin.Page{Page: v.frame, Next: next, Username: r.URL.Query().Get("username")})
}

func (f *Face) showSignIn(w http.ResponseWriter, r *http.Request, status int, p signin.Page) error {
	p.Page.NoIndex = true
	p.Minimum = minimumPassword
	return render(w, r, status, p.Page, signin.View(p))
}

// signIn opens a session and goes where one came from.
func (f *Face) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	caller := web.CallerOf(r)
	p := signin.Page{
		Page: f.frame(r, "Sign in"), Next: localPath(r.PostFormValue("next")),
		Username: typed(r, "username"), Keep: r.PostFormValue("keep") != "",
	}
	password := r.PostFormValue("password")
	if p.Username == "" || password == "" {
		for field, sentence := range map[string]string{"username": "Type your username or e-mail address.", "password": "Type your password."} {
			if r.PostFormValue(field) == "" {
				p.Errors = append(p.Errors, shared.Problem{Field: field, Text: sentence})
			}
		}
		p.Errors = inOrder(p.Errors, "username", "password")
		return f.showSignIn(w, r, http.StatusUnprocessableEntity, p)
	}
	u, err := f.accounts.SignIn(r.Context(), caller.Actor, p.Username, password)
	if errs.Reason(err) == "account-deleted" {
		return f.offerKeeping(w, r, u)
	}
	if err != nil {
		list, status, ok := problems(err, nil)
		if !ok {
			return err
		}
		waitFor(w, err)
		p.Errors = list
		return f.showSignIn(w, r, status, p)
	}
	if err := f.begin(w, r, u, p.Keep); err != nil {
		return err
	}
	return see(w, r, cmp.Or(p.Next, "/dashboard"))
}

// signInPath leads to the sign-in page and back.
func signInPath(next string) string {
	if next = localPath(next); next == "" || next == "/" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(next)
}

// unknown reports whether a refusal asks the visitor to sign in.
func unknown(err error) bool { return errs.Is(err, errs.Unauthenticated) }
