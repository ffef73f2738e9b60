//go:build browser

package browser

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/registry"
)

// visitors are the people who look at pages.
type visitors map[string]*apptest.Person

// look is one page to be looked at: the pattern that it belongs to, its address,
// who looks, and the status that it has.
type look struct {
	pattern, path, who string
	status             int // 0: 200
}

// looks are all pages in all states that a reader can bring about. Whoever adds a
// page to the router adds it here.
func looks(t *testing.T, w *world) []look {
	t.Helper()
	const (
		linux = "/acme/rasterio/files/linux-64/rasterio-1.4.3-py312h9f2c_2.conda"
		soil  = "/ana/survey-notebooks"
	)
	titiler, err := w.Registry.Files(t.Context(), w.ben.Actor(t), "acme", "titiler", "")
	w.must(t, err)
	yanked := titiler[0]
	_, err = w.Registry.Withdraw(t.Context(), w.ben.Actor(t), "acme", "titiler", yanked.Version, yanked.Basename, "Tiles were one pixel off.")
	w.must(t, err)
	w.must(t, w.Registry.DeleteRelease(t.Context(), w.ana.Actor(t), "acme", "shapely", "1.5"))
	setup, err := w.Accounts.SetupLink(t.Context())
	w.must(t, err)
	w.must(t, w.Accounts.ForgotPassword(t.Context(), w.ana.Actor(t), "ana"))
	reset := w.Link(t, w.Mails(t, 1)[0], "/reset/")
	w.Org(t, "oldlab", w.ben)
	_, err = w.Accounts.DeleteOwner(t.Context(), w.ben.Actor(t), "oldlab", "oldlab")
	w.must(t, err)
	_, err = w.Registry.CreateSnapshot(t.Context(), w.ana.Actor(t), "acme", registry.NewSnapshot{Name: "q4-2026", Owner: "acme", Channel: "main", At: "3"})
	w.must(t, err)
	return []look{
		{"/{owner}/-/channels/*", "/acme/-/channels/q4-2026", "", 0},
		{"/{owner}/-/history/*", "/acme/-/history/main", "ana", 0},
		{"/{owner}/-/history/*", "/nia/-/history/main", "", 0},
		{"/{owner}/-/changes/*", "/acme/-/changes/main?generation=3", "ana", 0},
		{"/{owner}/-/changes/*", "/acme/-/changes/main?from=1&to=9", "", 0},
		{"/{owner}/-/rollback/*", "/acme/-/rollback/main?to=3", "ana", 0},
		{"/{owner}/-/freeze/*", "/acme/-/freeze/main", "ana", 0},
		{"/{owner}/-/snapshot/*", "/acme/-/snapshot/main?at=3", "ana", 0},
		{"/", "/", "", 0},
		{"/", "/?home", "ana", 0},
		{"/", "/?home&channels=all", "", 0},
		{"/search", "/search?q=raster", "ana", 0},
		{"/search", "/search?q=raster&platform=linux-64&kind=conda&sort=downloads", "", 0},
		{"/search", "/search?q=nothing-is-called-this", "", 0},
		{"/search", "/search?q=colour:red+raster", "", 0},
		{"/search", "/search?q=rasterioo&owner=bio", "", 0},
		{"/search", "/search", "", 0},
		{"/help", "/help", "", 0},
		{"/terms", "/terms", "", 0},
		{"/privacy", "/privacy", "", 0},
		{"/status", "/status", "", 0},
		{"/login", "/login?next=%2Fadd", "", 0},
		{"/signup", "/signup", "", 0},
		{"/forgot/username", "/forgot/username", "", 0},
		{"/forgot/password", "/forgot/password", "", 0},
		{"/reset/{code}", reset, "", 0},
		{"/reset/{code}", "/reset/wrong", "", http.StatusNotFound},
		{"/verify/{code}", "/verify/wrong", "", http.StatusNotFound},
		{"/setup/{code}", "/setup/" + setup, "", 0},
		{"/setup/{code}", "/setup/wrong", "", http.StatusNotFound},
		{"/dashboard", "/dashboard", "ana", 0},
		{"/dashboard", "/dashboard", "nia", 0},
		{"/dashboard", "/dashboard?filter=zzz", "ana", 0},
		{"/add", "/add?owner=acme", "ana", 0},
		{"/add", "/add", "nia", 0},
		{"/settings/profile", "/settings/profile", "ana", 0},
		{"/settings/account", "/settings/account", "ana", 0},
		{"/settings/account/delete", "/settings/account/delete", "ana", 0},
		{"/settings/account/delete", "/settings/account/delete", "ben", 0},
		{"/organization/{org}/settings/account", "/organization/acme/settings/account", "ana", 0},
		{"/organization/{org}/settings/account", "/organization/acme/settings/account", "ben", 0},
		{"/organization/{org}/settings/account/delete", "/organization/acme/settings/account/delete", "ben", 0},
		{"/organization/{org}/settings/account/delete", "/organization/acme/settings/account/delete", "ana", http.StatusForbidden},
		{"/login/keep", "/login/keep", "", http.StatusNotFound},
		{"/settings/organizations", "/settings/organizations", "ben", 0},
		{"/settings/security", "/settings/security", "ana", 0},
		{"/settings/tokens", "/settings/tokens", "ana", 0},
		{"/settings/tokens", "/settings/tokens", "nia", 0},
		{"/settings/storage", "/settings/storage", "ana", 0},
		{"/settings/storage", "/settings/storage", "nia", 0},
		{"/organization/{org}/settings/storage", "/organization/acme/settings/storage", "ana", 0},
		{"/{owner}/{package}", "/acme/titiler", "ana", 0},
		{"/{owner}/{package}", "/acme/shapely", "ana", 0},
		{"/{owner}/{package}/files/{subdir}/{file}", "/acme/titiler/files/noarch/" + yanked.Name, "ana", 0},
		{"/settings/organizations", "/settings/organizations", "ana", 0},
		{"/settings/organizations", "/settings/organizations", "nia", 0},
		{"/settings/organizations/new", "/settings/organizations/new", "ana", 0},
		{"/organization/{org}/settings/profile", "/organization/acme/settings/profile", "ana", 0},
		{"/organization/{org}/settings/profile", "/organization/bio/settings/profile", "ana", http.StatusForbidden},
		{"/organization/{org}/settings/tokens", "/organization/acme/settings/tokens", "ana", 0},
		{"/{owner}", "/acme", "", 0},
		{"/{owner}", "/acme", "ana", 0},
		{"/{owner}", "/ana", "", 0},
		{"/{owner}", "/nia", "nia", 0},
		{"/{owner}", "/nia", "", 0},
		{"/{owner}", "/nobody", "", http.StatusNotFound},
		{"/{owner}/-/channels", "/acme/-/channels", "", 0},
		{"/{owner}/-/channels/*", "/acme/-/channels/main", "ana", 0},
		{"/{owner}/-/channels/*", "/acme/-/channels/prod", "", 0},
		{"/{owner}/-/channels/*", "/nia/-/channels/main", "nia", 0},
		{"/{owner}/-/people", "/acme/-/people", "ana", 0},
		{"/{owner}/{package}", "/acme/rasterio", "", 0},
		{"/{owner}/{package}", "/acme/rasterio?readme=all", "ana", 0},
		{"/{owner}/{package}", soil, "ana", 0},
		{"/{owner}/{package}", soil, "", http.StatusNotFound},
		{"/{owner}/{package}", "/acme/xarray", "ben", 0},
		{"/{owner}/{package}", "/acme/gdal", "", 0},
		{"/{owner}/{package}", "/acme/gdal?readme=all", "", 0},
		{"/{owner}/{package}", "/acme/affine", "", 0},
		{"/{owner}/{package}/releases", "/acme/rasterio/releases", "ana", 0},
		{"/{owner}/{package}/releases/{version}", "/acme/rasterio/releases/1.4.0rc1", "", 0},
		{"/{owner}/{package}/releases/{version}/delete", "/acme/rasterio/releases/1.4.3/delete", "ana", 0},
		{"/{owner}/{package}/files", "/acme/rasterio/files", "", 0},
		{"/{owner}/{package}/files", "/acme/rasterio/files", "ana", 0},
		{"/{owner}/{package}/files/{subdir}/{file}", linux, "", 0},
		{"/{owner}/{package}/files/{subdir}/{file}", linux, "ana", 0},
		{"/{owner}/{package}/files/{subdir}/{file}/delete", linux + "/delete", "ana", 0},
		{"/{owner}/{package}/files/{subdir}/{file}/delete", linux + "/delete", "nia", http.StatusForbidden},
		{"/{owner}/{package}/settings/general", "/acme/rasterio/settings/general", "ana", 0},
		{"/{owner}/{package}/settings/general", soil + "/settings/general", "ana", 0},
		{"/{owner}/{package}/settings/general", "/acme/rasterio/settings/general", "nia", http.StatusForbidden},
		{"/{owner}/{package}/settings/admin", "/acme/rasterio/settings/admin", "ana", 0},
		{"/{owner}/{package}/settings/admin/delete", "/acme/rasterio/settings/admin/delete", "ana", 0},
		{"/{owner}/{package}/dependencies", "/acme/rasterio/dependencies", "", 0},
		{"/{owner}/{package}/dependencies", "/conda-forge/numpy/dependencies", "", 0},
	}
}

