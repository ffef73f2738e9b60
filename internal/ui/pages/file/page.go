// Package file is the page of one file.
package file

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is a file with all that is known of it.
type Page struct {
	shared.Page
	Head        shared.PackageHead
	Subdir      string
	Name        string
	Size        int64
	State       shared.Notice // why it is not served as usual; no title: it is
	DownloadURL string        // empty for a file that is not served to this reader
	SHA256, MD5 string
	Facts       []Fact
	Depends     []string
	Constrains  []string
	RunExports  []string
	Uploaded    time.Time
	By          string
	Downloads   int64
	Channels    []shared.Link
	Contents    []Entry // paths of the archive
	Entries     int     // how many there are; more than len(Contents) if it was cut
	NotRead     string  // a sentence in place of the contents
	Info        []Info  // files of info/ as text
	DeleteURL   string  // leads to the page that confirms; empty leaves it out
	YankURL     string  // where the form goes that takes it out of the index or puts it back; empty leaves it out
	Yanked      bool    // it is out of the index
}

// Fact is a line of the metadata.
type Fact struct {
	Label, Value, Href string
}

// Entry is one path of the archive.
type Entry struct {
	Path string
	Size int64
	Note string // "link script"; may be empty
}

// Info is a small text out of the archive.
type Info struct {
	Name, Text string
}
