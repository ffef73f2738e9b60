package ui_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/ui"
)

// fetch gives the body of a static file.
func fetch(t *testing.T, assets *ui.Assets, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	assets.ServeHTTP(w, httptest.NewRequest(http.MethodGet, assets.URL(name), nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d", name, w.Code)
	}
	return w.Body.String()
}

func TestAssets(t *testing.T) {
	assets := newAssets(t)
	for name, kind := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "htmx.js": "text/javascript; charset=utf-8", "upload.js": "text/javascript; charset=utf-8",
		"icons.svg": "image/svg+xml", "favicon.svg": "image/svg+xml", "inter.woff2": "font/woff2",
	} {
		address := assets.URL(name)
		if !regexp.MustCompile(`^/assets/[a-z]+\.[0-9a-f]{12}\.[a-z0-9]+$`).MatchString(address) {
			t.Errorf("%s: address %s", name, address)
		}
		r := httptest.NewRequest(http.MethodGet, address, nil)
		r.Header.Set("Accept-Encoding", "br, gzip")
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != kind {
			t.Errorf("%s: type %q, want %q", name, got, kind)
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: kept by %q", name, got)
		}
		if got, want := w.Header().Get("Content-Encoding") == "gzip", name != "inter.woff2"; got != want {
			t.Errorf("%s: compressed %v, want %v", name, got, want)
		}
		again := httptest.NewRequest(http.MethodGet, address, nil)
		again.Header.Set("Accept-Encoding", "gzip")
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		assets.ServeHTTP(w, again)
		if w.Code != http.StatusNotModified {
			t.Errorf("%s: asked again, status %d", name, w.Code)
		}
	}
}

func TestAssetsNotThere(t *testing.T) {
	assets := newAssets(t)
	for _, path := range []string{"/assets/", "/assets/app.css", "/assets/app.000000000000.css", "/assets/../doc.go", "/assets/static/css/1-tokens.css"} {
		r := httptest.NewRequest(http.MethodGet, "/assets/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestAcceptEncoding(t *testing.T) {
	assets := newAssets(t)
	for header, want := range map[string]string{"": "", "gzip": "gzip", "br;q=1.0, gzip;q=0.8": "gzip", "gzip;q=0": "", "identity": "", "GZIP": "gzip"} {
		r := httptest.NewRequest(http.MethodGet, assets.URL("app.css"), nil)
		r.Header.Set("Accept-Encoding", header)
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: answered as %q, want %q", header, got, want)
		}
	}
}

// TestBudget holds the sizes that a first visit may cost.
func TestBudget(t *testing.T) {
	assets := newAssets(t)
	for name, limit := range map[string]int{"app.css": 14_000, "htmx.js": 14_000, "icons.svg": 6_000} {
		if got := compressed(t, []byte(fetch(t, assets, name))); got > limit {
			t.Errorf("%s: %d bytes compressed, more than %d", name, got, limit)
		}
	}
	own := fetch(t, assets, "app.js") + fetch(t, assets, "upload.js")
	if got := compressed(t, []byte(own)); got > 8_000 {
		t.Errorf("own modules: %d bytes compressed, more than 8000", got)
	}
	if got := len(fetch(t, assets, "inter.woff2")); got != 48_256 {
		t.Errorf("the font has %d bytes", got)
	}
}

// TestStyleAddresses checks that the style asks for nothing but our own files.
func TestStyleAddresses(t *testing.T) {
	assets := newAssets(t)
	style := fetch(t, assets, "app.css")
	for _, m := range regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(style, -1) {
		if m[1] != `"`+assets.URL("inter.woff2")+`"` {
			t.Errorf("the style asks for %s", m[1])
		}
	}
	if strings.Contains(style, "@import") {
		t.Error("the style imports another")
	}
}
