// Package reset is the page behind the link that sets a new password.
package reset

import "terrarium/internal/ui/shared"

// Page is the form, or why the link does not work.
type Page struct {
	shared.Page
	Code    string
	Minimum int    // of characters in a password
	Dead    string // why the link does not work: used, expired, foreign
	Errors  shared.Problems
}
