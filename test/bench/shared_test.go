//go:build bench

package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"terrarium/test/program"
)

// channels are the data folders with an imported channel that the rows copy, one for
// each size: an import of 700,000 records takes a minute, a copy a few seconds.
// TestMain removes them.
var channels shared

// shared keeps what several rows use.
type shared struct {
	mu     sync.Mutex
	folder string // "" before the first one
	binary string
	made   map[int]*imported
	peers  map[int][]peer // what other programs need for the same records
}

// imported is a data folder whose program has ended, with the channel channelName
// and its owner.
type imported struct {
	channel  *synthetic
	data     string // folder
	source   string // folder that was imported
	text     int64  // bytes of repodata.json
	token    string // of ownerName
	finished program.Finished
}

// rowLimit is how long one row may take at all sizes together, with its peers.
const rowLimit = 60 * time.Minute

// peerLimit is how long another program may take.
const peerLimit = 25 * time.Minute

// limited ends the program, after it has printed the table as it is, when the row
// takes longer than rowLimit: a bench that hangs is not to cost hours, nor what was
// measured before.
func limited(t testing.TB) {
	t.Helper()
	name := t.Name()
	timer := time.AfterFunc(rowLimit, func() {
		figures.print()
		fmt.Fprintf(os.Stderr, "%s is not done after %s\n", name, rowLimit)
		os.Exit(1)
	})
	t.Cleanup(func() { timer.Stop() })
}

// program builds the program once.
func (s *shared) program(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.binary == "" {
		built := program.Build(t)
		s.binary = filepath.Join(s.root(t), "terrarium")
		if err := os.Rename(built, s.binary); err != nil { // the folder of the test goes with it
			t.Fatal(err)
		}
	}
	return s.binary
}

// root makes the folder of everything; the caller holds mu.
func (s *shared) root(t testing.TB) string {
	t.Helper()
	if s.folder == "" {
		var err error
		if s.folder, err = os.MkdirTemp("", "terrarium-bench-"); err != nil {
			t.Fatal(err)
		}
	}
	return s.folder
}

// remove takes everything away.
func (s *shared) remove() error {
	if s.folder == "" {
		return nil
	}
	return os.RemoveAll(s.folder)
}

// of imports a channel of n records, once.
func (s *shared) of(t testing.TB, n int) *imported {
	t.Helper()
	binary := s.program(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.made[n]; m != nil {
		return m
	}
	folder := filepath.Join(s.root(t), fmt.Sprint(n))
	m := &imported{channel: newSynthetic(n), data: filepath.Join(folder, "data"), source: filepath.Join(folder, "source")}
	m.text = m.channel.write(t, m.source)
	store := &program.Store{Binary: binary, Data: m.data, Env: quiet}
	store.Do(t, "user", "create", ownerName, "--email", "bench@example.com")
	m.token = store.Do(t, "token", "create", "--user", ownerName, "--name", "bench")
	m.finished = store.Command(t, "channel", "import", channelName, m.source, "--metadata-only", "--base-url", emptyAddress)
	if !m.finished.State.Success() {
		t.Fatalf("import: %v\n%s%s", m.finished.State, m.finished.Stdout, m.finished.Stderr)
	}
	if s.made == nil {
		s.made = map[int]*imported{}
	}
	s.made[n] = m
	return m
}

// quiet are settings of a program whose log nobody reads.
var quiet = []string{"TERRARIUM_LOG_LEVEL=warn"}

// copyOf gives a store of its own with the channel of n records.
func (s *shared) copyOf(t testing.TB, n int) (*program.Store, *imported) {
	t.Helper()
	m := s.of(t, n)
	store := &program.Store{Binary: s.program(t), Data: filepath.Join(t.TempDir(), "data"), Env: quiet}
	if err := os.CopyFS(store.Data, os.DirFS(m.data)); err != nil {
		t.Fatal(err)
	}
	return store, m
}

// emptied fails unless SQLite's log is gone, as it is when the program has ended in
// order: then all that was written to it stands in the database.
func emptied(t testing.TB, store *program.Store) {
	t.Helper()
	left, err := os.Stat(filepath.Join(store.Data, "terrarium.db-wal"))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil || left.Size() > 0 {
		t.Fatalf("the log of the database is still there: %v, %v", left, err)
	}
}

// publisher makes packages of a channel, the same ones in each run.
type publisher struct {
	channel *synthetic
	pick    *rand.Rand
	number  int
}

func newPublisher(m *imported) *publisher {
	return &publisher{channel: m.channel, pick: rand.New(rand.NewPCG(seed, uint64(m.channel.records)))}
}

// uploads makes the next n packages, each of a name that is drawn in proportion to
// its records.
func (p *publisher) uploads(t testing.TB, n int) []upload {
	t.Helper()
	list := make([]upload, n)
	for i := range list {
		p.number++
		list[i] = newUpload(t, p.channel.pick(p.pick), p.number)
	}
	return list
}
