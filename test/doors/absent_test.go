package doors_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// manner is how a request is made: a method or headers that could bring out what
// a plain GET does not.
type manner struct {
	name, method string
	header       map[string]string
}

var manners = []manner{
	{"plain", "GET", nil},
	{"HEAD", "HEAD", nil},
	{"OPTIONS", "OPTIONS", nil},
	{"POST", "POST", nil},
	{"PUT", "PUT", nil},
	{"DELETE", "DELETE", nil},
	{"of a browser", "GET", map[string]string{"Accept": "text/html,*/*"}},
	{"HEAD of a browser", "HEAD", map[string]string{"Accept": "text/html,*/*"}},
	{"if none match", "GET", map[string]string{"If-None-Match": "*"}},
	{"if match", "GET", map[string]string{"If-Match": `"x"`}},
	{"if modified", "GET", map[string]string{"If-Modified-Since": "Sat, 21 Nov 2099 00:00:00 GMT"}},
	{"if unmodified", "GET", map[string]string{"If-Unmodified-Since": "Sat, 21 Nov 1999 00:00:00 GMT"}},
	{"a range", "GET", map[string]string{"Range": "bytes=0-0"}},
	{"a range behind the end", "GET", map[string]string{"Range": "bytes=99999999-"}},
	{"coded", "GET", map[string]string{"Accept-Encoding": "zstd"}},
}

// limited are people with credentials that do less than they may, by themselves
// or because they may nothing here.
func (w *world) limited() []caller {
	w.Helper()
	token := func(name string, p *apptest.Person, n account.NewToken) caller {
		n.Name = w.name("narrow")
		return caller{name: name, token: p.NewToken(w, n)}
	}
	return []caller{
		token("stranger who may download", w.sara, account.NewToken{Scopes: []string{"conda:download"}}),
		token("stranger who may read", w.sara, account.NewToken{Scopes: []string{"api:read"}}),
		token("operator who may read", w.root, account.NewToken{Scopes: []string{"api:read", "conda:download"}}),
		token("stranger limited to a package", w.sara, account.NewToken{Resources: []string{"acme/shut"}}),
		token("stranger limited to themselves", w.sara, account.NewToken{Resources: []string{"sara"}}),
		token("member limited to a package", w.mike, account.NewToken{Resources: []string{"acme/open"}}),
	}
}

// lost is what the world had once: packages that were public and are private, or
// were private and are deleted.
func (w *world) lost() (turned, gone thing) {
	w.Helper()
	as := apptest.Request{Token: w.olga.Token}
	w.olga.Upload(w, "acme", condatest.Spec{Name: "turned"}, "")
	w.olga.Upload(w, "acme", condatest.Spec{Name: "gone"}, "private=true")
	turned = thing{"turned", "main", w.shard("main", "turned"), "3", w.fileID("turned", "turned-1.0-0.conda")}
	gone = thing{"gone", "main", w.shard("main", "gone"), "4", w.fileID("gone", "gone-1.0-0.conda")}
	as.Body = []byte(`{"visibility":"private"}`)
	w.Want(w, http.StatusOK, "PATCH", v1+"/packages/acme/turned", as)
	w.Want(w, http.StatusNoContent, "DELETE", v1+"/packages/acme/gone", apptest.Request{Token: w.olga.Token})
	return turned, gone
}

