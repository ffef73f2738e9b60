// Package home is the front page of an instance for somebody who has not
// signed in.
package home

import "terrarium/internal/ui/shared"

// Page is the front page.
type Page struct {
	shared.Page
	Packages int64         // public packages
	Channels int64         // public channels
	Samples  []shared.Link // queries to try
	Recent   List          // released last
	Popular  List          // downloaded most in 30 days
	Listed   []Channel     // some channels
	Upload   []string      // the commands that publish, for an empty instance
	Setup    shared.Install
	// InstallerURL leads to an installer for people who never used conda;
	// empty leaves the card out.
	InstallerURL string
}

// List is one of the lists of packages. A list that cannot be read says so and
// leaves the others alone.
type List struct {
	Rows   []shared.PackageRow
	Failed string // a sentence in place of the rows
}

// Channel is a channel in the list of channels.
type Channel struct {
	Owner, Name string // Name "main" is left unsaid
	Kind        string // "local", "mirror", "proxy", "virtual"
	Description string
	Packages    int64
}

func (c Channel) title() string {
	if c.Name == "main" {
		return c.Owner
	}
	return c.Owner + "/" + c.Name
}
