// Package files is the list of a package's files.
package files

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the list of files, of one release or of all.
type Page struct {
	shared.Page
	Head    shared.PackageHead
	Release []shared.Option // which release's files; the empty value is all
	Subdirs []shared.Option
	Rows    []File
	Total   int
	Pages   *shared.Pager
}

// File is one row.
type File struct {
	Subdir, Name string
	Version      string
	Build        string
	Size         int64
	At           time.Time
	Downloads    int64
	States       []shared.Badge
	DownloadURL  string // empty for a file that is not served to this reader
}
