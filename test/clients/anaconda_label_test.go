//go:build clients

package clients

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"terrarium/internal/condatest"
)

// testLabel: --list, --show, --copy, --remove, and --lock, which refuses changes
// until --unlock.
func testLabel(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p, q := pack(t, spec("tool", "1.0")), pack(t, spec("tool", "2.0"))
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", p.path, q.path)

	client.must(t, "label", "--copy", "main", "dev")
	s.listed(t, ada.name+"/dev", "noarch", "", filepath.Base(p.path), filepath.Base(q.path))
	said(t, client.must(t, "label", "--list"), "main", "dev")
	said(t, client.must(t, "label", "--show", "dev"), filepath.Base(p.path))

	client.must(t, "label", "--lock", "dev")
	said(t, client.must(t, "label", "--list"), "[locked]")
	client.refused(t, "locked", "upload", "-l", "dev", pack(t, spec("late", "1.0")).path)
	client.refused(t, "locked", "label", "--remove", "dev")
	s.listed(t, ada.name+"/dev", "noarch", "", filepath.Base(p.path), filepath.Base(q.path))
	client.must(t, "label", "--unlock", "dev")
	client.must(t, "label", "--remove", "dev")
	s.listed(t, ada.name+"/dev", "noarch", "")
	s.listed(t, ada.name, "noarch", "", filepath.Base(p.path), filepath.Base(q.path))
}

// testMove: one file, then a whole release, from a label to another.
func testMove(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p := pack(t, spec("tool", "1.0"))
	more := pack(t, condatest.Spec{Name: "tool", Version: "1.0", Build: "1", BuildNumber: 1})
	other := pack(t, spec("other", "1.0"))
	client := s.anaconda(t, mode, ada.token)
	client.must(t, "upload", p.path, more.path, other.path)

	client.must(t, "move", "--from-label", "main", "--to-label", "Testing", ada.name+"/tool/1.0/noarch/"+filepath.Base(p.path))
	s.listed(t, ada.name, "noarch", "", filepath.Base(more.path), filepath.Base(other.path))
	s.listed(t, ada.name+"/testing", "noarch", "", filepath.Base(p.path))
	client.must(t, "move", "--from-label", "main", "--to-label", "testing", ada.name+"/tool/1.0")
	s.listed(t, ada.name, "noarch", "", filepath.Base(other.path))
	s.listed(t, ada.name+"/testing", "noarch", "", filepath.Base(p.path), filepath.Base(more.path))
}

// testCopy: to a label of the same owner and to another owner, with what is there
// already refused, replaced or left.
func testCopy(t *testing.T, s *server, mode string) {
	ada, bob := s.newcomer(t, "ada"), s.newcomer(t, "bob")
	p := pack(t, spec("tool", "1.0"))
	name := filepath.Base(p.path)
	s.upload(t, ada, ada.name, p)
	client := s.anaconda(t, mode, bob.token)

	said(t, client.must(t, "copy", ada.name+"/tool/1.0"), name)
	s.listed(t, bob.name, "noarch", "", name)
	if got := s.status(t, http.StatusOK, "/conda/"+bob.name+"/noarch/"+name, "").body; !bytes.Equal(got, p.bytes) {
		t.Error("the copy has other bytes")
	}
	client.refused(t, "File conflict", "copy", ada.name+"/tool/1.0")

	newer := pack(t, condatest.Spec{Name: "tool", Version: "1.0", Depends: []string{"other"}})
	s.anaconda(t, mode, ada.token).must(t, "upload", "--force", newer.path)
	client.must(t, "copy", "--update", ada.name+"/tool/1.0/noarch/"+name)
	if got := s.index(t, bob.name, "noarch", "")[name]["sha256"]; got != p.sha256() {
		t.Errorf("copy --update: the copy has the digest %v, want the old %s", got, p.sha256())
	}
	client.must(t, "copy", "--replace", ada.name+"/tool/1.0/noarch/"+name)
	if got := s.index(t, bob.name, "noarch", "")[name]["sha256"]; got != newer.sha256() {
		t.Errorf("copy --replace: the copy has the digest %v, want the new %s", got, newer.sha256())
	}
	client.must(t, "copy", "--update", "--to-label", "dev", bob.name+"/tool/1.0")
	s.listed(t, bob.name+"/dev", "noarch", "", name)
	s.listed(t, bob.name, "noarch", "", name)

	client.refused(t, "", "copy", "--to-owner", ada.name, "--to-label", "gift", bob.name+"/tool/1.0")
	s.status(t, http.StatusUnauthorized, "/conda/"+ada.name+"/gift/noarch/repodata.json", "")
}

// testDownload: what comes down are the bytes that went up.
func testDownload(t *testing.T, s *server, mode string) {
	ada := s.newcomer(t, "ada")
	p := pack(t, condatest.Spec{Name: "tool", Version: "1.0", PadTo: 3 << 20})
	s.upload(t, ada, ada.name, p)
	client := s.anaconda(t, mode, "")
	client.must(t, "download", ada.name+"/tool")
	got, err := os.ReadFile(filepath.Join(client.home, "noarch", filepath.Base(p.path)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, p.bytes) {
		t.Errorf("downloaded %d other bytes than the %d that were uploaded", len(got), len(p.bytes))
	}
}
