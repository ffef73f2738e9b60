package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

const manyBack = 1800

// hotfixed loads acme/copy, gives its generation, and then gives each of its records
// other dependencies.
func (w *world) hotfixed() (before int64) {
	w.t.Helper()
	w.many("copy", manyBack)
	before = w.generation("copy")
	fixes := map[string]map[string]any{}
	for name := range w.recordsAt("copy", -1) {
		fixes[name] = map[string]any{"depends": []string{"python >=3.10"}}
	}
	if _, err := w.patch("copy", instructions{Version: 1, PackagesConda: fixes}); err != nil {
		w.t.Fatal(err)
	}
	return before
}

// backTo rolls acme/copy back.
func (w *world) backTo(to int64) func() error {
	return func() error {
		_, err := w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(to))
		return err
	}
}

// halting is a publisher that holds a large change up when all of it is written and
// nothing is visible, until it may go on.
type halting struct {
	*world
	written, goOn chan struct{}
}

// Prepare implements registry.Preparer.
func (h halting) Prepare(context.Context, string, int64) (any, error) {
	close(h.written)
	<-h.goOn
	return nil, nil //nolint:nilnil // nothing is prepared
}

// wantBack looks whether acme/copy lists what it listed at a generation, as far as the
// files are there, with the labels that belong to that, and whether another roll-back
// finds nothing more to do.
func (w *world) wantBack(to int64) {
	w.t.Helper()
	const listed = `SELECT r.subdir || '/' || r.file_name || ' ' || r.file_id || ' ' || r.added FROM records r JOIN channels c ON c.id = r.channel_id
		JOIN files f ON f.id = r.file_id WHERE c.id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)`
	ch, err := w.Channel(w.ctx, w.alice, "acme", "copy")
	if err != nil {
		w.t.Fatal(err)
	}
	was, is := w.recordsAt("copy", to), w.recordsAt("copy", -1)
	out, err := sqldb.All(w.ctx, w.db, sqldb.Scalar[string], `SELECT r.file_name FROM records r JOIN files f ON f.id = r.file_id
		WHERE r.channel_id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2) AND (f.deleted_at IS NOT NULL OR f.withdrawn_at IS NOT NULL)`, ch.ID, to)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range out {
		delete(was, name)
	}
	if d := cmp.Diff(was, is); d != "" {
		w.t.Errorf("what is listed (-want +got):\n%s", d)
	}
	unlabelled := w.count(`SELECT count(*) FROM (`+listed+` AND NOT EXISTS (SELECT 1 FROM file_channels fc WHERE fc.channel_id = $1 AND fc.file_id = f.id)) AS one`, ch.ID, ch.Generation)
	extra := w.count(`SELECT count(*) FROM file_channels fc JOIN files f ON f.id = fc.file_id WHERE fc.channel_id = $1 AND f.withdrawn_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM records r WHERE r.channel_id = $1 AND r.file_id = fc.file_id AND r.removed IS NULL)`, ch.ID)
	if unlabelled+extra > 0 {
		w.t.Errorf("%d files are listed without the label, %d have it and are not listed", unlabelled, extra)
	}
	again, err := w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(to))
	if err != nil || again.Added+again.Removed > 0 || again.Generation != ch.Generation || again.LeftOutTotal != len(out) || len(again.LeftOut) != len(out) {
		w.t.Errorf("another roll-back: %+v, %d are out, %v", again, len(out), err)
	}
	w.clean()
}

