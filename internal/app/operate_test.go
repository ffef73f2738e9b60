package app_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

func tokenOf(scopes ...string) account.NewToken {
	return account.NewToken{Name: strings.Join(scopes, " "), Scopes: scopes}
}

// orphan leaves bytes that no row names.
func orphan(t *testing.T, a *apptest.App, text string) {
	t.Helper()
	w, err := a.Blobs.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, text)
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestSweepOverHTTP: gc takes what no row names, when it is told to and old
// enough, and fsck sees both.
func TestSweepOverHTTP(t *testing.T) {
	a := apptest.New(t)
	root, ana := a.Operator(t, "root"), a.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	kept := a.Stored(t)
	orphan(t, a, "left by a crash")
	ask := func(body string, want int) *apptest.Answer {
		t.Helper()
		return a.Want(t, want, "POST", "/api/v1/gc", apptest.Request{Token: root.Token, Body: []byte(body)})
	}
	fsck := func() (c map[string]any) {
		t.Helper()
		a.Want(t, http.StatusOK, "POST", "/api/v1/fsck", apptest.Request{Token: root.Token, Body: []byte(`{"digests":true}`)}).JSON(t, &c)
		return c
	}
	if c := fsck(); c["clean"] != true || c["files"] != 1.0 || c["orphans"] != 1.0 || c["orphan_bytes"] != 15.0 {
		t.Errorf("before: %v", c)
	}
	for body, blobs := range map[string]float64{"": 0, "{}": 0, `{"dry_run":true}`: 0, `{"dry_run":true,"grace":"1ns"}`: 1} {
		var s map[string]any
		if ask(body, http.StatusOK).JSON(t, &s); s["blobs"] != blobs || s["dry_run"] != strings.Contains(body, "true") {
			t.Errorf("gc %s: %v, want %v blobs", body, s, blobs)
		}
	}
	for _, grace := range []string{"soon", "0s", "-1h"} {
		if got := ask(`{"grace":"`+grace+`"}`, http.StatusUnprocessableEntity); !strings.Contains(string(got.Body), `"field":"grace"`) {
			t.Errorf("%s", got)
		}
	}
	if len(a.Stored(t)) != len(kept)+1 {
		t.Error("what was only looked at, or young, is gone")
	}
	var s map[string]any
	if ask(`{"grace":"1ns"}`, http.StatusOK).JSON(t, &s); s["blobs"] != 1.0 || s["bytes"] != 15.0 {
		t.Errorf("gc: %v", s)
	}
	if !slices.Equal(a.Stored(t), kept) {
		t.Errorf("the folder holds %v, want %v", a.Stored(t), kept)
	}
	var log struct {
		Items []struct {
			Action string `json:"action"`
			Actor  string `json:"actor"`
		} `json:"items"`
	}
	a.Want(t, http.StatusOK, "GET", "/api/v1/audit?owner=*&action=gc.", apptest.Request{Token: root.Token}).JSON(t, &log)
	if len(log.Items) != 1 || log.Items[0].Actor != "root" {
		t.Errorf("the log has %+v", log.Items)
	}
	if c := fsck(); c["clean"] != true || c["orphans"] != 0.0 {
		t.Errorf("after: %v", c)
	}
	if err := os.Remove(kept[0]); err != nil {
		t.Fatal(err)
	}
	if c := fsck(); c["clean"] != false || !strings.Contains(fmt.Sprint(c["faults"]), "blob-missing") {
		t.Errorf("without its bytes: %v", c)
	}
}

