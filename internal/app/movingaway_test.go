package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// before gives the address of a server in front of another one, which answers with
// a status what answer gives one for.
func before(t *testing.T, base string, answer func(r *http.Request) int) string {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := answer(r); status != 0 {
			w.WriteHeader(status)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestMoveAwayForAMoment: a channel whose server refuses HEAD is loaded; one of which a
// subdir cannot be asked for is not loaded without it.
func TestMoveAwayForAMoment(t *testing.T) {
	from := apptest.New(t)
	ana := from.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{}, "")
	ana.Upload(t, "ana", condatest.Spec{Subdir: "linux-64"}, "")
	to := apptest.New(t, apptest.Setting("outgoing_allow", "127.0.0.0/8"))
	to.User(t, "bob")
	load := func(answer func(r *http.Request) int) ([]app.Moved, error) {
		return to.Move(t.Context(), access.System(), app.Moving{Owner: "bob", Channel: "main", Source: before(t, from.Base, answer) + "/conda/ana"}, nil, nil)
	}
	_, err := load(func(r *http.Request) int {
		if strings.Contains(r.URL.Path, "linux-64/repodata") {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("a subdir that is away: %v, want errs.Unavailable", err)
	}
	moved, err := load(func(r *http.Request) int {
		if r.Method == http.MethodHead {
			return http.StatusForbidden
		}
		return 0
	})
	if err != nil || len(moved) != 1 || len(moved[0].Report.Subdirs) != 2 {
		t.Errorf("without HEAD: %+v, %v", moved, err)
	}
}
