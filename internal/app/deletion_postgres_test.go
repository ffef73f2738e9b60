//go:build postgres

package app_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestDeletionAtBothReplicas: what one replica has answered holds at the other with
// the next request: deleted, brought back, deleted again.
func TestDeletionAtBothReplicas(t *testing.T) {
	url, blobs := sqldbtest.Postgres(t), "file:"+t.TempDir()
	a := apptest.New(t, apptest.Setting("database", url), apptest.Setting("blobs", blobs))
	b := apptest.New(t, apptest.Setting("database", url), apptest.Setting("blobs", blobs))
	root, ana := a.Operator(t, "root"), a.User(t, "ana")
	a.Org(t, "acme", ana)
	spec := condatest.Spec{Name: "soil"}
	ana.Upload(t, "acme", spec, "")
	ana.Upload(t, "ana", spec, "private=true")
	_, robot, err := a.Accounts.CreateToken(t.Context(), ana.Actor(t), account.NewToken{Name: "robot", OrganizationName: "acme"})
	must(t, err)
	paths := []string{
		"/conda/acme/noarch/repodata.json", "/conda/acme/noarch/repodata_shards.msgpack.zst", "/conda/acme/at/1/noarch/repodata.json.zst", "/conda/acme/channeldata.json",
		"/conda/acme/noarch/" + spec.FileName(), "/api/package/acme/soil", "/acme/soil", "/conda/ana/noarch/repodata.json", "/api/v1/users/ana",
	}
	look := func(want, token int) {
		t.Helper()
		for _, path := range paths {
			b.Want(t, want, "GET", path, apptest.Request{})
		}
		b.Want(t, token, "GET", "/api/user", apptest.Request{Token: ana.Token})
		b.Want(t, token, "GET", "/api/user", apptest.Request{Token: robot})
	}
	change := func(do func(name string) error, names ...string) {
		t.Helper()
		for _, name := range names {
			must(t, do(name))
		}
	}
	for range 2 {
		look(http.StatusOK, http.StatusOK)
		b.Want(t, http.StatusOK, "GET", "/dashboard", apptest.Request{Token: ana.NewSession(t), Via: apptest.Cookie})
		change(func(name string) error {
			_, err := a.Accounts.DeleteOwner(t.Context(), access.System(), name, name)
			return err
		}, "acme", "ana")
		look(http.StatusNotFound, http.StatusUnauthorized)
		upload := apptest.Request{Token: root.Token, Body: condatest.Make(t, spec), Header: map[string]string{"X-File-Name": spec.FileName()}}
		b.Want(t, http.StatusNotFound, "POST", "/api/v1/upload/acme", upload)
		b.Want(t, http.StatusSeeOther, "GET", "/dashboard", apptest.Request{Token: ana.Cookie, Via: apptest.Cookie})
		change(func(name string) error {
			_, err := a.Accounts.RestoreOwner(t.Context(), access.System(), name)
			return err
		}, "ana", "acme") // acme would have no owner without her
	}
	look(http.StatusOK, http.StatusOK)
}

// TestDeletionWaitsForUploads: an upload whose transaction has seen the owner comes
// before the deletion, one that has not is refused; there is nothing between.
func TestDeletionWaitsForUploads(t *testing.T) {
	var mu sync.Mutex
	locks := 0
	a := apptest.New(t, apptest.Setting("database", sqldbtest.Postgres(t)), apptest.Statements(func(query string) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(query, "FROM owners") && strings.Contains(query, "FOR KEY SHARE") {
			locks++
		}
	}))
	ana := a.User(t, "ana")
	a.Org(t, "acme", ana)
	ana.Upload(t, "acme", condatest.Spec{Name: "soil"}, "")
	if locks == 0 {
		t.Fatal("an upload does not hold its owner")
	}
	held, let, ended, deleted := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() { // what an upload does, and takes its time
		ended <- a.DB.Tx(t.Context(), func(tx *sqldb.DB) error {
			var id string
			if err := tx.Row(t.Context(), "SELECT id FROM owners WHERE name = 'acme'"+tx.ForKeyShare()).Scan(&id); err != nil {
				return err
			}
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	go func() {
		_, err := a.Accounts.DeleteOwner(t.Context(), access.System(), "acme", "acme")
		deleted <- err
	}()
	for waits := 0; waits == 0; {
		select {
		case err := <-deleted:
			t.Fatalf("the deletion did not wait: %v", err)
		default:
		}
		must(t, a.DB.Row(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits))
	}
	a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})
	close(let)
	must(t, <-ended)
	must(t, <-deleted)
	a.Want(t, http.StatusNotFound, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})
}