// TestConfigOverHTTP: the operator sees every setting with its source, nobody a
// password.
func TestConfigOverHTTP(t *testing.T) {
	a := apptest.New(t, apptest.Setting("mail", "smtp://u:hunter2@127.0.0.1:1"), apptest.Setting("instance_name", "Moss"))
	root := a.Operator(t, "root")
	var got struct {
		Items []struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			Source string `json:"source"`
		} `json:"items"`
	}
	answer := a.Want(t, http.StatusOK, "GET", "/api/v1/config", apptest.Request{Token: root.Token})
	answer.JSON(t, &got)
	shown := map[string]string{}
	for _, s := range got.Items {
		shown[s.Key] = s.Value + " " + s.Source
	}
	for key, want := range map[string]string{
		"instance_name": "Moss flag", "signup": "open default", "mail": "smtp://u:xxxxx@127.0.0.1:1 flag", "blobs": "file:" + a.BlobFolder() + " default",
	} {
		if shown[key] != want {
			t.Errorf("%s is shown as %q, want %q", key, shown[key], want)
		}
	}
	if len(shown) != len(a.Config.Values) || strings.Contains(string(answer.Body), "hunter2") {
		t.Errorf("shown are %d of %d settings: %s", len(shown), len(a.Config.Values), answer.Body)
	}
	var v map[string]any
	a.Want(t, http.StatusOK, "GET", "/api/v1/version", apptest.Request{}).JSON(t, &v)
	have, _, err := a.DB.SchemaVersion(t.Context())
	if err != nil || v["version"] != "test" || v["schema"] != float64(have) {
		t.Errorf("version: %v; the schema is %d, %v", v, have, err)
	}
}

// TestTokenForAnother: the operator makes a token for somebody, who has it among its
// own; nobody else does, nor a token of the operator that is limited.
func TestTokenForAnother(t *testing.T) {
	a := apptest.New(t)
	root, ana, eve := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "eve")
	ask := func(want int, secret, user, body string) *apptest.Answer {
		t.Helper()
		return a.Want(t, want, "POST", "/api/v1/users/"+user+"/tokens", apptest.Request{Token: secret, Body: []byte(body)})
	}
	var made map[string]any
	first := ask(http.StatusCreated, root.Token, "ana", `{"name":"ci","scopes":["api:read"],"expires_in":3600}`)
	first.JSON(t, &made)
	secret, _ := made["token"].(string)
	if made["user"] != "ana" || secret == "" {
		t.Errorf("%v", made)
	}
	var me map[string]any
	a.Want(t, http.StatusOK, "GET", "/api/user", apptest.Request{Token: secret}).JSON(t, &me)
	if me["login"] != "ana" {
		t.Errorf("it is a token of %v", me)
	}
	at := strings.TrimPrefix(first.Header.Get("Location"), a.Base)
	a.Want(t, http.StatusOK, "GET", at, apptest.Request{Token: root.Token})
	a.Want(t, http.StatusOK, "GET", "/api/v1/tokens/"+made["id"].(string), apptest.Request{Token: ana.Token})
	if actions := logged(t, a, root, "ana"); !slices.Contains(actions, "token.create root") {
		t.Errorf("the log of ana has %v", actions)
	}
	ask(http.StatusConflict, root.Token, "ana", `{"name":"ci"}`)
	ask(http.StatusCreated, root.Token, "ana", `{"name":"ci","replace":true}`)
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: secret})

	ask(http.StatusForbidden, eve.Token, "ana", `{"name":"mine"}`)
	ask(http.StatusForbidden, eve.Token, "nemo", `{"name":"mine"}`) // as of somebody who is there
	ask(http.StatusUnauthorized, "", "ana", `{"name":"mine"}`)
	ask(http.StatusNotFound, root.Token, "nemo", `{"name":"mine"}`)
	for _, limits := range []account.NewToken{tokenOf("api:read"), {Name: "one", Resources: []string{"root"}}} {
		ask(http.StatusForbidden, root.NewToken(t, limits), "ana", `{"name":"mine"}`)
		must(t, a.Accounts.RevokeToken(t.Context(), root.Actor(t), "", limits.Name))
	}
	narrow := root.NewToken(t, tokenOf("api"))
	ask(http.StatusForbidden, narrow, "ana", `{"name":"wide"}`)
	for _, row := range a.Rows(t).Of(t, "tokens") {
		if row["name"] == "mine" || row["name"] == "wide" {
			t.Errorf("a token was made: %v", row)
		}
	}
	must(t, a.Accounts.DisableUser(t.Context(), root.Actor(t), "ana"))
	ask(http.StatusForbidden, root.Token, "ana", `{"name":"mine"}`)
}
