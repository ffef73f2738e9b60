// Package tokens is the settings page on tokens for programs.
package tokens

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the list of tokens, the form that makes one, and a new one's value.
type Page struct {
	shared.Page
	Head   shared.SettingsHead
	New    *New // a token that was made just now
	Rows   []Token
	Name   string // as typed
	Scopes []shared.Option
	Ends   []shared.Option // how long it lasts
	Only   string          // packages or channels that it is limited to, as typed
	Action string          // where the forms go
	Errors shared.Problems
}

// New is a token with its value, which is shown this once.
type New struct {
	Name     string
	Value    string
	Commands []string // how to use it
}

// Token is one that exists.
type Token struct {
	ID      string
	Name    string
	Last4   string
	Scopes  string // in few words
	Limited string // what it is limited to; may be empty
	Made    time.Time
	Ends    time.Time // zero: never
	Used    time.Time // zero: never
	UsedBy  string    // address and program of the last use
}

// soon reports whether a token ends within a week.
func soon(now, end time.Time) bool { return end.Sub(now) < 7*24*time.Hour }
