//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"encoding/json/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// peer is what py-rattler's index_fs needs to add one package to the same
// records: the way in which a folder is published without a server.
type peer struct {
	there     bool // TERRARIUM_PYTHON names a Python that has it
	wall, cpu time.Duration
	rss       int64 // bytes
}

// ratio says how many times longer index_fs takes than an upload takes to be
// visible in shard index and shard; index_fs writes all forms.
func (p peer) ratio(s *subject) float64 { return float64(p.wall) / float64(quantile(s.indexed, 0.5)) }

// indexFolder lays the records of a subject out as a folder, where each file
// is empty (index_fs opens only those that it does not know), and measures
// what a further package costs. It gives the better of two.
func indexFolder(t testing.TB, s *subject) peer {
	t.Helper()
	python := os.Getenv("TERRARIUM_PYTHON")
	if python == "" {
		return peer{}
	}
	root, packages := t.TempDir(), t.TempDir()
	folder := filepath.Join(root, subdir)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(folder, "repodata.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	s.channel.writeJSON(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, l := range s.channel.names {
		for _, rec := range l.records {
			if err := os.WriteFile(filepath.Join(folder, rec.fileName), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := []string{"testdata/index_fs.py", root, subdir}
	for _, u := range s.uploads(t, 2) {
		args = append(args, filepath.Join(packages, u.fileName))
		if err := os.WriteFile(filepath.Join(packages, u.fileName), u.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("index_fs: %v\n%s", err, stderr.String())
	}
	best := peer{there: true}
	for text := range bytes.Lines(out) {
		var one struct {
			Wall, CPU float64 // seconds
			Listed    bool
			RSS       int64
		}
		if err := json.Unmarshal(text, &one, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("index_fs printed %q: %v", text, err)
		}
		if !one.Listed {
			t.Fatal("index_fs did not list the package")
		}
		if wall := time.Duration(one.Wall * float64(time.Second)); best.wall == 0 || wall < best.wall {
			best.wall, best.cpu = wall, time.Duration(one.CPU*float64(time.Second))
		}
		best.rss = max(best.rss, one.RSS)
	}
	return best
}
