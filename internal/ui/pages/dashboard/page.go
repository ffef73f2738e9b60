// Package dashboard is the first page of somebody who is signed in.
package dashboard

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the dashboard of the owner in view.
type Page struct {
	shared.Page
	Mine          List
	Filter        string // the filter of Mine as typed
	Steps         []Step // a new account: what to do first, in place of Mine
	Shared        *List  // packages of others; nil leaves the card out
	SharedOwners  []shared.Option
	SharedURL     string // all that is shared; empty if all are shown
	Activity      []shared.Activity
	Notifications []Notification
	NotifyURL     string   // all notifications; empty leaves the link out
	Plan          *Plan    // nil leaves the card out
	Storage       *Storage // what the owner in view takes; nil leaves the card out
	Organizations []Organization
	VerifyEmail   string // address that is not verified yet; empty when it is
}

// List is a list of packages with its size.
type List struct {
	Title string
	Total int
	Table shared.PackageTable
	Pager *shared.Pager
}

// Step is one step of somebody new.
type Step struct {
	Title string
	Text  string
	Code  shared.Code
}

// Notification is something that the viewer was told.
type Notification struct {
	Kind     string // "info", "warn", "bad"; empty is neutral
	Icon     string
	Sentence string
	By       string // who did it; may be empty
	At       time.Time
	Action   shared.Link
}

// Plan is the plan with its use.
type Plan struct {
	Name      string
	Uses      []shared.Use
	ChangeURL string // empty leaves the link out
}

// Storage is what the files of an owner take.
type Storage struct {
	Files, Trashed int
	Bytes          int64
	Href           string // the largest packages and the trash
}

// Organization is one that the viewer is a member of.
type Organization struct {
	shared.Owner
	SettingsURL string // for those who may; empty leaves the link out
}

func (p Page) addURL() string { return "/add?owner=" + p.Viewer.View.Name }

func (p Page) unread() string { return shared.Count(p.Viewer.Notifications) + " new" }
