// Package organizations is the settings page on the organisations that one
// administers.
package organizations

import "terrarium/internal/ui/shared"

// Page is the list.
type Page struct {
	shared.Page
	Head shared.SettingsHead
	Rows []Organization
	// Why says why no organisation can be made, where it cannot; it takes the
	// place of the button.
	Why string
}

// Organization is one of them.
type Organization struct {
	shared.Owner
	Members  int
	Packages int64
}
