package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
)

// loginBody is what `anaconda login` sends.
func loginBody(failIfExists string) string {
	return `{"scopes": null, "note": "binstar_client:root@vm", "note_url": "http://127.0.0.1:5055", "hostname": "vm",
		"user": null, "max-age": null, "strength": "strong", "fail-if-exists": ` + failIfExists + `}`
}

// TestLogin replays the login of spec/anaconda-api.md §15.
func TestLogin(t *testing.T) {
	each(t, func(w *world) {
		w.user("alice")
		a := w.want(http.StatusOK, w.send("", "GET", "/api/authentication-type", "")).object(w)
		if diff := cmp.Diff(map[string]any{"authentication_type": "password"}, a); diff != "" {
			w.Error(diff)
		}
		login := func(failIfExists string, cred header) answer {
			return w.send("", "POST", "/api/authentications", loginBody(failIfExists), cred)
		}
		first := w.want(http.StatusOK, login("true", basic("alice", password))).object(w)["token"].(string)
		w.want(http.StatusBadRequest, login("true", basic("alice", password)))
		w.want(http.StatusOK, w.send(first, "GET", "/api/user", ""))
		second := w.want(http.StatusOK, login("false", basic("alice", password))).object(w)["token"].(string)
		w.want(http.StatusUnauthorized, w.send(first, "GET", "/api/user", "")) // replaced
		w.want(http.StatusOK, w.send(second, "GET", "/api/user", ""))

		w.want(http.StatusUnauthorized, login("true", basic("alice", "wrong password")))
		w.want(http.StatusUnauthorized, login("true", basic("nobody", password)))
		w.want(http.StatusUnauthorized, w.send("", "POST", "/api/authentications", loginBody("true")))
		bearer := w.want(http.StatusUnauthorized, login("true", header{"Authorization", "Bearer not.ours"})).object(w)
		if got, want := bearer["error"], "Bearer token authentication is not enabled"; got != want {
			w.Errorf("the client falls back on %q, got %q", want, got)
		}
		// The password opens no other door.
		w.want(http.StatusUnauthorized, w.bytes("GET", "/api/user", nil, basic("alice", password)))
		// In Basic the password may be a token, whatever the name.
		w.want(http.StatusOK, w.bytes("GET", "/api/user", nil, basic("whoever", second)))

		w.want(http.StatusCreated, w.send(second, "DELETE", "/api/authentications", ""))
		w.want(http.StatusUnauthorized, w.send(second, "GET", "/api/user", ""))
	})
}

// TestTokens is `anaconda auth`.
func TestTokens(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		w.organization(alice, "org1")
		create := func(note, user, extra string) answer {
			return w.send("", "POST", "/api/authentications", `{"note": "`+note+`", "hostname": "vm", "strength": "strong",
				"fail-if-exists": true, "user": `+user+`, `+extra+`}`, basic("alice", password))
		}
		name := "ci: alice@vm/two words"
		w.want(http.StatusOK, create(name, `null`, `"scopes": ["repos", "conda:download"], "max-age": 3600`))
		w.want(http.StatusBadRequest, create("odd", `null`, `"scopes": ["unheard-of"], "max-age": null`))
		w.want(http.StatusBadRequest, create("odd", `null`, `"scopes": [], "max-age": -5`))
		w.want(http.StatusOK, create("build", `"org1"`, `"scopes": [], "max-age": null`))

		list := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "GET", "/api/authentications", "")))
		var ci map[string]any
		for _, tok := range list {
			needs(w, tok, "id", "application", "remote_addr")
			if tok["application"] == name {
				ci = tok
			}
		}
		if ci == nil {
			w.Fatalf("%q is not in %v", name, list)
		}
		if diff := cmp.Diff([]any{"conda:download", "repos"}, ci["scopes"]); diff != "" {
			w.Errorf("scopes: %s", diff)
		}
		expires, err := time.Parse("2006-01-02 15:04:05.000000-07:00", ci["expires"].(string))
		if left := time.Until(expires); err != nil || left > time.Hour || left < 50*time.Minute {
			w.Errorf("expires %v (%v), want in an hour", ci["expires"], err)
		}
		if got := w.want(http.StatusOK, w.send(alice, "GET", "/api/authentication", "")).object(w)["application"]; got != "test" {
			w.Errorf("this token is %v", got)
		}
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/authentications/name/"+escaped(name), ""))
		w.want(http.StatusNotFound, w.send(alice, "DELETE", "/api/authentications/name/"+escaped(name), ""))
		w.want(http.StatusForbidden, w.send(bob, "DELETE", "/api/authentications/org/org1/name/build", ""))
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/authentications/org/org1/name/build", ""))

		// requests sends what is in ~/.netrc along here.
		scopes := w.want(http.StatusOK, w.bytes("GET", "/api/scopes", nil, basic("netrc", "stray"))).object(w)
		needs(w, scopes, "all", "api", "api:read", "api:write", "repos", "conda", "conda:download", "pypi")
	})
}

