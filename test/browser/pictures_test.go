//go:build browser

package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"terrarium/internal/apptest"
)

// TestPictures writes pictures of six pages into artefacts/, under the names and in
// the sizes of the drafts, to be laid beside them.
func TestPictures(t *testing.T) {
	w := fill(t)
	c := launch(t, w.App)
	folder := filepath.Join("..", "..", "artefacts")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, shot := range []struct {
		name, path    string
		who           *apptest.Person
		width, height int64
		scheme        string
		view          string // the owner that the person works for
	}{
		{"home", "/", nil, 1280, 1197, "light", ""},
		{"search", "/search?q=raster&platform=linux-64", w.ana, 1280, 1217, "light", ""},
		{"package", "/acme/rasterio", w.ana, 1280, 1383, "light", "acme"},
		{"package-dark", "/acme/rasterio", w.ana, 1280, 1383, "dark", "acme"},
		{"package-phone", "/acme/rasterio", nil, 390, 2843, "light", ""},
		{"dashboard", "/dashboard", w.ana, 1280, 1061, "light", ""},
		{"sign-up", "/signup", nil, 1280, 1081, "light", ""},
	} {
		t.Run(shot.name, func(t *testing.T) {
			b := c.open(t, shot.who)
			b.media(shot.scheme)
			b.size(shot.width, shot.height)
			if shot.view != "" {
				b.visit("/dashboard")
				b.run(chromedp.Click(chromedp.CSS("details.menu summary")))
				b.leads(chromedp.Click(chromedp.CSS(`.menu-body button[value="` + shot.view + `"]`)))
			}
			b.visit(shot.path)
			if shot.name == "sign-up" {
				b.signUpWrongly()
			}
			b.until(`document.fonts.status === "loaded"`)
			if err := os.WriteFile(filepath.Join(folder, shot.name+".png"), b.picture(), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// signUpWrongly leaves the sign-up page with what the draft shows: two things to
// fix, and the focus in a name that is free.
func (b *tab) signUpWrongly() {
	b.t.Helper()
	b.run(
		chromedp.SendKeys(chromedp.ID("username"), "ana-geo"), chromedp.SendKeys(chromedp.ID("email"), "ana@uni.example"),
		chromedp.SendKeys(chromedp.ID("password"), "a green fern"), chromedp.SendKeys(chromedp.ID("password2"), "a green tree"),
	)
	b.leads(chromedp.Click(chromedp.CSS(`form[action="/signup"] button.primary`)))
	b.at("/signup", "Two things to fix")
}
