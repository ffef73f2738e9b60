//go:build browser

package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// password is that of people who sign up here.
const password = "seven green ferns"

// save writes a package into a folder of the test and gives its path.
func save(t *testing.T, s condatest.Spec) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), s.FileName())
	if err := os.WriteFile(path, condatest.Make(t, s), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// press clicks what leads to another page.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.leads(chromedp.Click(chromedp.CSS(selector)))
}

// enter types into the field of a name.
func (b *tab) enter(id, text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.ID(id), text))
}

// TestForms walks the way of somebody new in a browser that runs no scripts.
func TestForms(t *testing.T) {
	app := apptest.New(t)
	b := launch(t, app).open(t, nil)
	b.size(1280, 900)
	b.scripts(false)

	b.visit("/")
	b.press(`a[href="/signup"].primary`)
	b.at("/signup", "What an account is for")
	b.enter("username", "nia")
	b.enter("email", "nia@uni.example")
	b.enter("password", password)
	b.enter("password2", password+"s")
	b.press(`form[action="/signup"] button.primary`)
	b.at("/signup", "Two things to fix", "This differs from the first one. Type it again.")
	if typed := ask(b, chromedp.Value(chromedp.ID("password"))); typed != "" {
		t.Error("the password came back into the page")
	}
	b.enter("password", password)
	b.enter("password2", password)
	b.run(chromedp.Click(chromedp.ID("terms")))
	b.press(`form[action="/signup"] button.primary`)
	b.at("/dashboard", "Your account is made.", "nia@uni.example is not verified yet.", "Publish your first package")

	link := app.Link(t, app.Mails(t, 1)[0], "/verify/")
	axe := readAxe(t)
	b.scripts(true) // those of axe
	b.inspect(t, look{"/verify/{code}", link, "nia", 0}, axe)
	b.scripts(false)
	b.visit(link)
	b.press(`form[action="` + link + `"] button`)
	b.at(link, "nia@uni.example is verified.")

	b.visit("/dashboard")
	b.size(1280, 900)
	b.press("main .title a.primary")
	b.at("/add?owner=nia", "Upload files")
	path := save(t, condatest.Spec{Name: "soil", Version: "1.0", Summary: "What plants stand in"})
	b.run(chromedp.SetUploadFiles(chromedp.ID("file"), []string{path}))
	b.press("form[data-upload] button.primary")
	b.at("/add", "1 file published", "nia/soil 1.0")
	b.press(`a[href="/nia/soil/releases/1.0"]`)
	b.at("/nia/soil/releases/1.0", "conda install -c "+app.Base+"/conda/nia soil")

	// Each tool's command is there to be chosen, without a script.
	b.run(chromedp.Click(chromedp.CSS(`.tools label:has([value="pixi"])`)))
	if text := b.text(); !strings.Contains(text, "pixi add soil") || strings.Contains(text, "conda install -c") {
		t.Errorf("choosing pixi does not show its commands alone:\n%s", text)
	}

	b.run(chromedp.SendKeys(chromedp.CSS(".header [data-find]"), "plants"))
	b.leads(chromedp.KeyEvent("\r"))
	b.at("/search?q=plants", "1 package for", "nia/soil")

	b.visit("/settings/tokens")
	b.enter("name", "ci")
	b.run(chromedp.Click(chromedp.CSS(`[name="scope"][value="api:read"]`)))
	b.press(`form.fields button.primary`)
	b.at("/settings/tokens", "ci is made", "You will not see it again")
	secret := ask(b, chromedp.Text(chromedp.CSS(".new-token code")))
	app.Want(t, 200, "GET", "/api/user", apptest.Request{Token: strings.TrimSpace(secret)})

	b.visit("/nia/soil")
	b.press(`[data-theme-form] button[value="dark"]`)
	b.at("/nia/soil")
	if ground := eval[string](b, `getComputedStyle(document.documentElement).colorScheme`); ground != "dark" {
		t.Errorf("after choosing Dark the colour scheme is %q", ground)
	}
	b.press(`.header form[action="/logout"] button`)
	b.at("/", "Find a conda package", "1 package from")
	b.press(`.header a[href^="/login"]`)
	b.enter("username", "nia")
	b.enter("password", password)
	b.press(`form[action="/login"] button.primary`)
	b.at("/dashboard", "nia/soil")
	for _, said := range b.complaints() {
		if !strings.Contains(said, "422") {
			t.Error(said)
		}
	}
}
