package account

import "time"

// Session is a browser that is signed in.
type Session struct {
	ID         string // names it in lists; no secret
	Current    bool   // the one that asks
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time
	Remote     string
	Agent      string
}
