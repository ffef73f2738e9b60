package web_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

func TestStripToken(t *testing.T) {
	for _, c := range []struct{ in, path, token string }{
		{"/t/tm-a-b-c/conda/acme/noarch/x", "/conda/acme/noarch/x", "tm-a-b-c"},
		{"/conda/t/tm-a-b-c/acme/noarch/x", "/conda/acme/noarch/x", "tm-a-b-c"},
		{"/repo/t/tok/acme/x", "/repo/acme/x", "tok"},
		{"/t/tok", "/", "tok"},
		{"/conda/acme/t/tok/x", "/conda/acme/t/tok/x", ""},
		{"/t//conda/x", "/t//conda/x", ""},
		{"/t/tok/conda/a/noarch/x-1%21-0%2B1.conda", "/conda/a/noarch/x-1!-0+1.conda", "tok"},
	} {
		var path, token string
		h := web.StripToken(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path, token = r.URL.Path, web.PathToken(r) }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.in, nil))
		if path != c.path || token != c.token {
			t.Errorf("%s: path %q, token %q; want %q, %q", c.in, path, token, c.path, c.token)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"/t/tm-u-0123456789abcdefABCDEF-xyz123/conda/a":  "/t/***/conda/a",
		"/t/whatever/conda":                              "/t/***/conda",
		"/setup/cz6ojjm2rd":                              "/setup/***",
		"/api/_storage/abc?x":                            "/api/_storage/***?x",
		"token tm-u-0123456789abcdefABCDEF-xyz123 bad":   "token *** bad",
		"/T/tm-user-Jux5EvSQeUYISjS0JDq8P0-4BJBZU/conda": "/T/***/conda",
		"/%74/TM-user-Jux5EvSQeUYISjS0JDq8P0-4BJBZU/x":   "/%74/***/x",
		"/acme/terrarium-hello":                          "/acme/terrarium-hello",
		"/acme/atm-tools-conda":                          "/acme/atm-tools-conda",
	} {
		if got := web.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func frame(log *bytes.Buffer, trusted ...netip.Prefix) *web.Frame {
	return &web.Frame{
		Cookie: "session", Trusted: trusted, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
		Authenticate: func(_ context.Context, c web.Credential, from access.Request) (access.Actor, error) {
			if c.Value == "good" {
				return access.Actor{Kind: access.KindPerson, Name: "ana-by-" + c.Scheme}.From(from), nil
			}
			return access.Actor{}, errs.New(errs.Unauthenticated, "This %s is unknown.", c.Scheme)
		},
	}
}

// TestOrderOfCredentials: header, then path, then cookie; the first one present
// decides, a bad cookie is nobody, and each counts only where it is accepted.
func TestOrderOfCredentials(t *testing.T) {
	all := web.Means{Header: true, Path: true, Cookie: true}
	for _, c := range []struct {
		name, header, path, cookie string
		means                      web.Means
		actor                      string
		bad                        bool
	}{
		{"nothing", "", "", "", all, "", false},
		{"header first", "Bearer good", "x", "x", all, "ana-by-bearer", false},
		{"bad header decides", "token x", "good", "good", all, "", true},
		{"path before cookie", "", "good", "x", all, "ana-by-path", false},
		{"bad path", "", "x", "good", all, "", true},
		{"cookie", "", "", "good", all, "ana-by-cookie", false},
		{"old cookie", "", "", "x", all, "", false},
		{"cookie where it does not count", "", "", "good", web.Means{Header: true}, "", false},
		{"basic", "Basic dXNlcjpnb29k", "", "", all, "ana-by-basic", false},
		{"basic that is none", "Basic !", "", "", all, "", true},
		{"unknown scheme", "Digest x", "", "", all, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := "/x"
			if c.path != "" {
				target = "/t/" + c.path + "/x"
			}
			r := httptest.NewRequest(http.MethodGet, target, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			if c.cookie != "" {
				r.AddCookie(&http.Cookie{Name: "session", Value: c.cookie})
			}
			f := frame(&bytes.Buffer{})
			var got web.Caller
			h := f.Begin(web.StripToken(f.Identify(c.means, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = web.CallerOf(r) }))))
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got.Actor.Name != c.actor || (got.Err != nil) != c.bad {
				t.Errorf("actor %q, error %v; want %q, an error: %v", got.Actor.Name, got.Err, c.actor, c.bad)
			}
		})
	}
}

func TestRemoteBehindProxies(t *testing.T) {
	proxy := netip.MustParsePrefix("192.0.2.0/24")
	for _, c := range []struct{ forwarded, want string }{
		{"", "192.0.2.1"},
		{"203.0.113.7", "203.0.113.7"},
		{"198.51.100.1, 203.0.113.7", "203.0.113.7"}, // what a client says of itself does not count
		{"203.0.113.7, 192.0.2.9", "203.0.113.7"},
		{"rubbish", "192.0.2.1"},
	} {
		for _, trusted := range []bool{true, false} {
			f := frame(&bytes.Buffer{})
			want := "192.0.2.1"
			if trusted {
				f, want = frame(&bytes.Buffer{}, proxy), c.want
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil) // from 192.0.2.1
			r.Header.Set("X-Forwarded-For", c.forwarded)
			var got string
			f.Begin(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = web.RemoteOf(r) })).ServeHTTP(httptest.NewRecorder(), r)
			if got != want {
				t.Errorf("X-Forwarded-For %q, trusted %v: %s, want %s", c.forwarded, trusted, got, want)
			}
		}
	}
}

// TestErrorsAndPanics: what a handler returns is written once, its cause and a
// panic are in the log and nowhere else.
func TestErrorsAndPanics(t *testing.T) {
	ew := func(w http.ResponseWriter, r *http.Request, err error) { web.Problem(w, r, web.Status(err), err) }
	for _, c := range []struct {
		name   string
		h      web.Handler
		status int
		says   string
	}{
		{"refusal", func(http.ResponseWriter, *http.Request) error {
			return errs.Wrap(errs.Exists, errors.New("row 17"), "It exists.")
		}, 409, "It exists."},
		{"internal", func(http.ResponseWriter, *http.Request) error { return errors.New("row 17") }, 500, "Something broke here"},
		{"panic", func(http.ResponseWriter, *http.Request) error { panic("row 17") }, 500, "Something broke here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			w := httptest.NewRecorder()
			frame(&log).Begin(web.Handle(c.h, ew)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "row 17") {
				t.Errorf("answer %d %s; want %d with %q and without the cause", w.Code, w.Body, c.status, c.says)
			}
			if !strings.Contains(log.String(), "row 17") {
				t.Errorf("the log lacks the cause: %s", &log)
			}
		})
	}
}
