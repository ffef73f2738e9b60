// Package organizations is the settings page on the organisations that one
// administers.
package organizations

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the list.
type Page struct {
	shared.Page
	Head shared.SettingsHead
	Rows []Organization
	// Deleted are those of the visitor's that can be brought back, by somebody.
	Deleted []Deleted
	// Why says why no organisation can be made, where it cannot; it takes the
	// place of the button.
	Why string
}

// Deleted is an organisation that was deleted.
type Deleted struct {
	Name   string
	By     string
	At     time.Time
	Erased time.Time // from then on it cannot be brought back
	Locked bool      // an operator deleted it, and the visitor is none
}

// Organization is one of them.
type Organization struct {
	shared.Owner
	Members  int
	Packages int64
}
