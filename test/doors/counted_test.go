package doors_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// countedDoors show counts, totals, facets and orders.
func countedDoors() []door {
	return append(listDoors(), []door{
		{path: "/api/search?name=open"},
		{path: "/api/search?name=open&platform=osx-64"},
		{path: "/api/packages/acme?sort=modified"},
		{path: "/api/package_listing?modified_after=2020-01-01T00:00:00Z"},
		{path: "/api/release/acme/open/1.0"},
		{path: "/api/package/acme/open/files"},
		{path: v1 + "/packages?sort=downloads"},
		{path: v1 + "/packages/acme/open"},
		{path: v1 + "/packages/acme/open/files"},
		{path: v1 + "/packages?sort=modified"},
		{path: "/search?q=open"},
		{path: "/search?q=open+platform:osx-64"},
		{path: "/search?q=licence:GPL"},
		{path: "/search?q=so&sort=downloads"},
		{path: "/search?q=openn"},
		{path: "/acme?sort=downloads"},
		{path: "/acme?sort=modified"},
		{path: "/acme/open/releases"},
		{path: "/?home"},
		{path: "/acme/open/badges/downloads.svg"},
		{path: "/acme/open/badges/platforms.svg"},
		{path: "/acme/open/badges/license.svg"},
		{path: "/acme/open/badges/version.svg"},
		{path: "/acme/open/files?subdir=osx-64"},
	}...)
}

