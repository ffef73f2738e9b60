//go:build postgres

package app_test

import (
	"net/http"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
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
	change := func(do func(name string) error) {
		t.Helper()
		for _, name := range []string{"acme", "ana"} {
			must(t, do(name))
		}
	}
	for range 2 {
		look(http.StatusOK, http.StatusOK)
		b.Want(t, http.StatusOK, "GET", "/dashboard", apptest.Request{Token: ana.NewSession(t), Via: apptest.Cookie})
		change(func(name string) error {
			_, err := a.Accounts.DeleteOwner(t.Context(), access.System(), name, name)
			return err
		})
		look(http.StatusNotFound, http.StatusUnauthorized)
		upload := apptest.Request{Token: root.Token, Body: condatest.Make(t, spec), Header: map[string]string{"X-File-Name": spec.FileName()}}
		b.Want(t, http.StatusNotFound, "POST", "/api/v1/upload/acme", upload)
		b.Want(t, http.StatusSeeOther, "GET", "/dashboard", apptest.Request{Token: ana.Cookie, Via: apptest.Cookie})
		change(func(name string) error {
			_, err := a.Accounts.RestoreOwner(t.Context(), access.System(), name)
			return err
		})
	}
	look(http.StatusOK, http.StatusOK)
}
