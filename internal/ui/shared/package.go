package shared

import "time"

// PackageHead is the top of every page of a package.
type PackageHead struct {
	Owner, Name string
	Version     string   // the release chosen; empty for a package without one
	Versions    []Option // all releases to choose from, newest first
	Private     bool
	Readers     string   // "14 people can read this"; only of a private package
	Kinds       []string // "conda", "wheel" …
	Summary     string
	Licence     string
	Released    time.Time // of the release chosen; zero leaves it out
	By          string    // who released it; may be empty
	Downloads   int64     // in 30 days
	Source      Link      // what the release was built from; may be empty
	Yanked      string    // the reason, where the release was withdrawn
	Tabs        []Tab
	UploadURL   string // shows "Upload a release"; empty leaves it out
	Watch       *Watch // nil leaves the button out
	Short       bool   // only name and visibility: on pages further down
}

// Watch is the button that follows a package.
type Watch struct {
	Action   string // address that the form is posted to
	Watching bool
}

// MatrixCell is one file in the matrix of builds and platforms.
type MatrixCell struct {
	Size int64
	Href string // empty: there is no such file
	Note string // "blocked"; shown in place of the size
}

// MatrixRow is one kind of build across the platforms.
type MatrixRow struct {
	Label string // "Python 3.12"
	Build string // "build 2"
	Cells []MatrixCell
}

// MatrixGroup is a part of a large matrix, folded.
type MatrixGroup struct {
	Title string // "Python 3.12, 14 builds"; empty for a matrix that is not folded
	Open  bool
	Rows  []MatrixRow
}

// NoarchFile is a file for every platform.
type NoarchFile struct {
	Label, Build, Href string
	Size               int64
}

// Dependency is a package that another one needs.
type Dependency struct {
	Name string
	Spec string // version and build, may be empty
	Href string // empty where nothing here has that name
}

// PackageSettings is the frame of a settings page of a package.
type PackageSettings struct {
	Head  PackageHead
	Links []SideLink
}
