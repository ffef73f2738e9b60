package registry

import (
	"encoding/json/jsontext"
	"time"
)

// Release is a version of a package.
type Release struct {
	ID          string
	PackageID   string
	OwnerName   string
	PackageName string
	Version     string
	Attrs       jsontext.Value // as a client sent them
	Description string
	CreatedBy   string
	CreatedAt   time.Time
}

// NewRelease is what a client says about a release to be made.
type NewRelease struct {
	Attrs       jsontext.Value // a JSON object or empty
	Description string
}

// ReleaseUpdate holds what is to change; nil leaves a value as it is. The keys
// of Attrs are laid over those that are there.
type ReleaseUpdate struct {
	Attrs       jsontext.Value
	Description *string
}
