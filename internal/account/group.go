package account

import (
	"time"

	"terrarium/internal/access"
)

// Owners is the group that every organisation has: its members of role owner.
const Owners = "owners"

// Group is a set of members with one right on all or on chosen packages.
type Group struct {
	ID             string // "" for Owners
	Name           string
	Permission     access.Verb
	AllPackages    bool
	Members        int
	ChosenPackages int
	CreatedAt      time.Time
}

// NewGroup is a group to be made or the new state of one.
type NewGroup struct {
	Name        string
	Permission  access.Verb
	AllPackages bool
}

// GroupPackage is a package that a group reaches by choice.
type GroupPackage struct {
	ID, Name, Summary string
	Private           bool
}
