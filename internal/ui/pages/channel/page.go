// Package channel is the page of one channel.
package channel

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is a channel.
type Page struct {
	shared.Page
	Owner, Name string
	Kind        string // "local", "mirror", "proxy", "virtual", "snapshot"
	Description string
	Readers     string // who may read it, in words: "14 people in 2 groups, 3 tokens"
	Private     bool
	Generation  int64
	Changed     time.Time // of the generation; zero for an empty channel
	Frozen      bool
	SnapshotOf  *shared.Link // of a snapshot: the channel that it shows
	HistoryURL  string
	FreezeURL   string // for those who may
	SnapshotURL string // for those who may
	Setup       shared.Install
	AsOf        string // the command for the channel as it was on a date; empty leaves it out
	Subdirs     []Subdir
	Packages    []Package
	PackageAll  int
	Pages       *shared.Pager
	Changes     []Change
	Source      *Source  // of a mirror or proxy
	Upload      []string // the upload command, for an empty channel and those who may
}

// Subdir is one platform of the channel.
type Subdir struct {
	Name    string
	Records int64
	Size    int64
}

// Package is a package that the channel holds.
type Package struct {
	Owner, Name string
	Version     string // the newest in this channel
	Summary     string
	Released    time.Time
}

// Change is a generation with what it changed.
type Change struct {
	Generation int64
	At         time.Time
	Sentence   string // "Added rasterio 1.4.3, 4 files"
	By         string
}

// Source is where a mirror gets its files.
type Source struct {
	URL     string
	LastRun time.Time
	Failing string // a sentence while it fails: "serving what was there at 04:10"
}

func (p Page) path() string { return p.Owner + "/" + p.Name }

func (s Subdir) records() string { return shared.Of(s.Records, "record") }
