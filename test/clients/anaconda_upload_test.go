//go:build clients

package clients

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
)

// testUpload: both formats and two subdirs in one command; the records, and the
// bytes at the file's address, are those of the files.
func testUpload(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	first := pack(t, condatest.Spec{Name: "first", Version: "1.0", License: "MIT", Depends: []string{"second >=1"}})
	second := pack(t, condatest.Spec{Name: "second", Version: "1!2.0+local", Subdir: "linux-64", Build: "h_0", Format: conda.FormatTarBz2})
	out := s.anaconda(t, mode, ada.token).must(t, "upload", first.path, second.path)
	said(t, out, s.url+"/"+ada.name+"/first", s.url+"/"+ada.name+"/second")

	for _, p := range []parcel{first, second} {
		name := filepath.Base(p.path)
		s.listed(t, ada.name, p.subdir(), "", name)
		record := s.index(t, ada.name, p.subdir(), "")[name]
		if got, want := record["sha256"], p.sha256(); got != want {
			t.Errorf("%s has the digest %v in the index, want %s", name, got, want)
		}
		if got := s.status(t, http.StatusOK, "/conda/"+ada.name+"/"+p.subdir()+"/"+name, "").body; !bytes.Equal(got, p.bytes) {
			t.Errorf("%s has %d other bytes than were uploaded", name, len(got))
		}
	}
	s.status(t, http.StatusOK, "/"+ada.name+"/first", "") // its page
}

// testForce: --force puts other bytes in the place of a file, --skip-existing
// leaves them.
func testForce(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	old := pack(t, spec("tool", "1.0"))
	newer := pack(t, condatest.Spec{Name: "tool", Version: "1.0", Depends: []string{"other"}})
	name := filepath.Base(old.path)
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", old.path)
	digest := func(want parcel) {
		t.Helper()
		s.listed(t, ada.name, "noarch", "", name)
		if got := s.index(t, ada.name, "noarch", "")[name]["sha256"]; got != want.sha256() {
			t.Errorf("the index has the digest %v, want %s", got, want.sha256())
		}
		if got := s.status(t, http.StatusOK, "/conda/"+ada.name+"/noarch/"+name, "").body; !bytes.Equal(got, want.bytes) {
			t.Error("the file has other bytes than the index says")
		}
	}
	client.must(t, "upload", "--skip-existing", newer.path)
	digest(old)
	client.must(t, "upload", "--force", newer.path)
	digest(newer)
}

// testRefusals: what may not be uploaded is said in words, with exit status 1,
// and changes nothing.
func testRefusals(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	p := pack(t, spec("tool", "1.0"))
	other := pack(t, condatest.Spec{Name: "tool", Version: "1.0", Depends: []string{"other"}})
	name := filepath.Base(p.path)
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", p.path)

	client.refused(t, "already exists", "upload", other.path)
	if got := s.index(t, ada.name, "noarch", "")[name]["sha256"]; got != p.sha256() {
		t.Errorf("after a refused upload the index has the digest %v, want %s", got, p.sha256())
	}
	client.refused(t, bob.name, "upload", "-u", bob.name, p.path)
	client.refused(t, "does not exist", "upload", "-u", "nobody-of-this-name", p.path)
	s.listed(t, bob.name, "noarch", "")

	wrong := ada.token[:len(ada.token)-1] + "x"
	if wrong == ada.token {
		wrong = ada.token[:len(ada.token)-1] + "y"
	}
	s.anaconda(t, mode, wrong).refused(t, "token", "upload", "-u", ada.name, other.path)
	s.listed(t, ada.name, "noarch", "", name)

	reader := strings.TrimSpace(s.must(t, "", "token", "create", "--user", ada.name, "--name", "reader", "--scope", "api:read"))
	s.anaconda(t, mode, reader).refused(t, "api:write", "upload", pack(t, spec("more", "1.0")).path)
	s.listed(t, ada.name, "noarch", "", name)
}

// testUploadLabels: a file with labels is in their channels and not in main.
func testUploadLabels(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p := pack(t, spec("tool", "1.0"))
	s.anaconda(t, mode, ada.token).must(t, "upload", "-l", "dev", "-l", "release/spring", p.path)
	for _, channel := range []string{"/dev", "/label/dev", "/release/spring", "/label/release/spring"} {
		s.listed(t, ada.name+channel, "noarch", "", filepath.Base(p.path))
	}
	s.listed(t, ada.name, "noarch", "")
}

