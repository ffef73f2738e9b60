//go:build clients

package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testLogin: with a name and a password over http; the token that the client then
// holds uploads, and is gone after logout.
func testLogin(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	client := s.anaconda(t, mode, "")
	said(t, client.run(t, "", "whoami").all(), "Anonymous")
	if o := client.run(t, "", "login", "--username", ada.name, "--password", "not this one"); o.status == 0 {
		t.Errorf("login with a wrong password: status 0: %s", o.all())
	}
	said(t, client.must(t, "login", "--username", ada.name, "--password", ada.password), "login successful")
	said(t, client.must(t, "whoami"), ada.name)
	p := pack(t, spec("tool", "1.0"))
	client.must(t, "upload", p.path)
	s.listed(t, ada.name, "noarch", "", filepath.Base(p.path))

	kept, err := filepath.Glob(filepath.Join(client.home, "data", "*.token"))
	if err != nil || len(kept) == 0 {
		t.Fatalf("the client keeps no token: %v", err)
	}
	secret, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(secret))
	s.status(t, http.StatusOK, "/api/user", token)
	client.must(t, "logout")
	s.status(t, http.StatusUnauthorized, "/api/user", token)
	said(t, client.run(t, "", "whoami").all(), "Anonymous")
	client.refused(t, "", "upload", pack(t, spec("tool", "2.0")).path)
	s.listed(t, ada.name, "noarch", "", filepath.Base(p.path))
}

// testAuth: tokens made, listed and removed by the client; a scope holds, and a
// removed token is gone on the next request.
func testAuth(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	client := s.anaconda(t, mode, ada.token)
	client.env = append(client.env, "ANACONDA_CLIENT_LEGACY_INTERACTIVE_LOGIN=1")
	said(t, client.must(t, "auth", "--list-scopes"), "api:read", "conda:download")
	said(t, client.must(t, "auth", "--info"), "test")

	out := filepath.Join(client.home, "made.token")
	o := client.run(t, ada.password+"\n", "auth", "--create", "--name", "robot: build", "--scopes", "api:read", "--max-age", "3600", "--out", out)
	if o.status != 0 {
		t.Fatalf("auth --create: status %d: %s", o.status, o.all())
	}
	secret, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	robot := strings.TrimSpace(string(secret))
	said(t, client.must(t, "auth", "--list"), "robot: build", "api:read")
	said(t, string(s.status(t, http.StatusOK, "/api/user", robot).body), ada.name)
	s.anaconda(t, mode, robot).refused(t, "api:write", "upload", pack(t, spec("tool", "1.0")).path)

	client.must(t, "auth", "--remove", "robot: build")
	s.status(t, http.StatusUnauthorized, "/api/user", robot)
	s.status(t, http.StatusOK, "/api/user", ada.token)
}

// testGroups: a group of an organisation gives its members what it holds.
func testGroups(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	organization := "org-groups-" + mode
	s.post(t, "/api/v1/organizations", ada.token, map[string]any{"name": organization, "email": "org@example.com"})
	secret := pack(t, spec("secret", "1.0"))
	client, theirs := s.anaconda(t, mode, ada.token), s.anaconda(t, mode, bob.token)
	client.must(t, "upload", "-u", organization, "--private", secret.path)
	s.listed(t, organization, "noarch", bob.token)

	client.must(t, "groups", "add", "--perms", "write", organization+"/devs")
	said(t, client.must(t, "groups", "show", organization), "devs", "write")
	said(t, client.must(t, "groups", "show", organization+"/devs"), "devs")
	client.must(t, "groups", "add_package", organization+"/devs/secret")
	said(t, client.must(t, "groups", "packages", organization+"/devs"), "secret")
	client.must(t, "groups", "add_member", organization+"/devs/"+bob.name)
	said(t, client.must(t, "groups", "members", organization+"/devs"), bob.name)

	s.listed(t, organization, "noarch", bob.token, filepath.Base(secret.path))
	newer := pack(t, spec("secret", "2.0"))
	theirs.must(t, "upload", "-u", organization, newer.path)
	s.listed(t, organization, "noarch", bob.token, filepath.Base(secret.path), filepath.Base(newer.path))

	client.must(t, "groups", "remove_package", organization+"/devs/secret")
	s.listed(t, organization, "noarch", bob.token)
	client.must(t, "groups", "add_package", organization+"/devs/secret")
	client.must(t, "groups", "remove_member", organization+"/devs/"+bob.name)
	s.listed(t, organization, "noarch", bob.token)
	theirs.refused(t, "", "upload", "-u", organization, pack(t, spec("secret", "3.0")).path)
}
