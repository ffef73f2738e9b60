package index_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// between is an index before whose eyes something happens between what it prepares
// and what it publishes.
type between struct {
	*index.Index
	do       func()
	prepared int
}

// Prepare implements registry.Preparer.
func (b *between) Prepare(ctx context.Context, channelID string, generation int64) (any, error) {
	prepared, err := b.Index.Prepare(ctx, channelID, generation)
	if prepared != nil {
		b.prepared++
	}
	b.do()
	return prepared, err
}

// TestPreparedPatch: a hotfix is read before it is current, and others change the same
// names right after that: what the index shows then is what one shows that has just
// read the rows.
func TestPreparedPatch(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx, rnd := t.Context(), rand.New(rand.NewPCG(21, 22))
		all, keep := made{}, func(string, map[string]any) bool { return true }
		all.grow(rnd, 1500, w.now)
		open := all.into(w, "main", keep)
		files := slices.Sorted(maps.Keys(all))
		of := func(name string) (list []string) {
			for _, f := range files {
				if all[f]["name"] == name {
					list = append(list, f)
				}
			}
			return list
		}
		large := of("large")
		small := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return all[f]["name"] == "large" })
		take := func(file string) {
			t.Helper()
			pkg, base := all[file]["name"].(string), "linux-64/"+file
			if n, err := w.reg.RemoveLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &pkg, Basename: &base}); err != nil || n != 1 {
				t.Fatalf("%s: %d, %v", file, n, err)
			}
		}
		b := &between{Index: w.idx}
		w.reg.SetPublisher(b)
		for round, do := range []func(large, small []string){
			func([]string, []string) {},
			func(large, _ []string) { take(large[3]) }, // one of those that the hotfix takes, which it therefore does not
			func(large, _ []string) { take(large[15]) },
			func(_, small []string) { take(small[0]) },
			func(_, small []string) {
				w.upload("main", condatest.Spec{Name: all[small[2]]["name"].(string), Version: "99", Subdir: "linux-64"}, false)
			},
			func(_, small []string) {
				take(small[4])
				w.document(w.idx, open, "", "linux-64", index.ShardIndex)
				take(small[15])
				w.document(w.idx, open, "", "linux-64", index.ShardIndex)
			},
		} {
			from := 20 * round
			b.do = func() { do(large[from:], small[from:]) }
			w.document(w.idx, open, "", "linux-64", index.RepodataZstd)
			w.remove(append(slices.Clone(large[from:from+10]), small[from:from+10]...)...)
			fresh := w.replica()
			for _, form := range []index.Form{index.ShardIndex, index.RepodataZstd, index.CurrentJSON} {
				got, d := w.document(w.idx, open, "", "linux-64", form)
				want, e := w.document(fresh, open, "", "linux-64", form)
				if !bytes.Equal(want, got) || d.ETag != e.ETag {
					t.Fatalf("round %d: %s has %d bytes where a fresh index has %d", round, form, len(got), len(want))
				}
			}
		}
		if b.prepared == 0 {
			t.Error("nothing was prepared")
		}
	})
}

// TestPreparedPatchInBatch: others change the names of a hotfix while it becomes
// current, one change for each name, and so in the transaction in which it does. What
// was prepared is not what they did.
func TestPreparedPatchInBatch(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx, rnd := t.Context(), rand.New(rand.NewPCG(23, 24))
		all, keep := made{}, func(string, map[string]any) bool { return true }
		all.grow(rnd, 3000, w.now)
		open := all.into(w, "main", keep)
		of := map[string][]string{}
		for _, file := range slices.Sorted(maps.Keys(all)) {
			name := all[file]["name"].(string)
			of[name] = append(of[name], file)
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(name string) bool { return len(of[name]) < 3 })
		b := &between{Index: w.idx}
		w.reg.SetPublisher(b)
		const writers, rounds = 4, 18
		if each := len(names) / writers / rounds; each < 2 {
			t.Fatalf("%d names are too few", len(names))
		}
		for _, some := range slices.Collect(slices.Chunk(names, len(names)/rounds))[:rounds] {
			w.document(w.idx, open, "", "linux-64", index.RepodataZstd)
			var others sync.WaitGroup
			answered := make(chan bool, len(some))
			b.do = func() {
				defer func() { <-answered }() // they are at it
				for mine := range slices.Chunk(some, len(some)/writers) {
					others.Go(func() {
						for _, name := range mine {
							base := "linux-64/" + of[name][0]
							if n, err := w.reg.RemoveLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &name, Basename: &base}); err != nil || n != 1 {
								t.Errorf("%s: %d, %v", base, n, err)
							}
							answered <- true
						}
					})
				}
			}
			var patched []string
			for _, name := range some {
				patched = append(patched, of[name][1])
			}
			w.remove(patched...)
			others.Wait()
			w.sameAsFresh(open)
		}
		if b.prepared == 0 {
			t.Error("nothing was prepared")
		}
	})
}

// TestPreparedRollBack: others change names of a large roll-back right after the index
// has prepared them, and withdraw a file that comes back, of which the channel's log has
// nothing: the roll-back writes these again, and what was prepared of them is not shown.
func TestPreparedRollBack(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx, rnd := t.Context(), rand.New(rand.NewPCG(25, 26))
		all, keep := made{}, func(string, map[string]any) bool { return true }
		all.grow(rnd, 4000, w.now) // few enough of the names go that those are prepared
		open := all.into(w, "main", keep)
		files := slices.Sorted(maps.Keys(all))
		before, err := w.reg.Channel(ctx, w.ana, "ana", "main")
		if err != nil {
			t.Fatal(err)
		}
		w.remove(files[:1100]...)
		back, base := all[files[3000]], "linux-64/"+files[3000]
		pkg, version := back["name"].(string), back["version"].(string)
		if n, err := w.reg.RemoveLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &pkg, Basename: &base}); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		b := &between{Index: w.idx, do: func() {
			if _, err := w.reg.Withdraw(ctx, w.ana, "ana", pkg, version, base, "bad"); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{files[3], files[1000], files[1300]} { // it comes back; so does it; it never went
				name := all[file]["name"].(string)
				w.upload("main", condatest.Spec{Name: name, Version: "99", Subdir: "linux-64"}, false)
				pkg, base := name, "linux-64/"+file
				if _, err := w.reg.RemoveLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &pkg, Basename: &base}); err != nil {
					t.Fatal(err)
				}
			}
		}}
		w.reg.SetPublisher(b)
		w.document(w.idx, open, "", "linux-64", index.RepodataZstd)
		if _, err := w.reg.RollBack(ctx, w.ana, "ana", "main", strconv.FormatInt(before.Generation, 10)); err != nil {
			t.Fatal(err)
		}
		w.sameAsFresh(open)
		if b.prepared == 0 {
			t.Error("nothing was prepared")
		}
	})
}

// sameAsFresh fails where the index has other documents than one that reads all rows.
func (w *world) sameAsFresh(open registry.Opened) {
	w.Helper()
	fresh := w.replica()
	for _, form := range []index.Form{index.ShardIndex, index.RepodataZstd, index.CurrentJSON} {
		got, d := w.document(w.idx, open, "", "linux-64", form)
		want, e := w.document(fresh, open, "", "linux-64", form)
		if !bytes.Equal(want, got) || d.ETag != e.ETag {
			w.Fatalf("%s has %d bytes where a fresh index has %d", form, len(got), len(want))
		}
	}
}
