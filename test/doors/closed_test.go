package doors_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// TestClosedPackage has every door that shows packages look for one that only a
// private channel lists, for nobody, a stranger and a member without a grant, and
// for one without files in an owner whose main is private.
func TestClosedPackage(t *testing.T) {
	w := newWorld(t)
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "7.7.7", Subdir: "linux-64", License: "BSD"}, "")
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "open", Version: "0.0.7"}, "")
	olga := apptest.Request{Token: w.olga.Token}
	sara := olga
	sara.Token = w.sara.Token
	send := func(status int, method, path, body string) {
		t.Helper()
		w.Want(t, status, method, path, apptest.Request{Token: w.sara.Token, Body: []byte(body)})
	}
	send(http.StatusOK, "PATCH", "/api/v1/channels/sara/main", `{"visibility":"private"}`)
	send(http.StatusCreated, "POST", "/api/v1/packages", `{"owner":"sara","name":"unborn","summary":"unborn"}`)

	doors := []string{
		"/api/package/acme/buried", "/api/release/acme/buried/1.0", "/api/search?name=buried", "/api/packages/acme",
		"/api/v1/packages?owner=acme", "/api/v1/packages", "/api/v1/packages?q=buried", "/api/v1/packages/acme/buried",
		"/api/v1/packages/acme/buried/files", "/api/package_listing/acme", "/acme/buried", "/acme", "/", "/search?q=buried",
		"/acme/buried/badges/version.svg", "/api/package/acme/open", "/api/v1/packages/acme/open", "/acme/open", "/acme/open/badges/version.svg",
		"/api/release/acme/open/7.7.7", "/api/package/sara/unborn", "/api/packages/sara", "/api/v1/packages?owner=sara", "/sara", "/sara/unborn",
	}
	told := func(got *apptest.Answer, who string) (secrets int) {
		t.Helper()
		text := strings.ReplaceAll(string(got.Body), "There is no package acme/buried", "")
		for _, secret := range []string{"buried-1.0", `"name":"buried"`, "href=\"/acme/buried\"", "/acme/buried/", "7.7.7", "0.0.7", "linux-64/open", `"unborn"`, "href=\"/sara/unborn\""} {
			if strings.Contains(got.Path, "7.7.7") && secret == "7.7.7" {
				continue // the refusal repeats what was asked for
			}
			if got.Status == http.StatusOK && strings.Contains(text, secret) {
				secrets++
				if who != "olga" {
					t.Errorf("%s learns %q from %s", who, secret, got)
				}
			}
		}
		return secrets
	}
	shown := 0
	for _, path := range doors {
		shown += told(w.Do(t, "GET", path, apptest.Request{Token: w.olga.Token}), "olga")
		shown += told(w.Do(t, "GET", path, apptest.Request{Token: w.olga.Cookie, Via: apptest.Cookie}), "olga")
		for who, token := range map[string]string{"nobody": "", "mike": w.mike.Token} {
			told(w.Do(t, "GET", path, apptest.Request{Token: token}), who)
		}
	}
	if shown < len(doors) {
		t.Errorf("these doors tell their owner only %d secrets, so that the others prove little", shown)
	}
	for _, path := range []string{"/api/package/acme/buried", "/api/release/acme/buried/1.0", "/api/v1/packages/acme/buried", "/acme/buried", "/api/release/acme/open/7.7.7", "/api/package/sara/unborn"} {
		if got := w.Do(t, "GET", path, apptest.Request{}); got.Status != http.StatusNotFound {
			t.Errorf("%s; want 404", got)
		}
		request := olga
		if strings.Contains(path, "sara") {
			request = sara
		}
		if !strings.HasPrefix(path, "/api") {
			request.Token, request.Via = w.olga.Cookie, apptest.Cookie
		}
		w.Want(t, http.StatusOK, "GET", path, request)
	}
	var open struct {
		Latest   string   `json:"latest"`
		Versions []string `json:"versions"`
		Subdirs  []string `json:"subdirs"`
	}
	w.Want(t, http.StatusOK, "GET", "/api/v1/packages/acme/open", apptest.Request{}).JSON(t, &open)
	if open.Latest != "1.0" || len(open.Versions) != 1 || strings.Join(open.Subdirs, " ") != "noarch" {
		t.Errorf("nobody sees of acme/open: %+v", open)
	}

	// With main made private, everything of the owner is closed; made public again, open.
	alter := func(visibility string) {
		w.Want(t, http.StatusOK, "PATCH", "/api/v1/channels/acme/main", apptest.Request{Token: w.olga.Token, Body: []byte(`{"visibility":"` + visibility + `"}`)})
	}
	alter("private")
	for _, path := range []string{"/api/package/acme/open", "/acme/open", "/api/v1/packages/acme/open"} {
		w.Want(t, http.StatusNotFound, "GET", path, apptest.Request{})
		w.Want(t, http.StatusNotFound, "GET", path, apptest.Request{Token: w.sara.Token, Via: ""})
	}
	w.Want(t, http.StatusOK, "GET", "/api/package/acme/open", apptest.Request{Token: w.wanda.Token})
	alter("internal")
	w.Want(t, http.StatusNotFound, "GET", "/api/package/acme/open", apptest.Request{})
	w.Want(t, http.StatusOK, "GET", "/api/package/acme/open", apptest.Request{Token: w.mike.Token})
	alter("public")
	w.Want(t, http.StatusOK, "GET", "/api/package/acme/open", apptest.Request{})
}