// TestClosedFilesDoNotCount: what a closed channel holds of packages that are open
// changes no number, order, facet or time for those to whom it is closed.
func TestClosedFilesDoNotCount(t *testing.T) {
	w := newWorld(t)
	w.olga.Upload(t, "acme", condatest.Spec{Name: "other", License: "MIT"}, "")
	w.olga.Upload(t, "acme", condatest.Spec{Name: "open", Version: "0.9", License: "MIT"}, "")
	w.download(1, "/conda/acme/noarch/"+openFile)
	w.download(2, "/conda/acme/noarch/other-1.0-0.conda")
	outsiders := w.outsiders()
	look := func() map[string]string {
		seen := map[string]string{}
		for _, c := range outsiders {
			for _, d := range countedDoors() {
				a := d.ask(w, t, c, thing{})
				seen[c.name+" "+a.Method+" "+a.Path] = http.StatusText(a.Status) + "\n" + ages.ReplaceAllString(string(a.Body), "*")
			}
		}
		return seen
	}
	same := func(when string, before map[string]string) {
		t.Helper()
		after := look()
		for _, key := range slices.Sorted(maps.Keys(before)) {
			if diff := cmp.Diff(before[key], after[key]); diff != "" {
				t.Errorf("%s: %s: before (-), after (+):\n%s", when, key, diff)
			}
		}
	}
	w.Clock.Pass(50 * time.Hour) // what is told by the day shows what comes now
	before := look()

	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "9.0w", Subdir: "osx-64", License: "GPL"}, "")
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "1.0", Build: "k_1", Subdir: "osx-64", License: "GPL"}, "")
	same("uploaded", before)
	w.download(7, "/conda/acme/cellar/osx-64/open-9.0w-0.conda")
	same("downloaded", before)

	// Those who may read the channel are told of both.
	got := func(token string) (p struct {
		Latest    string    `json:"latest"`
		License   string    `json:"license"`
		Subdirs   []string  `json:"subdirs"`
		Downloads int64     `json:"downloads"`
		Modified  time.Time `json:"modified_at"`
	},
	) {
		w.Want(t, http.StatusOK, "GET", v1+"/packages/acme/open", apptest.Request{Token: token}).JSON(t, &p)
		return p
	}
	if p := got(w.olga.Token); p.Downloads != 8 || p.Latest != "1.0" || strings.Join(p.Subdirs, " ") != "noarch osx-64" || p.License != "GPL" {
		t.Errorf("the owner sees %+v", p)
	}
	if p := got(""); p.Downloads != 1 || p.License != "MIT" {
		t.Errorf("nobody sees %+v", p)
	}
	for query, want := range map[string]int{"platform": 1, "license": 1, "none": 0} {
		q := registry.Query{Owners: registry.One("acme"), Text: "open"}
		switch query {
		case "platform":
			q.Platforms = registry.One("osx-64")
		case "license":
			q.Licenses = registry.One("gpl")
		default:
			q.Platforms = registry.One("win-64")
		}
		found, err := w.Registry.Search(t.Context(), w.olga.Actor(t), q)
		if err != nil || found.Total != want || len(found.Hits) != want {
			t.Errorf("the owner finds %d by %s, want %d: %v", found.Total, query, want, err)
		}
		if found, err = w.Registry.Search(t.Context(), access.Anonymous(""), q); err != nil || found.Total != 0 {
			t.Errorf("nobody finds %d by %s: %v", found.Total, query, err)
		}
	}
	for _, sort := range []string{"released", "downloads", "modified", "name"} {
		list, err := w.Registry.Packages(t.Context(), w.olga.Actor(t), registry.PackageFilter{Owner: "acme", Sort: sort})
		if w.must(err); (list.Packages[0].Name == "open") == (sort == "name") {
			t.Errorf("by %s the owner sees first %s", sort, list.Packages[0].Name)
		}
	}

	// Into the trash and back, and taken from a label.
	w.Want(t, http.StatusNoContent, "DELETE", v1+"/files/acme/cellar/osx-64/open-9.0w-0.conda", apptest.Request{Token: w.olga.Token})
	same("deleted", before)
	if p := got(w.olga.Token); p.Downloads != 8 {
		t.Errorf("the owner sees %d downloads after the deletion, want 8", p.Downloads)
	}
	w.Want(t, http.StatusCreated, "DELETE", "/api/channels/acme/cellar", apptest.Request{Token: w.olga.Token, Body: []byte(`{"package":"buried"}`)})

	// A channel that was public and is so no more takes its files along, and back.
	w.Want(t, http.StatusCreated, "POST", v1+"/channels", apptest.Request{Token: w.olga.Token, Body: []byte(`{"owner":"acme","name":"attic","visibility":"public"}`)})
	turn := func(visibility string) {
		w.Want(t, http.StatusOK, "PATCH", v1+"/channels/acme/attic", apptest.Request{Token: w.olga.Token, Body: []byte(`{"visibility":"` + visibility + `"}`)})
	}
	w.olga.Upload(t, "acme/attic", condatest.Spec{Name: "open", Version: "3.0", Subdir: "win-64", License: "Zlib"}, "")
	w.download(3, "/conda/acme/attic/win-64/open-3.0-0.conda")
	if p := got(""); p.Downloads != 4 || strings.Join(p.Subdirs, " ") != "noarch win-64" {
		t.Errorf("with a public channel nobody sees %+v", p)
	}
	turn("internal")
	if p := got(""); p.Downloads != 1 || strings.Join(p.Subdirs, " ") != "noarch" || p.License != "MIT" {
		t.Errorf("with an internal channel nobody sees %+v", p)
	}
	if p := got(w.mike.Token); p.Downloads != 4 || strings.Join(p.Subdirs, " ") != "noarch win-64" {
		t.Errorf("with an internal channel a member sees %+v", p)
	}
	turn("public")
	if p := got(""); p.Downloads != 4 || strings.Join(p.Subdirs, " ") != "noarch win-64" {
		t.Errorf("with a channel made public again nobody sees %+v", p)
	}

	// Labelled into a public channel, a closed file counts.
	w.Want(t, http.StatusCreated, "POST", "/api/channels/acme/main", apptest.Request{Token: w.olga.Token, Body: []byte(`{"package":"open","version":"1.0"}`)})
	if p := got(""); p.License != "GPL" || !slices.Contains(p.Subdirs, "osx-64") {
		t.Errorf("once labelled main nobody sees %+v", p)
	}
	w.Want(t, http.StatusCreated, "DELETE", "/api/channels/acme/main", apptest.Request{Token: w.olga.Token, Body: []byte(`{"package":"open","version":"1.0","basename":"osx-64/open-1.0-k_1.conda"}`)})
	if p := got(""); p.License != "MIT" || slices.Contains(p.Subdirs, "osx-64") {
		t.Errorf("with the label main taken off nobody sees %+v", p)
	}
}

