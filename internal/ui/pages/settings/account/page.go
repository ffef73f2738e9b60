// Package account is the settings page on username, address and the end of an
// account.
package account

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the account of a user or an organisation. A form whose address is
// empty is left out.
type Page struct {
	shared.Page
	Head      shared.SettingsHead
	Since     time.Time // when the account was made; zero leaves it out
	RenameURL string    // where the form for another name goes
	NewName   string    // as typed
	EmailURL  string    // where the form for another address goes
	Email     string    // the present address
	Verified  bool
	NewEmail  string // as typed
	VerifyURL string // mails the link again
	DeleteURL string // leads to the page that confirms the deletion
	Errors    shared.Problems
}
