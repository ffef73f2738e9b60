package account

import (
	"time"

	"terrarium/internal/access"
)

// Organization is an organisation as its members see it.
type Organization struct {
	Owner
	Email string
	Role  access.Role // of the user whose organisations were asked for, or ""
}

// Member is a person in an organisation.
type Member struct {
	UserID   string
	Name     string
	FullName string
	Role     access.Role
	Since    time.Time
}