// noPages are addresses that give no page: files, a line of the sign-up form, and
// ways to another page.
func noPages() []string {
	return []string{"/signup/username", "/robots.txt", "/favicon.ico", "/assets/*", "/{owner}/repo", "/{owner}/labels", "/{owner}/{package}/files/{subdir}/{file}/download", "/{owner}/{package}/badges/{badge}"}
}

// TestPages looks at every page of the router, light and dark, wide and narrow:
// axe finds nothing, the console says nothing, nothing sticks out.
func TestPages(t *testing.T) {
	w := fill(t)
	unverified := w.newcomer(t)
	people := visitors{"": nil, "ana": w.ana, "ben": w.ben, "nia": unverified}
	list := looks(t, w)

	seen := map[string]bool{}
	for _, l := range list {
		if l.status == 0 || l.status == http.StatusOK {
			seen[l.pattern] = true
		}
	}
	seen["/login/keep"] = true    // TestDeletion looks at it, as it wants a cookie
	seen["/verify/{code}"] = true // its good answer is looked at by TestForms, as the code is in a mail
	for _, pattern := range noPages() {
		seen[pattern] = true
	}
	for _, route := range w.Faces.UI.Routes() {
		if route.Method == http.MethodGet && !seen[route.Pattern] {
			t.Errorf("nobody looks at the page %s: add it to looks", route.Pattern)
		}
	}

	c := launch(t, w.App)
	axe := readAxe(t)
	for who, person := range people {
		t.Run("as "+named(who), func(t *testing.T) {
			t.Parallel() // each in a tab of its own
			b := c.open(t, person)
			for _, l := range list {
				if l.who == who {
					t.Run(l.path, func(t *testing.T) { b.inspect(t, l, axe) })
				}
			}
		})
	}
}

