// Package owner is the page of a user or an organisation, with its tabs
// Packages, Channels and People.
package owner

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is one tab of an owner's page. The tab whose part is set is drawn.
type Page struct {
	shared.Page
	Head       shared.OwnerHead
	PackageTab *Packages
	ChannelTab *Channels
	PeopleTab  *People
	Setup      shared.Install // how to use the owner's main channel
	Storage    *shared.Use    // for those who administer; nil leaves it out
}

// Packages is the tab with the packages.
type Packages struct {
	Table  shared.PackageTable
	Pages  *shared.Pager
	Filter string
	Total  int
	Upload []string // the upload commands, for an owner without packages who may upload
}

// Channels is the tab with the channels.
type Channels struct {
	Rows []Channel
}

// Channel is one channel of the owner.
type Channel struct {
	Name     string
	Kind     string // "local", "mirror" …
	Readers  string // who may read it, in words
	Private  bool
	Packages int64
	Changed  time.Time // zero if it never changed
	Frozen   bool
}

// People is the tab with the public members of an organisation.
type People struct {
	Members []shared.Owner // Role says what they are
	Total   int
}
