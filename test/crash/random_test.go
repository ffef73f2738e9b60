package crash

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/test/program"
)

const (
	killClients = 4
	killWithin  = 800 * time.Millisecond // of the end of the check before
)

// kills is how often the program is killed: 30 times, or as TERRARIUM_KILLS says.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("TERRARIUM_KILLS"), "30"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// saveEvery is how often a server of every second round saves the states of its channels.
const saveEvery = "20ms"

// atRandom kills the server at random moments, and with it an import, while clients upload,
// delete files and packages and move labels, and one makes large changes, and looks after
// each kill. Every second server saves the states of its channels, so that the next one
// begins with them; the others begin with rows.
func atRandom(t *testing.T, binary string) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("TERRARIUM_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, binary)
	// A large change that was killed is taken for dead within a few rounds.
	w.store.Env = append(w.store.Env, shortLease)
	env := slices.Clone(w.store.Env)
	w.newCrowd(t)
	server := w.store.Serve(t)
	first := spec("alpha", 999_999)
	w.publish(t, server, first)
	if err := w.relabel(newClient(), server.URL, w.files[first.FileName()], listed); err != nil {
		t.Fatal(err)
	}
	w.labels = true
	source := newForge(t)
	n, begunSaved := kills(t), 0
	for round := range n {
		w.check(t, server)
		if round%2 == 0 { // which does not save
			if w.saved(t) > 0 {
				begunSaved++
			}
			w.rows(t, "DELETE FROM index_states")
		}
		source.check(t, server, false)
		importing := source.begin(t, w)
		w.load(t, server, round, time.Duration(r.Int64N(int64(killWithin))), r.Uint64(), importing.Kill)
		source.ended(t, importing.Wait())
		if said := server.Output(); strings.Contains(said, "the saved state of an index") {
			t.Errorf("a saved state could not be used:\n%s", said)
		}
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
		if w.store.Env = env; round%2 == 0 {
			w.store.Env = append(slices.Clone(env), "TERRARIUM_CRASH_SAVE="+saveEvery)
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
	acknowledged := 0
	for _, number := range w.crowd.did {
		acknowledged += number
	}
	t.Logf("%d starts from saved states; of a crowd acknowledged: %v, found done: %d, found undone: %d, refused: %d",
		begunSaved, w.crowd.did, w.crowd.done, w.crowd.undone, w.crowd.refused)
	if there < 2 || labelled == 0 {
		t.Error("next to nothing was ever acknowledged, so nothing was tried")
	}
	if begunSaved < n/3 { // every second one does, but where the server before lived too shortly
		t.Errorf("%d of %d starts began with saved states", begunSaved, n)
	}
	if w.crowd.done+w.crowd.undone == 0 || acknowledged == 0 {
		t.Error("of a crowd no change was ever killed, or none acknowledged")
	}
	w.crowd.each(t, server)
	w.check(t, server)
	server.Stop()
}

// load lets the clients work until the server is killed, and also something else. In two
// rounds of three the time runs from when the first change of the crowd is acknowledged on:
// on a busy machine next to none would be.
func (w *world) load(t *testing.T, server *program.Server, round int, after time.Duration, seed uint64, also func()) {
	t.Helper()
	failures := make([]error, killClients+1)
	var wg sync.WaitGroup
	for c := range killClients {
		wg.Go(func() { failures[c] = w.work(server, round, c, rand.New(rand.NewPCG(seed, uint64(c)))) })
	}
	acknowledged := make(chan struct{})
	wg.Go(func() {
		failures[killClients] = w.crowd.work(server, rand.New(rand.NewPCG(seed, killClients)), acknowledged)
	})
	if round%3 > 0 {
		<-acknowledged
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

// saved is of how many channels a state is saved.
func (w *world) saved(t *testing.T) (n int) {
	t.Helper()
	w.row(t, &n, "SELECT count(*) FROM index_states")
	return n
}

// work uploads, and now and then deletes one of its own files or moves a label of
// it, until the server is gone. The clients share package names, so that their
// changes meet; each has one for itself, which it deletes as a whole.
func (w *world) work(server *program.Server, round, client int, r *rand.Rand) error {
	own := fmt.Sprint("own", client)
	names := []string{"alpha", "beta", "gamma", "delta", "epsilon", own}
	speak := newClient()
	defer speak.CloseIdleConnections()
	var mine []*file // that are listed
	for i := 0; ; i++ {
		select {
		case <-server.Ended():
			return nil
		default:
		}
		if r.IntN(20) == 0 && slices.ContainsFunc(mine, func(f *file) bool { return f.spec.Name == own }) {
			mine = slices.DeleteFunc(mine, func(f *file) bool { return f.spec.Name == own })
			if err := w.removePackage(speak, server.URL, own); err != nil {
				return err
			}
			continue
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
