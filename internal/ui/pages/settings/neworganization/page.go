// Package neworganization is the form that makes an organisation.
package neworganization

import "terrarium/internal/ui/shared"

// Page is the form.
type Page struct {
	shared.Page
	Head   shared.SettingsHead
	Name   string // as typed
	Email  string
	Free   string // what is good about the name
	Errors shared.Problems
}
