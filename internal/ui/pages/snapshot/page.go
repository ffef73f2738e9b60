// Package snapshot is the form that makes a snapshot of a channel.
package snapshot

import "terrarium/internal/ui/shared"

// Page is the form.
type Page struct {
	shared.Page
	Owner, Name string // of the channel
	New         string // name of the snapshot
	At          string // generation or date; empty is the present one
	Action      string
	Errors      shared.Problems
}
