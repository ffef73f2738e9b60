package index_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// rewrite gives every listed record of a package other text, as a hotfix does: the
// stretch of the file ends, and another of the same file begins.
func (w *world) rewrite(channel, name, text string) {
	w.Helper()
	err := w.db.Tx(w.Context(), func(tx *sqldb.DB) error {
		var n int64
		if err := tx.Row(w.Context(), "UPDATE channels SET generation = generation + 1 WHERE id = $1 RETURNING generation", channel).Scan(&n); err != nil {
			return err
		}
		type old struct {
			file string
			json []byte
		}
		rows, err := sqldb.All(w.Context(), tx, func(r *sqldb.Rows, o *old) error { return r.Scan(&o.file, &o.json) },
			"UPDATE records SET removed = $3 WHERE channel_id = $1 AND name = $2 AND removed IS NULL RETURNING file_id, json", channel, name, n)
		if err != nil {
			return err
		}
		for _, o := range rows {
			changed := bytes.Replace(o.json, []byte(`{`), []byte(`{"hotfix`+text+`":true,`), 1)
			if _, err := tx.Exec(w.Context(), `INSERT INTO records SELECT channel_id, subdir, name, file_name, CAST($2 AS BIGINT), NULL, file_id, version, build, build_number, license,
				timestamp_ms, indexed_ms, size, json, msgpack, run_exports FROM records WHERE file_id = $1 AND channel_id = $3 AND removed = $2`, o.file, n, channel); err != nil {
				return err
			}
			if _, err := tx.Exec(w.Context(), "UPDATE records SET json = $4 WHERE file_id = $1 AND channel_id = $3 AND added = $2", o.file, n, channel, changed); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(w.Context(), `INSERT INTO generations (channel_id, number, subdir, at, cause, added, removed) VALUES ($1, $2, 'noarch', $3, 'hotfix', $4, $4)`, channel, n, w.now, len(rows)); err != nil {
			return err
		}
		_, err = tx.Exec(w.Context(), "INSERT INTO generation_names (channel_id, number, subdir, name) VALUES ($1, $2, 'noarch', $3)", channel, n, name)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// TestRollBackEqualsPast makes random uploads, deletions, label moves, withdrawals,
// hotfixes and roll-backs. After each roll-back every form of the new generation
// says what it said at the old one, but for the files that the answer names.
func TestRollBackEqualsPast(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		rnd := rand.New(rand.NewPCG(7, 11))
		open := w.open(w.ana, "main")
		w.upload("main", condatest.Spec{Name: "first"}, false)
		live := map[string]registry.File{}
		backs, whole, partial, left := 0, 0, 0, 0
		for step := range 140 {
			w.now = w.now.Add(time.Minute)
			names := slices.Sorted(func(yield func(string) bool) {
				for n := range live {
					if !yield(n) {
						return
					}
				}
			})
			var f registry.File
			if len(names) > 0 {
				f = live[names[rnd.IntN(len(names))]]
			}
			action := rnd.IntN(10)
			selector := registry.Selector{Package: &f.PackageName, Version: &f.Version, Basename: &f.Basename}
			var err error
			switch {
			case action < 3 || f.ID == "":
				s := condatest.Spec{Name: fmt.Sprintf("p%02d", rnd.IntN(8)), Version: fmt.Sprintf("1.%d", rnd.IntN(9)), Build: fmt.Sprint(step)}
				up := w.upload([]string{"main", "main", "dev"}[rnd.IntN(3)], s, false)
				live[up.Name] = up
			case action == 3:
				delete(live, f.Name)
				_, err = w.reg.DeleteFile(ctx, w.ana, "ana", f.PackageName, f.Version, f.Basename)
			case action == 4:
				_, err = w.reg.RemoveLabel(ctx, w.ana, "ana", "main", selector)
			case action == 5:
				_, err = w.reg.AddLabel(ctx, w.ana, "ana", "main", selector)
			case action == 6 && step%2 == 0:
				_, err = w.reg.Withdraw(ctx, w.ana, "ana", f.PackageName, f.Version, f.Basename, "damaged")
			case action == 6:
				_, err = w.reg.Unwithdraw(ctx, w.ana, "ana", f.PackageName, f.Version, f.Basename)
			case action == 7:
				w.rewrite(open.Channel.ID, f.PackageName, fmt.Sprint(step))
			default:
				last, gerr := w.reg.Generation(ctx, open.Channel.ID)
				if gerr != nil {
					t.Fatal(gerr)
				}
				to := rnd.Int64N(last + 1)
				if rnd.IntN(2) == 0 {
					to = max(0, last-rnd.Int64N(5))
				}
				at := fmt.Sprint(to)
				then, _ := w.document(w.replica(), open, at, "noarch", index.RepodataJSON)
				done, rerr := w.reg.RollBack(ctx, w.ana, "ana", "main", at)
				if rerr != nil {
					t.Fatalf("step %d: roll back to %d: %v", step, to, rerr)
				}
				backs++
				w.wantRolledBack(open, done, listed(t, then))
				if done.LeftOutTotal == 0 {
					whole++
				} else {
					partial, left = partial+1, left+done.LeftOutTotal
				}
			}
			if err != nil {
				t.Fatalf("step %d, action %d: %v", step, action, err)
			}
		}
		if whole < 5 || partial < 5 {
			t.Errorf("%d roll-backs, %d whole, %d partial with %d left out: the steps try too little", backs, whole, partial, left)
		}
		report, err := w.reg.Fsck(ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range report.Faults {
			if fault.Kind != "record-differs" { // a hotfix; what it writes is not that of the file
				t.Errorf("fsck: %+v", fault)
			}
		}
	})
}

// wantRolledBack compares the channel with what it was.
func (w *world) wantRolledBack(open registry.Opened, done registry.RolledBack, then []string) {
	w.Helper()
	at, now := fmt.Sprint(done.To), fmt.Sprint(done.Generation)
	if g, err := w.reg.Generation(w.Context(), open.Channel.ID); err != nil || g != done.Generation {
		w.Fatalf("the channel is at %d, %v; the answer says %d", g, err, done.Generation)
	}
	want := []string{}
	for _, name := range then {
		if !slices.ContainsFunc(done.LeftOut, func(l registry.LeftOut) bool { return l.FileName == name }) {
			want = append(want, name)
		}
	}
	if len(done.LeftOut) != done.LeftOutTotal || len(want)+len(done.LeftOut) != len(then) {
		w.Errorf("of %v are left out %v, counted as %d", then, done.LeftOut, done.LeftOutTotal)
	}
	if len(want) == 0 {
		want = nil
	}
	fresh := w.replica()
	for _, x := range []*index.Index{w.idx, fresh} {
		w.agree(x, open, "", "noarch", want)
		w.agree(x, open, now, "noarch", want)
	}
	if done.LeftOutTotal > 0 {
		return
	}
	for _, form := range []index.Form{index.RepodataJSON, index.RepodataZstd, index.CurrentJSON, index.CurrentZstd, index.RunExportsJSON, index.RunExportsZstd} {
		old, _ := w.document(fresh, open, at, "noarch", form)
		for _, x := range []*index.Index{w.idx, fresh} {
			if b, _ := w.document(x, open, "", "noarch", form); !bytes.Equal(b, old) {
				w.Errorf("%s of generation %s is not that of %s:\n%s\n%s", form, now, at, b, old)
			}
		}
	}
	if a, b := w.channeldata(open, at), w.channeldata(open, ""); a != b {
		w.Errorf("channeldata.json of generation %s is not that of %s:\n%s\n%s", now, at, b, a)
	}
	a, _ := w.document(fresh, open, at, "noarch", index.ShardIndex)
	b, _ := w.document(w.idx, open, "", "noarch", index.ShardIndex)
	one, err1 := repodata.DecodeShardIndex(a)
	two, err2 := repodata.DecodeShardIndex(b)
	if err1 != nil || err2 != nil || !slices.Equal(one.Hashes, two.Hashes) {
		w.Errorf("generation %s names other shards than %s: %v, %v", now, at, err1, err2)
	}
}

// TestSnapshot looks at a snapshot in every form while its source goes on.
func TestSnapshot(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		shown, secret, later := condatest.Spec{Name: "shown"}, condatest.Spec{Name: "secret"}, condatest.Spec{Name: "later"}
		f := w.upload("main", shown, false)
		w.upload("main", secret, true) // generation 2
		w.now = w.now.Add(48 * time.Hour)
		w.upload("main", later, false)
		records := func() (n int) {
			if err := db.Row(ctx, "SELECT count(*) FROM records").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := records()
		snap, err := w.reg.CreateSnapshot(ctx, w.ana, "ana", registry.NewSnapshot{Name: "q4", Owner: "ana", At: "2026-11-21"})
		if err != nil || snap.Generation != 2 || snap.Source != "ana/main" || records() != before {
			t.Fatalf("made %+v, %v, with %d records more", snap, err, records()-before)
		}
		again, err := w.reg.CreateSnapshot(ctx, w.ana, "ana", registry.NewSnapshot{Name: "q4-too", Owner: "ana", Channel: "q4"})
		if err != nil || again.Generation != 2 || again.Source != "ana/main" {
			t.Fatalf("a snapshot of a snapshot: %+v, %v", again, err)
		}
		stranger := access.Anonymous("127.0.0.1")
		check := func(when string) {
			t.Helper()
			for _, name := range []string{"q4", "q4-too"} {
				theirs, ours := w.open(stranger, name), w.open(w.ana, name)
				for _, x := range []*index.Index{w.idx, w.replica()} {
					w.agree(x, ours, "", "noarch", []string{secret.FileName(), shown.FileName()})
					w.agree(x, theirs, "", "noarch", []string{shown.FileName()})
					w.agree(x, theirs, "2", "noarch", []string{shown.FileName()})
					w.agree(x, theirs, w.now.Format(time.DateOnly), "noarch", []string{shown.FileName()})
					w.agree(x, theirs, "2026-11-22", "noarch", nil) // it was made later
					if _, err := x.At(ctx, ours, "3", "noarch"); !errs.Is(err, errs.NotFound) {
						t.Errorf("%s: %s at a later generation: %v", when, name, err)
					}
				}
				if data := w.channeldata(theirs, ""); strings.Contains(data, "secret") || strings.Contains(data, "later") || !strings.Contains(data, "shown") {
					t.Errorf("%s: channeldata.json of %s: %s", when, name, data)
				}
				feed, err := w.idx.Feed(ctx, theirs, "")
				if err != nil || !strings.Contains(text(t, feed), "<title>ana/"+name+"</title>") || strings.Contains(text(t, feed), "secret") {
					t.Errorf("%s: the feed of %s: %v %s", when, name, err, text(t, feed))
				}
				if got, err := w.reg.ServedFile(ctx, theirs, "noarch", shown.FileName()); err != nil || got.ID != f.ID {
					t.Errorf("%s: the file of %s: %+v, %v", when, name, got, err)
				}
				for _, other := range []string{secret.FileName(), later.FileName()} {
					if _, err := w.reg.ServedFile(ctx, theirs, "noarch", other); !errs.Is(err, errs.NotFound) {
						t.Errorf("%s: %s of %s for a stranger: %v", when, other, name, err)
					}
				}
			}
		}
		check("made")
		if _, err := w.reg.DeleteFile(ctx, w.ana, "ana", "shown", f.Version, f.Basename); err != nil {
			t.Fatal(err)
		}
		w.upload("main", condatest.Spec{Name: "shown", Summary: "other bytes"}, false)
		check("replaced in the source")
		w.upload("dev", condatest.Spec{Name: "dev"}, false)
		if got := w.open(w.ana, "dev"); got.Public {
			t.Error("dev is public, though its owner has a private package")
		}
		if err := w.reg.SetVisibility(ctx, w.ana, "ana", "main", access.Private); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.OpenChannel(ctx, stranger, "ana", "q4"); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("a snapshot of a channel that was closed since opens to a stranger: %v", err)
		}
		w.agree(w.idx, w.open(w.ana, "q4"), "", "noarch", []string{secret.FileName(), shown.FileName()})
	})
}

// The last day that can be written is the present, at its address and for a roll-back.
func TestAtLastDay(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		file := condatest.Spec{}
		w.upload("main", file, false)
		open := w.open(w.ana, "main")
		for _, last := range []string{"9999-12-30", "9999-12-31", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-12:00"} {
			w.agree(w.idx, open, last, "noarch", []string{file.FileName()})
			done, err := w.reg.RollBack(t.Context(), w.ana, "ana", "main", last)
			if err != nil || done.Removed != 0 {
				t.Errorf("rolled back to the present, %s: %+v, %v", last, done, err)
			}
		}
		w.agree(w.idx, open, "", "noarch", []string{file.FileName()})
	})
}

// text reads a document.
func text(t testing.TB, d *index.Document) string {
	t.Helper()
	b, err := io.ReadAll(d.Open())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
