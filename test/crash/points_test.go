package crash

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/test/program"
)

// scenario is what makes the program pass a point.
type scenario struct {
	point string
	of    string // what passes it, where several do
	// run makes the program pass the point; it must not mind that it dies.
	run func(t *testing.T, w *world)
	// want says what the first look after the restart must find of the files
	// of which run does not know; for a change of the crowd, listed is that it was made.
	want fate
	// after is tried once the store was found in order.
	after func(t *testing.T, w *world, server *program.Server)
}

// scenarios says how each point of package registry is passed. A file
// is there from the commit of its rows on, and not before; so is what a change does to
// many files, and of what is written before under a generation to come nothing is seen.
func scenarios() []scenario {
	again := func(t *testing.T, w *world, server *program.Server) { w.publish(t, server, newcomer()) }
	list := []scenario{
		{"upload.staged", "", stageOne, gone, stageAgain},
		{"import.batch", "an import", importSome, gone, importAgain},
		{"import.current", "", importSome, listed, importAgain},
		{"gc.rows-deleted", "", sweepOne, gone, sweepAgain},
		{"erase.batch", "", eraseOne, gone, eraseAgain},
	}
	for _, of := range []struct {
		point string
		want  fate
	}{
		{"upload.received", gone},
		{"upload.parsed", gone},
		{"upload.blob-committed", gone},
		{"change.rows-written", gone},
		{"change.committed", listed},
		{"change.published", listed},
	} {
		list = append(list, scenario{of.point, "an upload", uploadOne, of.want, again})
		if !strings.HasPrefix(of.point, "change.") {
			continue
		}
		left := gone // the files of the package are there until it is committed
		if of.want == gone {
			left = listed
		}
		list = append(list, scenario{of.point, "a package that goes", packageOne, left, again}, scenario{of.point, "a roll-back", crowdOne(rollBack), of.want, crowdAgain})
	}
	for _, kind := range []string{hotfix, putOn, takeOff, rollBackMany} {
		list = append(list,
			scenario{"import.batch", kind, crowdOne(kind), gone, crowdAgain},
			scenario{"large.rows-written", kind, crowdOne(kind), gone, crowdAgain},
			scenario{"large.committed", kind, crowdOne(kind), listed, crowdAgain})
	}
	return list
}

// TestKills kills the program, starts it again over what is left and looks.
func TestKills(t *testing.T) {
	binary := program.Build(t, "crash")
	t.Run("at each point", func(t *testing.T) { atEachPoint(t, binary) })
	t.Run("at random", func(t *testing.T) { atRandom(t, binary) })
}

// atEachPoint kills the program at each of the named steps.
func atEachPoint(t *testing.T, binary string) {
	seed := newWorld(t, binary)
	quiet := seed.store.Env
	seed.store.Env = append(slices.Clone(quiet), "TERRARIUM_LOG_LEVEL=info")
	seed.newCrowd(t)
	server := seed.store.Serve(t)
	seed.store.Env = quiet
	for i := range 4 {
		seed.publish(t, server, spec("alpha", i))
		seed.publish(t, server, spec("beta", i))
	}
	if err := seed.relabel(newClient(), server.URL, seed.files[spec("beta", 0).FileName()], listed); err != nil {
		t.Fatal(err)
	}
	seed.labels = true
	seed.check(t, server)
	seed.crowd.must(t, server, hotfix) // so that a roll-back has somewhere to go
	seed.check(t, server)
	swept(t, server)
	server.Stop()

	for _, s := range scenarios() {
		t.Run(strings.TrimSuffix(s.point+" by "+s.of, " by "), func(t *testing.T) {
			w := seed.copy(t)
			w.store.Env = append(w.store.Env, "TERRARIUM_CRASH="+s.point)
			s.run(t, w)
			w.store.Env = seed.store.Env

			var unknown []*file
			for _, f := range w.files {
				if f.fate == unsure {
					unknown = append(unknown, f)
				}
			}
			inDoubt := w.crowd.doubt != nil
			server := w.store.Serve(t)
			w.check(t, server)
			for _, f := range unknown {
				if f.fate != s.want {
					t.Errorf("%s: fate %d after the restart, want %d", f.spec.FileName(), f.fate, s.want)
				}
			}
			if inDoubt && w.crowd.lastWasDone != (s.want == listed) {
				t.Errorf("made: %v, want the fate %d", w.crowd.lastWasDone, s.want)
			}
			w.fsck(t)
			s.after(t, w, server)
			w.check(t, server)
			server.Stop()
			w.fsck(t)
		})
	}
	for _, point := range points(t) {
		if !slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.point == point }) {
			t.Errorf("nothing passes the point %s; give it a scenario", point)
		}
	}
	for _, s := range scenarios() {
		if !slices.Contains(points(t), s.point) {
			t.Errorf("there is a scenario for %s, which is no point", s.point)
		}
	}
}

// swept waits for the sweep of the day, which would pass points of its own in a
// server that is to die at one.
func swept(t *testing.T, server *program.Server) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !strings.Contains(server.Output(), "swept"); {
		select {
		case <-limit:
			t.Fatalf("no sweep in the first 30 seconds:\n%s", server.Output())
		case <-tick.C:
		}
	}
}

// newcomer is the package that the scenarios of uploads bring.
func newcomer() condatest.Spec { return spec("alpha", 100) }

