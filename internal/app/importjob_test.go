package app_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"terrarium/internal/api"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// folder puts the channel ana/main, as conda sees it, into a folder.
func folder(t *testing.T, a *apptest.App, subdirs ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, subdir := range subdirs {
		if err := os.Mkdir(filepath.Join(root, subdir), 0o700); err != nil {
			t.Fatal(err)
		}
		put := func(name string) []byte {
			b := a.Want(t, http.StatusOK, "GET", "/conda/ana/"+subdir+"/"+name, apptest.Request{}).Body
			if err := os.WriteFile(filepath.Join(root, subdir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			return b
		}
		var doc struct {
			Conda map[string]any `json:"packages.conda"`
		}
		if err := json.Unmarshal(put("repodata.json"), &doc); err != nil {
			t.Fatal(err)
		}
		for name := range doc.Conda {
			put(name)
		}
	}
	return root
}

// ended asks for an import, as root, until it has ended.
func ended(t *testing.T, a *apptest.App, root *apptest.Person, location string) api.Import {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		var i api.Import
		a.Want(t, http.StatusOK, "GET", strings.TrimPrefix(location, a.Config.URL), apptest.Request{Token: root.Token}).JSON(t, &i)
		if i.State == "done" || i.State == "failed" {
			return i
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the import never ended: %+v", i)
		case <-again.C:
		}
	}
}

// TestImportOverHTTP: a folder that /api/v1 is told to import is what conda sees
// then; the resource tells how it went, also after a restart.
func TestImportOverHTTP(t *testing.T) {
	a := apptest.New(t)
	root, ana := a.Operator(t, "root"), a.User(t, "ana")
	a.Org(t, "acme", ana)
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	ana.Upload(t, "ana", condatest.Spec{Name: "moss", Subdir: "linux-64"}, "")
	ana.Upload(t, "ana", condatest.Spec{Name: "fern"}, "")
	source := folder(t, a, "noarch", "linux-64")
	if err := os.Remove(filepath.Join(source, "noarch", "fern-1.0-0.conda")); err != nil {
		t.Fatal(err)
	}
	ask := func(channel, body string) *apptest.Answer {
		t.Helper()
		return a.Do(t, "POST", "/api/v1/channels/acme/"+channel+"/import", apptest.Request{
			Token: root.Token, Body: []byte(body), Header: map[string]string{"Idempotency-Key": channel + body},
		})
	}
	first, again := ask("copy", `{"source":"`+source+`"}`), ask("copy", `{"source":"`+source+`"}`)
	if first.Status != http.StatusAccepted || !bytes.Equal(first.Body, again.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%s\n%s", first, again)
	}
	location := first.Header.Get("Location")
	i := ended(t, a, root, location)
	if i.State != "done" || i.Why != "" || len(i.Subdirs) != 2 || i.StartedAt == nil || i.EndedAt == nil {
		t.Fatalf("it ended as %+v", i)
	}
	linux, noarch := i.Subdirs[0], i.Subdirs[1]
	if linux.Subdir != "linux-64" || !linux.Visible || linux.Added != 1 || noarch.Subdir != "noarch" || noarch.Done != 2 || noarch.Added != 1 || noarch.LeftOut != 1 || len(noarch.Reasons) != 1 {
		t.Errorf("it counted %+v", i.Subdirs)
	}
	for _, path := range []string{"noarch/soil-1.0-0.conda", "linux-64/moss-1.0-0.conda"} {
		subdir, name, _ := strings.Cut(path, "/")
		index := a.Want(t, http.StatusOK, "GET", "/conda/acme/copy/"+subdir+"/repodata.json", apptest.Request{}).Body
		if !bytes.Contains(index, []byte(name)) || bytes.Contains(index, []byte("fern")) {
			t.Errorf("conda is told %s", index)
		}
		want, got := a.Want(t, http.StatusOK, "GET", "/conda/ana/"+path, apptest.Request{}), a.Want(t, http.StatusOK, "GET", "/conda/acme/copy/"+path, apptest.Request{})
		if !bytes.Equal(want.Body, got.Body) {
			t.Errorf("%s has other bytes", path)
		}
	}
	var log struct {
		Items []struct {
			Action string `json:"action"`
			Actor  string `json:"actor"`
		} `json:"items"`
	}
	a.Want(t, http.StatusOK, "GET", "/api/v1/audit?owner=acme&action=channel.", apptest.Request{Token: ana.Token}).JSON(t, &log)
	actions := map[string]int{}
	for _, item := range log.Items {
		if actions[item.Action]++; item.Actor != "root" {
			t.Errorf("%s was done by %q", item.Action, item.Actor)
		}
	}
	if actions["channel.import-request"] != 1 || actions["channel.import"] != 2 || actions["channel.imported"] != 2 {
		t.Errorf("the log has %v", actions)
	}

	metadata := ended(t, a, root, ask("lean", `{"source":"`+source+`","metadata_only":true,"subdirs":["noarch"]}`).Header.Get("Location"))
	if metadata.State != "done" || len(metadata.Subdirs) != 1 || metadata.Subdirs[0].Added != 2 || metadata.Subdirs[0].LeftOut != 0 {
		t.Errorf("of metadata alone it took %+v", metadata)
	}
	a.Restart()
	if after := ended(t, a, root, location); after.State != "done" || len(after.Subdirs) != 2 || after.Subdirs[1].Added != 1 {
		t.Errorf("after a restart it is %+v", after)
	}
	var all struct {
		Items []api.Import `json:"items"`
	}
	a.Want(t, http.StatusOK, "GET", "/api/v1/imports", apptest.Request{Token: root.Token}).JSON(t, &all)
	if len(all.Items) != 2 || all.Items[0].Channel != "lean" || all.Items[1].Channel != "copy" {
		t.Errorf("the list is %+v", all.Items)
	}
}

// TestFolderIsTold to who administers the channel that was imported from it, and to
// nobody else.
func TestFolderIsTold(t *testing.T) {
	a := apptest.New(t)
	root, ana, bob := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "bob")
	a.Org(t, "acme", ana)
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	source := folder(t, a, "noarch")
	accepted := a.Want(t, http.StatusAccepted, "POST", "/api/v1/channels/acme/copy/import", apptest.Request{Token: root.Token, Body: []byte(`{"source":"` + source + `"}`)})
	if i := ended(t, a, root, accepted.Header.Get("Location")); i.State != "done" {
		t.Fatalf("it ended as %+v", i)
	}
	for _, path := range []string{"/api/v1/channels/acme/copy", "/api/v1/channels?owner=acme", "/acme/-/channels/copy"} {
		for name, token := range map[string]string{"nobody": "", "a stranger": bob.Token, "its administrator": ana.Token} {
			if token != "" && !strings.HasPrefix(path, "/api/") {
				continue // pages know sessions
			}
			told := bytes.Contains(a.Want(t, http.StatusOK, "GET", path, apptest.Request{Token: token}).Body, []byte(source))
			if told != (token == ana.Token) {
				t.Errorf("%s is told where %s came from: %t", name, path, told)
			}
		}
	}
}