// testUploadPrivate: a private package is in no form that a stranger or somebody
// unknown is given, and in each that its owner is given.
func testUploadPrivate(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	open, secret := pack(t, spec("open", "1.0")), pack(t, spec("hush-hush", "1.0"))
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", open.path)
	client.must(t, "upload", "--private", secret.path)

	name := filepath.Base(secret.path)
	base := "/conda/" + ada.name
	forms := []string{
		base + "/noarch/repodata.json", base + "/noarch/current_repodata.json", base + "/noarch/run_exports.json", base + "/channeldata.json",
		base + "/rss.xml", base + "/main/at/2100-01-01/noarch/repodata.json", "/api/packages/" + ada.name, "/api/search?name=hush", "/api/channels/" + ada.name + "/main",
		"/" + ada.name, "/search?q=hush",
	}
	for _, who := range []person{{}, bob} {
		s.listed(t, ada.name, "noarch", who.token, filepath.Base(open.path))
		for _, path := range forms {
			if body := s.get(t, path, who.token).body; bytes.Contains(body, []byte("hush-hush")) {
				t.Errorf("%s shows the private package to %q", path, who.name)
			}
		}
		for _, path := range []string{
			base + "/noarch/" + name, "/api/package/" + ada.name + "/hush-hush", "/api/release/" + ada.name + "/hush-hush/1.0",
			"/api/dist/" + ada.name + "/hush-hush/1.0/noarch/" + name, "/api/download/" + ada.name + "/hush-hush/1.0/noarch/" + name, "/" + ada.name + "/hush-hush",
		} {
			s.status(t, http.StatusNotFound, path, who.token)
		}
	}
	s.listed(t, ada.name, "noarch", ada.token, filepath.Base(open.path), name)
	for _, path := range []string{forms[0], "/api/packages/" + ada.name, base + "/channeldata.json", "/api/search?name=hush"} {
		said(t, string(s.status(t, http.StatusOK, path, ada.token).body), "hush-hush")
	}
	for _, path := range []string{base + "/noarch/" + name, "/t/" + ada.token + base + "/noarch/" + name} {
		token := ada.token
		if strings.HasPrefix(path, "/t/") {
			token = ""
		}
		if got := s.status(t, http.StatusOK, path, token).body; !bytes.Equal(got, secret.bytes) {
			t.Errorf("its owner is given %d other bytes", len(got))
		}
	}
	s.anaconda(t, mode, bob.token).refused(t, "", "show", ada.name+"/hush-hush")
	said(t, client.must(t, "show", ada.name+"/hush-hush"), "hush-hush")
}

// testRemove: a file, a release and a package go from the index at once and
// their addresses say that they are gone.
func testRemove(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	first, second, third := pack(t, spec("tool", "1.0")), pack(t, spec("tool", "2.0")), pack(t, spec("tool", "3.0"))
	keep := pack(t, spec("keep", "1.0"))
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", first.path, second.path, third.path, keep.path)

	s.anaconda(t, mode, bob.token).refused(t, "", "remove", "-f", ada.name+"/tool/1.0/noarch/"+filepath.Base(first.path))
	s.listed(t, ada.name, "noarch", "", filepath.Base(first.path), filepath.Base(second.path), filepath.Base(third.path), filepath.Base(keep.path))

	client.must(t, "remove", "-f", ada.name+"/tool/1.0/noarch/"+filepath.Base(first.path))
	s.listed(t, ada.name, "noarch", "", filepath.Base(second.path), filepath.Base(third.path), filepath.Base(keep.path))
	s.status(t, http.StatusGone, "/conda/"+ada.name+"/noarch/"+filepath.Base(first.path), "")

	client.must(t, "remove", "-f", ada.name+"/tool/2.0")
	s.listed(t, ada.name, "noarch", "", filepath.Base(third.path), filepath.Base(keep.path))
	s.status(t, http.StatusGone, "/conda/"+ada.name+"/noarch/"+filepath.Base(second.path), "")

	client.must(t, "remove", "-f", ada.name+"/tool")
	s.listed(t, ada.name, "noarch", "", filepath.Base(keep.path))
	s.status(t, http.StatusNotFound, "/api/package/"+ada.name+"/tool", "")

	client.must(t, "upload", first.path) // the name is free again
	s.listed(t, ada.name, "noarch", "", filepath.Base(first.path), filepath.Base(keep.path))
}
