//go:build clients

package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestDeletedOwner: to stock clients the packages of somebody who was deleted are not
// there, their token is none, and all is well when that is undone.
func TestDeletedOwner(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada, bob := s.person(t, "ada"), s.person(t, "bob")
	tool := pack(t, spec("tool", "1.0"))
	hers, his := s.anaconda(t, standalone, ada.token), s.anaconda(t, "plain", bob.token)
	hers.must(t, "upload", tool.path)
	said(t, his.must(t, "show", "ada/tool"), "1.0")
	channel := s.url + "/conda/ada"
	newRattler(t).sees(t, channel, "tool", filepath.Base(tool.path))

	s.must(t, "", "owner", "delete", "ada")
	his.refused(t, "ada", "show", "ada/tool")
	said(t, his.run(t, "", "download", "ada/tool").all(), "There is no user or organisation ada.", "404") // its status is 0 all the same
	hers.refused(t, "", "upload", pack(t, spec("tool", "2.0")).path)
	said(t, hers.run(t, "", "whoami").all(), "Anonymous")
	for _, zst := range []bool{false, true} {
		r := newRattler(t)
		r.zst = zst
		if f := r.run(t, "query", channel, "", "tool"); len(f.Records) > 0 || !strings.Contains(f.Error, "404") {
			t.Errorf("rattler finds %v: %s", f.files(), f.Error)
		}
	}
	if o := s.anaconda(t, standalone, "").run(t, "", "login", "--username", "ada", "--password", ada.password); o.status == 0 {
		t.Errorf("login to a deleted account: %s", o.all())
	}

	s.must(t, "", "owner", "restore", "ada")
	said(t, his.must(t, "show", "ada/tool"), "1.0")
	newRattler(t).sees(t, channel, "tool", filepath.Base(tool.path))
	hers.must(t, "upload", pack(t, spec("tool", "2.0")).path)
}