func named(who string) string {
	if who == "" {
		return "nobody"
	}
	return who
}

// newcomer is somebody with a fresh account and nothing in it.
func (w *world) newcomer(t *testing.T) *apptest.Person {
	t.Helper()
	p := w.User(t, "nia")
	w.must(t, w.Accounts.UpdateProfile(t.Context(), p.Actor(t), "nia", account.Profile{FullName: strings.Repeat("Nia ", 20)}))
	return p
}

// readAxe gives the source of axe-core.
func readAxe(t *testing.T) string {
	t.Helper()
	path := os.Getenv("TERRARIUM_AXE")
	if path == "" {
		t.Fatal("TERRARIUM_AXE does not say where axe.min.js is: make test-browser sets it")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// inspect opens a page and looks at it in every size and colour.
func (b *tab) inspect(t *testing.T, l look, axe string) {
	t.Helper()
	b.t = t
	b.size(1280, 900)
	b.complaints()
	want := max(l.status, http.StatusOK)
	if l.status == 0 {
		want = http.StatusOK
	}
	if got := b.visit(l.path); got != want {
		t.Fatalf("%s has the status %d, want %d: %s", l.path, got, want, b.text())
	}
	b.run(evaluated(axe))
	for _, scheme := range []string{"light", "dark"} {
		b.media(scheme)
		for _, width := range []int64{1280, 390} {
			b.size(width, 900)
			for _, violation := range b.audit() {
				t.Errorf("%s, %d px, %s: %s", l.path, width, scheme, violation)
			}
		}
	}
	for _, width := range []int64{1280, 390, 320} {
		b.size(width, 900)
		if out := b.overflow(); len(out) > 0 {
			t.Errorf("%s is wider than %d px: %s", l.path, width, strings.Join(out, ", "))
		}
	}
	if n := eval[int](b, `document.querySelectorAll("[style]").length`); n > 0 {
		t.Errorf("%s has %d elements with an attribute style, which the policy forbids", l.path, n)
	}
	for _, said := range b.complaints() {
		if want >= 400 && strings.Contains(said, fmt.Sprint(want)) {
			continue // the page itself is the refusal that the console tells of
		}
		t.Errorf("%s: %s", l.path, said)
	}
}

// audit runs axe over the page as it stands.
func (b *tab) audit() []string {
	b.t.Helper()
	return eval[[]string](b, `axe.run(document, {
		runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}, resultTypes: ["violations"],
	}).then((found) => found.violations.flatMap((v) => v.nodes.map((n) => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary)))`)
}

// overflow names what makes the page wider than the window.
func (b *tab) overflow() []string {
	b.t.Helper()
	out := eval[[]string](b, `(() => {
		const root = document.documentElement;
		if (root.scrollWidth <= root.clientWidth) return [];
		const scrolls = (e) => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (getComputedStyle(p).overflowX !== "visible") return true; return false; };
		return ["scrollWidth " + root.scrollWidth, ...[...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 0.5 && !scrolls(e))
			.map((e) => e.tagName.toLowerCase() + "." + e.className + " to " + Math.round(e.getBoundingClientRect().right)).slice(0, 6)];
	})()`)
	return slices.Clip(out)
}