// TestOwners is what `anaconda show USER` and `whoami` ask.
func TestOwners(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		w.organization(alice, "org1")
		for path, kind := range map[string]string{"/api/user": "user", "/api/user/alice": "user", "/api/user/org1": "org"} {
			u := w.want(http.StatusOK, w.send(alice, "GET", path, "")).object(w)
			if u["user_type"] != kind {
				w.Errorf("%s: %v", path, u)
			}
			needs(w, u, "login", "created_at")
			if _, ok := u["email"]; ok {
				w.Errorf("%s shows an address: %v", path, u)
			}
		}
		orgs := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "GET", "/api/users/alice/orgs", "")))
		if len(orgs) != 1 || orgs[0]["login"] != "org1" {
			w.Errorf("organisations: %v", orgs)
		}
		w.want(http.StatusOK, w.send(alice, "GET", "/api/user/orgs", ""))
		w.want(http.StatusOK, w.send("", "HEAD", "/api", "")) // no redirect to /api/
	})
}

// TestTokenEndsSoon: a token's last 14 days are told on every answer, whether it
// is a refusal or not.
func TestTokenEndsSoon(t *testing.T) {
	each(t, func(w *world) {
		w.user("alice")
		for _, test := range []struct {
			days  int
			warns bool
		}{{13, true}, {15, false}, {365, false}} {
			ends := time.Now().Add(time.Duration(test.days) * 24 * time.Hour)
			_, secret, err := w.people.CreateToken(w.Context(), access.System(), account.NewToken{
				Name: "über " + ends.String(), UserName: "alice", MaxAge: time.Until(ends),
			})
			if err != nil {
				w.Fatal(err)
			}
			want := ""
			if test.warns {
				want = "This token ends on " + ends.UTC().Format("2 January 2006") + ". Make a new one: " + w.url + "/settings/tokens"
			}
			for _, path := range []string{"/api/user", "/api", "/api/v1/tokens", "/api/package/alice/none"} {
				if got := w.send(secret, "GET", path, "").header.Get("Conda-Token-Warning"); got != want {
					w.Errorf("%s with a token of %d days warns %q, want %q", path, test.days, got, want)
				}
			}
		}
		if got := w.send("", "GET", "/api", "").header.Get("Conda-Token-Warning"); got != "" {
			w.Errorf("without a token the answer warns %q", got)
		}
	})
}

// TestLicenses is the call of the client's own test_license, which has no token.
func TestLicenses(t *testing.T) {
	each(t, func(w *world) {
		for _, token := range []string{"", w.user("alice")} {
			a := w.want(http.StatusOK, w.send(token, "GET", "/api/license", ""))
			if got := strings.TrimSpace(string(a.body)); got != "[]" {
				w.Errorf("licences of %q: %s, want an empty list", token, got)
			}
		}
	})
}
