package crash

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"terrarium/test/program"
)

const (
	kills       = 30
	killClients = 4
	killFor     = 25 * time.Second // no further round begins after it
	leastKills  = 8
)

// atRandom kills the server at random moments while clients upload and delete,
// and looks after each kill.
func atRandom(t *testing.T, binary string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, binary)
	begun, round := time.Now(), 0
	for ; round < kills && (round < leastKills || time.Since(begun) < killFor); round++ {
		server := w.store.Serve(t)
		w.check(t, server)
		w.load(t, server, round, time.Duration(r.Int64N(int64(300*time.Millisecond))), r.Uint64())
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
	}
	server := w.store.Serve(t)
	for _, f := range w.files {
		f.read = false
	}
	w.check(t, server)
	w.fsck(t) // beside the running server
	there := 0
	for _, f := range w.files {
		if f.fate == listed {
			there++
		}
	}
	t.Logf("%d kills, %d files sent, %d are there", round, len(w.files), there)
	if there == 0 {
		t.Error("no upload was ever acknowledged, so nothing was tried")
	}
	server.Stop()
}

// load lets the clients work until the server is killed.
func (w *world) load(t *testing.T, server *program.Server, round int, after time.Duration, seed uint64) {
	t.Helper()
	failures := make([]error, killClients)
	var wg sync.WaitGroup
	for c := range killClients {
		wg.Go(func() { failures[c] = w.work(server, round, c, rand.New(rand.NewPCG(seed, uint64(c)))) })
	}
	time.Sleep(after) // the moment is the point of the test, nothing is waited for
	server.Kill()
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			t.Errorf("a client: %v\n%s", err, server.Output())
		}
	}
}

// work uploads, and now and then deletes one of its own files, until the server
// is gone. The clients share package names, so that their changes meet.
func (w *world) work(server *program.Server, round, client int, r *rand.Rand) error {
	names := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	speak := newClient()
	defer speak.CloseIdleConnections()
	var last *file
	for i := 0; ; i++ {
		select {
		case <-server.Ended():
			return nil
		default:
		}
		if last != nil && r.IntN(6) == 0 {
			if err := w.remove(speak, server.URL, last); err != nil {
				return err
			}
			last = nil
			continue
		}
		s := spec(names[r.IntN(len(names))], (round*killClients+client)*1000+i)
		if err := w.send(speak, server.URL, s); err != nil {
			return err
		}
		w.mu.Lock()
		if f := w.files[s.FileName()]; f.fate == listed {
			last = f
		}
		w.mu.Unlock()
	}
}
