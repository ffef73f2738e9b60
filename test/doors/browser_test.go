package doors_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// signIn fills in the form and gives the answer.
func signIn(t *testing.T, a *apptest.App, name, password string) *apptest.Answer {
	t.Helper()
	return a.Do(t, "POST", "/login", apptest.Request{Type: formKind, Body: []byte(form("username", name, "password", password, "keep", "yes"))})
}

// TestCookies: cookies belong to this host alone, and to https exactly when the
// public address is one.
func TestCookies(t *testing.T) {
	for _, tt := range []struct {
		url, name string
		secure    bool
	}{{"", "terrarium", false}, {"https://conda.example.com", "__Host-terrarium", true}} {
		t.Run(tt.name, func(t *testing.T) {
			var opts []apptest.Option
			if tt.url != "" {
				opts = append(opts, apptest.Setting("url", tt.url))
			}
			a := apptest.New(t, opts...)
			a.User(t, "alice")
			got := signIn(t, a, "alice", apptest.Password)
			if got.Status != http.StatusSeeOther {
				t.Fatalf("%s", got)
			}
			found := false
			for _, c := range (&http.Response{Header: got.Header}).Cookies() {
				if c.Secure != tt.secure || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
					t.Errorf("the cookie %s is %+v", c.Name, c)
				}
				if c.Name == tt.name {
					found = c.HttpOnly && c.MaxAge > 0
				}
			}
			if !found {
				t.Errorf("no cookie %s that scripts cannot read in %v", tt.name, got.Header.Values("Set-Cookie"))
			}
			if got := got.Header.Get("Strict-Transport-Security"); (got != "") != tt.secure {
				t.Errorf("Strict-Transport-Security is %q", got)
			}
		})
	}
}

// TestCookieCountsOnPages: the session counts on pages and in /api/v1, nowhere
// else.
func TestCookieCountsOnPages(t *testing.T) {
	w := newWorld(t)
	as := apptest.Request{Token: w.adam.Cookie, Via: apptest.Cookie}
	for path, want := range map[string]int{
		"/acme/shut": 200, "/api/v1/packages/acme/shut": 200,
		"/api/package/acme/shut": 404, "/api/user": 401, "/conda/acme/noarch/" + shutFile: 404, "/conda/acme/cellar/noarch/repodata.json": 401,
	} {
		w.Want(t, want, "GET", path, as)
	}
	// The header decides before the cookie.
	w.Want(t, http.StatusNotFound, "GET", "/acme/shut", apptest.Request{
		Token: w.sara.Token, Header: map[string]string{"Cookie": w.CookieName() + "=" + w.adam.Cookie},
	})
}

// TestOtherOriginsAreRefused: no page of another site changes anything with the
// session of its visitor.
func TestOtherOriginsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.Faces.Routes() {
		sampleFor, ok := samples[key(rt)]
		if !ok || rt.Method == http.MethodGet || face(rt) == "conda" {
			continue
		}
		p := w.adam
		if rt.Who == "operator" {
			p = w.root
		}
		s := sampleFor(w, p)
		if s.header["Authorization"] != "" {
			continue // a token is no cookie
		}
		before := w.Rows(t)
		for _, foreign := range []map[string]string{
			{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"},
		} {
			header := map[string]string{}
			for _, from := range []map[string]string{s.header, foreign} {
				for name, v := range from {
					header[name] = v
				}
			}
			got := w.Do(t, rt.Method, s.path, apptest.Request{Token: p.Cookie, Via: apptest.Cookie, Body: []byte(s.body), Type: s.kind, Header: header})
			browsers := face(rt) == "page" || strings.HasPrefix(rt.Pattern, "/api/v1")
			if browsers && got.Status != http.StatusForbidden {
				t.Errorf("%v: %s; want 403", foreign, got)
			}
			if !browsers && got.Status < 400 && rt.Who != "secret link" {
				t.Errorf("%v: %s; the session counts for nothing here", foreign, got)
			}
		}
		if changes := telling(w.Rows(t).Since(t, before)); len(changes) > 0 && rt.Who != "secret link" {
			t.Errorf("%s from another origin changed rows of %v", key(rt), apptest.Tables(changes))
		}
		w.made += 1000
	}
}

var inline = regexp.MustCompile(`(?i)<script(?:\s+[a-z-]+(?:="[^"]*")?)*>[^<]|<style|\sstyle="|\son[a-z]+="`)

