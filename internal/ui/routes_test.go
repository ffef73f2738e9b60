package ui_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/web"
)

// garden is an app with an organisation, a public and a private package.
func garden(t *testing.T, opts ...apptest.Option) (app *apptest.App, ana, eve *apptest.Person) {
	t.Helper()
	app = apptest.New(t, opts...)
	ana, eve = app.User(t, "ana"), app.User(t, "eve")
	app.Org(t, "acme", ana)
	soil := condatest.Spec{Name: "soil", Version: "1.0", Subdir: "noarch", License: "MIT", Summary: "What everything grows on", README: "# soil\n\n[moss](moss.md) ![x](https://evil.example/x.png)\n"}
	moss := condatest.Spec{Name: "moss", Version: "2.0", Build: "py312_0", Subdir: "linux-64", Depends: []string{"soil >=1", "python >=3.12"}, README: "<script>alert(1)</script><p style='color:red' onclick='x()'>hello</p>"}
	secret := condatest.Spec{Name: "secret", Version: "1.0", Subdir: "noarch", Depends: []string{"soil"}}
	ana.Upload(t, "acme", soil, "")
	ana.Upload(t, "acme", moss, "")
	ana.Upload(t, "acme/dev", secret, "private=true")
	return app, ana, eve
}

// fill puts the private package, or the organisation, into a pattern.
func fill(pattern string) string {
	return strings.NewReplacer("{owner}", "acme", "{org}", "acme", "{package}", "secret", "{version}", "1.0", "{subdir}", "noarch",
		"{file}", "secret-1.0-0.conda", "{badge}", "version.svg", "{code}", "wrong", "/assets/*", "/assets/none", "channels/*", "channels/main",
		"history/*", "history/main", "changes/*", "changes/main?generation=1", "rollback/*", "rollback/main?to=1", "freeze/*", "freeze/main", "snapshot/*", "snapshot/main").Replace(pattern)
}

// TestRoutes asks for every page as nobody, as its owner and as a stranger, and
// holds the answer against the verdict of the table.
func TestRoutes(t *testing.T) {
	app, ana, eve := garden(t)
	quiet := func(b *browser) *browser {
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return b
	}
	for _, route := range app.Faces.UI.Routes() {
		t.Run(route.Method+" "+route.Pattern, func(t *testing.T) {
			path := fill(route.Pattern)
			ask := func(p *apptest.Person) answer {
				b := quiet(open(t, app))
				if p != nil {
					q := *p
					q.Cookie = p.NewSession(t) // signing out must not end the others
					b = quiet(as(t, app, &q))
				}
				if route.Method == http.MethodGet {
					return b.get(path)
				}
				return b.post(path)
			}
			toLogin := func(a answer) bool {
				return a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/login")
			}
			stranger, owner := ask(eve), ask(nil)
			nobody := owner
			owner = ask(ana)
			for who, a := range map[string]answer{"nobody": nobody, "the stranger": stranger, "the owner": owner} {
				if a.status >= 500 {
					t.Errorf("%s gets %d", who, a.status)
				}
				if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && a.status != http.StatusSeeOther && a.status != http.StatusMovedPermanently && a.status != http.StatusFound {
					headers(t, a)
				}
			}
			private := strings.Contains(route.Pattern, "{package}")
			switch route.Who {
			case web.Anybody:
				if toLogin(nobody) || nobody.status == http.StatusForbidden {
					t.Errorf("nobody gets %d %s", nobody.status, nobody.header.Get("Location"))
				}
			case web.Person:
				if !toLogin(nobody) || toLogin(owner) {
					t.Errorf("nobody gets %d, a person %d", nobody.status, owner.status)
				}
			case web.Admin:
				refused := stranger.status == http.StatusNotFound || strings.Contains(route.Pattern, "/-/") && stranger.status == http.StatusForbidden // of a public channel
				if !toLogin(nobody) || !refused || owner.status == http.StatusNotFound {
					t.Errorf("nobody gets %d, a stranger %d, the owner %d", nobody.status, stranger.status, owner.status)
				}
			case web.Member:
				if nobody.status != http.StatusNotFound || stranger.status != http.StatusNotFound {
					t.Errorf("nobody gets %d, a stranger %d of an organisation", nobody.status, stranger.status)
				}
			case web.SecretLink:
				if nobody.status != http.StatusNotFound && nobody.status != http.StatusUnprocessableEntity {
					t.Errorf("a wrong code gets %d", nobody.status)
				}
			case web.Reader, web.Writer:
				badge := strings.Contains(route.Pattern, "badges") // for everybody or nobody
				if private && (stranger.status != http.StatusNotFound || nobody.status != http.StatusNotFound && !toLogin(nobody)) {
					t.Errorf("nobody gets %d, a stranger %d of a private package", nobody.status, stranger.status)
				}
				if !badge && owner.status == http.StatusNotFound && route.Method == http.MethodGet {
					t.Errorf("the owner gets %d", owner.status)
				}
			default:
				t.Errorf("the route has the verdict %q", route.Who)
			}
		})
	}
}

