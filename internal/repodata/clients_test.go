//go:build clients

package repodata_test

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// python runs testdata/clients.py with the interpreter that has the clients.
func python(t *testing.T, args ...string) []byte {
	t.Helper()
	interpreter := os.Getenv("TERRARIUM_PYTHON")
	if interpreter == "" {
		t.Fatal("TERRARIUM_PYTHON must name a Python that has zstandard, msgpack and py-rattler")
	}
	cmd := exec.Command(interpreter, append([]string{filepath.Join("testdata", "clients.py")}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("clients.py %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// libzstdPiece compresses text with the zstd program.
func libzstdPiece(t *testing.T, level int, text []byte) repodata.Piece {
	t.Helper()
	cmd := exec.Command("zstd", "-q", "-c", fmt.Sprintf("-%d", level), "--zstd=wlog=20")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return repodata.Piece{Raw: len(text), Zstd: out}
}

// TestClientsSplice decodes frames spliced of pieces of every encoder with the
// zstd program and three ways of python-zstandard.
func TestClientsSplice(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for round := range 12 {
		var part repodata.Part
		for range 1 + r.IntN(12) {
			text := sampleText(r, r.IntN(sampleKinds), 1+r.IntN(1<<(8+r.IntN(11))))
			var p repodata.Piece
			switch which := r.IntN(6); which {
			case 4, 5:
				p = libzstdPiece(t, []int{1, 3, 9, 19}[r.IntN(4)], text)
			default:
				p = repodata.Piece{Raw: len(text), Zstd: encodeWith(t, levels[which], r.IntN(2) == 0, r.IntN(2) == 0, text)}
			}
			part.Pieces = append(part.Pieces, p)
		}
		part.Before = []byte("{")
		l, err := repodata.NewLayout([]repodata.Part{part}, []byte("}"))
		if err != nil {
			t.Fatal(err)
		}
		checkClients(t, l, fmt.Sprintf("round %d", round))
	}
}

var oneFrame = regexp.MustCompile(`(?m)^# Zstandard Frames: 1$`)

func checkClients(t *testing.T, l *repodata.Layout, what string) {
	t.Helper()
	var plain, packed bytes.Buffer
	if err := l.WriteJSON(&plain); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteZstd(&packed); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want, zst := write(t, dir, "repodata.json", plain.Bytes()), write(t, dir, "repodata.json.zst", packed.Bytes())
	list, err := exec.Command("zstd", "-lv", zst).CombinedOutput()
	if err != nil || !oneFrame.Match(list) {
		t.Fatalf("%s: zstd -lv: %v\n%s", what, err, list)
	}
	got, err := exec.Command("zstd", "-dc", zst).Output()
	if err != nil || !bytes.Equal(got, plain.Bytes()) {
		t.Fatalf("%s: zstd -d gives other bytes: %v", what, err)
	}
	python(t, "zst", zst, want)
}

// TestClientsRecords shows a document, a shard and an index to the readers of
// conda and rattler.
func TestClientsRecords(t *testing.T) {
	var entries []repodata.Entry
	var files []repodata.ShardFile
	wantRattler := map[string][]any{}
	for i := range 700 {
		fn, r := benchRecord(i)
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repodata.Entry{FileName: fn, JSON: e.JSON})
		files = append(files, repodata.ShardFile{FileName: fn, Msgpack: e.Msgpack})
		wantRattler[fn] = []any{r.Name, r.Version, r.Build, r.SHA256, float64(r.Size)}
	}
	l, err := repodata.NewDocument("linux-64", entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkClients(t, l, "document")
	dir := filepath.Join(t.TempDir(), "linux-64")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := l.WriteJSON(&plain); err != nil {
		t.Fatal(err)
	}
	var rattler map[string][]any
	if err := json.Unmarshal(python(t, "rattler", write(t, dir, "repodata.json", plain.Bytes())), &rattler); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantRattler, rattler); diff != "" {
		t.Errorf("rattler reads other records:\n%s", diff)
	}

	shard, sum := repodata.EncodeShard(files, nil)
	var gotShard map[string]map[string]map[string]any
	if err := json.Unmarshal(python(t, "shard", write(t, dir, "shard", shard)), &gotShard); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		r, err := conda.ParseRecord(e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(e.JSON, &want); err != nil {
			t.Fatal(err)
		}
		want["md5"], want["sha256"] = map[string]any{"bin": r.MD5}, map[string]any{"bin": r.SHA256}
		want["run_exports"] = map[string]any{}
		if diff := cmp.Diff(want, gotShard["packages.conda"][e.FileName]); diff != "" {
			t.Fatalf("%s in the shard:\n%s", e.FileName, diff)
		}
	}

	index := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, []string{"libexample"}, [][32]byte{sum})
	want := fmt.Sprintf(`{"info": {"base_url": "", "shards_base_url": "./shards/", "subdir": "linux-64"}, "shards": {"libexample": {"bin": "%x"}}, "version": 1}`, sum)
	if got := string(python(t, "index", write(t, dir, "index", index))); got != want {
		t.Errorf("index %s, want %s", got, want)
	}

	names, hashes := benchIndex() // so many that it is not compressed
	index = repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, names, hashes)
	var large struct {
		Shards map[string]map[string]string `json:"shards"`
	}
	if err := json.Unmarshal(python(t, "index", write(t, dir, "large", index)), &large); err != nil {
		t.Fatal(err)
	}
	if len(large.Shards) != len(names) {
		t.Fatalf("the large index has %d names, want %d", len(large.Shards), len(names))
	}
	for i, n := range names {
		if got := large.Shards[n]["bin"]; got != fmt.Sprintf("%x", hashes[i]) {
			t.Fatalf("the large index has %s for %s, want %x", got, n, hashes[i])
		}
	}
}

// TestClientsOrder shows rattler, whose sparse reader searches by name, a
// document in the order of package names, which is not quite that of file
// names: a-0b-1-0.conda sorts before a-1-0.conda.
func TestClientsOrder(t *testing.T) {
	want := map[string][]any{}
	var pieces []repodata.Piece
	for _, name := range []string{"a", "a-0b", "a-9", "a.b", "ab"} {
		var text []byte
		for _, version := range []string{"1", "5", "9"} {
			_, r := benchRecord(1)
			r.Name, r.Version, r.Build = name, version, "0"
			e, err := repodata.EncodeRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			fn := r.FileName(conda.FormatConda)
			text = repodata.AppendEntry(text, fn, e.JSON)
			want[fn] = []any{r.Name, r.Version, r.Build, r.SHA256, float64(r.Size)}
		}
		p, err := repodata.NewPiece(text)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, p)
	}
	l, err := repodata.NewRepodata("linux-64", nil, pieces, nil)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := l.WriteJSON(&plain); err != nil {
		t.Fatal(err)
	}
	var got map[string][]any
	if err := json.Unmarshal(python(t, "rattler", write(t, t.TempDir(), "repodata.json", plain.Bytes())), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rattler finds other records:\n%s", diff)
	}
}
