//go:build bench

package bench

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"terrarium/internal/sqldb"
	"terrarium/test/program"
)

// channels are the data folders with an imported channel that the rows copy, one for
// each size: an import of 700,000 records takes a minute, a copy a few seconds.
var channels shared

// shared keeps what several rows use.
type shared struct {
	mu      sync.Mutex
	scratch string // folder that goes with the run
	folder  string // the same, or that of TERRARIUM_BENCH_DATA, which stays
	binary  string
	made    map[int]*imported
	peers   map[int][]peer // what other programs need for the same records
}

// imported is a data folder whose program has ended, with the channel channelName
// and its owner.
type imported struct {
	channel *synthetic
	data    string // folder
	source  string // folder that was imported
	told
}

// told is what the import of a channel told, kept beside it as JSON.
type told struct {
	Token string  // of ownerName
	Text  int64   // bytes of repodata.json
	Took  float64 // seconds
	CPU   float64 // seconds
	Peak  int64   // bytes of memory at most
	Like  string  // what the records are like: digest of the first ones
}

// rowLimit is how long one row may take at all sizes together, with its peers.
const rowLimit = 75 * time.Minute

// peerLimit is how long another program may take.
const peerLimit = 25 * time.Minute

// limited gives a context that ends after rowLimit. What the row has started is killed
// then, so that its next step fails and the rows after it have their turn: a bench that
// hangs is not to cost hours, nor what was measured before.
func limited(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rowLimit)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("not done after %s", rowLimit)
			killChildren()
		}
	})
	t.Cleanup(func() {
		stop()
		cancel()
	})
	return ctx
}

// killChildren ends the processes that this one has started, the servers and peers of
// the row: rows run one after the other.
func killChildren() {
	lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is right
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that is gone has none
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
	}
}

// program builds the program once.
func (s *shared) program(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.binary == "" {
		built := program.Build(t)
		s.binary = filepath.Join(s.scratch, "terrarium")
		if err := os.Rename(built, s.binary); err != nil { // the folder of the test goes with it
			t.Fatal(err)
		}
	}
	return s.binary
}

// of imports a channel of n records, once; one that an earlier run of
// the same version has left in the folder of TERRARIUM_BENCH_DATA is taken as it is.
func (s *shared) of(t testing.TB, n int) *imported {
	t.Helper()
	binary := s.program(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.made[n]; m != nil {
		return m
	}
	folder := filepath.Join(s.folder, fmt.Sprint(n))
	m := &imported{channel: newSynthetic(n), data: filepath.Join(folder, "data"), source: filepath.Join(folder, "source")}
	kept := filepath.Join(folder, "told.json") // written last
	if s.made == nil {
		s.made = map[int]*imported{}
	}
	like := newSynthetic(1000).digest()
	if b, err := os.ReadFile(kept); err == nil {
		if err := json.Unmarshal(b, &m.told); err != nil {
			t.Fatal(err)
		}
		if m.Like == like { // else of another version of this bench
			s.made[n] = m
			return m
		}
	}
	if err := os.RemoveAll(folder); err != nil { // of an import that was broken off
		t.Fatal(err)
	}
	m.Text = m.channel.write(t, m.source)
	store := &program.Store{Binary: binary, Data: m.data, Env: quiet}
	store.Do(t, "user", "create", ownerName, "--email", "bench@example.com")
	m.Token = store.Do(t, "token", "create", "--user", ownerName, "--name", "bench")
	run := store.Command(t, "channel", "import", channelName, m.source, "--metadata-only", "--base-url", emptyAddress)
	if !run.State.Success() {
		t.Fatalf("import: %v\n%s%s", run.State, run.Stdout, run.Stderr)
	}
	m.Took, m.CPU, m.Peak, m.Like = run.Took.Seconds(), run.CPU().Seconds(), run.PeakRSS, like
	b, err := json.Marshal(m.told)
	if err == nil {
		err = os.WriteFile(kept, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
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

// forget deletes what an ended program has kept that it can make anew from rows: the
// states of its index. It is false where it has kept none.
func forget(t testing.TB, store *program.Store) (kept bool) {
	t.Helper()
	db := opened(t, store)
	defer db.Close()
	n, err := db.Exec(t.Context(), "DELETE FROM index_states")
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// opened is the database of a store whose program has ended.
func opened(t testing.TB, store *program.Store) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(store.Data, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
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
