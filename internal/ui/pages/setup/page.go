// Package setup is the page that makes the operator of a new instance.
package setup

import "terrarium/internal/ui/shared"

// Page is the form.
type Page struct {
	shared.Page
	Code     string
	Address  string // the public address that is configured
	Mismatch string // how the request's address differs from it; may be empty
	Username string
	Email    string
	SignUps  []shared.Option // the rules of sign-up
	Minimum  int
	MailTo   string // where mail goes, in words
	Errors   shared.Problems
}
