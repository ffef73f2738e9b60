// Package dependencies is the page that says what a package needs and what
// needs it.
package dependencies

import "terrarium/internal/ui/shared"

// Page shows the dependencies of one build of one release.
type Page struct {
	shared.Page
	Head       shared.PackageHead
	Subdirs    []shared.Option
	Builds     []shared.Option
	Depends    []Need
	Constrains []Need
	Dependents []Dependent
	Total      int // dependents
	Pages      *shared.Pager
}

// Need is a package that the build needs.
type Need struct {
	shared.Dependency
	Newest string // the newest release here that satisfies it; empty: nothing here does
	Where  string // the channel that was looked into
}

// Dependent is a package that needs this one.
type Dependent struct {
	Owner, Name string
	Version     string
	Spec        string // what it asks for
}
