package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSharingEqualsList changes a base and a view of it at random and holds what
// the view shares against a list of its entries.
func TestSharingEqualsList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 7))
	base, view := map[string]*entry{}, map[string]*entry{} // view has no entry for names that are gone
	judge := func(name string) *entry {
		switch e := base[name]; {
		case e == nil, rnd.IntN(3) == 0:
			return nil
		case rnd.IntN(3) == 0:
			return &entry{name: name, shard: e.shard, part: &part{of: e.shard}}
		default:
			return e
		}
	}
	set := func(name string, e *entry) {
		if view[name] = e; e == nil {
			delete(view, name)
		}
	}
	for i := range 200 {
		n := fmt.Sprintf("p%03d", 2*i)
		base[n] = someEntry(n, 0)
		set(n, judge(n))
	}
	entries := listEntries(base)
	shared := newSharing(entries)
	for i, e := range entries {
		shared.add(i, view[e.name])
	}
	shared.close()
	for step := range 2000 {
		s := &snapshot{shared: shared}
		if want := listEntries(view); !slices.Equal(s.all(), want) || s.count() != len(want) {
			t.Fatalf("step %d: %d entries (%d counted), want %d or others", step, len(s.all()), s.count(), len(want))
		}
		for range 5 {
			if n := fmt.Sprintf("p%03d", rnd.IntN(400)); s.entry(n) != view[n] || s.has(n) != (view[n] != nil) {
				t.Fatalf("step %d: %s is another entry", step, n)
			}
		}
		hidden := map[string]bool{fmt.Sprintf("p%03d", rnd.IntN(400)): true, fmt.Sprintf("p%03d", rnd.IntN(400)): true}
		less := shared.without(func(name string) bool { return hidden[name] })
		if want := slices.DeleteFunc(listEntries(view), func(e *entry) bool { return hidden[e.name] }); !slices.Equal(less.all(), want) || less.names != len(want) {
			t.Fatalf("step %d: without %v other entries are left", step, slices.Collect(maps.Keys(hidden)))
		}
		changed := map[string]*entry{}
		for range rnd.IntN(4) {
			n := fmt.Sprintf("p%03d", rnd.IntN(400))
			switch rnd.IntN(4) {
			case 0:
				delete(base, n)
			case 1: // it came of age
			default:
				base[n] = someEntry(n, step)
			}
			changed[n] = judge(n)
			set(n, changed[n])
		}
		if step%100 == 99 { // the base was read anew: all its entries are others, with the same records
			for n, e := range base {
				fresh := &entry{name: n, shard: e.shard}
				if base[n] = fresh; view[n] == e {
					view[n] = fresh
				}
				if changed[n] == e {
					changed[n] = fresh
				}
			}
		}
		shared = shared.next(listEntries(base), changed)
	}
}