// TestClosedLikeAbsent sends what a stranger may not do with a thing that is
// closed and with one that is not there: status and text are the same, but for
// the name that was sent.
func TestClosedLikeAbsent(t *testing.T) {
	w := newWorld(t)
	file := condatest.Make(t, condatest.Spec{Name: "open", Version: "3.0"})
	upload := map[string]string{"X-File-Name": "open-3.0-0.conda"}
	stage := `{"distribution_type":"conda","sha256":"","attrs":{},"public":true,"channels":["main"]}`
	for _, c := range []struct {
		what, method, path string
		closed             string
		body               []byte
		header             map[string]string
		kind               string
	}{
		{"label everything", "POST", "/api/channels/acme/NAME", "cellar", []byte(`{}`), nil, ""},
		{"label a package", "POST", "/api/channels/acme/NAME", "cellar", []byte(`{"package":"open"}`), nil, ""},
		{"label a version", "POST", "/api/channels/acme/NAME", "cellar", []byte(`{"package":"open","version":"1.0"}`), nil, ""},
		{"copy to a label", "POST", "/api/channels/acme/main/copy/NAME", "cellar", []byte(`{}`), nil, ""},
		{"copy from a label", "POST", "/api/channels/acme/NAME/copy/main", "cellar", []byte(`{}`), nil, ""},
		{"take a label off", "DELETE", "/api/channels/acme/NAME", "cellar", []byte(`{}`), nil, ""},
		{"upload to a label", "POST", "/api/v1/upload/acme/NAME", "cellar", file, upload, "application/octet-stream"},
		{"stage for a package", "POST", "/api/stage/acme/NAME/1.0/noarch/NAME-2.0-0.conda", "shut", []byte(stage), nil, ""},
		{"stage for a closed package", "POST", "/api/stage/acme/NAME/1.0/noarch/NAME-2.0-0.conda", "buried", []byte(stage), nil, ""},
		{"change a package", "PATCH", "/api/v1/packages/acme/NAME", "buried", []byte(`{}`), nil, ""},
		{"label a closed package", "POST", "/api/channels/acme/main", "buried", []byte(`{"package":"NAME"}`), nil, ""},
	} {
		for who, token := range map[string]string{"nobody": "", "sara": w.sara.Token, "mike": w.mike.Token} {
			t.Run(c.what+" by "+who, func(t *testing.T) {
				ask := func(name string) (*apptest.Answer, string) {
					body := c.body
					if c.kind == "" {
						body = []byte(strings.ReplaceAll(string(c.body), "NAME", name))
					}
					got := w.Do(t, c.method, strings.ReplaceAll(c.path, "NAME", name), apptest.Request{Token: token, Body: body, Header: c.header, Type: c.kind})
					return got, strings.ReplaceAll(string(got.Body), name, "NAME")
				}
				closed, closedText := ask(c.closed)
				absent, absentText := ask("nosuch")
				if closed.Status != absent.Status || closedText != absentText {
					t.Errorf("closed and absent differ:\n%s\n%s", closed, absent)
				}
				if closed.Status < 400 {
					t.Errorf("%s is let in: %s", who, closed)
				}
				for _, name := range []string{"open", "shut", "buried"} {
					if !strings.Contains(c.path+string(c.body)+c.closed, name) && strings.Contains(string(closed.Body), "acme/"+name) {
						t.Errorf("the answer names %s: %s", name, closed)
					}
				}
			})
		}
	}
}

// TestEmptyChange asks for no change of a package: whoever may not change it may
// not do that either.
func TestEmptyChange(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		who, token string
		want       int
	}{{"nobody", "", 401}, {"sara", w.sara.Token, 403}, {"mike", w.mike.Token, 403}, {"wanda", w.wanda.Token, 200}, {"olga", w.olga.Token, 200}} {
		if got := w.Do(t, "PATCH", "/api/v1/packages/acme/open", apptest.Request{Token: c.token, Body: []byte(`{}`)}); got.Status != c.want {
			t.Errorf("%s: %s; want %d", c.who, got, c.want)
		}
	}
}

// TestOrganizationsOfAUser has the organisations of a person shown to those who
// may know.
func TestOrganizationsOfAUser(t *testing.T) {
	w := newWorld(t)
	for who, c := range map[string]struct {
		token string
		shown bool
	}{"nobody": {"", false}, "sara": {w.sara.Token, false}, "wanda": {w.wanda.Token, true}, "mike": {w.mike.Token, true}, "root": {w.root.Token, true}} {
		got := w.Want(t, http.StatusOK, "GET", "/api/users/mike/orgs", apptest.Request{Token: c.token})
		if strings.Contains(string(got.Body), "acme") != c.shown {
			t.Errorf("%s: %s; acme shown: want %v", who, got, c.shown)
		}
	}
}
