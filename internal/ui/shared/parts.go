package shared

import (
	"strconv"
	"time"
)

// Badge is an icon and a word on a coloured ground.
type Badge struct {
	Kind string // "ok", "info", "warn", "bad", "accent", "outline"; empty is neutral
	Icon string // name of an icon; may be empty
	Text string
	Href string // the reason; may be empty
	Hint string // a longer word for the pointer; may be empty
}

// Tab is a page among its siblings.
type Tab struct {
	Label   string
	Href    string
	Count   string // a number already written out; empty for none
	Current bool
}

// Code is one or several commands, or text to copy.
type Code struct {
	Lines  []string
	Prompt bool   // a $ before each line, which is not copied
	Label  string // what the button copies, for those who do not see it
	NoCopy bool   // output rather than input: nothing to copy
}

// Button is a button or a link that looks like one.
type Button struct {
	Label string
	Icon  string
	Kind  string // "primary", "quiet", "danger", "danger filled"; empty is plain
	Size  string // "little", "wide", "tall"; empty is 36 px
	Href  string // makes it a link
	Name  string // of the value that a form sends
	Value string
	Busy  bool
}

// Pager says which rows are shown and leads to those before and after.
type Pager struct {
	From, To int
	Total    int
	Took     time.Duration // shown unless zero
	Prev     string        // addresses; empty leaves the button out
	Next     string
}

// Sentence writes "1 to 50 of 73, in 14 ms".
func (g Pager) Sentence() string {
	s := Count(g.From) + " to " + Count(g.To) + " of " + Count(g.Total)
	if g.Took > 0 {
		s += ", in " + Took(g.Took)
	}
	return s
}

// PackageRow is a package in a list.
type PackageRow struct {
	Owner, Name string
	Version     string
	Summary     string
	Released    time.Time
	Downloads   int64   // of 30 days
	Spark       []int64 // a day each; empty draws none
	Private     bool
	Badges      []Badge
}

// Column is the head of a column that may be sorted by.
type Column struct {
	Label string
	Href  string // sorts by it; empty where the list cannot be sorted so
	Sort  string // "ascending" or "descending" where the list is sorted by it now
	Class string // "num", "second"
}

// PackageTable is a list of packages with its way of sorting.
type PackageTable struct {
	Caption string // for those who do not see the heading
	Rows    []PackageRow
	Sort    string // "name", "released" or "downloads"
	SortURL string // address whose query the name of the order is added to; empty: not sortable
}

func (t PackageTable) columns() []Column {
	columns := []Column{{Label: "Package"}, {Label: "Latest"}, {Label: "Released", Class: "second"}, {Label: "Downloads, 30 days", Class: "num second"}, {Label: "Visibility", Class: "second"}}
	if t.SortURL == "" {
		return columns
	}
	for i, key := range []string{"name", "", "released", "downloads"} {
		if key == "" {
			continue
		}
		columns[i].Href = t.SortURL + key
		if t.Sort == key {
			columns[i].Sort = "descending"
			if key == "name" {
				columns[i].Sort = "ascending"
			}
		}
	}
	return columns
}

// Activity is one line of a timeline.
type Activity struct {
	Actor   string
	Picture string
	Robot   bool // a service account: no page to lead to
	Verb    string
	Object  string
	Href    string // of the object; may be empty
	At      time.Time
}

// OwnerHead is the top of an owner's pages.
type OwnerHead struct {
	Owner       Owner
	FullName    string
	Description string
	Place       string
	Home        string // web address, as the owner wrote it
	Tabs        []Tab
	MayEdit     bool // shows Settings
}

// SettingsHead is the frame of a settings page.
type SettingsHead struct {
	Owner   Owner
	Role    string // "You are an administrator."; may be empty
	Choices []Owner
	Groups  []SideGroup
}

// SideGroup is a group of links in a side navigation.
type SideGroup struct {
	Title string
	Links []SideLink
}

// SideLink is one of them.
type SideLink struct {
	Label, Icon, Href string
	Count             int // not shown unless positive
	Current           bool
}

func (l SideLink) count() string { return strconv.Itoa(l.Count) }