// TestPagesGuardThemselves: each page says what a browser may do with it, and has
// nothing that this forbids.
func TestPagesGuardThemselves(t *testing.T) {
	w := newWorld(t)
	w.olga.Upload(t, "acme", condatest.Spec{Name: "words", README: "# Hi\n\n<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>", Summary: "<b>bold</b>"}, "")
	paths := []string{"/acme/words", "/nothing", "/acme/nothing", "/conda/nobody/noarch/repodata.json", "/reset/none", "/verify/none", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E"}
	for _, rt := range w.Faces.UI.Routes() {
		if sampleFor, ok := samples[key(rt)]; ok && rt.Method == http.MethodGet {
			paths = append(paths, sampleFor(w, w.adam).path)
		}
	}
	for _, path := range paths {
		got := w.Do(t, "GET", path, apptest.Request{Token: w.adam.Cookie, Via: apptest.Cookie, Header: map[string]string{"Accept": "text/html"}})
		if got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
		if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || got.Status >= 300 && got.Status < 400 {
			continue
		}
		policy := got.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || got.Header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: the policy is %q, the referrer's %q", path, policy, got.Header.Get("Referrer-Policy"))
		}
		if found := inline.FindString(string(got.Body)); found != "" {
			t.Errorf("%s has %q, which its policy forbids", path, found)
		}
		if strings.Contains(string(got.Body), "alert(1)</script>") || strings.Contains(string(got.Body), `href="javascript:`) || strings.Contains(string(got.Body), "<img src=x") {
			t.Errorf("%s shows what a stranger wrote as it is", path)
		}
	}
}

// TestBruteForce: after ten wrong passwords a name has to wait, however one asks,
// across a restart, and not for ever.
func TestBruteForce(t *testing.T) {
	a := apptest.New(t)
	a.User(t, "alice")
	for i := range 10 {
		got := signIn(t, a, "alice", "wrong "+strconv.Itoa(i))
		if got.Status != http.StatusUnprocessableEntity && got.Status != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %s", i, got)
		}
	}
	waits := func() {
		t.Helper()
		for _, got := range []*apptest.Answer{
			signIn(t, a, "alice", apptest.Password),
			a.Do(t, "POST", "/api/authentications", apptest.Request{Header: map[string]string{"Authorization": "Basic YWxpY2U6d3Jvbmc="}, Body: []byte(`{"note":"x"}`)}),
		} {
			after, err := strconv.Atoi(got.Header.Get("Retry-After"))
			if got.Status != http.StatusTooManyRequests || err != nil || after < 1 || after > 120 {
				t.Errorf("%s, Retry-After %q; want 429 and how long to wait", got, got.Header.Get("Retry-After"))
			}
		}
	}
	waits()
	a.Restart()
	waits()
	a.Clock.Pass(2 * time.Minute)
	if got := signIn(t, a, "alice", apptest.Password); got.Status != http.StatusSeeOther {
		t.Errorf("after two minutes: %s", got)
	}
}

// TestCredentialsEnd: what has ended or was taken away is refused at the next
// request, by every way of showing it, with a sentence that says so.
func TestCredentialsEnd(t *testing.T) {
	w := newWorld(t)
	refused := func(token, sentence string) {
		t.Helper()
		for _, via := range []apptest.Via{apptest.Token, apptest.Bearer, apptest.Basic, apptest.Path} {
			got := w.Want(t, http.StatusUnauthorized, "GET", "/conda/acme/cellar/noarch/repodata.json", apptest.Request{Token: token, Via: via})
			if !strings.Contains(string(got.Body), sentence) {
				t.Errorf("by %q: %s; want %q", via, got, sentence)
			}
		}
	}
	w.Want(t, http.StatusOK, "GET", "/conda/acme/cellar/noarch/repodata.json", apptest.Request{Token: w.adam.Token})
	w.Want(t, http.StatusCreated, "DELETE", "/api/authentications", apptest.Request{Token: w.adam.Token})
	refused(w.adam.Token, "revoked")
	w.Clock.Pass(400 * 24 * time.Hour)
	refused(w.olga.Token, "ended")
	w.Want(t, http.StatusSeeOther, "GET", "/dashboard", apptest.Request{Token: w.olga.Cookie, Via: apptest.Cookie})
}
