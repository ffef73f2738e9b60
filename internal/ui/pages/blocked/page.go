// Package blocked is the page behind a 451: what a policy blocks, why, and what
// works instead.
package blocked

import "terrarium/internal/ui/shared"

// Page is one blocked file or release.
type Page struct {
	shared.Page
	What      string // "pyarrow 14.0.0"
	Where     string // "acme/prod"
	Sentence  string // why, for laymen
	Command   []string
	Allowed   []Release // up to three
	Facts     []Fact    // policy, rule, finding, file, since when and for whom
	Meaning   []string  // what it means for installed environments and lockfiles
	Asking    *Asking   // nil where nobody can be asked
	Link      string    // the address of this page
	RequestID string
}

// Release is one that may be installed.
type Release struct {
	Version, Href string
	Why           string // "same series, smallest step"
	For           string // "linux-64, Python 3.11"
	State         shared.Badge
}

// Fact is a line of the reason.
type Fact struct {
	Label, Value, Href string
	Badge              shared.Badge
	More               string
	Mono               bool
}

// Asking is the form that asks for an exception.
type Asking struct {
	Sentence string // who answers, and how fast
	Action   string
	Until    []shared.Option
	Reason   string // as typed
	Before   string // how many asked before; may be empty
	Errors   shared.Problems
}
