// Package profile is the settings page on what a profile says.
package profile

import "terrarium/internal/ui/shared"

// Page is the form for a user or an organisation.
type Page struct {
	shared.Page
	Head        shared.SettingsHead
	FullName    string
	Company     string // of a user only
	Place       string
	Home        string
	Description string
	Action      string // where the form goes
	Errors      shared.Problems
}
