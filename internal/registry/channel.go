package registry

import (
	"time"

	"terrarium/internal/access"
)

// Channel is a named, served view of files: OWNER/NAME. A local channel is what
// a file sees as a label.
type Channel struct {
	ID          string
	OwnerID     string
	OwnerName   string
	OwnerKind   string // "user" or "organization"
	Name        string
	Kind        string // "local", "mirror", "proxy", "virtual", "snapshot"
	Visibility  string // "public", "authenticated", "internal", "private"
	Locked      bool   // no file may come or go
	ReplaceRule string // "always", "within 72h", "never"
	Description string
	Source      string // where an imported or mirrored channel came from
	Generation  int64  // the last one committed when this was read
	FrozenAt    *int64 // the generation served while frozen
	CreatedAt   time.Time
}

// ChannelInfo is a channel in a list.
type ChannelInfo struct {
	Channel
	Files int // live files that carry the label and that the caller may read
}

// NewChannel is a channel to be made. Kind defaults to "local", Visibility to
// that of OWNER/main, ReplaceRule to "always".
type NewChannel struct {
	Name        string
	Kind        string
	Visibility  string
	ReplaceRule string
	Description string
	Source      string
}

// ChannelUpdate holds what is to change; nil leaves a value as it is.
type ChannelUpdate struct {
	Visibility  *string
	ReplaceRule *string
	Description *string
}

// Opened is a channel that one caller may read, and what that caller sees of it.
type Opened struct {
	Channel Channel
	Actor   access.Actor
	// Hidden are the names of the owner's private packages that this caller
	// may not read, sorted.
	Hidden []string
	// ViewKey is "" or a short hash of Hidden: callers who see the same share it.
	ViewKey string
	// Public is whether anybody at all sees exactly this: the channel is public
	// and its owner has no private package.
	Public bool
}
