//go:build clients && postgres

package clients

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// few is a channel of one record, in a new folder.
func few(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	document := `{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{"later-1.0-0.conda":{"name":"later","version":"1.0","build":"0","build_number":0,
		"depends":[],"subdir":"noarch","noarch":"generic","size":1000,"md5":"` + strings.Repeat("0a", 16) + `","sha256":"` + strings.Repeat("0a", 32) + `"}},"repodata_version":1}`
	if err := os.Mkdir(filepath.Join(root, "noarch"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "noarch", "repodata.json"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestReplicaImports: while a large import runs at one replica, the other one
// takes uploads to the same channel, and another import of the channel is
// refused; in the end both
// list the same, and all of it.
func TestReplicaImports(t *testing.T) {
	p, a, b := replicas(t)
	ada := a.person(t, "ada")
	p.must(t, "seven green ferns of root\n", "user", "create", "root", "--operator", "--email", "root@example.com", "--password-stdin")
	root := strings.TrimSpace(p.must(t, "", "token", "create", "--user", "root", "--name", "test"))
	source, other := generated(t), few(t)
	start := func(s *server, source string) string {
		t.Helper()
		got := s.ask(t, http.MethodPost, "/api/v1/channels/ada/main/import", root, jsonBody(t, map[string]any{
			"source": source, "subdirs": []string{"noarch"}, "metadata_only": true,
		}), "Content-Type: application/json")
		if got.status != http.StatusAccepted {
			t.Fatalf("import: %d: %s", got.status, got.body)
		}
		location := got.header.Get("Location")
		return location[strings.Index(location, "/api/"):]
	}
	state := func(s *server, location string) (string, map[string]any) {
		t.Helper()
		i := object(t, s.status(t, http.StatusOK, location, root).body)
		return i["state"].(string), i
	}
	first := start(a, source)
	begun := func() error {
		switch now, i := state(b, first); now {
		case "failed":
			t.Fatalf("the import: %v", i)
		case "done":
			return nil
		case "running":
			for _, s := range i["subdirs"].([]any) {
				if s.(map[string]any)["done"].(float64) > 0 {
					return nil
				}
			}
		}
		return fmt.Errorf("it has not begun")
	}
	until(t, "the import has begun", begun)
	again := p.terrarium(t, "", "channel", "import", "ada", other, "--metadata-only", "--subdir", "noarch")
	if now, _ := state(b, first); now == "running" && (again.status != 1 || !strings.Contains(again.stderr, "large change under way")) {
		t.Errorf("a second import beside the first: status %d: %s", again.status, again.all())
	}
	var uploaded []string
	during := 0
	for i := range 8 {
		s := []*server{a, b}[i%2]
		file := pack(t, spec("beside", fmt.Sprintf("1.%d", i)))
		s.upload(t, ada, "ada", file)
		uploaded = append(uploaded, filepath.Base(file.path))
		if now, _ := state(s, first); now == "running" {
			during++
			[]*server{b, a}[i%2].has(t, "ada", uploaded[i], true)
		}
	}
	t.Logf("%d uploads were answered while the import ran; the second import: %d", during, again.status)
	until(t, "the import has ended", func() error {
		now, i := state(b, first)
		if now == "failed" {
			t.Fatalf("the import: %v", i)
		}
		if now != "done" {
			return fmt.Errorf("%v", i)
		}
		return nil
	})
	same(t, a, b, "ada")
	listed := b.index(t, "ada", "noarch", "")
	if len(listed) != many+len(uploaded) {
		t.Errorf("the index lists %d records, want %d", len(listed), many+len(uploaded))
	}
	for _, name := range uploaded {
		if listed[name] == nil {
			t.Errorf("the index lacks %s, uploaded beside the import", name)
		}
	}
}
