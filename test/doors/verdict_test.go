package doors_test

import (
	"net/http"
	"slices"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/web"
)

// statuses gives what a caller may be answered by a route.
func statuses(rt web.Route, c caller, s sample) []int {
	f := face(rt)
	unknown := http.StatusUnauthorized
	if f == "page" {
		unknown = http.StatusSeeOther // to the sign-in page
	}
	if status, ok := s.allow[c.name]; ok {
		return []int{status}
	}
	switch {
	case c.bad && (rt.Who == web.Anybody || rt.Who == web.SecretLink):
		return []int{http.StatusUnauthorized, s.want} // some look at no credential
	case c.bad:
		return []int{http.StatusUnauthorized}
	}
	switch rt.Who {
	case web.Anybody, web.SecretLink:
		return []int{s.want}
	case web.Person:
		if c.person == nil {
			return []int{unknown}
		}
		return []int{s.want}
	case web.Reader:
		switch {
		case c.name == "writer", c.name == "administrator":
			return []int{s.want}
		case c.name == "anonymous" && f == "conda":
			return []int{http.StatusUnauthorized}
		case c.name == "member" && f == "conda":
			return []int{http.StatusForbidden}
		}
		return []int{http.StatusNotFound}
	case web.Writer:
		switch c.name {
		case "writer", "administrator":
			return []int{s.want}
		case "anonymous":
			return []int{unknown}
		}
		return []int{http.StatusForbidden}
	case web.Admin:
		switch c.name {
		case "administrator":
			return []int{s.want}
		case "anonymous":
			return []int{unknown}
		}
		return []int{http.StatusForbidden, http.StatusNotFound}
	case web.Member:
		switch c.name {
		case "stranger":
			return []int{http.StatusForbidden, http.StatusNotFound}
		case "anonymous":
			return []int{unknown}
		}
		return []int{s.want}
	case web.Operator:
		switch c.name {
		case "operator":
			return []int{s.want}
		case "anonymous":
			return []int{unknown}
		}
		return []int{http.StatusForbidden}
	}
	return nil
}

// request is the sample as the caller sends it: on pages with a session of its
// own, since some of them end sessions, else with a token.
func request(t testing.TB, rt web.Route, c caller, s sample) apptest.Request {
	r := apptest.Request{Token: c.token, Body: []byte(s.body), Type: s.kind, Header: s.header}
	if face(rt) == "page" && c.person != nil {
		r.Token, r.Via = c.person.NewSession(t), apptest.Cookie
	}
	return r
}

// TestVerdicts walks every route with every kind of caller.
func TestVerdicts(t *testing.T) {
	w := newWorld(t)
	callers := w.callers()
	known := map[string]bool{}
	for _, rt := range w.Faces.Routes() {
		known[key(rt)] = true
		if !slices.Contains([]web.Who{web.Anybody, web.Reader, web.Writer, web.Admin, web.Member, web.Person, web.Operator, web.SecretLink}, rt.Who) {
			t.Errorf("%s has no verdict: say in its table who may use it", key(rt))
			continue
		}
		sampleFor, ok := samples[key(rt)]
		if !ok {
			t.Errorf("%s has no sample in samples_test.go", key(rt))
			continue
		}
		t.Run(key(rt), func(t *testing.T) {
			w := *w
			w.TB = t
			defer func(m *int, v *int) { *m = *v }(&w.made, &w.made)
			walk(t, &w, rt, sampleFor, callers)
		})
		w.made += 1000 // names of one route are not those of the next
	}
	for k := range samples {
		if !known[k] {
			t.Errorf("there is a sample for %s, which is no route", k)
		}
	}
}

func walk(t *testing.T, w *world, rt web.Route, sampleFor maker, callers []caller) {
	for _, c := range callers {
		p := c.person
		if p == nil && rt.Who != web.Anybody && rt.Who != web.SecretLink {
			p = w.olga
		}
		s := sampleFor(w, p)
		if _, own := s.header["Authorization"]; own && (c.person == nil || c.bad) {
			delete(s.header, "Authorization")
		}
		want := statuses(rt, c, s)
		if rt.Method == http.MethodGet {
			head := w.Do(t, http.MethodHead, s.path, request(t, rt, c, s))
			if !slices.Contains(want, head.Status) {
				t.Errorf("HEAD by %s: %d, want %v", c.name, head.Status, want)
			}
		}
		got := w.Do(t, rt.Method, s.path, request(t, rt, c, s))
		if !slices.Contains(want, got.Status) {
			t.Errorf("%s: %s; want %v", c.name, got, want)
		}
		if got.Status == http.StatusUnauthorized && face(rt) != "page" && got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without WWW-Authenticate", c.name)
		}
	}
}

// TestOperation: what the router itself answers is for everybody, whatever
// credential comes along.
func TestOperation(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.callers() {
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			for _, method := range []string{"GET", "HEAD"} {
				if got := w.Do(t, method, path, apptest.Request{Token: c.token}); got.Status != http.StatusOK {
					t.Errorf("%s: %s", c.name, got)
				}
			}
		}
	}
}
