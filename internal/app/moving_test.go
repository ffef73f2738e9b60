package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// TestMoveOwner: everything of an owner moves from one server to another by the
// stock API and its channels: labels, files, packages that are private. Done again,
// it brings what is new.
func TestMoveOwner(t *testing.T) {
	from := apptest.New(t)
	ana := from.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{Name: "open"}, "")
	ana.Upload(t, "ana/dev", condatest.Spec{Name: "open", Version: "2.0"}, "")
	ana.Upload(t, "ana", condatest.Spec{Name: "shut"}, "private=true")
	ana.Upload(t, "ana", condatest.Spec{Name: "native", Subdir: "linux-64"}, "")

	to := apptest.New(t, apptest.Setting("outgoing_allow", "127.0.0.0/8"))
	bob, eve := to.User(t, "bob"), to.User(t, "eve")
	m := app.Moving{Owner: "bob", Channel: "main", Source: from.Base + "/conda/ana/", Token: ana.Token, Labels: true}
	move := func() []string {
		t.Helper()
		moved, err := to.Move(t.Context(), access.System(), m, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var added []string
		for _, c := range moved {
			for subdir, n := range c.Report.Subdirs {
				if n.LeftOut > 0 {
					t.Errorf("left out: %v", n.Reasons)
				}
				for range n.Added {
					added = append(added, c.Channel+"/"+subdir)
				}
			}
		}
		slices.Sort(added)
		return added
	}
	want := []string{"dev/noarch", "main/linux-64", "main/noarch", "main/noarch"}
	if got := move(); !cmp.Equal(got, want) {
		t.Errorf("added %v, want %v", got, want)
	}
	names := func(p *apptest.Person, channel string) (names []string) {
		t.Helper()
		var doc struct {
			Conda map[string]any `json:"packages.conda"`
		}
		to.Want(t, http.StatusOK, "GET", "/conda/bob/"+channel+"/noarch/repodata.json", apptest.Request{Token: p.Token}).JSON(t, &doc)
		for name := range doc.Conda {
			names = append(names, name)
			to.Want(t, http.StatusOK, "GET", "/conda/bob/"+channel+"/noarch/"+name, apptest.Request{Token: p.Token})
		}
		slices.Sort(names)
		return names
	}
	if got, want := names(bob, "main"), []string{"open-1.0-0.conda", "shut-1.0-0.conda"}; !cmp.Equal(got, want) {
		t.Errorf("bob sees %v, want %v", got, want)
	}
	if got, want := names(eve, "main"), []string{"open-1.0-0.conda"}; !cmp.Equal(got, want) {
		t.Errorf("eve sees %v, want %v", got, want)
	}
	if got, want := names(eve, "dev"), []string{"open-2.0-0.conda"}; !cmp.Equal(got, want) {
		t.Errorf("eve sees %v in dev, want %v", got, want)
	}

	if got := move(); len(got) != 0 {
		t.Errorf("again: %v", got)
	}
	ana.Upload(t, "ana/dev", condatest.Spec{Name: "open", Version: "3.0"}, "")
	if got, want := move(), []string{"dev/noarch"}; !cmp.Equal(got, want) {
		t.Errorf("more: %v, want %v", got, want)
	}
	for where, text := range map[string]string{"log": to.Logged(), "rows": to.Dump(t)} {
		if strings.Contains(text, ana.Token) {
			t.Errorf("the token is in the %s", where)
		}
	}
}

// TestMoveRefused: what cannot be loaded from an address is said with a sentence, and
// without the token.
func TestMoveRefused(t *testing.T) {
	from := apptest.New(t)
	ana := from.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{}, "private=true")
	from.Want(t, http.StatusOK, "PATCH", "/api/v1/channels/ana/main", apptest.Request{Token: ana.Token, Body: []byte(`{"visibility":"private"}`)})
	to := apptest.New(t, apptest.Setting("outgoing_allow", "127.0.0.0/8"))
	to.User(t, "bob")
	closed := apptest.New(t)
	closed.User(t, "bob")
	good := from.Base + "/conda/ana"
	for _, c := range []struct {
		what string
		on   *apptest.App
		m    app.Moving
		kind errs.Kind
		says string
	}{
		{"no token", to, app.Moving{Source: good}, errs.Invalid, "--token-env"},
		{"a wrong token", to, app.Moving{Source: good, Token: "wrong"}, errs.Invalid, "--token-env"},
		{"a token that is not kept", to, app.Moving{Source: good, Token: ana.Token, MetadataOnly: true}, errs.Invalid, "--metadata-only"},
		{"a token in the address", to, app.Moving{Source: strings.Replace(good, "//", "//x:"+ana.Token+"@", 1)}, errs.Invalid, "environment variable"},
		{"nobody there", to, app.Moving{Source: "http://127.0.0.1:9/conda/ana"}, errs.Unavailable, "does not answer"},
		{"no channel", to, app.Moving{Source: from.Base + "/conda/nobody"}, errs.Invalid, "no channel"},
		{"another scheme", to, app.Moving{Source: "ftp://127.0.0.1/x"}, errs.Invalid, "http or https"},
		{"labels of a channel", to, app.Moving{Source: good + "/label/dev", Labels: true}, errs.Invalid, "OWNER"},
		{"labels of a folder", to, app.Moving{Source: t.TempDir(), Labels: true}, errs.Invalid, "folder"},
		{"no folder", to, app.Moving{Source: "/nowhere/x"}, errs.NotFound, "no folder"},
		{"a private address", closed, app.Moving{Source: good}, errs.Forbidden, "not public"},
	} {
		c.m.Owner, c.m.Channel = "bob", "main"
		_, err := c.on.Move(t.Context(), access.System(), c.m, nil, nil)
		if errs.KindOf(err) != c.kind || !strings.Contains(err.Error()+errs.Message(err), c.says) || strings.Contains(err.Error(), ana.Token) {
			t.Errorf("%s: %v (%v), want %v with %q", c.what, err, errs.KindOf(err), c.kind, c.says)
		}
	}
}
