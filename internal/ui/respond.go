package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"terrarium/internal/ui/shared"
)

// policy lets a page load what this server has and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// render answers with a page. It is always asked for again, also by somebody who
// is not signed in: what was published is on its page at once. Where it is still
// the same the answer is 304.
func render(w http.ResponseWriter, r *http.Request, status int, frame shared.Page, page templ.Component) error {
	control := "private, no-cache"
	switch {
	case status != http.StatusOK, r.Method != http.MethodGet && r.Method != http.MethodHead, len(frame.Notices) > 0:
		control = "no-store"
	case frame.Viewer == nil:
		control = "public, no-cache"
	}
	return write(w, r, status, control, page)
}

// renderSecret answers with a page that nobody may keep, and whose address goes
// nowhere else: it holds a one-time code, or shows a secret.
func renderSecret(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	w.Header().Set("Referrer-Policy", "no-referrer")
	return write(w, r, status, "no-store", page)
}

func write(w http.ResponseWriter, r *http.Request, status int, control string, page templ.Component) error {
	var b bytes.Buffer
	if err := page.Render(r.Context(), &b); err != nil {
		return err
	}
	h := w.Header()
	guard(h)
	h.Set("Cache-Control", control)
	h.Set("Vary", "Cookie, HX-Request, Accept-Encoding")
	h.Set("Content-Type", "text/html; charset=utf-8")
	body := b.Bytes()
	if strings.HasSuffix(control, "no-cache") {
		sum := sha256.Sum256(body)
		etag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"` // weak: one for every coding
		h.Set("ETag", etag)
		if knows(r, etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if len(body) > 1000 && acceptsGzip(r.Header.Get("Accept-Encoding")) && h.Get("Content-Encoding") == "" {
		body = gzipped(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone if this fails
	}
	return nil
}

// knows reports whether the browser has the page of an ETag.
func knows(r *http.Request, etag string) bool {
	for _, have := range strings.Split(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if have = strings.TrimSpace(have); have == "*" || have == etag {
			return true
		}
	}
	return false
}

// guard sets what keeps a browser from doing more than a page asks for.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if h.Get("Referrer-Policy") == "" {
		h.Set("Referrer-Policy", "same-origin")
	}
}

// see sends the browser on after a change.
func see(w http.ResponseWriter, r *http.Request, path string) error {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// moved sends the browser to the one address of a thing.
func moved(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusMovedPermanently)
	return nil
}

// say leaves a sentence for the next page that the browser asks for.
func (f *Face) say(w http.ResponseWriter, n shared.Notice) {
	text, err := json.Marshal([]string{n.Kind, n.Title, n.Text, n.Link, n.Href})
	if err != nil {
		return // a sentence that is no UTF-8 is left unsaid
	}
	f.setCookie(w, noticeCookie, base64.RawURLEncoding.EncodeToString(text), time.Minute, true)
}

// takeNotice gives the sentence that say left, once.
func (f *Face) takeNotice(w http.ResponseWriter, r *http.Request) []shared.Notice {
	value := cookieValue(r, noticeCookie)
	if value == "" {
		return nil
	}
	f.setCookie(w, noticeCookie, "", -1, true)
	text, err := base64.RawURLEncoding.DecodeString(value)
	var parts []string
	if err != nil || json.Unmarshal(text, &parts) != nil || len(parts) != 5 {
		return nil
	}
	n := shared.Notice{Kind: parts[0], Title: parts[1], Text: parts[2]}
	if href := localPath(parts[4]); href != "" {
		n.Link, n.Href = parts[3], href // whoever could set the cookie leads nobody elsewhere
	}
	return []shared.Notice{n}
}

func (f *Face) secure() bool { return strings.HasPrefix(f.opts.URL, "https://") }

// setCookie sets a cookie for this host alone. A negative age deletes it, 0 lets
// it end with the browser.
func (f *Face) setCookie(w http.ResponseWriter, name, value string, age time.Duration, hidden bool) {
	seconds := int(age / time.Second)
	if age < 0 {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: hidden, Secure: f.secure(), SameSite: http.SameSiteLaxMode,
	})
}
