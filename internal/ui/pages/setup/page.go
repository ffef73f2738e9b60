// Package setup is the page that makes the operator of a new instance, and shows
// what the instance is set to before people depend on it.
package setup

import "terrarium/internal/ui/shared"

// Page is the form, and the one that tries the mail.
type Page struct {
	shared.Page
	Code     string
	Facts    []Fact
	Mismatch string // how the request's address differs from the public one; may be empty
	Username string
	Email    string
	Minimum  int
	Errors   shared.Problems

	MailTo    string         // the address of the test mail
	MailError string         // what is wrong with it
	MailSaid  *shared.Notice // what became of the test mail; nil: none was sent
}

// Fact is a setting.
type Fact struct {
	Name   string // "Public address"
	Value  string
	Words  string // what the value means; may be empty
	Source string // where it comes from and how to change it, in words
}
