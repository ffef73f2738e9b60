package doors_test

import (
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// door is a way by which something private could come out.
type door struct {
	route  string // of the table of routes
	path   string // PKG is a package, FILE its file's name, CHANNEL a channel, SHARD the hash of a shard, GEN a generation, ID the id of a file
	method string // "" is GET
	body   string // the word PACKAGE is the bytes of the package
	form   bool
}

const v1 = "/api/v1"

// fileDoors name a file in a channel.
func fileDoors() []door {
	return []door{
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/noarch/FILE"},
		{route: "GET /conda/*", path: "/conda/acme/label/CHANNEL/noarch/FILE"},
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/at/GEN/noarch/FILE"},
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/noarch/shards/SHARD.msgpack.zst"},
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/at/GEN/noarch/shards/SHARD.msgpack.zst"},
		{route: "GET /repo/*", path: "/repo/acme/CHANNEL/noarch/FILE"},
		{route: "GET /repo/*", path: "/repo/acme/CHANNEL/noarch/shards/SHARD.msgpack.zst"},
		{route: "GET /api/v1/files/{owner}/*", path: v1 + "/files/acme/CHANNEL/noarch/FILE"},
		{route: "PATCH /api/v1/files/{owner}/*", method: "PATCH", path: v1 + "/files/acme/CHANNEL/noarch/FILE", body: `{"withdrawn":true}`},
		{route: "DELETE /api/v1/files/{owner}/*", method: "DELETE", path: v1 + "/files/acme/CHANNEL/noarch/FILE"},
	}
}

// packageDoors name a package.
func packageDoors() []door {
	return append(fileDoors(), []door{
		{route: "GET /api/package/{owner}/{package}", path: "/api/package/acme/PKG"},
		{route: "GET /api/package/{owner}/{package}/files", path: "/api/package/acme/PKG/files"},
		{route: "GET /api/packages/{owner}/{package}/collaborators", path: "/api/packages/acme/PKG/collaborators"},
		{route: "GET /api/release/{owner}/{package}/{version}", path: "/api/release/acme/PKG/1.0"},
		{route: "GET /api/release/{owner}/{package}/{version}", path: "/api/release/acme/PKG/latest"},
		{route: "GET /api/dist/{owner}/{package}/{version}/*", path: "/api/dist/acme/PKG/1.0/noarch/FILE"},
		{route: "GET /api/dist/{owner}/{package}/{version}/*", path: "/api/dist/acme/PKG/1.0/-/ID"},
		{route: "GET /api/download/{owner}/{package}/{version}/*", path: "/api/download/acme/PKG/1.0/noarch/FILE"},
		{route: "GET /api/v1/packages/{owner}/{name}", path: v1 + "/packages/acme/PKG"},
		{route: "GET /api/v1/packages/{owner}/{name}/files", path: v1 + "/packages/acme/PKG/files"},

		{route: "POST /api/copy/package/{owner}/{package}/{version}/*", method: "POST", path: "/api/copy/package/acme/PKG/1.0/noarch/FILE", body: `{"from_channel":"CHANNEL","to_channel":"main"}`},
		{route: "POST /api/copy/package/{owner}/{package}/{version}/*", method: "PATCH", path: "/api/copy/package/acme/PKG/1.0", body: `{"from_channel":"CHANNEL","to_channel":"main"}`},
		{route: "PATCH /api/package/{owner}/{package}", method: "PATCH", path: "/api/package/acme/PKG", body: `{"public_attrs":{"summary":"Other"}}`},
		{route: "DELETE /api/package/{owner}/{package}", method: "DELETE", path: "/api/package/acme/PKG"},
		{route: "POST /api/package/{owner}/{package}", method: "POST", path: "/api/package/acme/PKG", body: `{"public_attrs":{}}`},
		{route: "POST /api/release/{owner}/{package}/{version}", method: "POST", path: "/api/release/acme/PKG/1.0", body: `{}`},
		{route: "PATCH /api/release/{owner}/{package}/{version}", method: "PATCH", path: "/api/release/acme/PKG/1.0", body: `{"public_attrs":{}}`},
		{route: "DELETE /api/release/{owner}/{package}/{version}", method: "DELETE", path: "/api/release/acme/PKG/1.0"},
		{route: "DELETE /api/dist/{owner}/{package}/{version}/*", method: "DELETE", path: "/api/dist/acme/PKG/1.0/noarch/FILE"},
		{route: "POST /api/stage/{owner}/{package}/{version}/*", method: "POST", path: "/api/stage/acme/PKG/1.0/noarch/FILE", body: `{"distribution_type":"conda","attrs":{}}`},
		{route: "PUT /api/packages/{owner}/{package}/collaborators/{user}", method: "PUT", path: "/api/packages/acme/PKG/collaborators/sara"},
		{route: "POST /api/v1/packages", method: "POST", path: v1 + "/packages", body: `{"owner":"acme","name":"PKG"}`},
		{route: "PATCH /api/v1/packages/{owner}/{name}", method: "PATCH", path: v1 + "/packages/acme/PKG", body: `{"summary":"Other"}`},
		{route: "DELETE /api/v1/packages/{owner}/{name}", method: "DELETE", path: v1 + "/packages/acme/PKG"},
		{route: "POST /api/v1/upload/{owner}", method: "POST", path: v1 + "/upload/acme/CHANNEL", body: "PACKAGE"},
		{route: "PUT /conda/{owner}/*", method: "PUT", path: "/conda/acme/CHANNEL/noarch/FILE", body: "PACKAGE"},
		{route: "POST /api/channels/{owner}/*", method: "POST", path: "/api/channels/acme/main", body: `{"package":"PKG"}`},

		{route: "GET /{owner}/{package}", path: "/acme/PKG"},
		{route: "GET /{owner}/{package}/releases", path: "/acme/PKG/releases"},
		{route: "GET /{owner}/{package}/releases/{version}", path: "/acme/PKG/releases/1.0"},
		{route: "GET /{owner}/{package}/releases/{version}/delete", path: "/acme/PKG/releases/1.0/delete"},
		{route: "POST /{owner}/{package}/releases/{version}/delete", method: "POST", path: "/acme/PKG/releases/1.0/delete", form: true, body: "typed=PKG"},
		{route: "GET /{owner}/{package}/files", path: "/acme/PKG/files"},
		{route: "GET /{owner}/{package}/files/{subdir}/{file}", path: "/acme/PKG/files/noarch/FILE"},
		{route: "GET /{owner}/{package}/files/{subdir}/{file}/download", path: "/acme/PKG/files/noarch/FILE/download"},
		{route: "GET /{owner}/{package}/files/{subdir}/{file}/delete", path: "/acme/PKG/files/noarch/FILE/delete"},
		{route: "POST /{owner}/{package}/files/{subdir}/{file}/delete", method: "POST", path: "/acme/PKG/files/noarch/FILE/delete", form: true},
		{route: "POST /{owner}/{package}/files/{subdir}/{file}/yank", method: "POST", path: "/acme/PKG/files/noarch/FILE/yank", form: true},
		{route: "GET /{owner}/{package}/settings/general", path: "/acme/PKG/settings/general"},
		{route: "POST /{owner}/{package}/settings/general", method: "POST", path: "/acme/PKG/settings/general", form: true, body: "visibility=public&summary=Other"},
		{route: "GET /{owner}/{package}/settings/admin", path: "/acme/PKG/settings/admin"},
		{route: "GET /{owner}/{package}/settings/admin/delete", path: "/acme/PKG/settings/admin/delete"},
		{route: "POST /{owner}/{package}/settings/admin/delete", method: "POST", path: "/acme/PKG/settings/admin/delete", form: true, body: "typed=acme/PKG"},
		{route: "GET /{owner}/{package}/dependencies", path: "/acme/PKG/dependencies"},
		{route: "GET /{owner}/{package}/badges/{badge}", path: "/acme/PKG/badges/version.svg"},
		{route: "GET /{owner}/{package}/badges/{badge}", path: "/acme/PKG/badges/platforms.svg"},
		{route: "GET /{owner}/{package}/badges/{badge}", path: "/acme/PKG/badges/downloads.svg"},
		{route: "GET /{owner}/{package}/badges/{badge}", path: "/acme/PKG/badges/license.svg"},
	}...)
}

// forms are the documents of a subdir and of a channel.
var forms = []string{
	"/noarch/repodata.json", "/noarch/repodata.json.zst", "/noarch/current_repodata.json", "/noarch/current_repodata.json.zst",
	"/noarch/run_exports.json", "/noarch/run_exports.json.zst", "/noarch/repodata_shards.msgpack.zst", "/noarch/", "/linux-64/repodata.json",
	"/channeldata.json", "/rss.xml", "/notices.json", "/terms.json", "/index.html", "",
}

// channelDoors name one channel.
func channelDoors() []door {
	doors := []door{
		{route: "GET /api/channels/{owner}/*", path: "/api/channels/acme/CHANNEL"},
		{route: "POST /api/channels/{owner}/*", method: "POST", path: "/api/channels/acme/CHANNEL", body: `{"package":"open"}`},
		{route: "POST /api/channels/{owner}/*", method: "POST", path: "/api/channels/acme/CHANNEL/lock"},
		{route: "POST /api/channels/{owner}/*", method: "POST", path: "/api/channels/acme/CHANNEL/copy/other"},
		{route: "DELETE /api/channels/{owner}/*", method: "DELETE", path: "/api/channels/acme/CHANNEL", body: `{"package":"open"}`},
		{route: "GET /api/v1/channels/{owner}/*", path: v1 + "/channels/acme/CHANNEL"},
		{route: "PATCH /api/v1/channels/{owner}/*", method: "PATCH", path: v1 + "/channels/acme/CHANNEL", body: `{"description":"x"}`},
		{route: "POST /api/v1/channels", method: "POST", path: v1 + "/channels", body: `{"owner":"acme","name":"CHANNEL"}`},
		{route: "GET /{owner}/-/channels/*", path: "/acme/-/channels/CHANNEL"},
		{route: "GET /api/v1/generations/{owner}/*", path: v1 + "/generations/acme/CHANNEL"},
		{route: "GET /api/v1/changes/{owner}/*", path: v1 + "/changes/acme/CHANNEL?generation=1"},
		{route: "POST /api/v1/generations/{owner}/*", method: "POST", path: v1 + "/generations/acme/CHANNEL", body: `{"to":"1"}`},
		{route: "POST /api/v1/channels", method: "POST", path: v1 + "/channels", body: `{"owner":"sara","name":"copy","kind":"snapshot","source":"acme/CHANNEL"}`},
		{route: "GET /{owner}/-/history/*", path: "/acme/-/history/CHANNEL"},
		{route: "GET /{owner}/-/changes/*", path: "/acme/-/changes/CHANNEL?generation=1"},
		{route: "GET /{owner}/-/rollback/*", path: "/acme/-/rollback/CHANNEL?to=1"},
		{route: "GET /{owner}/-/freeze/*", path: "/acme/-/freeze/CHANNEL"},
		{route: "GET /{owner}/-/snapshot/*", path: "/acme/-/snapshot/CHANNEL"},
		{route: "GET /conda/*", path: "/conda/acme/label/CHANNEL/noarch/repodata.json"},
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/at/GEN/noarch/repodata.json"},
		{route: "GET /conda/*", path: "/conda/acme/CHANNEL/at/2030-01-01/channeldata.json"},
		{route: "GET /repo/*", path: "/repo/acme/CHANNEL/noarch/repodata_shards.msgpack.zst"},
	}
	for _, form := range forms {
		doors = append(doors, door{route: "GET /conda/*", path: "/conda/acme/CHANNEL" + form})
	}
	return doors
}

// listDoors show many things, private ones left out. What is added in private
// changes none of these answers.
func listDoors() []door {
	doors := []door{
		{route: "GET /api/packages", path: "/api/packages"},
		{route: "GET /api/packages/{login}", path: "/api/packages/acme"},
		{route: "GET /api/packages/{login}", path: "/api/packages/acme?access=private"},
		{route: "GET /api/package_listing", path: "/api/package_listing"},
		{route: "GET /api/search", path: "/api/search?name=shut"},
		{route: "GET /api/search", path: "/api/search?name=buried"},
		{route: "GET /api/channels/{owner}", path: "/api/channels/acme"},
		{route: "GET /api/channels/{owner}/*", path: "/api/channels/acme/main"},
		{route: "GET /api/package/{owner}/{package}", path: "/api/package/acme/open"},
		{route: "GET /api/group/{org}/{group}/packages", path: "/api/group/acme/team/packages"},
		{route: "GET /api/v1/groups/{org}/{name}/packages", path: v1 + "/groups/acme/team/packages"},
		{route: "GET /api/v1/packages", path: v1 + "/packages"},
		{route: "GET /api/v1/packages", path: v1 + "/packages?owner=acme&sort=modified"},
		{route: "GET /api/v1/packages", path: v1 + "/packages?q=shut"},
		{route: "GET /api/v1/channels", path: v1 + "/channels?owner=acme"},
		{route: "GET /api/v1/channels/{owner}/*", path: v1 + "/channels/acme/dev"},
		{route: "GET /api/v1/trash/{owner}", path: v1 + "/trash/acme"},
		{route: "GET /api/v1/users/{name}", path: v1 + "/users/acme"},
		{route: "GET /", path: "/"},
		{route: "GET /search", path: "/search"},
		{route: "GET /search", path: "/search?q=shut"},
		{route: "GET /search", path: "/search?q=buried"},
		{route: "GET /search", path: "/search?q=acme&sort=released"},
		{route: "GET /status", path: "/status"},
		{route: "GET /dashboard", path: "/dashboard"},
		{route: "GET /settings/storage", path: "/settings/storage"},
		{route: "GET /organization/{org}/settings/storage", path: "/organization/acme/settings/storage"},
		{route: "GET /{owner}", path: "/acme"},
		{route: "GET /{owner}", path: "/acme?filter=shut"},
		{route: "GET /{owner}", path: "/acme?sort=released"},
		{route: "GET /{owner}/-/channels", path: "/acme/-/channels"},
		{route: "GET /{owner}/-/channels/*", path: "/acme/-/channels/dev"},
		{route: "GET /api/v1/generations/{owner}/*", path: v1 + "/generations/acme/dev"},
		{route: "GET /api/v1/changes/{owner}/*", path: v1 + "/changes/acme/dev?from=0"},
		{route: "GET /{owner}/-/history/*", path: "/acme/-/history/dev"},
		{route: "GET /{owner}/-/changes/*", path: "/acme/-/changes/dev?from=0"},
		{route: "GET /{owner}/{package}", path: "/acme/open"},
		{route: "GET /{owner}/{package}/dependencies", path: "/acme/open/dependencies"},
		{route: "GET /{owner}/{package}/files", path: "/acme/open/files"},
		{route: "GET /repo/*", path: "/repo/acme/noarch/repodata.json"},
	}
	for _, form := range forms {
		doors = append(doors, door{route: "GET /conda/*", path: "/conda/acme" + form}, door{route: "GET /conda/*", path: "/conda/acme/at/2030-01-01" + form})
	}
	return doors
}

// TestDoorsAreListed: a route that shows data of packages or channels is in a list
// above.
func TestDoorsAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range slices.Concat(packageDoors(), channelDoors(), listDoors()) {
		listed[d.route] = true
	}
	routes := map[string]bool{}
	for _, rt := range apptest.New(t).Faces.Routes() {
		routes[key(rt)] = true
		if rt.Door && !listed[key(rt)] {
			t.Errorf("%s shows data of packages or channels; put it into a list of doors_test.go", key(rt))
		}
	}
	for _, route := range slices.Sorted(maps.Keys(listed)) {
		if !routes[route] {
			t.Errorf("the lists of doors name %s, which is no route", route)
		}
	}
}

