package ui

import (
	"net/http"

	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/forgot"
	"terrarium/internal/ui/pages/reset"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// forgotPage shows one of the two forms.
func (f *Face) forgotPage(password bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := f.visit(w, r, forgotTitle(password))
		if err != nil {
			return err
		}
		return render(w, r, http.StatusOK, v.frame, forgot.View(forgot.Page{Page: v.frame, Password: password}))
	}
}

func forgotTitle(password bool) string {
	if password {
		return "Forgotten password"
	}
	return "Forgotten username"
}

// forgot mails what was forgotten. The answer is the same whether the address has
// an account or not.
func (f *Face) forgot(password bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := form(w, r); err != nil {
			return err
		}
		v, err := f.visit(w, r, forgotTitle(password))
		if err != nil {
			return err
		}
		p := forgot.Page{Page: v.frame, Password: password}
		field, ask := "email", f.accounts.ForgotUsername
		empty := "Type your e-mail address."
		if password {
			field, ask, empty = "who", f.accounts.ForgotPassword, "Type your e-mail address or username."
		}
		p.Value = typed(r, field)
		status := http.StatusOK
		if p.Value == "" {
			p.Errors, status = shared.Problems{{Field: field, Text: empty}}, http.StatusUnprocessableEntity
		} else if err := ask(r.Context(), v.actor, p.Value); err != nil {
			list, code, ok := problems(err, map[string]string{"email": field, "name": field})
			if !ok {
				return err
			}
			waitFor(w, err)
			p.Errors, status = list, code
		} else {
			p.Sent, p.Value = true, ""
		}
		return render(w, r, status, v.frame, forgot.View(p))
	}
}

// resetPage shows the form behind a mailed link, or why the link is dead.
func (f *Face) resetPage(w http.ResponseWriter, r *http.Request) error {
	code := web.Param(r, "code")
	p := reset.Page{Page: f.frame(r, "New password"), Code: code, Minimum: minimumPassword}
	status := http.StatusOK
	if err := f.accounts.CheckReset(r.Context(), code); err != nil {
		if p.Dead = dead(err); p.Dead == "" {
			return err
		}
		status = web.Status(err)
	}
	p.Page.NoIndex = true
	return renderSecret(w, r, status, reset.View(p))
}

// dead gives the sentence of a link that does not work, or "" for other errors.
func dead(err error) string {
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Gone) {
		return errs.Message(err)
	}
	return ""
}

// reset sets the new password. Every session has ended then, this browser's too.
func (f *Face) reset(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	p := reset.Page{Page: f.frame(r, "New password"), Code: web.Param(r, "code"), Minimum: minimumPassword}
	p.Page.NoIndex = true
	u, err := f.accounts.ResetPassword(r.Context(), web.CallerOf(r).Actor, p.Code, r.PostFormValue("password"), r.PostFormValue("password2"))
	if err != nil {
		if p.Dead = dead(err); p.Dead != "" {
			return renderSecret(w, r, web.Status(err), reset.View(p))
		}
		list, status, ok := problems(err, nil)
		if !ok {
			return err
		}
		p.Errors = inOrder(list, "password", "password2")
		return renderSecret(w, r, status, reset.View(p))
	}
	f.setCookie(w, f.opts.CookieName, "", -1, true)
	f.say(w, shared.Notice{Kind: "ok", Title: "Your password is set.", Text: "Sign in as " + u.Name + "."})
	return see(w, r, "/login")
}
