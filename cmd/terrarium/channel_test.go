package main

import (
	"encoding/json/jsontext"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"terrarium/internal/repodata"
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

// TestImportShards: a channel that has shards and no document is loaded from an address,
// with a line of progress now and then; loaded again, no shard is asked for.
func TestImportShards(t *testing.T) {
	const n = 10_100
	answers := map[string][]byte{"/conda/forge/channeldata.json": []byte(`{"subdirs":["noarch"]}`)}
	byName := map[string][]repodata.ShardFile{}
	for i := range n {
		name := fmt.Sprintf("package%03d", i/100)
		file := fmt.Sprintf("%s-1.%d-0.conda", name, i%100)
		_, encoded, err := repodata.TranscodeRecord(file, jsontext.Value(fmt.Sprintf(
			`{"name":%q,"version":"1.%d","build":"0","build_number":0,"depends":[],"md5":"%032x","sha256":"%064x","size":1,"subdir":"noarch"}`, name, i%100, i, i)))
		if err != nil {
			t.Fatal(err)
		}
		byName[name] = append(byName[name], repodata.ShardFile{FileName: file, Msgpack: encoded.Msgpack})
	}
	var names []string
	var hashes [][32]byte
	for name, files := range byName {
		data, sum := repodata.EncodeShard(files, nil)
		answers["/conda/forge/noarch/shards/"+repodata.ShardFileName(sum)] = data
		names, hashes = append(names, name), append(hashes, sum)
	}
	answers["/conda/forge/noarch/repodata_shards.msgpack.zst"] = repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch"}, names, hashes)
	var shards atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if strings.Contains(r.URL.Path, "/shards/") {
			shards.Add(1)
		}
		_, _ = w.Write(answer) // a client that went away hears nothing
	}))
	t.Cleanup(source.Close)
	data := filepath.Join(t.TempDir(), "data")
	command(t, 0, "user", "create", "ada", "--email", "ada@example.com", "--password-stdin", "--data", data)
	for _, step := range []struct {
		want   []string
		shards int64
	}{
		{[]string{"noarch: 10000 records so far\n", fmt.Sprintf("noarch: %d records added, 0 changed, 0 were there", n)}, int64(len(names))},
		{[]string{fmt.Sprintf("noarch: 0 records added, 0 changed, %d were there", n)}, 0},
	} {
		shards.Store(0)
		out := command(t, 0, "channel", "import", "ada/forge", source.URL+"/conda/forge", "--metadata-only", "--data", data, "--outgoing-allow", "127.0.0.0/8")
		for _, text := range step.want {
			if !strings.Contains(out, text) {
				t.Errorf("%q is not in\n%s", text, out)
			}
		}
		if got := shards.Load(); got != step.shards {
			t.Errorf("%d shards were asked for, want %d", got, step.shards)
		}
	}
}
