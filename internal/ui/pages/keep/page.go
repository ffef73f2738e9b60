// Package keep is the page that somebody gets who signs in to an account that was
// deleted: when it will be erased, and the button that keeps it.
package keep

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the choice. Nobody is signed in on it.
type Page struct {
	shared.Page
	Name    string
	Deleted time.Time
	Erased  time.Time // from then on it is too late
	Action  string    // where the form goes
}
