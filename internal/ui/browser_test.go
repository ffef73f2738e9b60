package ui_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/apptest"
)

// browser is somebody with cookies and without scripts.
type browser struct {
	t      *testing.T
	app    *apptest.App
	client *http.Client
}

// answer is a page as the browser got it.
type answer struct {
	status int
	path   string // where redirects led
	header http.Header
	body   string
}

func open(t *testing.T, app *apptest.App) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, app: app, client: &http.Client{Jar: jar}}
}

// as opens a browser in which somebody is signed in.
func as(t *testing.T, app *apptest.App, p *apptest.Person) *browser {
	t.Helper()
	b := open(t, app)
	base, err := url.Parse(app.Base)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(base, []*http.Cookie{{Name: app.CookieName(), Value: p.Cookie, Path: "/"}})
	return b
}

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	req.Header.Set("Accept", "text/html")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Request.URL.RequestURI(), resp.Header, string(body)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.app.Base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// post sends a form the way a browser does, with the origin of the page.
func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.app.Base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.app.Base)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(req)
}

// upload sends the form of the page Add a package, with files by name.
func (b *browser) upload(fields map[string]string, names []string, files map[string][]byte) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, name := range names {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := part.Write(files[name]); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.app.Base+"/add", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(req)
}

// want fails the test where the page is not at the path, with the status, or
// lacks one of the texts.
func (b *browser) want(a answer, status int, path string, texts ...string) answer {
	b.t.Helper()
	if a.status != status || path != "" && a.path != path {
		b.t.Fatalf("got %d at %s, want %d at %s\n%s", a.status, a.path, status, path, plain(a.body))
	}
	for _, text := range texts {
		if !strings.Contains(plain(a.body), text) {
			b.t.Fatalf("%s does not say %q:\n%s", a.path, text, plain(a.body))
		}
	}
	return a
}

var (
	tags   = regexp.MustCompile(`(?s)<(script|style|svg)[^>]*>.*?</(script|style|svg)>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// plain is the text of a page.
func plain(body string) string {
	text := tags.ReplaceAllString(body, " ")
	text = strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(text)
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}
