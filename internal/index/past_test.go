package index_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/condatest"
	"terrarium/internal/index"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// narrow is a replica that holds one state of the past that somebody asked for by its
// address, and as many as frozen bytes have room for of those that are served.
func (w *world) narrow(frozen int64) *index.Index {
	return index.New(w.db, w.reg, index.Options{Now: func() time.Time { return w.now }, PastBytes: 1, FrozenBytes: frozen})
}

// Numbers that no change took are the state of the last one below them, which is
// made once, however many of these numbers are asked for.
func TestNumbersBetweenGenerations(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		open := w.open(w.ana, "main")
		w.upload("main", condatest.Spec{Name: "a"}, false)
		if _, err := db.Exec(t.Context(), "UPDATE channels SET generation = generation + 1000 WHERE id = $1", open.Channel.ID); err != nil {
			t.Fatal(err)
		}
		w.upload("main", condatest.Spec{Name: "b"}, false)
		_, first := w.document(w.idx, open, "2", "noarch", index.RepodataJSON)
		for n := 3; n < 40; n++ {
			if _, d := w.document(w.idx, open, fmt.Sprint(n), "noarch", index.RepodataJSON); d != first {
				t.Fatalf("generation %d, which is the state of 1, is made anew", n)
			}
		}
		w.agree(w.idx, open, "1001", "noarch", []string{condatest.Spec{Name: "a"}.FileName()})
		w.agree(w.idx, open, "1002", "noarch", []string{condatest.Spec{Name: "a"}.FileName(), condatest.Spec{Name: "b"}.FileName()})
		if to, err := w.reg.GenerationAt(t.Context(), open, "1001"); err != nil || to != 1 {
			t.Errorf("1001 is %d, %v; want 1", to, err)
		}
	})
}

// What a frozen channel serves stays at hand, whatever others ask of the past.
func TestFrozenBesideManyPasts(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		var early []string
		for i := range 20 {
			s := condatest.Spec{Name: fmt.Sprintf("p%02d", i)}
			w.upload("main", s, false)
			if i < 2 {
				early = append(early, s.FileName())
			}
		}
		open := w.open(w.ana, "main")
		frozen := open
		frozen.Channel.FrozenAt = new(int64(2))
		x := w.narrow(0)
		_, before := w.document(x, frozen, "", "noarch", index.RepodataJSON)
		for n := 3; n < 20; n++ {
			w.document(x, open, fmt.Sprint(n), "noarch", index.RepodataJSON)
		}
		if _, after := w.document(x, frozen, "", "noarch", index.RepodataJSON); after != before {
			t.Error("the frozen state was let go of for others of the past")
		}
		if _, at := w.document(x, open, "2", "noarch", index.RepodataJSON); at != before {
			t.Error("a state that is served is made a second time for who asks by its address")
		}
		w.agree(x, frozen, "", "noarch", early)
		for range 2 { // shards of the past are made each time
			w.agree(x, open, "1", "noarch", early[:1])
		}
	})
}

// What a channel serves that was frozen at the present is served on when changes
// come behind it.
func TestFrozenAtThePresent(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		first := condatest.Spec{Name: "a"}
		w.upload("main", first, false)
		w.document(w.idx, w.open(w.ana, "main"), "", "noarch", index.RepodataJSON)
		if _, err := w.reg.FreezeChannel(t.Context(), w.ana, "ana", "main", ""); err != nil {
			t.Fatal(err)
		}
		frozen := w.open(w.ana, "main")
		_, before := w.document(w.idx, frozen, "", "noarch", index.RepodataJSON)
		for _, name := range []string{"b", "c"} {
			w.upload("main", condatest.Spec{Name: name}, false)
			if _, after := w.document(w.idx, frozen, "", "noarch", index.RepodataJSON); after != before {
				t.Errorf("%s behind the freeze threw away what is served", name)
			}
		}
		for _, form := range []index.Form{index.CurrentJSON, index.RunExportsJSON} {
			now, _ := w.document(w.idx, frozen, "", "noarch", form)
			if anew, _ := w.document(w.replica(), frozen, "", "noarch", form); string(now) != string(anew) {
				t.Errorf("%s of the state that was current is %s, of the rows %s", form, now, anew)
			}
		}
		w.agree(w.idx, frozen, "", "noarch", []string{first.FileName()})
		for _, thaw := range []bool{false, true} {
			if thaw {
				if _, err := w.reg.ThawChannel(t.Context(), w.ana, "ana", "main"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.idx.Forget(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, after := w.document(w.idx, frozen, "", "noarch", index.RepodataJSON); (after != before) != thaw {
				t.Errorf("thawed %v: the state is held: %v", thaw, after == before)
			}
		}
	})
}

// However many ask for states of the past, one is made at a time, and is not made again
// for who asks for it meanwhile; who goes away does not wait on.
func TestOnePastAtATime(t *testing.T) {
	var watching atomic.Bool
	var loads atomic.Int64
	started, goOn := make(chan struct{}), make(chan struct{})
	db, err := sqldb.Open(t.Context(), sqldbtest.URL(t), sqldb.Options{Observe: func(_ context.Context, query string) {
		if watching.Load() && strings.HasPrefix(strings.TrimSpace(query), "SELECT g.subdir, g.number, g.at") && loads.Add(1) == 1 {
			close(started)
			<-goOn
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db)
	for _, name := range []string{"a", "b", "c"} {
		w.upload("main", condatest.Spec{Name: name}, false)
	}
	open := w.open(w.ana, "main")
	x := w.narrow(0)
	w.document(x, open, "", "noarch", index.RepodataJSON)
	watching.Store(true)
	var first errgroup.Group
	first.Go(func() error {
		_, err := x.At(t.Context(), open, "1", "noarch")
		return err
	})
	<-started
	for _, at := range []string{"1", "2"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := x.At(ctx, open, at, "noarch"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("generation %s, while 1 is made: %v", at, err)
		}
		cancel()
	}
	close(goOn)
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	w.document(x, open, "1", "noarch", index.RepodataJSON)
	if n := loads.Load(); n != 1 {
		t.Errorf("%d states were made for one", n)
	}
	w.document(x, open, "2", "noarch", index.RepodataJSON)
	w.document(x, open, "1", "noarch", index.RepodataJSON) // there is room for one
	if n := loads.Load(); n != 3 {
		t.Errorf("%d states were made; want 3", n)
	}
}
