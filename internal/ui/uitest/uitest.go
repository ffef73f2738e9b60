// Package uitest holds filled, empty and failing examples of every page of the
// web interface, for the tests of templates and for those in a browser.
package uitest

import (
	"time"

	"github.com/a-h/templ"

	"terrarium/internal/ui/shared"
)

// Now is the moment at which the examples are looked at.
func Now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// Case is one page in one state.
type Case struct {
	Name string // page and state, as "package-full"
	Page templ.Component
}

// Cases are all pages in all states. The function gives the address of a
// static file, as ui.Assets does.
func Cases(asset func(string) string) []Case {
	f := frames{site: &shared.Site{
		Name: "Acme", Version: "1.4", URL: "https://conda.acme.example", Contact: "conda-help@acme.example",
		ChannelsURL: "/#channels", DocsURL: "/help", APIURL: "/api/v1/docs", SignUp: true, Asset: asset,
	}}
	var cases []Case
	for _, group := range [][]Case{f.reading(), f.packages(), f.entering(), f.working(), f.settings(), f.packageSettings(), f.telling()} {
		cases = append(cases, group...)
	}
	return cases
}

// frames makes the frame of a page.
type frames struct{ site *shared.Site }

// anonymous is the frame for somebody who has not signed in.
func (f frames) anonymous(title, path string) shared.Page {
	return shared.Page{Site: f.site, Now: Now(), Title: title, Path: path}
}

// member is the frame for ana, who looks at things as one of her owners.
func (f frames) member(title, path, view string) shared.Page {
	p := f.anonymous(title, path)
	me, acme, bio := shared.Owner{Name: "ana"}, shared.Owner{Name: "acme", Organization: true, Role: "administrator"}, shared.Owner{Name: "bio", Organization: true, Role: "member"}
	p.Viewer = &shared.Viewer{Name: "ana", View: me, Choices: []shared.Owner{me, acme, bio}, Notifications: 3}
	if view == "acme" {
		p.Viewer.View = acme
	}
	return p
}

// newcomer is the frame for somebody with a fresh account.
func (f frames) newcomer(title, path string) shared.Page {
	p := f.anonymous(title, path)
	me := shared.Owner{Name: "nia"}
	p.Viewer = &shared.Viewer{Name: "nia", View: me, Choices: []shared.Owner{me}}
	return p
}

// days are numbers that rise and fall a little, always the same for a seed.
func days(n, seed int, top int64) []int64 {
	values := make([]int64, n)
	state := uint32(seed)*2654435761 + 12345
	level := float64(top) * 0.6
	for i := range values {
		state = state*1664525 + 1013904223
		level += (float64(state>>16)/65536 - 0.48) * float64(top) * 0.2
		level = min(max(level, 0.15*float64(top)), float64(top))
		values[i] = int64(level)
	}
	return values
}

func ago(days float64) time.Time {
	return Now().Add(-time.Duration(days * 24 * float64(time.Hour)))
}
