package registry

import (
	"encoding/json/jsontext"
	"time"
)

// File is one uploaded or imported archive.
type File struct {
	ID            string
	OwnerID       string
	OwnerName     string
	OwnerKind     string
	PackageID     string
	PackageName   string
	Private       bool // of the package
	ReleaseID     string
	Type          string // "conda", "pypi", "r", "ipynb", "env", "file"
	Subdir        string // conda only
	Name          string // file name without subdir
	Basename      string // conda: SUBDIR/NAME, else NAME
	Version       string
	Build         string
	BuildNumber   int64
	Size          int64  // bytes
	MD5           string // lower-case hex; may be "" for imported files
	SHA256        string // lower-case hex
	Stored        bool   // the bytes are in the blob store
	SourceURL     string // where bytes not yet stored are fetched
	License       string
	Attrs         jsontext.Value // what the archive says over what the client said
	Dependencies  jsontext.Value // as the client sent them; nil = none
	Description   string
	UploadedBy    string // name of the uploader
	UploadedAt    time.Time
	IndexedAt     time.Time // CEP 47: when this server first saw the file
	IndexedSource string    // "seen", "upstream", "timestamp", "now"
	Downloads     int64
	WithdrawnAt   *time.Time // taken out of the index only
	WithdrawnWhy  string
	DeletedAt     *time.Time // in the trash since
	DeletedBy     string
	Labels        []string // names of channels, sorted; nil from FileAt
}

// FullName is OWNER/PACKAGE/VERSION/BASENAME.
func (f File) FullName() string {
	return f.OwnerName + "/" + f.PackageName + "/" + f.Version + "/" + f.Basename
}

// Info is what an archive says of itself, for pages and channeldata.
type Info struct {
	About      jsontext.Value // info/about.json; nil = none
	README     string
	READMEName string
	Paths      []PathEntry
	Members    []Member
}

// PathEntry is one file that a package installs.
type PathEntry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size,omitzero"`
	SHA256 string `json:"sha256,omitzero"`
	Type   string `json:"type,omitzero"`
}

// Member is one member below info/ of an archive.
type Member struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}
