// Package document is the pages of running text: terms, privacy, help.
package document

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is a text of the operator, already safe HTML.
type Page struct {
	shared.Page
	Heading string
	Updated time.Time // version of the text; zero leaves it out
	HTML    string
}

// Help is the page on how things work, with the list of keys.
type Help struct {
	shared.Page
	Install shared.Install // how to add a channel, with an example
	Login   []string
	Upload  []string
	API     string // address of the API's description; empty leaves it out
}

// Key is a shortcut.
type Key struct {
	Keys []string
	Does string
}

// Keys are the shortcuts, as the module keys.js has them.
func Keys() []Key {
	return []Key{
		{[]string{"/"}, "go to the search field"},
		{[]string{"g", "d"}, "go to the Dashboard"},
		{[]string{"g", "s"}, "go to the settings"},
		{[]string{"c"}, "copy the first command of the page"},
		{[]string{"j"}, "next row of a list"},
		{[]string{"k"}, "previous row"},
		{[]string{"Enter"}, "open the row"},
		{[]string{"Esc"}, "close a menu"},
		{[]string{"?"}, "this list"},
	}
}