// TestRollBackMany: what others do to a channel, and to its files, while it is rolled
// back ends as if the roll-back had come after it.
func TestRollBackMany(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		before := w.hotfixed()
		after := w.generation("copy")
		for i, when := range []string{"while it is written", "when it is written"} {
			var done registry.RolledBack
			name := func(n int) string { return fmt.Sprintf("package%05d", i*20+n) }
			file := func(n int) string { return "noarch/" + name(n) + "-1.3-0.conda" }
			sel := func(n int) registry.Selector {
				pkg, version, base := name(n), "1.3", file(n)
				return registry.Selector{Package: &pkg, Version: &version, Basename: &base}
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			remove := func(n int) func() error {
				return func() error { _, err := w.RemoveLabel(w.ctx, w.alice, "acme", "copy", sel(n)); return err }
			}
			add := func(n int) func() error {
				return func() error { _, err := w.AddLabel(w.ctx, w.alice, "acme", "copy", sel(n)); return err }
			}
			withdraw := func(n int) func() error {
				return func() error {
					_, err := w.Withdraw(w.ctx, w.alice, "acme", name(n), "1.3", file(n), "bad")
					return err
				}
			}
			unwithdraw := func(n int) func() error {
				return func() error {
					_, err := w.Unwithdraw(w.ctx, w.alice, "acme", name(n), "1.3", file(n))
					return err
				}
			}
			trash := func(n int) func() error {
				return func() error {
					_, err := w.DeleteFile(w.ctx, w.alice, "acme", name(n), "1.3", file(n))
					return err
				}
			}
			restore := func(n int) func() error {
				f, err := w.File(w.ctx, w.alice, "acme", name(n), "1.3", file(n))
				must(err)
				return func() error { _, err := w.RestoreFile(w.ctx, w.alice, f.ID); return err }
			}
			upload := func() error {
				_, _, err := w.upload(w.alice, "acme", condatest.Spec{Name: "late", Version: fmt.Sprint(i)}, into("copy"))
				return err
			}
			back, backBare := restore(6), restore(10)
			for _, f := range []func() error{ // without the label, or gone, when it begins
				remove(1), remove(2), remove(3), withdraw(4), remove(5), withdraw(5), remove(10), trash(10), remove(11), trash(12),
			} {
				must(f())
			}
			w.must(w.alice, "acme", condatest.Spec{Name: name(1), Version: "9"}, into("copy"))
			halt := halting{w, make(chan struct{}), make(chan struct{})}
			w.SetPublisher(halt)
			w.beside(func() (err error) {
				done, err = w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(before))
				return err
			}, func() {
				defer close(halt.goOn)
				if when == "when it is written" {
					<-halt.written
				}
				for _, f := range []func() error{
					upload, remove(0), add(1), withdraw(2), trash(3), unwithdraw(4), unwithdraw(5), trash(6), back, withdraw(7), remove(8), add(8), trash(9), backBare, add(11), remove(11),
				} {
					must(f())
				}
			})
			w.SetPublisher(w)
			if done.Generation != w.generation("copy") || done.Added < manyBack-100 || done.LeftOutTotal != len(done.LeftOut) {
				t.Errorf("%d came, %d went, %d of %d are told as left out", done.Added, done.Removed, len(done.LeftOut), done.LeftOutTotal)
			}
			var added, removed int64
			err := w.db.Row(w.ctx, "SELECT g.added, g.removed FROM generations g JOIN channels c ON c.id = g.channel_id WHERE c.name = 'copy' AND g.number = $1 AND g.cause = $2",
				done.Generation, fmt.Sprint("rollback to ", before)).Scan(&added, &removed)
			if err != nil || added != done.Added || removed != done.Removed {
				t.Errorf("the log has %d and %d, want %d and %d, %v", added, removed, done.Added, done.Removed, err)
			}
			w.wantBack(before)
			must(w.backTo(after)()) // forward again, for the next time
			w.wantBack(after)
		}
	})
}

// TestRollBackManyRefused: a roll-back of many that may not be changes nothing, when it
// begins or when it ends.
func TestRollBackManyRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one := w.must(w.alice, "acme", condatest.Spec{Name: "demo"}, into("copy"))
		if _, err := w.AddLabel(w.ctx, w.alice, "acme", "main", registry.Selector{}); err != nil {
			t.Fatal(err)
		}
		w.many("copy", 1200)
		before := w.generation("copy")
		if _, err := w.RemoveLabel(w.ctx, w.alice, "acme", "copy", registry.Selector{}); err != nil {
			t.Fatal(err)
		}
		ch, err := w.Channel(w.ctx, w.alice, "acme", "copy")
		if err != nil {
			t.Fatal(err)
		}
		rule := func(s string) {
			t.Helper()
			if _, err := w.UpdateChannel(w.ctx, w.alice, "acme", "copy", registry.ChannelUpdate{ReplaceRule: &s}); err != nil {
				t.Fatal(err)
			}
		}
		// rows are those of the tables that a roll-back writes.
		rows := func() map[string]int {
			n := w.rows()
			delete(n, "audit") // that it was begun and put away
			return n
		}
		rows0 := rows()
		helper := w.bob
		helper.Grants = []access.Grant{{ObjectKind: access.OnChannel, ObjectID: ch.ID, Verb: access.Write}}
		for what, change := range map[string]func(){
			"the rule": func() { rule("never") },
			"what may be read": func() {
				if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "package00119", true); err != nil {
					t.Fatal(err)
				}
			},
			"the lock": func() {
				if err := w.LockChannel(w.ctx, w.alice, "acme", "copy"); err != nil {
					t.Fatal(err)
				}
			},
		} {
			refused := make(chan error, 1)
			within := false
			w.beside(func() error {
				_, err := w.RollBack(w.ctx, helper, "acme", "copy", fmt.Sprint(before))
				refused <- err
				return nil
			}, func() {
				change()
				within = w.count("SELECT count(*) FROM stagings") > 0
			})
			err := <-refused
			if kind := errs.KindOf(err); err == nil || !within || kind != errs.Unavailable && kind != errs.Forbidden {
				t.Errorf("%s changed, within %v: %v", what, within, err)
			}
			if d := cmp.Diff(rows0, rows()); d != "" {
				t.Error(what, d)
			}
			if got := w.generation("copy"); got != ch.Generation {
				t.Errorf("%s: the generation is %d, want %d", what, got, ch.Generation)
			}
			rule("always")
			if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "package00119", false); err != nil {
				t.Fatal(err)
			}
			if err := w.UnlockChannel(w.ctx, w.alice, "acme", "copy"); err != nil {
				t.Fatal(err)
			}
		}
		// Other bytes than the channel has shown last under the name.
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", one.Basename); err != nil {
			t.Fatal(err)
		}
		other := w.must(w.alice, "acme", condatest.Spec{Name: "demo", Files: map[string]string{"lib/other": "other bytes"}}, into("copy"))
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", other.Basename); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RestoreFile(w.ctx, w.alice, one.ID); err != nil {
			t.Fatal(err)
		}
		rule("never")
		all := w.rows()
		_, err = w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(before))
		wantKind(t, err, errs.Exists)
		if d := cmp.Diff(all, w.rows()); d != "" {
			t.Error(d)
		}
		rule("always")
		if err := w.backTo(before)(); err != nil {
			t.Fatal(err)
		}
		w.wantBack(before)
	})
}

