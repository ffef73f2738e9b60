package registry

import (
	"encoding/json/jsontext"
	"time"
)

// Package is a name under an owner.
type Package struct {
	ID         string
	OwnerID    string
	OwnerName  string
	OwnerKind  string
	Name       string
	Private    bool
	Summary    string
	Attrs      jsontext.Value // public_attrs, as a client sent them
	Types      []string       // package types, sorted, never nil
	Latest     string         // newest version by conda's order, "" without files
	License    string         // of the newest release
	Platforms  []string       // subdirs with a live file, sorted, never nil
	Downloads  int64
	CreatedBy  string
	CreatedAt  time.Time
	ModifiedAt time.Time
	ReleasedAt *time.Time // newest upload
	Versions   []string   // oldest first by conda's order; only from Package
}

// FullName is OWNER/NAME.
func (p Package) FullName() string { return p.OwnerName + "/" + p.Name }

// NewPackage is what a client says about a package to be made.
type NewPackage struct {
	Private bool
	Attrs   jsontext.Value // a JSON object or empty
}

// PackageFilter chooses and orders packages for a list. The zero value lists
// all that the caller may read, by name.
type PackageFilter struct {
	Owner    string // name of the owner; "" = all
	Type     string // package type; "" = all
	Platform string // subdir with a live file; "" = all
	Access   string // "", "public" or "private"
	Sort     string // "name" (default), "downloads", "modified", "released"
	After    string // Next of the page before
	Limit    int    // 0 = 100, at most 1000
}

// PackageList is one page of packages.
type PackageList struct {
	Packages []Package
	Total    int    // over all pages
	Next     string // After of the next page, "" at the end
}