// thing is what a door is asked for.
type thing struct{ pkg, channel, shard, generation, id string }

func (d door) ask(w *world, t testing.TB, c caller, x thing) *apptest.Answer {
	t.Helper()
	spec := condatest.Spec{Name: x.pkg}
	fill := strings.NewReplacer("PKG", x.pkg, "FILE", spec.FileName(), "CHANNEL", x.channel, "SHARD", x.shard, "GEN", x.generation, "ID", x.id)
	r := apptest.Request{Token: c.token, Body: []byte(fill.Replace(d.body)), Header: map[string]string{}}
	if d.body == "PACKAGE" {
		r.Body = condatest.Make(t, spec)
		r.Header["X-File-Name"] = spec.FileName()
	}
	if d.form {
		r.Type = formKind
	}
	if !strings.HasPrefix(d.path, "/api") && !strings.HasPrefix(d.path, "/conda") && !strings.HasPrefix(d.path, "/repo") && c.person != nil {
		r.Token, r.Via = c.person.Cookie, apptest.Cookie
	}
	method := d.method
	if method == "" {
		method = http.MethodGet
	}
	return w.Do(t, method, fill.Replace(d.path), r)
}

// shown is an answer without what differs between any two requests. The words of
// the request are taken out, since an answer may repeat them.
func shown(a *apptest.Answer, words ...string) string {
	h := a.Header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		h.Del(name)
	}
	if strings.HasPrefix(h.Get("ETag"), `W/"`) {
		h.Set("ETag", "of the body") // a page's, which is compared without the words of the request
	}
	var b strings.Builder
	b.WriteString(http.StatusText(a.Status) + "\n")
	if err := h.Write(&b); err != nil {
		return err.Error()
	}
	b.WriteString("\n")
	b.Write(a.Body)
	out := b.String()
	for _, word := range words {
		if word != "" {
			out = strings.ReplaceAll(out, word, strings.Repeat("*", 8))
		}
	}
	// A minute may begin between two pages.
	out = regexp.MustCompile(`just now|\b\d+ minutes? ago`).ReplaceAllString(out, "lately")
	// On /status; it is another on a busy machine.
	out = regexp.MustCompile(`Answers in \d+ ms`).ReplaceAllString(out, "Answers")
	return regexp.MustCompile(`Content-Length: \d+`).ReplaceAllString(out, "Content-Length: *")
}

