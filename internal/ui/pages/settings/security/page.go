// Package security is the settings page on password and sessions.
package security

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the password and the sessions of a user.
type Page struct {
	shared.Page
	Head     shared.SettingsHead
	Minimum  int // of characters in a password
	Sessions []Session
	Errors   shared.Problems
}

// Session is a browser that is signed in.
type Session struct {
	ID      string
	Client  string // "Firefox on Linux"
	Place   string // the address, and where it is if that is known
	Started time.Time
	Used    time.Time
	Here    bool // the session that looks at this page
}
