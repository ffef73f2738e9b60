// Package refusal is the page that says no: what, why, what now. It needs
// neither a database nor a session.
package refusal

import "terrarium/internal/ui/shared"

// Page is a refusal of any status but 451, which package blocked draws in
// full.
type Page struct {
	shared.Page
	Status    int
	Heading   string   // one sentence: what was refused
	Sentence  string   // why, or what to do
	Reasons   []string // all of them, where there are several
	Find      bool     // offers the search
	Search    string   // what to search for: words of the path, or the package of a file
	Ask       string   // what to do and who can help, in words; code between back ticks
	Ways      []shared.Link
	Retry     string // address to try again; empty leaves the button out
	RequestID string // shown where the fault is ours
}

func (p Page) icon() string {
	switch {
	case p.Status >= 500:
		return "wrench"
	case p.Status == 404:
		return "search"
	case p.Status == 403, p.Status == 401:
		return "lock"
	case p.Status == 410:
		return "archive"
	case p.Status == 429:
		return "clock"
	case p.Status == 413:
		return "hard-drive"
	default:
		return "circle-alert"
	}
}

func (p Page) kind() string {
	if p.Status >= 500 || p.Status == 422 || p.Status == 413 {
		return "bad"
	}
	return ""
}
