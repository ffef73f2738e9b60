// Package overview is the first page of a package: how to install it, its
// files, what it needs, its README.
package overview

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the overview of one release of a package.
type Page struct {
	shared.Page
	Head         shared.PackageHead
	Install      Install
	Blocked      *Blocked  // the release is closed to this reader; replaces Install
	Security     *Security // nil where nothing watches
	Files        Files
	Dependencies Dependencies
	README       README
	Downloads    []shared.DayCount // a day each, all channels
	Releases     []Release         // the last six
	ReleaseCount int
	Licence      shared.Link
	Home         string // web addresses as the package gives them
	Source       string
	Channels     []shared.Link
	Maintainers  []Maintainer
	First        time.Time // the first release
}

// Install is the card with the command.
type Install struct {
	shared.Install
	Channels []shared.Option // channels that hold the release and that the reader may read
	Channel  string          // the chosen one
	SetupURL string          // how to add the channel once
	Pin      string          // how to name this release, "rasterio=1.4.3"
}

// Blocked says why the release may not be installed and what may.
type Blocked struct {
	Sentence string
	WhyURL   string
	Allowed  *shared.Code // the command that works
}

// Security is the state of the release in one sentence.
type Security struct {
	Kind     string // "ok", "warn" or "bad"
	Title    string
	Sentence string
	Badges   []shared.Badge
}

// Files is the matrix of the release's files.
type Files struct {
	Count     int
	Size      int64
	Platforms []string
	Groups    []shared.MatrixGroup
	Noarch    []shared.NoarchFile
	Other     []shared.NoarchFile // wheels and what else lies beside
}

// Dependencies are those of the reader's likely platform.
type Dependencies struct {
	For        string // "linux-64, Python 3.12"
	Platforms  []shared.Option
	Items      []shared.Dependency
	Total      int
	Dependents int // packages here that need this one
	Href       string
}

func (p Page) allDependencies() string {
	words := "All " + shared.Count(p.Dependencies.Total)
	words += ", and what depends on " + p.Head.Name
	if p.Dependencies.Dependents > 0 {
		words += " (" + shared.Count(p.Dependencies.Dependents) + ")"
	}
	return words
}

// README is the archive's text, already made safe by package markdown.
type README struct {
	HTML    string // safe HTML
	Cut     bool   // there is more
	AllURL  string // shows the whole
	From    string // the version whose archive it comes from
	HowToIt string // how to add one, for those who may upload
}

// Release is one line of the list of releases.
type Release struct {
	Version string
	Badge   shared.Badge // its channel, or why it is not served
	At      time.Time
}

// Maintainer is somebody who may change the package.
type Maintainer struct {
	Name  string
	Href  string
	Group bool
}