// died makes sure that the server ended by itself at its point.
func died(t *testing.T, server *program.Server) {
	t.Helper()
	select {
	case <-server.Ended():
		if !server.Killed() {
			t.Fatalf("the server ended, and not at its point:\n%s", server.Output())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the server passed no point:\n%s", server.Output())
	}
}

func uploadOne(t *testing.T, w *world) {
	server := w.store.Serve(t)
	if err := w.send(newClient(), server.URL, newcomer()); err != nil {
		t.Fatal(err)
	}
	died(t, server)
}

// packageOne deletes a package with its files.
func packageOne(t *testing.T, w *world) {
	server := w.store.Serve(t)
	if err := w.removePackage(newClient(), server.URL, "alpha"); err != nil {
		t.Fatal(err)
	}
	died(t, server)
}

// shortLease is how soon a large change that was killed may be taken for dead.
const shortLease = "TERRARIUM_CRASH_LEASE=1s"

// crowdOne makes a change of the crowd, on which the server dies.
func crowdOne(kind string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		env := w.store.Env
		if before := map[string]string{takeOff: putOn, rollBackMany: hotfixAll}[kind]; before != "" {
			w.store.Env = nil
			server := w.store.Serve(t)
			w.crowd.must(t, server, before)
			server.Stop()
		}
		w.store.Env = append(slices.Clone(env), shortLease)
		server := w.store.Serve(t)
		if err := w.crowd.change(newClient(), server.URL, kind, rand.New(rand.NewPCG(1, 1))); err != nil {
			t.Fatal(err)
		}
		died(t, server)
		if w.crowd.doubt == nil {
			t.Errorf("%s was answered", kind)
		}
	}
}

// crowdAgain makes all changes of the crowd, the one that died among them.
func crowdAgain(t *testing.T, w *world, server *program.Server) {
	w.crowd.each(t, server)
}

// api makes a call that must succeed and reads its answer into out, if any.
func (w *world) api(t *testing.T, method, address string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, address, resp.Status, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, address, text, err)
		}
	}
}

// source is a channel folder of three packages, and notes them as on their way.
func (w *world) source(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	entries := map[string][]repodata.Entry{}
	for i, name := range []string{"alpha", "imported-one", "imported-two"} {
		s := spec(name, 200+2*i) // noarch
		body := condatest.Make(t, s)
		sum, md := sha256.Sum256(body), md5.Sum(body) //nolint:gosec // what the format says
		rec := s.Package().Record
		rec.SHA256, rec.MD5, rec.Size = hex.EncodeToString(sum[:]), hex.EncodeToString(md[:]), int64(len(body))
		encoded, err := repodata.EncodeRecord(rec)
		if err != nil {
			t.Fatal(err)
		}
		entries[s.Subdir] = append(entries[s.Subdir], repodata.Entry{FileName: s.FileName(), JSON: encoded.JSON})
		if err := os.MkdirAll(filepath.Join(root, s.Subdir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, s.Subdir, s.FileName()), body, 0o644); err != nil {
			t.Fatal(err)
		}
		w.files[s.FileName()] = &file{spec: s, sha256: rec.SHA256}
	}
	for subdir, list := range entries {
		layout, err := repodata.NewDocument(subdir, list, nil)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := layout.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, subdir, "repodata.json"), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// importSome imports a channel by the command, which dies.
func importSome(t *testing.T, w *world) {
	f := w.store.Command(t, "channel", "import", channel, w.source(t))
	if f.State.String() != "signal: killed" {
		t.Fatalf("the import ended with %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

// deadWithin is how soon an import that was killed must be taken for dead: its
// lease of 15 seconds, and some for a busy machine.
const deadWithin = 25 * time.Second

// importAgain uploads one of the files of the import that died, which is refused
// as long as that may still live, then another, and imports again.
func importAgain(t *testing.T, w *world, server *program.Server) {
	late := spec("imported-one", 202)
	for begun := time.Now(); ; {
		err := w.send(newClient(), server.URL, late)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "is being imported") || time.Since(begun) > deadWithin {
			t.Fatalf("after %s: %v", time.Since(begun), err)
		}
		select {
		case <-server.Ended():
			t.Fatalf("the server ended\n%s", server.Output())
		case <-time.After(100 * time.Millisecond):
		}
	}
	w.publish(t, server, newcomer())
	w.check(t, server)
	w.fsck(t)
	w.store.Do(t, "channel", "import", channel, w.source(t))
	for _, f := range w.files {
		if f.fate == unsure {
			f.fate = listed
		}
	}
}

// sweepOne deletes a file, lets its time in the trash pass and sweeps.
func sweepOne(t *testing.T, w *world) {
	w.deleteOld(t)
	if f := w.store.Command(t, "gc"); f.State.String() != "signal: killed" {
		t.Fatalf("gc ended with %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

// sweepAgain sweeps what the first run has left.
func sweepAgain(t *testing.T, w *world, _ *program.Server) { w.store.Do(t, "gc") }

func (w *world) deleteOld(t *testing.T) {
	t.Helper()
	env := w.store.Env
	w.store.Env = nil
	server := w.store.Serve(t)
	f := w.files[spec("alpha", 0).FileName()]
	if err := w.remove(newClient(), server.URL, f); err != nil || f.fate != gone {
		t.Fatalf("delete: %v, fate %d\n%s", err, f.fate, server.Output())
	}
	server.Stop()
	w.store.Env = env
	w.rows(t, "UPDATE file_rows SET deleted_at = $1 WHERE deleted_at IS NOT NULL", time.Now().AddDate(0, 0, -30).UTC())
}

// rows changes rows behind the program's back, as only time can.
func (w *world) rows(t *testing.T, query string, args ...any) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(w.store.Data, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// row reads one number.
func (w *world) row(t *testing.T, n *int, query string, args ...any) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(w.store.Data, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Row(t.Context(), query, args...).Scan(n); err != nil {
		t.Fatal(err)
	}
}
