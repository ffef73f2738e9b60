//go:build postgres

package failure_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/sqldbtest"
)

// TestDatabaseAway: while the database is away what was read before can be read,
// marked as stale, and what would change something is 503; when it is back all
// goes on.
func TestDatabaseAway(t *testing.T) {
	server, err := sqldbtest.StartPostgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	a := apptest.New(t, apptest.Setting("database", server.URL))
	alice := a.User(t, "alice")
	alice.Upload(t, "alice", condatest.Spec{}, "")
	for _, name := range []string{"early", "late"} {
		alice.Upload(t, "alice/frozen", condatest.Spec{Name: name}, "")
	}
	a.Want(t, http.StatusOK, "PATCH", "/api/v1/channels/alice/frozen", apptest.Request{
		Token: alice.Token, Type: "application/json", Body: []byte(`{"frozen":true,"frozen_at":"1"}`),
	})
	known := []string{
		"/conda/alice/noarch/repodata.json", "/conda/alice/noarch/repodata.json.zst", "/conda/alice/noarch/repodata_shards.msgpack.zst",
		"/conda/alice/noarch/current_repodata.json", "/conda/alice/channeldata.json", "/conda/alice/rss.xml",
		"/conda/alice/frozen/noarch/repodata.json", "/conda/alice/frozen/channeldata.json",
	}
	carol := a.User(t, "carol")
	carol.Upload(t, "carol", condatest.Spec{Name: "first"}, "")
	const others = "/conda/carol/noarch/repodata.json"
	a.Want(t, http.StatusOK, "GET", others, apptest.Request{})
	before := map[string]string{}
	for _, path := range known {
		before[path] = string(a.Want(t, http.StatusOK, "GET", path, apptest.Request{}).Body)
	}
	// Rights change, and then what the channel lists; nobody has asked for it since.
	carol.NewToken(t, account.NewToken{Name: "another"})
	carol.Upload(t, "carol", condatest.Spec{Name: "second"}, "")
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := a.Want(t, http.StatusOK, "GET", others, apptest.Request{}); got.Header.Get("X-Terrarium-Stale") == "" || !strings.Contains(string(got.Body), "second-1.0") {
		t.Errorf("%s; want what was published last, said to be stale", got)
	}
	for _, path := range known {
		got := a.Want(t, http.StatusOK, "GET", path, apptest.Request{})
		if string(got.Body) != before[path] {
			t.Errorf("%s gives other bytes while the database is away", path)
		}
		if got.Header.Get("X-Terrarium-Stale") == "" {
			t.Errorf("%s does not say that it may be stale", path)
		}
		if control := got.Header.Get("Cache-Control"); strings.Contains(control, "public") {
			t.Errorf("%s may be kept as fresh: %s", path, control)
		}
	}
	for method, paths := range map[string][]string{
		"GET":  {"/readyz", "/api/package/alice/demo", "/alice/demo", "/conda/bob/noarch/repodata.json"},
		"POST": {"/api/v1/upload/alice", "/login"},
	} {
		for _, path := range paths {
			r := apptest.Request{}
			if method == "POST" {
				r = upload(t, alice, condatest.Spec{Name: "other"})
			}
			if path == "/login" {
				r = apptest.Request{Type: "application/x-www-form-urlencoded", Body: []byte("username=alice&password=whatever")}
			}
			if got := a.Do(t, method, path, r); got.Status != http.StatusServiceUnavailable {
				t.Errorf("%s; want 503", got)
			} else if path != "/readyz" && got.Header.Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", path)
			}
		}
	}
	a.Want(t, http.StatusOK, "GET", "/healthz", apptest.Request{})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Want(t, http.StatusOK, "GET", "/readyz", apptest.Request{})
	a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/alice", upload(t, alice, condatest.Spec{Name: "other"}))
	if got := a.Want(t, http.StatusOK, "GET", known[0], apptest.Request{}); got.Header.Get("X-Terrarium-Stale") != "" || string(got.Body) == before[known[0]] {
		t.Error("the index is still the old one")
	}
}
