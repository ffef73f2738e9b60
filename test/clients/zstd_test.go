//go:build clients

package clients

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// many is how many records the generated channel has.
const many = 22_000

// generated writes a channel's noarch repodata.json as another program would,
// into a new folder: many names of many sizes, with runs and with what hardly
// compresses.
func generated(t testing.TB) string {
	t.Helper()
	packages, condaPackages := map[string]any{}, map[string]any{}
	for i := range many {
		name := fmt.Sprintf("pkg-%05d", i/(1+i%7))
		version := fmt.Sprintf("%d.%d.%d", i%13, i%101, i)
		build := fmt.Sprintf("h%07x_%d", i*7919%0xfffffff, i%3)
		sum := sha256.Sum256([]byte(name + version + build))
		old := md5.Sum(sum[:])
		var depends []string
		for d := range i % 9 {
			depends = append(depends, fmt.Sprintf("pkg-%05d >=%d.%d,<%d.0a0", (i*31+d)%many, i%13, d, i%13+1))
		}
		record := map[string]any{
			"name": name, "version": version, "build": build, "build_number": i % 3, "depends": depends, "subdir": "noarch", "noarch": "generic",
			"license": strings.Repeat("MIT OR ", i%40) + "MIT", "size": 1000 + i, "md5": hex.EncodeToString(old[:]), "sha256": hex.EncodeToString(sum[:]),
			"timestamp": 1600000000000 + int64(i)*1000,
		}
		if depends == nil {
			record["depends"] = []string{}
		}
		if i%4 == 0 {
			packages[name+"-"+version+"-"+build+".tar.bz2"] = record
		} else {
			condaPackages[name+"-"+version+"-"+build+".conda"] = record
		}
	}
	b, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": "noarch"}, "packages": packages, "packages.conda": condaPackages, "repodata_version": 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "noarch"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "noarch", "repodata.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOneFrame imports a channel of many pieces beside the running server, and
// reads its repodata.json.zst with everything that decodes zstd; then again after
// an upload, which makes one piece anew.
func TestOneFrame(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada := s.person(t, "ada")
	said(t, s.must(t, "", "channel", "import", "ada", generated(t), "--metadata-only"), fmt.Sprintf("noarch: %d records added", many))
	s.oneFrame(t, many)
	p := pack(t, spec("pkg-11111", "99.0"))
	s.upload(t, ada, "ada", p)
	s.oneFrame(t, many+1)

	r := newRattler(t)
	shards := r.run(t, "query", s.url+"/conda/ada", "", "pkg-11111", "pkg-00000", "pkg-21000")
	r.zst = true
	whole := r.run(t, "query", s.url+"/conda/ada", "", "pkg-11111", "pkg-00000", "pkg-21000")
	if len(shards.files()) < 4 || strings.Join(shards.files(), " ") != strings.Join(whole.files(), " ") {
		t.Errorf("by shards rattler finds %q (%s), in the whole document %q (%s)", shards.files(), shards.Error, whole.files(), whole.Error)
	}
}

// oneFrame holds repodata.json.zst of ada's noarch to repodata.json.
func (s *server) oneFrame(t testing.TB, records int) {
	t.Helper()
	plain := s.status(t, http.StatusOK, "/conda/ada/noarch/repodata.json", "").body
	packed := s.status(t, http.StatusOK, "/conda/ada/noarch/repodata.json.zst", "").body
	if n := len(s.index(t, "ada", "noarch", "")); n != records || len(plain) < 5<<20 {
		t.Fatalf("repodata.json has %d records in %d bytes, want %d in several MB", n, len(plain), records)
	}
	sum := sha256.Sum256(plain)
	want := hex.EncodeToString(sum[:])
	file := filepath.Join(t.TempDir(), "repodata.json.zst")
	if err := os.WriteFile(file, packed, 0o600); err != nil {
		t.Fatal(err)
	}

	out, err := exec.CommandContext(t.Context(), "zstd", "-lv", file).CombinedOutput()
	if err != nil {
		t.Fatalf("zstd -lv: %v: %s", err, out)
	}
	frames := ""
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.Contains(name, "Frames") && !strings.Contains(name, "Skippable") {
			frames = strings.TrimSpace(value)
		}
	}
	if frames != "1" {
		t.Errorf("zstd -lv counts %q frames, want 1:\n%s", frames, out)
	}
	decoded, err := exec.CommandContext(t.Context(), "zstd", "-dc", file).Output()
	if err != nil || !bytes.Equal(decoded, plain) {
		t.Errorf("zstd decodes %d bytes (%v), other than the %d of repodata.json", len(decoded), err, len(plain))
	}
	readers := map[string]string{}
	script(t, &readers, []string{"PATH=" + os.Getenv("PATH")}, nil, "with_zstandard.py", file)
	if len(readers) != 3 {
		t.Errorf("%d readers of python-zstandard answered", len(readers))
	}
	for name, got := range readers {
		if got != want {
			t.Errorf("python-zstandard's %s decodes other bytes than repodata.json", name)
		}
	}
}
