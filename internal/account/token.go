package account

import "time"

// Token is a token as its owner sees it; the secret is shown only when made.
type Token struct {
	ID             string
	Name           string
	UserID         string
	UserName       string
	OrganizationID string // "" or the organisation that owns the token
	Organization   string // its name
	Last4          string
	Scopes         []string // empty is all
	Resources      []string // "OWNER", "OWNER/PACKAGE"; empty is everything
	Hostname       string
	CreatedAt      time.Time
	CreatedFrom    string
	ExpiresAt      *time.Time // nil never
	LastUsedAt     *time.Time
	LastUsedFrom   string
	LastUsedAgent  string
}

// NewToken is a token to be made.
type NewToken struct {
	Name             string
	UserName         string // for whom; "" is the actor. Only commands may name others
	OrganizationName string // the organisation that shall own it, or ""
	Scopes           []string
	Resources        []string
	MaxAge           time.Duration // 0 is the default of the instance
	Hostname         string
	Replace          bool // a token of this name is revoked; otherwise errs.Exists
	// Secret is the token itself where another part of the program made it,
	// a JWT for instance. "" makes one.
	Secret string
}
