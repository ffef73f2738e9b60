package ui

import (
	"net/http"

	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/verify"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// verifyPage shows what a mailed link would verify. Mail programs open links, so
// opening it changes nothing.
func (f *Face) verifyPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "Verify your e-mail")
	if err != nil {
		return err
	}
	p := verify.Page{Page: v.frame, Code: web.Param(r, "code")}
	p.Page.NoIndex = true
	status := http.StatusOK
	if p.Email, err = f.accounts.CheckVerify(r.Context(), p.Code); err != nil {
		if p.Dead = dead(err); p.Dead == "" {
			return err
		}
		status = web.Status(err)
	}
	return renderSecret(w, r, status, verify.View(p))
}

// verify believes the address.
func (f *Face) verify(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "Verify your e-mail")
	if err != nil {
		return err
	}
	p := verify.Page{Page: v.frame}
	p.Page.NoIndex = true
	status := http.StatusOK
	u, err := f.accounts.VerifyEmail(r.Context(), v.actor, web.Param(r, "code"))
	if err != nil {
		if p.Dead = dead(err); p.Dead == "" {
			return err
		}
		status = web.Status(err)
	}
	p.Done, p.Email = err == nil, u.Email
	return renderSecret(w, r, status, verify.View(p))
}

// verifyAgain mails the link that verifies the address again.
func (f *Face) verifyAgain(w http.ResponseWriter, r *http.Request) error {
	v, err := f.person(w, r, "")
	if err != nil {
		return err
	}
	switch err := f.accounts.ResendVerification(r.Context(), v.actor); {
	case err == nil:
		f.say(w, shared.Notice{Kind: "ok", Title: "A mail with a new link is on its way.", Text: "Earlier links do not work any more."})
	case errs.Is(err, errs.Internal), errs.Is(err, errs.Unavailable):
		return err
	default:
		f.say(w, shared.Notice{Kind: "warn", Title: errs.Message(err)})
	}
	return see(w, r, "/dashboard")
}