// outsiders are those to whom nothing private is open.
func (w *world) outsiders() []caller {
	return slices.DeleteFunc(w.callers(), func(c caller) bool {
		return c.name != "anonymous" && c.name != "stranger" && c.name != "member" && c.name != "operator"
	})
}

// TestPrivateIsAbsent: what is private gives the same status, body and headers as
// what never was.
func TestPrivateIsAbsent(t *testing.T) {
	w := newWorld(t)
	cases := []struct {
		name         string
		doors        []door
		there, never thing
	}{
		{
			"private package", packageDoors(),
			thing{"shut", "main", w.shard("main", "shut"), "2", w.fileID("shut", shutFile)},
			thing{"gone", "main", strings.Repeat("ab", 32), "2", strings.Repeat("a", 20)},
		},
		{
			"file of a private channel", fileDoors(),
			thing{"buried", "cellar", w.shard("cellar", "buried"), "1", w.fileID("buried", buriedFile)},
			thing{"buried", "garret", strings.Repeat("ab", 32), "1", strings.Repeat("a", 20)},
		},
		{"private channel", channelDoors(), thing{channel: "cellar", generation: "1"}, thing{channel: "garret", generation: "1"}},
	}
	for _, tt := range cases {
		for _, c := range w.outsiders() {
			t.Run(tt.name+" for "+c.name, func(t *testing.T) {
				for _, d := range tt.doors {
					private, absent := d.ask(w, t, c, tt.there), d.ask(w, t, c, tt.never)
					if private.Status < 400 && absent.Status >= 400 {
						t.Errorf("%s: it is open", private)
						continue
					}
					if c.name == "member" && private.Status == http.StatusForbidden && strings.HasPrefix(d.route, "GET /conda") || strings.HasPrefix(d.route, "GET /repo") && private.Status == http.StatusForbidden {
						continue // members may know that they lack a grant (design.md §5)
					}
					x, y := tt.there, tt.never
					got := shown(private, x.pkg, x.channel, x.shard, x.id)
					want := shown(absent, y.pkg, y.channel, y.shard, y.id)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s %s: absent (-), private (+):\n%s", private.Method, private.Path, diff)
					}
				}
			})
		}
	}
	// The same doors open for those who may.
	admin := caller{name: "administrator", person: w.adam, token: w.adam.Token}
	for _, tt := range cases {
		for _, d := range tt.doors {
			if d.method != "" || strings.HasSuffix(d.path, "/terms.json") || strings.HasSuffix(d.path, ".svg") || strings.Contains(d.path, "linux-64") {
				continue
			}
			if got := d.ask(w, t, admin, tt.there); got.Status >= 400 {
				t.Errorf("%s for an administrator: %s", tt.name, got)
			}
		}
	}
}