// headers checks what every page says to the browser.
func headers(t *testing.T, a answer) {
	t.Helper()
	csp := a.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("%s: the content security policy lacks %s: %q", a.path, part, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("%s: the content security policy is %q", a.path, csp)
	}
	if a.header.Get("Referrer-Policy") == "" || a.header.Get("Cache-Control") == "" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: headers are missing: %v", a.path, a.header)
	}
	for _, bad := range []*regexp.Regexp{styleAttribute, inlineScript, handlerAttribute} {
		if found := bad.FindString(a.body); found != "" {
			t.Errorf("%s holds %s", a.path, found)
		}
	}
}

var (
	styleAttribute   = regexp.MustCompile(`<[a-z][^>]*\sstyle=[^>]*>`)
	inlineScript     = regexp.MustCompile(`<script>|<script [^>]*>[^<]+</script>|<style`)
	handlerAttribute = regexp.MustCompile(`<[a-z][^>]*\s(on[a-z]+|hx-on[a-z:-]*)=[^>]*>`)
	link             = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
)

// TestPrivate: what is private answers as what is not there does, byte for byte
// but for its own name, and shows nowhere.
func TestPrivate(t *testing.T) {
	app, ana, eve := garden(t)
	for _, b := range []*browser{open(t, app), as(t, app, eve)} {
		for _, end := range []string{"", "/releases", "/releases/1.0", "/files", "/files/noarch/%s-1.0-0.conda", "/files/noarch/%s-1.0-0.conda/download", "/dependencies", "/badges/version.svg"} {
			private := b.get("/acme/secret" + strings.ReplaceAll(end, "%s", "secret"))
			absent := b.get("/acme/sacred" + strings.ReplaceAll(end, "%s", "sacred"))
			if private.status != http.StatusNotFound || strings.ReplaceAll(private.body, "secret", "sacred") != absent.body {
				t.Errorf("%s tells that a private package exists: %d", end, private.status)
			}
		}
		for _, path := range []string{"/", "/search", "/search?q=secret", "/acme", "/acme/-/channels", "/acme/-/channels/main", "/acme/-/channels/dev", "/acme/soil/dependencies"} {
			a := b.get(path)
			if strings.Contains(a.body, "/acme/secret") || strings.Contains(plain(a.body), "acme/ secret") {
				t.Errorf("%s shows the private package", path)
			}
		}
	}
	inside := as(t, app, ana)
	inside.want(inside.get("/acme/secret"), 200, "", "Private", "TERRARIUM_TOKEN")
	inside.want(inside.get("/acme/soil/dependencies"), 200, "", "Needed by", "acme/ secret", "acme/ moss")
	inside.want(inside.get("/acme/-/channels/dev"), 200, "", "acme/ secret")
	if a := inside.get("/acme/secret"); a.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("Cache-Control of a page of somebody signed in is %q", a.header.Get("Cache-Control"))
	}
}

