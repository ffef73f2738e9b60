package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

const week = 7 * 24 * time.Hour

// TestDeletionOverHTTP: whoever owns an organisation deletes it and brings it back,
// the operator does so with everybody, others do not.
func TestDeletionOverHTTP(t *testing.T) {
	a := apptest.New(t)
	root, ana, adam, eve := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "adam"), a.User(t, "eve")
	a.Org(t, "acme", ana)
	must(t, a.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", "adam", access.RoleAdministrator))
	orgToken := func() string {
		t.Helper()
		_, secret, err := a.Accounts.CreateToken(t.Context(), ana.Actor(t), account.NewToken{Name: "robot", OrganizationName: "acme"})
		must(t, err)
		return secret
	}()
	ana.Upload(t, "acme", condatest.Spec{Name: "soil"}, "")
	ana.Upload(t, "acme", condatest.Spec{Name: "peat"}, "private=true")
	as := func(p *apptest.Person) apptest.Request { return apptest.Request{Token: p.Token} }
	const org = "/api/v1/organizations/acme"

	var d map[string]any
	a.Want(t, http.StatusOK, "GET", org+"/deletion", as(ana)).JSON(t, &d)
	if d["packages"] != 2.0 || d["files"] != 2.0 || d["deleted_at"] != nil || d["kind"] != "organization" {
		t.Errorf("before: %v", d)
	}
	for _, tt := range []struct {
		p            *apptest.Person
		method, path string
		want         int
	}{
		{adam, "GET", org + "/deletion", http.StatusForbidden},
		{adam, "DELETE", org + "?confirm=acme", http.StatusForbidden},
		{eve, "DELETE", org + "?confirm=acme", http.StatusForbidden},
		{ana, "DELETE", org, http.StatusUnprocessableEntity},
		{ana, "DELETE", org + "?confirm=acm", http.StatusUnprocessableEntity},
		{ana, "DELETE", "/api/v1/users/acme?confirm=acme", http.StatusNotFound},
		{ana, "DELETE", "/api/v1/users/ana?confirm=ana", http.StatusForbidden}, // wants the password
		{ana, "POST", org + "/restore", http.StatusConflict},                   // nothing to be undone
		{root, "DELETE", "/api/v1/users/ana?confirm=ana", http.StatusConflict}, // owns acme alone
		{root, "DELETE", "/api/v1/users/root?confirm=root", http.StatusForbidden},
		{root, "DELETE", "/api/v1/organizations/main?confirm=main", http.StatusForbidden},
	} {
		a.Want(t, tt.want, tt.method, tt.path, as(tt.p))
	}
	a.Want(t, http.StatusUnauthorized, "DELETE", org+"?confirm=acme", apptest.Request{})
	narrow := ana.NewToken(t, account.NewToken{Name: "narrow", Scopes: []string{"api:read"}})
	a.Want(t, http.StatusForbidden, "DELETE", org+"?confirm=acme", apptest.Request{Token: narrow})
	a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{Token: orgToken})

	a.Want(t, http.StatusOK, "DELETE", org+"?confirm=acme", as(ana)).JSON(t, &d)
	if d["deleted_by"] != "ana" || !strings.HasPrefix(fmt.Sprint(d["erased_from"]), a.Clock.Now().Add(week).UTC().Format(time.DateOnly)) {
		t.Errorf("deleted: %v", d)
	}
	a.Want(t, http.StatusNotFound, "GET", org, as(ana))
	a.Want(t, http.StatusNotFound, "GET", "/conda/acme/noarch/repodata.json", as(ana))
	if got := a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: orgToken}); !strings.Contains(string(got.Body), "was deleted") {
		t.Errorf("%s", got)
	}
	a.Want(t, http.StatusNotFound, "DELETE", org+"?confirm=acme", as(ana)) // once is enough
	for p, want := range map[*apptest.Person]int{ana: http.StatusOK, root: http.StatusOK, adam: http.StatusNotFound, eve: http.StatusNotFound} {
		a.Want(t, want, "GET", org+"/deletion", as(p))
		var list struct {
			Items []map[string]any `json:"items"`
		}
		a.Want(t, http.StatusOK, "GET", "/api/v1/deletions", as(p)).JSON(t, &list)
		if (len(list.Items) == 1) != (want == http.StatusOK) {
			t.Errorf("%s can restore %v", p.Name, list.Items)
		}
	}
	a.Want(t, http.StatusNotFound, "POST", org+"/restore", as(adam))
	a.Want(t, http.StatusOK, "POST", org+"/restore", as(ana))
	a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{Token: orgToken})
	a.Want(t, http.StatusOK, "GET", "/api/package/acme/peat", as(ana))

	// A person, by the operator: with no right meanwhile, and all of them after.
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/users/adam?confirm=adam", as(root))
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", as(adam))
	a.Want(t, http.StatusNotFound, "GET", "/api/user/adam", as(ana))
	login := apptest.Request{Body: []byte(`{"note":"x"}`), Header: map[string]string{"Authorization": basic("adam", apptest.Password)}}
	if got := a.Want(t, http.StatusForbidden, "POST", "/api/authentications", login); !strings.Contains(string(got.Body), "will be erased on") {
		t.Errorf("%s", got)
	}
	login.Header["Authorization"] = basic("adam", "not this one")
	a.Want(t, http.StatusUnauthorized, "POST", "/api/authentications", login)
	var members struct {
		Items []map[string]any `json:"items"`
	}
	a.Want(t, http.StatusOK, "GET", org+"/members", as(ana)).JSON(t, &members)
	if len(members.Items) != 1 {
		t.Errorf("acme has the members %v", members.Items)
	}
	a.Want(t, http.StatusOK, "POST", "/api/v1/users/adam/restore", as(root))
	a.Want(t, http.StatusOK, "GET", "/api/user", as(adam))
	a.Want(t, http.StatusOK, "GET", "/api/package/acme/peat", as(adam))
	if actions := logged(t, a, root, "acme"); !slices.Contains(actions, "organization.delete ana") || !slices.Contains(actions, "organization.restore ana") {
		t.Errorf("the log of acme has %v", actions)
	}
	if actions := logged(t, a, root, "adam"); !slices.Contains(actions, "user.delete root") || !slices.Contains(actions, "user.restore root") {
		t.Errorf("the log of adam has %v", actions)
	}
}

// logged gives what was done to an owner and by whom.
func logged(t *testing.T, a *apptest.App, root *apptest.Person, owner string) (actions []string) {
	t.Helper()
	var log struct {
		Items []struct {
			Action string `json:"action"`
			Actor  string `json:"actor"`
			Object string `json:"object"`
		} `json:"items"`
	}
	a.Want(t, http.StatusOK, "GET", "/api/v1/audit?limit=1000&owner="+owner, apptest.Request{Token: root.Token}).JSON(t, &log)
	for _, row := range log.Items {
		actions = append(actions, strings.TrimSpace(row.Action+" "+row.Actor))
	}
	return actions
}

// basic is the header of a name and a password.
func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
