// Package signin is the page with the tabs Sign In and Sign Up.
package signin

import "terrarium/internal/ui/shared"

// Page is one of the two tabs. Passwords are never sent back into it.
type Page struct {
	shared.Page
	SignUp   bool   // which tab is shown
	Next     string // where to go afterwards; a path of this server
	Invite   string // code of an invitation, carried through the form
	Username string // as typed: on Sign In also an e-mail address
	Email    string
	Keep     bool // keep me signed in
	Terms    bool // the Terms are accepted
	TermsOf  string
	Free     string // what is good about the username
	Taken    []string
	Errors   shared.Problems
	Minimum  int    // of characters in a password
	Academic bool   // academic addresses get the academic plan
	Closed   string // how to get in, where sign-up is not open to everybody
	MailTo   string // folder that mail goes to, where none is sent
	// SSO is the single sign-on of the instance; without words there is none.
	SSO shared.Link
}

func (p Page) minimum() string { return shared.Count(p.Minimum) }

func (p Page) query() string {
	if p.Next == "" {
		return ""
	}
	return "?next=" + escape(p.Next)
}

// UsernameField is the field for a new name. Its note is the whole answer to
// the check on leaving the field.
func (p Page) UsernameField() shared.Field {
	f := shared.Field{
		Name: "username", Label: "Username", Value: p.Username, Autocomplete: "username", Plain: true,
		Required: true, MaxLength: 39, Good: p.Free, Error: p.Errors.On("username"), Check: "/signup/username",
		Hint: "Lower-case letters, digits, - and _. It begins the address of everything you publish.",
	}
	return f
}