// TestImportRefused: what can be known to be wrong is refused at once, the rest
// is told by the resource.
func TestImportRefused(t *testing.T) {
	a := apptest.New(t)
	root, ana := a.Operator(t, "root"), a.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	source := folder(t, a, "noarch")
	for _, c := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"another scheme", "ana/x/import", `{"source":"ftp://conda.example.com/x"}`, 422, "http or https"},
		{"a private address", "ana/x/import", `{"source":"http://127.0.0.1:9/x"}`, 403, "not public"},
		{"a relative folder", "ana/x/import", `{"source":"x"}`, 422, "from its root"},
		{"no folder", "ana/x/import", `{"source":"/nowhere/x"}`, 422, "no folder"},
		{"no channel in it", "ana/x/import", `{"source":"` + t.TempDir() + `"}`, 422, "no channel"},
		{"no such subdir", "ana/x/import", `{"source":"` + source + `","subdirs":["win-64"]}`, 422, "win-64"},
		{"no owner", "nobody/x/import", `{"source":"` + source + `"}`, 404, "nobody"},
		{"no name of a channel", "ana/9/import", `{"source":"` + source + `"}`, 422, "9"},
		{"no channel in the path", "ana/import", `{"source":"` + source + `"}`, 404, "nothing"},
		{"another deed", "ana/x/export", `{"source":"` + source + `"}`, 404, "nothing"},
	} {
		got := a.Do(t, "POST", "/api/v1/channels/"+c.path, apptest.Request{Token: root.Token, Body: []byte(c.body)})
		if got.Status != c.status || !strings.Contains(string(got.Body), c.says) {
			t.Errorf("%s: %s; want %d and %q", c.name, got, c.status, c.says)
		}
	}
	a.Want(t, http.StatusForbidden, "POST", "/api/v1/channels/ana/x/import", apptest.Request{Token: ana.Token, Body: []byte(`{"source":"` + source + `"}`)})
	for _, id := range []string{"x", "0", "99999"} {
		a.Want(t, http.StatusNotFound, "GET", "/api/v1/imports/"+id, apptest.Request{Token: root.Token})
	}

	a.Want(t, http.StatusOK, "PATCH", "/api/v1/channels/ana/main", apptest.Request{Token: ana.Token, Body: []byte(`{"locked":true}`)})
	start := func(channel string) string {
		t.Helper()
		return a.Want(t, http.StatusAccepted, "POST", "/api/v1/channels/ana/"+channel+"/import", apptest.Request{
			Token: root.Token, Body: []byte(`{"source":"` + source + `"}`),
		}).Header.Get("Location")
	}
	if i := ended(t, a, root, start("main")); i.State != "failed" || !strings.Contains(i.Why, "locked") || len(i.Subdirs) != 0 {
		t.Errorf("into a locked channel: %+v", i)
	}
	if err := os.WriteFile(filepath.Join(source, "noarch", "repodata.json"), []byte(`{"packages.conda":{"x-1-0.conda":{"name":"x"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	i := ended(t, a, root, start("odd"))
	if i.State != "failed" || !strings.Contains(i.Why, "all 1 records") || len(i.Subdirs) != 1 || i.Subdirs[0].LeftOut != 1 || len(i.Subdirs[0].Reasons) != 1 {
		t.Errorf("of nothing but bad records: %+v", i)
	}
}
