package account

import (
	"time"

	"terrarium/internal/access"
)

// Subject is who gets a grant: a user by name, or a group of the owner.
type Subject struct {
	Kind string // "user" or "group"
	Name string
}

// Access is one grant on an object, as its administrators see it.
type Access struct {
	Subject   Subject
	SubjectID string
	FullName  string
	Verb      access.Verb
	Since     time.Time
	By        string // id of who gave it
}
