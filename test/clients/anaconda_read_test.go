//go:build clients

package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/condatest"
)

// testShow: each depth of a spec.
func testShow(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p := pack(t, spec("tool", "1.0"))
	s.upload(t, ada, ada.name, p)
	client := s.anaconda(t, mode, "")
	for target, words := range map[string][]string{
		ada.name:               {ada.name, "tool"},
		ada.name + "/tool":     {"The package tool", "1.0", "conda"},
		ada.name + "/tool/1.0": {filepath.Base(p.path)},
		ada.name + "/tool/1.0/noarch/" + filepath.Base(p.path): {p.sha256()},
	} {
		said(t, client.must(t, "show", target), words...)
	}
	client.refused(t, "", "show", ada.name+"/absent")
}

// testSearch: by name, narrowed by type and platform.
func testSearch(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	word := "needle-" + mode
	s.upload(t, ada, ada.name, pack(t, condatest.Spec{Name: word, Version: "1.5", Subdir: "linux-64", Summary: "To be found"}))
	client := s.anaconda(t, mode, "")
	said(t, client.must(t, "search", word), ada.name+"/"+word, "1.5", "linux-64")
	said(t, client.must(t, "search", "-t", "conda", "-p", "linux-64", word), ada.name+"/"+word)
	o := client.run(t, "", "search", "-p", "osx-64", word)
	if got := o.stdout; o.status != 0 || strings.Contains(got, ada.name+"/"+word) {
		t.Errorf("a search of another platform: status %d: %s", o.status, o.all())
	}
}

// testUpdate: what a package says of itself, from a file and from an archive; the
// page and the channel's data say it too.
func testUpdate(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p := pack(t, spec("tool", "1.0"))
	s.upload(t, ada, ada.name, p)
	client := s.anaconda(t, mode, ada.token)
	file := filepath.Join(client.home, "tool.json")
	if err := os.WriteFile(file, []byte(`{"public_attrs": {"summary": "A much better summary", "license": "BSD-3-Clause"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	client.must(t, "update", ada.name+"/tool", file)
	said(t, string(s.status(t, http.StatusOK, "/"+ada.name+"/tool", "").body), "A much better summary")
	said(t, string(s.status(t, http.StatusOK, "/api/search?name=tool", "").body), "A much better summary")

	newer := pack(t, condatest.Spec{Name: "tool", Version: "1.0", Build: "1", Summary: "From the archive"})
	client.must(t, "update", ada.name+"/tool", newer.path)
	said(t, string(s.status(t, http.StatusOK, "/"+ada.name+"/tool", "").body), "From the archive")

	if err := os.WriteFile(file, []byte(`{"description": "Of this release alone"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	client.must(t, "update", "--release", ada.name+"/tool/1.0", file)
	said(t, string(s.status(t, http.StatusOK, "/api/release/"+ada.name+"/tool/1.0", "").body), "Of this release alone")
	client.refused(t, "", "update", ada.name+"/absent", file)
}

// testPackage: a package made without a file, and somebody who may write to it.
func testPackage(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "package", "--create", "--summary", "Made beforehand", "--license", "MIT", "--private", ada.name+"/tool")
	s.status(t, http.StatusNotFound, "/api/package/"+ada.name+"/tool", bob.token)
	said(t, string(s.status(t, http.StatusOK, "/api/package/"+ada.name+"/tool", ada.token).body), "Made beforehand")

	p := pack(t, spec("tool", "1.0"))
	theirs := s.anaconda(t, mode, bob.token)
	theirs.refused(t, "", "upload", "-u", ada.name, p.path)
	client.must(t, "package", "--add-collaborator", bob.name, ada.name+"/tool")
	said(t, client.must(t, "package", "--list-collaborators", ada.name+"/tool"), bob.name)
	theirs.must(t, "upload", "-u", ada.name, p.path)
	s.listed(t, ada.name, "noarch", bob.token, filepath.Base(p.path))
	s.listed(t, ada.name, "noarch", "")
}

// testConfig: the address is set by the client itself, in a home that it has not
// seen before.
func testConfig(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	client := s.anaconda(t, mode, ada.token)
	if err := os.Remove(client.config()); err != nil {
		t.Fatal(err)
	}
	client.must(t, "config", "--set", "url", s.url+"/api")
	said(t, client.must(t, "config", "--get", "url"), s.url+"/api")
	said(t, client.must(t, "whoami"), ada.name)
}
