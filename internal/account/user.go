package account

import "time"

// User is an account as its holder and the operator see it.
type User struct {
	Owner
	Email           string
	EmailVerifiedAt *time.Time
	Operator        bool
	DisabledAt      *time.Time
	LastSignInAt    *time.Time
}

// NewUser is an account to be made by the operator or a command. It counts as
// verified.
type NewUser struct {
	Name     string
	Email    string
	Password string // "" makes an account that cannot sign in with a password
	FullName string
	Operator bool
}

// SignUp is what somebody types to get an account.
type SignUp struct {
	Name         string
	Email        string
	Password     string
	Password2    string // the same again
	Terms        bool   // accepted
	TermsVersion string // which
	Invite       string // code of an invitation, where sign-up needs one
}

// UserFilter narrows Users.
type UserFilter struct {
	After string // the next of the page before
	Limit int    // 0 is 100
}