// TestAbsentInEveryManner asks for what is closed and for what never was with
// every method and header, by people of every kind and with narrow tokens: status,
// body and headers are the same.
func TestAbsentInEveryManner(t *testing.T) {
	w := newWorld(t)
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "9.0w"}, "")
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "8.0w"}, "")
	w.Want(t, http.StatusNoContent, "DELETE", v1+"/files/acme/cellar/noarch/open-8.0w-0.conda", apptest.Request{Token: w.olga.Token})
	turned, gone := w.lost()
	never := thing{"never", "main", strings.Repeat("ab", 32), "3", strings.Repeat("a", 20)}
	cases := []struct {
		name         string
		doors        []door
		there, never thing
	}{
		{"private package", packageDoors(), thing{"shut", "main", w.shard("main", "shut"), "2", w.fileID("shut", shutFile)}, never},
		{"package turned private", packageDoors(), turned, never},
		{"deleted private package", packageDoors(), gone, never},
		{"file of a private channel", fileDoors(), thing{"buried", "cellar", w.shard("cellar", "buried"), "1", w.fileID("buried", buriedFile)}, thing{"buried", "garret", strings.Repeat("ab", 32), "1", strings.Repeat("a", 20)}},
		{"file of a private channel in main", fileDoors(), thing{"buried", "main", w.shard("cellar", "buried"), "1", ""}, thing{"never", "main", strings.Repeat("ab", 32), "1", ""}},
		{"private channel", channelDoors(), thing{channel: "cellar", generation: "1"}, thing{channel: "garret", generation: "1"}},
		{"closed version", versionDoors(), thing{pkg: "9.0w"}, thing{pkg: "6.0w"}},
		{"deleted closed version", versionDoors(), thing{pkg: "8.0w"}, thing{pkg: "6.0w"}},
	}
	callers := append(w.outsiders(), w.limited()...)
	callers = append(callers, caller{name: "bad token", token: "tm-user-AnExampleForTests00000-1bjJFj", bad: true})
	for _, tt := range cases {
		for _, c := range callers {
			t.Run(tt.name+" for "+c.name, func(t *testing.T) {
				for _, d := range tt.doors {
					for _, m := range manners {
						if d.method != "" && (m.method != "GET" || m.header == nil && m.name != "plain") {
							continue
						}
						if c.name != "anonymous" && c.name != "stranger" && m.name != "plain" {
							continue // headers do not change who is asking
						}
						x, y := tt.there, tt.never
						y.generation = x.generation
						private, absent := d.askAs(w, t, c, x, m), d.askAs(w, t, c, y, m)
						if strings.HasPrefix(c.name, "member") && private.Status == http.StatusForbidden && (strings.HasPrefix(d.path, "/conda") || strings.HasPrefix(d.path, "/repo")) {
							continue // members may know that they lack a grant (design.md §5)
						}
						got, want := shown(private, x.pkg, x.channel, x.shard, x.id), shown(absent, y.pkg, y.channel, y.shard, y.id)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("%s: %s %s: absent (-), private (+):\n%s", m.name, private.Method, private.Path, diff)
						}
					}
				}
			})
		}
	}
}

// versionDoors name a version of the package open, as PKG.
func versionDoors() []door {
	return []door{
		{path: "/api/release/acme/open/PKG"},
		{path: "/api/dist/acme/open/PKG/noarch/open-PKG-0.conda"},
		{path: "/api/download/acme/open/PKG/noarch/open-PKG-0.conda"},
		{path: v1 + "/files/acme/main/noarch/open-PKG-0.conda"},
		{path: v1 + "/files/acme/cellar/noarch/open-PKG-0.conda"},
		{path: "/conda/acme/noarch/open-PKG-0.conda"},
		{path: "/conda/acme/cellar/noarch/open-PKG-0.conda"},
		{path: "/acme/open?release=PKG"},
		{path: "/acme/open/releases/PKG"},
		{path: "/acme/open/files?release=PKG"},
		{path: "/acme/open/dependencies?release=PKG"},
		{path: "/acme/open/files/noarch/open-PKG-0.conda"},
		{path: "/acme/open/files/noarch/open-PKG-0.conda/download"},
		{path: "/acme/open/releases/PKG/delete"},
		{path: "/search?q=open+PKG"},
		{path: "/api/search?name=PKG"},
		{path: "/api/package/acme/open?version=PKG"},
		{method: "POST", path: "/api/copy/package/acme/open/PKG/noarch/open-PKG-0.conda", body: `{"to_owner":"sara"}`},
		{method: "POST", path: "/api/copy/package/acme/open/PKG", body: `{"to_owner":"sara"}`},
		{method: "POST", path: "/api/channels/acme/main", body: `{"package":"open","version":"PKG"}`},
		{method: "DELETE", path: "/api/release/acme/open/PKG"},
		{method: "DELETE", path: "/api/dist/acme/open/PKG/noarch/open-PKG-0.conda"},
		{method: "PATCH", path: "/api/release/acme/open/PKG", body: `{"public_attrs":{}}`},
	}
}

