// Package history has the pages that tell what a channel was: its generations, and
// the files by which two of them differ.
package history

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page lists generations of a channel, newest first.
type Page struct {
	shared.Page
	Owner, Name string
	Generations []Generation
	Older       string // address of the page with older ones; empty on the last
	Newest      string // address of the first page; empty on it
}

// Generation is one of them.
type Generation struct {
	Number         int64
	At             time.Time
	By             string
	Sentence       string // "Uploaded rasterio"
	Added, Removed int64
	Href           string // what it changed
	RollbackURL    string // where one may go back to it; empty for those who may not
}

// Changes lists the files by which two generations differ.
type Changes struct {
	shared.Page
	Owner, Name    string
	Heading        string // "Generation 12", "From generation 3 to 12"
	Sentence       string // "Uploaded rasterio"
	By             string
	At             time.Time // zero for a difference
	Added, Removed int64     // records; of one generation
	Counted        bool      // whether these are known
	URL            string    // the channel as it was at the newer one
	RollbackURL    string
	SnapshotURL    string
	Subdirs        []Subdir
	Older          string // the generation before this one
	Next           string // address of the next page of files
}

// Subdir is what changed in one subdir.
type Subdir struct {
	Name  string
	Files []File
}

// File is one difference.
type File struct {
	Kind          string // "added", "removed", "replaced", "changed"
	Package, Name string
	Href          string // page of the file; empty where it is gone
}

func (f File) badge() shared.Badge {
	switch f.Kind {
	case "added":
		return shared.Badge{Kind: "ok", Icon: "plus", Text: "Added"}
	case "removed":
		return shared.Badge{Kind: "bad", Icon: "x", Text: "Removed"}
	case "replaced":
		return shared.Badge{Kind: "warn", Icon: "refresh-cw", Text: "Replaced", Hint: "Other bytes under the same name."}
	}
	return shared.Badge{Kind: "info", Icon: "pencil", Text: "Changed", Hint: "The same bytes; the record says something else."}
}

func counts(added, removed int64) string {
	return "+" + shared.Count(added) + " −" + shared.Count(removed)
}

func countsInWords(added, removed int64) string {
	return shared.Of(added, "record") + " came, " + shared.Count(removed) + " went"
}
