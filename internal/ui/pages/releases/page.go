// Package releases is the list of a package's releases.
package releases

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the list of releases.
type Page struct {
	shared.Page
	Head  shared.PackageHead
	Rows  []Release
	Pages *shared.Pager
}

// Release is one row.
type Release struct {
	Version   string
	Channels  []shared.Link
	At        time.Time
	By        string
	Files     int
	Size      int64
	Downloads int64
	States    []shared.Badge // yanked, blocked …
	// DeleteURL leads to the page that confirms the deletion; empty leaves
	// the link out.
	DeleteURL string
}