// shard gives the hash of the shard of a package, as an administrator's index
// names it.
func (w *world) shard(channel, pkg string) string {
	w.Helper()
	got := w.Want(w, http.StatusOK, "GET", "/conda/acme/"+channel+"/noarch/repodata_shards.msgpack.zst", apptest.Request{Token: w.adam.Token})
	index, err := repodata.DecodeShardIndex(got.Body)
	if err != nil {
		w.Fatal(err)
	}
	if i := slices.Index(index.Names, pkg); i >= 0 {
		return hex.EncodeToString(index.Hashes[i][:])
	}
	w.Fatalf("no shard of %s is known", pkg)
	return ""
}

func (w *world) fileID(pkg, name string) string {
	w.Helper()
	f, err := w.Registry.File(w.Context(), w.olga.Actor(w), "acme", pkg, "1.0", "noarch/"+name)
	w.must(err)
	return f.ID
}

// ages are what pages say of how long ago something was, and what a generation is
// called: both go on without anything being shown.
var ages = regexp.MustCompile(`(?i)just now|in \d+ ms|\d+ (second|minute)s? ago|"generation":\d+|[0-9]{2}:[0-9]{2}(:[0-9]{2})?`)

// TestPrivateChangesNoList: lists, counts and indexes are the same with and
// without private things beside.
func TestPrivateChangesNoList(t *testing.T) {
	w := newWorld(t)
	olga, ctx := w.olga.Actor(t), t.Context()
	_, err := w.Accounts.CreateGroup(ctx, olga, "acme", account.NewGroup{Name: "team", Permission: "read"})
	w.must(err)
	w.olga.Upload(t, "acme/dev", condatest.Spec{Name: "open", Version: "2.0"}, "")
	outsiders := w.outsiders()
	look := func() map[string]string {
		seen := map[string]string{}
		for _, c := range outsiders {
			for _, d := range listDoors() {
				a := d.ask(w, t, c, thing{})
				seen[c.name+" "+a.Method+" "+a.Path] = http.StatusText(a.Status) + "\n" + ages.ReplaceAllString(string(a.Body), "*")
			}
		}
		return seen
	}
	before := look()
	for _, pkg := range []string{"shut", "shutter"} {
		spec := condatest.Spec{Name: pkg, Version: "9.0", License: "MIT", Depends: []string{"open"}, Summary: "Nobody knows."}
		w.olga.Upload(t, "acme", spec, "private=true")
		w.olga.Upload(t, "acme/dev", condatest.Spec{Name: pkg, Version: "9.1"}, "")
	}
	w.Want(t, http.StatusCreated, "POST", "/api/v1/channels", apptest.Request{Token: w.olga.Token, Body: []byte(`{"owner":"acme","name":"vault","visibility":"private"}`)})
	w.olga.Upload(t, "acme/vault", condatest.Spec{Name: "shut", Version: "9.2", Depends: []string{"open"}}, "")
	w.must(w.Accounts.AddGroupPackage(ctx, olga, "acme", "team", "shutter"))
	after := look()
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if diff := cmp.Diff(before[key], after[key]); diff != "" {
			t.Errorf("%s: before (-), with private things beside (+):\n%s", key, diff)
		}
	}
}
