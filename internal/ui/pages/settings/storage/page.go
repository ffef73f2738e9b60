// Package storage is the settings page on what files take, and on the trash.
package storage

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is what the files of an owner take, its largest packages and its trash.
type Page struct {
	shared.Page
	Head         shared.SettingsHead
	Files        int
	Bytes        int64
	TrashedBytes int64
	Largest      []Package
	Trash        []Deleted
	Trashed      int // files in the trash, also those of other pages
	Pages        *shared.Pager
	Days         int    // for how many the trash keeps a file
	Action       string // where the forms go
	Errors       shared.Problems
}

// Package is one of the largest.
type Package struct {
	Name    string
	Private bool
	Files   int
	Bytes   int64
}

// Deleted is a file in the trash.
type Deleted struct {
	ID      string
	Name    string // of the file, with its subdir
	Package string
	Version string
	At      time.Time
	By      string
	Ends    time.Time // when it is gone for good
	Bytes   int64
}
