package apptest_test

import (
	"net/http"
	"testing"
	"time"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

func TestApp(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	a.Org(t, "acme", alice)
	before := a.Rows(t)
	alice.Upload(t, "acme/dev", condatest.Spec{Name: "demo"}, "")
	if changes := a.Rows(t).Since(t, before); len(changes) == 0 {
		t.Error("an upload changes no row")
	}
	a.Restart()
	for _, via := range []apptest.Via{apptest.Token, apptest.Bearer, apptest.Basic, apptest.Path} {
		a.Want(t, http.StatusOK, "GET", "/conda/acme/dev/noarch/demo-1.0-0.conda", apptest.Request{Token: alice.Token, Via: via})
	}
	a.Want(t, http.StatusOK, "GET", "/dashboard", apptest.Request{Token: alice.Cookie, Via: apptest.Cookie})
	a.Want(t, http.StatusOK, "GET", "/readyz", apptest.Request{})
	a.Clock.Pass(400 * 24 * time.Hour)
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: alice.Token})
}

func TestOnS3(t *testing.T) {
	a := apptest.New(t, apptest.OnS3())
	a.User(t, "alice").Upload(t, "alice", condatest.Spec{}, "")
	a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/demo-1.0-0.conda", apptest.Request{})
	if names := a.Stored(t); len(names) != 0 {
		t.Errorf("the folder holds %v, though the bytes belong to S3", names)
	}
}
