package registry

import (
	"io/fs"
	"time"
)

// ImportSource is an existing channel to be loaded.
type ImportSource struct {
	// Files is the root of the channel: SUBDIR/repodata.json[.zst] and, unless
	// MetadataOnly, the archives.
	Files fs.FS
	// Subdirs limits the import; none = every folder that has repodata.
	Subdirs []string
	// MetadataOnly takes records without archives; they are fetched from
	// BaseURL/SUBDIR/FILE when first asked for.
	MetadataOnly bool
	BaseURL      string
	// Name is where it came from, for the channel's row and the audit log.
	Name string
}

// ImportProgress tells how far an import is; it is called often and must be
// quick.
type ImportProgress func(subdir string, done, total int)

// ImportReport says what an import did.
type ImportReport struct {
	Subdirs map[string]ImportCount
	Took    time.Duration
}

// ImportCount counts the records of one subdir.
type ImportCount struct {
	Added   int
	Kept    int      // there already with the same bytes
	Skipped []string // why a file was left out, one sentence each, at most 100
}
