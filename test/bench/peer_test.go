//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// peer is what another program needs for the records of a channel: the ways in
// which a folder is published without a server.
type peer struct {
	name string
	all  cost // every document made anew from what it knows of each file
	more cost // the same after one package more
}

// cost is what one run took; 0 where it was not measured.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // bytes
}

// peersOf measures py-rattler's index_fs and conda-index with the records of a
// channel, once; what is not installed is left out. The files are empty or absent, for
// neither opens what it knows.
func (s *shared) peersOf(t testing.TB, m *imported) []peer {
	t.Helper()
	key := m.channel.records
	s.mu.Lock()
	defer s.mu.Unlock()
	if list, ok := s.peers[key]; ok {
		return list
	}
	list := []peer{indexFolder(t, m), indexConda(t, m)}
	list = slices.DeleteFunc(list, func(p peer) bool { return p.all.wall == 0 })
	if s.peers == nil {
		s.peers = map[int][]peer{}
	}
	s.peers[key] = list
	return list
}

// unpacked lays out a folder with SUBDIR/repodata.json, and beside it a package that
// is to be added.
func unpacked(t testing.TB, m *imported) (root, more string) {
	t.Helper()
	root = t.TempDir()
	for _, folder := range []string{subdir, "noarch"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(root, subdir, "repodata.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	m.channel.writeJSON(w)
	u := newPublisher(m).uploads(t, 1)[0]
	more = filepath.Join(t.TempDir(), u.fileName)
	for _, end := range []func() error{w.Flush, f.Close, func() error { return os.WriteFile(more, u.body, 0o644) }} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return root, more
}

// indexFolder measures index_fs, where TERRARIUM_PYTHON has py-rattler.
func indexFolder(t testing.TB, m *imported) peer {
	t.Helper()
	p := peer{name: "py-rattler index_fs"}
	python := os.Getenv("TERRARIUM_PYTHON")
	if python == "" {
		return p
	}
	root, more := unpacked(t, m)
	for _, l := range m.channel.names {
		for _, rec := range l.records {
			if err := os.WriteFile(filepath.Join(root, subdir, rec.fileName), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.measure(t, exec.Command(python, "testdata/index_fs.py", root, subdir, more))
	return p
}

// indexConda measures conda-index, where CONDA_SRC and CONDA_INDEX_SRC name the
// sources of conda and conda-index and the Python of TERRARIUM_PYTHON finds what they
// import.
func indexConda(t testing.TB, m *imported) peer {
	t.Helper()
	p := peer{name: "conda-index"}
	sources := condaSources()
	if sources == "" {
		return p
	}
	python := cmp.Or(os.Getenv("TERRARIUM_PYTHON"), "python3")
	root, more := unpacked(t, m)
	for _, args := range [][]string{{"fill", root, subdir}, {"index", root, subdir, more}} {
		cmd := exec.Command(python, append([]string{"testdata/index_conda.py"}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+sources)
		p.measure(t, cmd)
	}
	return p
}

// condaSources is the PYTHONPATH that finds conda and conda-index; "" without CONDA_SRC.
func condaSources() string {
	if os.Getenv("CONDA_SRC") == "" {
		return ""
	}
	paths := []string{os.Getenv("CONDA_SRC"), os.Getenv("CONDA_INDEX_SRC"), os.Getenv("PYTHONPATH")}
	return strings.Join(slices.DeleteFunc(paths, func(s string) bool { return s == "" }), ":")
}

// measure runs a program that prints a line of JSON for each of its runs. One that
// takes longer than peerLimit is ended, and what it has printed counts.
func (p *peer) measure(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), peerLimit)
	defer cancel()
	limited := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	limited.Env = cmd.Env
	limited.WaitDelay = time.Second // processes of its own may hold the output
	var stderr bytes.Buffer
	limited.Stderr = &stderr
	out, err := limited.Output()
	if err != nil && strings.Contains(stderr.String(), "Too many open files") { // index_fs opens all its shards at once: 35,000 at 700,000 records
		t.Logf("%s is not measured: it needs more than this machine's open files\n%s", p.name, stderr.String())
		return
	}
	if err != nil && ctx.Err() == nil {
		t.Fatalf("%s: %v\n%s", p.name, err, stderr.String())
	}
	for text := range bytes.Lines(out) {
		var one struct {
			Wall, CPU float64 // seconds
			Listed    bool
			RSS       int64
		}
		if err := json.Unmarshal(text, &one, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("%s printed %q: %v", p.name, text, err)
		}
		if !one.Listed {
			t.Fatalf("%s did not list the package", p.name)
		}
		got := cost{seconds(one.Wall), seconds(one.CPU), one.RSS}
		t.Logf("%s: %s, CPU %s, peak RSS %s", p.name, short(got.wall), short(got.cpu), megabytes(got.rss))
		if p.all.wall == 0 {
			p.all = got
		} else {
			p.more = got
		}
	}
}