// TestRollBackManyDies: of a roll-back whose program ends in the midst nothing is
// visible, and the next large change, or the sweep, puts it away.
func TestRollBackManyDies(t *testing.T) {
	t.Parallel()
	address := sqldbtest.URL(t)
	db, err := sqldb.Open(t.Context(), address, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db, registry.Options{})
	before := w.hotfixed()
	rows, records := w.rows(), w.recordsAt("copy", -1)
	die := func() {
		t.Helper()
		// The database goes away under it, as the program would: it can put nothing away.
		away := make(chan struct{})
		var batches atomic.Int64
		dying, err := sqldb.Open(w.ctx, address, sqldb.Options{Observe: func(_ context.Context, query string) {
			if strings.HasPrefix(query, "UPDATE records SET removed = $3") && batches.Add(1) == 3 {
				close(away)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := blob.Open(w.ctx, "file:"+t.TempDir(), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blobs.Close() })
		other := registry.New(dying, blobs, registry.Options{Now: w.now, Gen: access.NewGeneration(dying)})
		go func() {
			<-away
			dying.Close()
		}()
		if _, err := other.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(before)); err == nil {
			t.Fatal("the roll-back came to its end")
		}
		if w.count("SELECT count(*) FROM stagings") != 1 || w.count("SELECT count(*) FROM records r JOIN stagings s ON s.channel_id = r.channel_id WHERE r.removed = s.generation") == 0 {
			t.Fatal("nothing is left of it")
		}
		if d := cmp.Diff(records, w.recordsAt("copy", -1)); d != "" {
			t.Error(d)
		}
		w.clean()
	}
	die()
	w.pass(8 * 24 * time.Hour)
	if n, err := w.SweepStagings(w.ctx); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	now := w.rows()
	now["audit"] = rows["audit"]
	if d := cmp.Diff(rows, now); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(records, w.recordsAt("copy", -1)); d != "" {
		t.Error(d)
	}
	die()
	w.pass(time.Hour)
	if err := w.backTo(before)(); err != nil {
		t.Fatal(err)
	}
	w.wantBack(before)
}

// TestRollBackManyEnds: the transaction for which all others wait writes no records.
func TestRollBackManyEnds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	db, err := sqldb.Open(t.Context(), sqldbtest.URL(t), sqldb.Options{Observe: func(_ context.Context, query string) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, query)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db, registry.Options{})
	before := w.hotfixed()
	mu.Lock()
	asked = nil
	mu.Unlock()
	if err := w.backTo(before)(); err != nil {
		t.Fatal(err)
	}
	writes := func(list []string) (n int) {
		for _, query := range list {
			if verb, rest, _ := strings.Cut(query, " "); verb != "SELECT" && strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(rest, "INTO "), "FROM "), "records") {
				n++
			}
		}
		return n
	}
	mu.Lock()
	switched := slices.IndexFunc(asked, func(query string) bool { return strings.HasPrefix(query, "DELETE FROM stagings") })
	if switched < 0 {
		t.Fatal("it was no large change")
	}
	begun := switched
	for begun > 0 && !strings.HasPrefix(asked[begun], "UPDATE stagings SET held_until") {
		begun--
	}
	if all, last := writes(asked), writes(asked[begun:]); all < 2*manyBack/600 || last > 0 {
		t.Errorf("%d statements write records, %d of them at the end:\n%s", all, last, strings.Join(asked[begun:], "\n"))
	}
	mu.Unlock()
	w.wantBack(before)
}