// TestClosedFilesDoNotCountForMembers: in an owner without public channels, what
// one channel holds does not count for those who may only read another.
func TestClosedFilesDoNotCountForMembers(t *testing.T) {
	w := newWorld(t)
	w.Want(t, http.StatusOK, "PATCH", v1+"/channels/acme/main", apptest.Request{Token: w.olga.Token, Body: []byte(`{"visibility":"internal"}`)})
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "9.0w", Subdir: "osx-64", License: "GPL"}, "")
	w.download(1, "/conda/acme/noarch/"+openFile)
	w.download(2, "/conda/acme/cellar/osx-64/open-9.0w-0.conda")
	for _, c := range []struct {
		who       *apptest.Person
		found     int
		downloads int64
		latest    string
	}{{w.mike, 0, 1, "1.0"}, {w.olga, 1, 3, "1.0"}} {
		found, err := w.Registry.Search(t.Context(), c.who.Actor(t), registry.Query{Owners: registry.One("acme"), Text: "open"})
		if w.must(err); len(found.Hits) != 1 || found.Hits[0].Downloads != c.downloads || found.Hits[0].Latest != c.latest {
			t.Fatalf("%s sees %+v", c.who.Name, found.Hits)
		}
		if osx := slices.ContainsFunc(found.Facets.Platforms, func(f registry.Facet) bool { return f.Value == "osx-64" }); osx != (c.found == 1) {
			t.Errorf("the facets of %s: %+v", c.who.Name, found.Facets)
		}
		found, err = w.Registry.Search(t.Context(), c.who.Actor(t), registry.Query{Owners: registry.One("acme"), Text: "open", Platforms: registry.One("osx-64")})
		if w.must(err); found.Total != c.found {
			t.Errorf("%s finds %d on osx-64, want %d", c.who.Name, found.Total, c.found)
		}
		days, err := w.Registry.Downloads(t.Context(), c.who.Actor(t), "acme", "open", 1)
		if w.must(err); days[0].Count != c.downloads {
			t.Errorf("%s sees %d downloads today, want %d", c.who.Name, days[0].Count, c.downloads)
		}
		stats, err := w.Registry.Stats(t.Context(), c.who.Actor(t))
		if w.must(err); stats.Downloads != c.downloads || stats.Files != map[bool]int{false: 1, true: 4}[c.found == 1] {
			t.Errorf("%s sees the totals %+v", c.who.Name, stats)
		}
	}
	// A grant on the channel opens it, and what it holds.
	cellar, err := w.Registry.Channel(t.Context(), w.olga.Actor(t), "acme", "cellar")
	w.must(err)
	opens := w.acme.Object()
	opens.ChannelID, opens.Channel = cellar.ID, cellar.Name
	w.must(w.Accounts.Grant(t.Context(), w.olga.Actor(t), account.Subject{Kind: "user", Name: "mike"}, opens, access.Read))
	found, err := w.Registry.Search(t.Context(), w.mike.Actor(t), registry.Query{Owners: registry.One("acme"), Text: "open", Platforms: registry.One("osx-64")})
	if w.must(err); found.Total != 1 || found.Hits[0].Downloads != 3 {
		t.Errorf("with a grant a member finds %+v", found.Hits)
	}
	// A file whose last label was taken off counts by main.
	w.Want(t, http.StatusCreated, "DELETE", "/api/channels/acme/cellar", apptest.Request{Token: w.olga.Token, Body: []byte(`{"package":"open"}`)})
	w.Want(t, http.StatusCreated, "POST", v1+"/channels", apptest.Request{Token: w.olga.Token, Body: []byte(`{"owner":"acme","name":"attic","visibility":"public"}`)})
	w.olga.Upload(t, "acme/attic", condatest.Spec{Name: "open", Version: "2.0"}, "")
	for _, path := range []string{"/api/package/acme/open", v1 + "/packages/acme/open", "/acme/open", "/acme/open/releases", "/acme/open/files"} {
		if a := w.Want(t, http.StatusOK, "GET", path, apptest.Request{}); strings.Contains(string(a.Body), "9.0w") || strings.Contains(string(a.Body), "osx-64") {
			t.Errorf("nobody learns of a file without a label from %s", path)
		}
	}
	w.Want(t, http.StatusNotFound, "GET", "/api/release/acme/open/9.0w", apptest.Request{})
}

// download gets a file so many times and has the counts written.
func (w *world) download(times int, path string) {
	w.Helper()
	for range times {
		w.Want(w, http.StatusOK, "GET", path, apptest.Request{Token: w.olga.Token})
	}
	w.must(w.Registry.FlushDownloads(w.Context()))
}
