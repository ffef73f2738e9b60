// Package shared holds what the pages of the web interface have in common: the
// frame around a page and the components of the design system. A page's own
// struct embeds Page, so that its template can call the components as methods;
// nothing here asks a database or a session.
package shared

import (
	"net/url"
	"strings"
	"time"
)

// Site is what a page says about the instance. It is made once at start and
// shared by all pages.
type Site struct {
	Name        string              // the name of the instance, "Acme"
	Version     string              // the version of the program, "1.4"
	URL         string              // the public address without a final slash
	Contact     string              // the operator's support address; empty where none is set
	ChannelsURL string              // where Channels leads; empty leaves the link out
	DocsURL     string              // where Docs leads; empty leaves the link out
	APIURL      string              // where API leads; empty leaves the link out
	SignUp      bool                // whether strangers may sign up, and the button is shown
	Asset       func(string) string // the hashed address of a static file
}

// Host gives the host of the public address, as people write it.
func (s *Site) Host() string {
	_, rest, found := strings.Cut(s.URL, "://")
	if !found {
		return s.URL
	}
	return rest
}

// Page is the part of a page that belongs to the frame. Every page struct
// embeds it.
type Page struct {
	Site        *Site
	Viewer      *Viewer   // who is signed in; nil for nobody
	Now         time.Time // what "3 days ago" is reckoned from
	Theme       string    // "light", "dark"; anything else follows the system
	KeysOff     bool      // single-key shortcuts are switched off
	Title       string    // the thing and its owner, "rasterio · acme"
	Description string    // one sentence for search engines and previews; may be empty
	Path        string    // path and query of this page, for forms that come back to it
	Query       string    // what stands in the search field of the header
	Current     string    // the toolbar's entry that this page is: "dashboard", "add", "settings"
	Notices     []Notice  // what an action that led here has done
	Scripts     []string  // own modules beyond the common one, as "upload.js"
	NoSearch    bool      // leaves the header's search field out, on pages with a larger one
	NoIndex     bool      // asks search engines to leave the page alone
}

// Owner is a user or an organisation as the frame shows it.
type Owner struct {
	Name         string
	Picture      string // address of a picture on this server; empty gives letters
	Organization bool
	Role         string // the viewer's role in it, as a word: "owner", "member"
}

// Viewer is the person who is signed in.
type Viewer struct {
	Name          string  // the username
	View          Owner   // the owner that Dashboard, Add a package and Settings refer to
	Choices       []Owner // the own name and each organisation one is a member of
	Notifications int     // unread ones
	AdminPortal   bool    // whether the portal of the owner in view is open to the viewer
	Operator      bool    // whether the viewer runs the instance
}

// SettingsURL is where the gear leads: the settings of the owner in view.
func (v *Viewer) SettingsURL() string { return SettingsURL(v.View) }

// SettingsURL is the first settings page of an owner.
func SettingsURL(o Owner) string {
	if o.Organization {
		return "/organization/" + url.PathEscape(o.Name) + "/settings/profile"
	}
	return "/settings/profile"
}

// Notice is a sentence above the page: what was done, or what is wrong.
type Notice struct {
	Kind  string // "ok", "info", "warn" or "bad"
	Title string // the sentence in bold
	Text  string // what follows it; may be empty
	Link  string // words of a link behind it, "Undo"; may be empty
	Href  string
}

// Link is a link with its words.
type Link struct {
	Text, Href string
}

// SignedIn reports whether somebody is signed in.
func (p Page) SignedIn() bool { return p.Viewer != nil }

// FullTitle is the text of the title element.
func (p Page) FullTitle() string {
	if p.Title == "" {
		return p.Site.Name
	}
	return p.Title + " · " + p.Site.Name
}

// SignInURL leads to the sign-in page and back here.
func (p Page) SignInURL() string {
	if p.Path == "" || p.Path == "/" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(p.Path)
}
