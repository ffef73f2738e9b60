// Package forgot is the page for people who forgot their username or their
// password.
package forgot

import "terrarium/internal/ui/shared"

// Page is one of the two forms, or what is said after it was sent: the same
// whether the address has an account or not.
type Page struct {
	shared.Page
	Password bool   // the password is forgotten, not the username
	Value    string // as typed
	Sent     bool
	Errors   shared.Problems
	NoMail   bool // no mail can be sent: only the operator can help
}

func (p Page) title() string {
	if p.Password {
		return "I forgot my password"
	}
	return "I forgot my username"
}
