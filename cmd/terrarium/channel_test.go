package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestImportLabels: a label that cannot be loaded is left out and named, the others
// come, each asked for as its owner writes it; and where the source breaks off, what
// came before is told.
func TestImportLabels(t *testing.T) {
	var away atomic.Bool
	record := func(name string) string {
		return fmt.Sprintf(`{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{"%[1]s-1.0-0.conda":{"name":"%[1]s","version":"1.0","build":"0","build_number":0,`+
			`"depends":[],"md5":"%032[2]x","sha256":"%064[2]x","size":1,"subdir":"noarch"}}}`, name, len(name))
	}
	answers := map[string]string{
		"/api/channels/ada":                          `{"main":{},"Beta":{},"2024":{},"empty":{},"late":{}}`,
		"/api/packages/ada":                          `[{"name":"one","public":true},{"name":"three","public":true},{"name":"fifth","public":true}]`,
		"/conda/ada/channeldata.json":                `{"subdirs":["noarch"]}`,
		"/conda/ada/noarch/repodata.json":            record("one"),
		"/conda/ada/label/2024/noarch/repodata.json": record("two"),
		"/conda/ada/label/Beta/noarch/repodata.json": record("three"),
		"/conda/ada/label/late/noarch/repodata.json": record("fifth"),
	}
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		switch {
		case away.Load() && strings.Contains(r.URL.Path, "/label/late/"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write([]byte(answer)) // a client that went away hears nothing
		}
	}))
	t.Cleanup(source.Close)
	data := filepath.Join(t.TempDir(), "data")
	command(t, 0, "user", "create", "ada", "--email", "ada@example.com", "--password-stdin", "--data", data)
	load := func(status int, want []string, not ...string) {
		t.Helper()
		out := command(t, status, "channel", "import", "ada", source.URL+"/conda/ada", "--labels", "--metadata-only", "--data", data, "--outgoing-allow", "127.0.0.0/8")
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%q is not in\n%s", text, out)
			}
		}
		for _, text := range not {
			if strings.Contains(out, text) {
				t.Errorf("%q is in\n%s", text, out)
			}
		}
	}
	left := []string{"ada/2024 was left out: The label name", "ada/empty was left out: "}
	away.Store(true)
	load(1, append(left, "ada/main noarch: 1 records added", "ada/beta noarch: 1 records added", "503"), "ada/late noarch")
	away.Store(false)
	load(0, append(left, "ada/main noarch: 0 records added, 0 changed, 1 were there", "ada/late noarch: 1 records added"))
}