// TestLinks follows every link from the first page on, as nobody and as somebody
// signed in.
func TestLinks(t *testing.T) {
	app, ana, _ := garden(t)
	for who, b := range map[string]*browser{"nobody": open(t, app), "ana": as(t, app, ana)} {
		t.Run(who, func(t *testing.T) {
			b.t = t
			seen, queue := map[string]bool{"/?home": true}, []string{"/?home"}
			for len(queue) > 0 && len(seen) < 400 {
				path := queue[0]
				queue = queue[1:]
				a := b.get(path)
				if a.status != http.StatusOK {
					t.Errorf("%s answers %d", path, a.status)
					continue
				}
				if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					continue
				}
				headers(t, a)
				for _, m := range link.FindAllStringSubmatch(a.body, -1) {
					to, err := url.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
					if err != nil {
						t.Errorf("%s has the link %q", path, m[1])
						continue
					}
					to.Fragment = ""
					next := to.String()
					if to.Host != "" || next == "" || !strings.HasPrefix(next, "/") || seen[next] {
						continue
					}
					seen[next] = true
					queue = append(queue, next)
				}
			}
			if len(seen) < 30 {
				t.Errorf("only %d pages were found", len(seen))
			}
		})
	}
}

// TestSearchWords narrows by words of the query and by values of the address.
func TestSearchWords(t *testing.T) {
	app, _, _ := garden(t)
	b := open(t, app)
	for _, test := range []struct {
		query, want string
		without     string
	}{
		{"q=soil", "acme/ soil", "acme/ moss"},
		{"q=licence:MIT", "acme/ soil", "acme/ moss"},
		{"q=license:mit", "acme/ soil", "acme/ moss"},
		{"q=platform:linux-64", "acme/ moss", "acme/ soil"},
		{"q=&platform=linux-64", "linux-64", "acme/ soil"},
		{"q=&platform=linux-64&platform=noarch", "acme/ moss", "acme/ secret"},
		{"q=platform:linux-64+platform:noarch", "acme/ soil", "acme/ secret"},
		{"q=platform:linux-64", "noarch 1", ""}, // what else could be chosen
		{"q=owner:nobody+moss", "Nothing that you may see matches.", "acme/ moss"},
		{"q=colour:green", "“colour” is not a filter.", ""},
		{"q=soilx", "Did you mean soil", "acme/ soil"},
		{"sort=nonsense", "Packages are sorted by", ""},
	} {
		a := b.want(b.get("/search?"+test.query), 200, "", test.want)
		if test.without != "" && strings.Contains(plain(a.body), test.without) {
			t.Errorf("%s finds %s", test.query, test.without)
		}
	}
}

// TestREADME of somebody hostile does no harm.
func TestREADME(t *testing.T) {
	app, _, _ := garden(t)
	b := open(t, app)
	a := b.want(b.get("/acme/moss"), 200, "", "hello", "Python 3.12", "soil >=1")
	headers(t, a)
	if strings.Contains(a.body, "alert(1)") {
		t.Error("the script of the README stands in the page")
	}
	a = b.want(b.get("/acme/soil"), 200, "", "MIT")
	if strings.Contains(a.body, `src="https://evil`) {
		t.Error("the README loads a picture from elsewhere")
	}
}

// TestBadges are pictures that name what everybody may know.
func TestBadges(t *testing.T) {
	app, _, _ := garden(t)
	b := open(t, app)
	for name, want := range map[string]string{"version": "1.0", "platforms": "noarch", "license": "MIT", "downloads": "0"} {
		a := b.get("/acme/soil/badges/" + name + ".svg")
		if a.status != 200 || a.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.body, ">"+want+"</text>") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	b.want(b.get("/acme/soil/badges/other.svg"), 404, "")
}

// TestPreferences are cookies that pages follow.
func TestPreferences(t *testing.T) {
	app, _, _ := garden(t)
	b := open(t, app)
	if a := b.post("/theme", "theme", "dark", "next", "/help"); a.path != "/help" || !strings.Contains(a.body, `data-theme="dark"`) {
		t.Errorf("the theme is not kept: %s", a.path)
	}
	b.post("/keys", "keys", "off")
	if a := b.get("/help"); !strings.Contains(a.body, `data-keys="off"`) {
		t.Error("the keys are not off")
	}
	b.post("/tool", "tool", "pixi")
	if a := b.get("/acme/soil"); !regexp.MustCompile(`value="pixi"[^>]*checked`).MatchString(a.body) {
		t.Error("the tool is not kept")
	}
}
