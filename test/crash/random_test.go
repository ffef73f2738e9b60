package crash

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"terrarium/test/program"
)

const (
	killClients = 4
	killWithin  = 400 * time.Millisecond // of the end of the check before
)

// kills is how often the program is killed: 30 times, or as TERRARIUM_KILLS says.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("TERRARIUM_KILLS"), "30"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// atRandom kills the server at random moments, and with it an import, while
// clients upload, delete and move labels, and looks after each kill.
func atRandom(t *testing.T, binary string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, binary)
	server := w.store.Serve(t)
	first := spec("alpha", 999_999)
	w.publish(t, server, first)
	if err := w.relabel(newClient(), server.URL, w.files[first.FileName()], listed); err != nil {
		t.Fatal(err)
	}
	w.labels = true
	source := newForge(t)
	n := kills(t)
	for round := range n {
		w.check(t, server)
		source.check(t, server, false)
		importing := source.begin(t, w)
		w.load(t, server, round, time.Duration(r.Int64N(int64(killWithin))), r.Uint64(), importing.Kill)
		source.ended(t, importing.Wait())
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
		server = w.store.Serve(t)
	}
	for _, f := range w.files {
		f.read = false
	}
	w.check(t, server)
	source.finish(t, w)
	source.check(t, server, true)
	w.consistent(t, server, source.channel(), "noarch")
	w.fsck(t) // beside the running server
	there, labelled := 0, 0
	for _, f := range w.files {
		if f.fate == listed {
			there++
		}
		if f.extra == listed {
			labelled++
		}
	}
	t.Logf("%d kills, %d files sent, %d are there, %d labelled; %d imports went through, %d runs of them were killed",
		n, len(w.files), there, labelled, source.done+1, source.killed)
	if there < 2 || labelled == 0 {
		t.Error("next to nothing was ever acknowledged, so nothing was tried")
	}
	server.Stop()
}

// load lets the clients work until the server is killed, and also something else.
func (w *world) load(t *testing.T, server *program.Server, round int, after time.Duration, seed uint64, also func()) {
	t.Helper()
	failures := make([]error, killClients)
	var wg sync.WaitGroup
	for c := range killClients {
		wg.Go(func() { failures[c] = w.work(server, round, c, rand.New(rand.NewPCG(seed, uint64(c)))) })
	}
	time.Sleep(after) // the moment is the point of the test, nothing is waited for
	also()
	server.Kill()
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			t.Errorf("a client: %v\n%s", err, server.Output())
		}
	}
}

// work uploads, and now and then deletes one of its own files or moves a label of
// it, until the server is gone. The clients share package names, so that their
// changes meet.
func (w *world) work(server *program.Server, round, client int, r *rand.Rand) error {
	names := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	speak := newClient()
	defer speak.CloseIdleConnections()
	var mine []*file // that are listed
	for i := 0; ; i++ {
		select {
		case <-server.Ended():
			return nil
		default:
		}
		action := r.IntN(6)
		if len(mine) > 0 && action < 3 {
			place := r.IntN(len(mine))
			f := mine[place]
			var err error
			switch {
			case action == 0:
				mine = slices.Delete(mine, place, place+1)
				err = w.remove(speak, server.URL, f)
			case f.extra == listed: // nobody else touches it
				err = w.relabel(speak, server.URL, f, gone)
			default:
				err = w.relabel(speak, server.URL, f, listed)
			}
			if err != nil {
				return err
			}
			continue
		}
		s := spec(names[r.IntN(len(names))], (round*killClients+client)*1000+i)
		if err := w.send(speak, server.URL, s); err != nil {
			return err
		}
		w.mu.Lock()
		if f := w.files[s.FileName()]; f.fate == listed {
			mine = append(mine, f)
		}
		w.mu.Unlock()
	}
}