// askAs is ask in a manner; the credential goes along in the way of its path.
func (d door) askAs(w *world, t testing.TB, c caller, x thing, m manner) *apptest.Answer {
	t.Helper()
	if d.method != "" {
		return d.ask(w, t, c, x)
	}
	spec := condatest.Spec{Name: x.pkg}
	fill := strings.NewReplacer("PKG", x.pkg, "FILE", spec.FileName(), "CHANNEL", x.channel, "SHARD", x.shard, "GEN", x.generation, "ID", x.id)
	r := apptest.Request{Token: c.token, Header: m.header}
	if !strings.HasPrefix(d.path, "/api") && !strings.HasPrefix(d.path, "/conda") && !strings.HasPrefix(d.path, "/repo") && c.person != nil {
		r.Token, r.Via = c.person.Cookie, apptest.Cookie
	}
	return w.Do(t, m.method, fill.Replace(d.path), r)
}

// TestWriterOfAPackage has somebody who may write one package try what a channel
// holds of it that is closed to them: it is like what never was, and stays.
func TestWriterOfAPackage(t *testing.T) {
	w := newWorld(t)
	hidden := condatest.Spec{Name: "open", Version: "9.0w"}
	w.olga.Upload(t, "acme/cellar", hidden, "")
	open := w.acme.Object()
	pkg, err := w.Registry.Package(t.Context(), w.olga.Actor(t), "acme", "open")
	w.must(err)
	open.PackageID, open.PackageName = pkg.ID, pkg.Name
	w.must(w.Accounts.Grant(t.Context(), w.olga.Actor(t), account.Subject{Kind: "user", Name: "mike"}, open, access.Write))
	mike := caller{name: "a writer", person: w.mike, token: w.mike.Token}
	for _, d := range slices.Concat(versionDoors(), []door{
		{method: "PATCH", path: v1 + "/files/acme/main/noarch/open-PKG-0.conda", body: `{"withdrawn":true}`},
		{method: "DELETE", path: v1 + "/files/acme/main/noarch/open-PKG-0.conda"},
		{method: "POST", path: "/acme/open/files/noarch/open-PKG-0.conda/delete", form: true},
		{method: "POST", path: "/acme/open/files/noarch/open-PKG-0.conda/yank", form: true},
		{method: "POST", path: "/acme/open/releases/PKG/delete", form: true, body: "typed=open"},
	}) {
		there, never := d.ask(w, t, mike, thing{pkg: "9.0w"}), d.ask(w, t, mike, thing{pkg: "6.0w"})
		if there.Status == http.StatusForbidden && strings.HasPrefix(d.path, "/conda") {
			continue
		}
		if diff := cmp.Diff(shown(never, "6.0w"), shown(there, "9.0w")); diff != "" {
			t.Errorf("%s %s: absent (-), closed (+):\n%s", there.Method, there.Path, diff)
		}
	}
	upload := apptest.Request{Token: w.mike.Token, Body: condatest.Make(t, hidden), Header: map[string]string{"X-File-Name": hidden.FileName()}}
	w.Want(t, http.StatusConflict, "POST", v1+"/upload/acme", upload)
	w.Want(t, http.StatusConflict, "POST", v1+"/upload/acme?force=true", upload)
	w.Want(t, http.StatusOK, "GET", "/conda/acme/cellar/noarch/open-9.0w-0.conda", apptest.Request{Token: w.olga.Token})
	w.Want(t, http.StatusNotFound, "GET", "/conda/acme/noarch/open-9.0w-0.conda", apptest.Request{Token: w.olga.Token})

	// Of a file that is in an open channel too, the closed one is not named.
	w.Want(t, http.StatusCreated, "POST", "/api/channels/acme/main", apptest.Request{Token: w.olga.Token, Body: []byte(`{"package":"open","version":"9.0w"}`)})
	if a := w.Want(t, http.StatusOK, "POST", v1+"/upload/acme", upload); strings.Contains(string(a.Body), "cellar") {
		t.Errorf("a writer learns of the channel: %s", a)
	}
}
