// Package verify is the page behind the link that verifies an address.
package verify

import "terrarium/internal/ui/shared"

// Page says whether the address is verified now. The link itself changes
// nothing, as mail programs open links: the button does.
type Page struct {
	shared.Page
	Code  string
	Email string
	Done  bool
	Dead  string // why the link does not work
}
