package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func agedEntry(t *testing.T, rnd *rand.Rand, name string, now int64) *entry {
	var b columnsBuilder
	for i := range 1 + rnd.IntN(6) {
		row := columnRow{name: name, version: fmt.Sprint(i), build: "0", indexed: now - rnd.Int64N(rnd.Int64N(now)+1)}
		if err := b.add(row); err != nil {
			t.Fatal(err)
		}
	}
	e := someEntry(name, rnd.Int())
	e.columns.Store(b.finish())
	return e
}

// TestAgesFollow changes a subdir at random, sometimes without anybody asking in
// between, and holds its ages against a look at all records.
func TestAgesFollow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	byName := map[string]*entry{}
	now := int64(10_000)
	for i := range 300 {
		n := fmt.Sprintf("p%03d", 2*i)
		byName[n] = agedEntry(t, rnd, n, now)
	}
	s := &snapshot{entries: listEntries(byName)}
	var x *Index // no rows are needed
	followed := 0
	for step := range 600 {
		if rnd.IntN(3) > 0 {
			if err := x.fillColumns(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			from := now - rnd.Int64N(9_000)
			before := s.columned.Load().ages
			a := s.agesFrom(from, now)
			if a == before {
				followed++
			}
			cut := from + rnd.Int64N(now-from+1)
			var line, next int64
			crossed := map[*entry]bool{}
			for _, e := range s.entries {
				for _, c := range e.columns.Load().cells {
					switch {
					case c.indexed < cut:
						line = max(line, c.indexed)
					case next == 0 || c.indexed < next:
						next = c.indexed
					}
					if c.indexed >= from && c.indexed < cut {
						crossed[e] = true
					}
				}
			}
			short := (&ages{from: cut}).next(nil, s.entries) // holds nothing before the cut
			if gotLine, gotNext := s.line(short, cut); gotLine != line || gotNext != next {
				t.Fatalf("step %d: the line at %d, which is where the ages begin, is %d, then %d; want %d, %d", step, cut, gotLine, gotNext, line, next)
			}
			if gotLine, gotNext := s.line(a, cut); gotLine != line || gotNext != next {
				t.Fatalf("step %d: the line at %d is %d, then %d; want %d, %d", step, cut, gotLine, gotNext, line, next)
			}
			got := map[*entry]bool{}
			for _, one := range a.between(from, cut) {
				got[one.e] = true
			}
			for _, e := range s.entries {
				if got[e] != crossed[e] {
					t.Fatalf("step %d: %s is between %d and %d: %t, want %t", step, e.name, from, cut, got[e], crossed[e])
				}
				delete(got, e)
			}
			if len(got) > 0 {
				t.Fatalf("step %d: %d entries are not of the subdir any more", step, len(got))
			}
		}
		now += rnd.Int64N(50)
		changed := map[string]*entry{}
		for range rnd.IntN(4) {
			n := fmt.Sprintf("p%03d", rnd.IntN(600))
			if changed[n] = nil; rnd.IntN(3) > 0 {
				changed[n] = agedEntry(t, rnd, n, now)
			}
		}
		after := &snapshot{entries: merge(s.entries, changed)}
		after.follow(s, changed)
		s = after
	}
	if followed < 100 {
		t.Errorf("ages were taken over %d times", followed)
	}
	known := s.columned.Load()
	many := map[string]*entry{}
	for i := range mostFollowed {
		many[fmt.Sprint("q", i)] = someEntry(fmt.Sprint("q", i), 0)
	}
	after := &snapshot{entries: merge(s.entries, many)}
	if after.follow(s, many); known == nil || after.columned.Load() != nil {
		t.Error("more is remembered than the bound allows")
	}
	if !slices.IsSortedFunc(known.ages.list, func(a, b aged) int { return int(a.at - b.at) }) {
		t.Error("the ages are not in order")
	}
}

// TestComingOfAgeTouchesFew lets time pass over a view: judged again are the names
// with a record that crossed the line, and none else.
func TestComingOfAgeTouchesFew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	now := int64(100_000)
	byName := map[string]*entry{}
	for i := range 500 {
		n := fmt.Sprintf("p%03d", i)
		rows := []columnRow{}
		for k := range 1 + rnd.IntN(4) {
			version := fmt.Sprint(k)
			rows = append(rows, columnRow{name: n, fileName: n + "-" + version + "-0.conda", version: version, build: "0", indexed: now - rnd.Int64N(90_000)})
		}
		var b columnsBuilder
		for _, r := range rows {
			if err := b.add(r); err != nil {
				t.Fatal(err)
			}
		}
		byName[n] = &entry{name: n, shard: forgeShard(rnd, n, rows)}
		byName[n].columns.Store(b.finish())
	}
	base := &snapshot{channel: "c", subdir: "linux-64", generation: 1, entries: listEntries(byName)}
	x := New(nil, nil, Options{Now: func() time.Time { return time.UnixMilli(now) }})
	p, err := NewPredicate(Rules{MinAge: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f := x.filters.get(filteredKey{"c", "linux-64", p.key, 0}, p)
	if err := x.bringUp(t.Context(), f, base); err != nil {
		t.Fatal(err)
	}
	most := 0
	for range 100 {
		now += rnd.Int64N(400)
		cut := now - p.minAge
		want := map[string]bool{}
		for _, e := range base.entries {
			for _, c := range e.columns.Load().cells {
				if c.indexed >= f.cut && c.indexed < cut {
					want[e.name] = true
				}
			}
		}
		changed, err := x.rejudge(t.Context(), f, base, base.agesFrom(f.cut, now), cut, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name := range changed {
			if !want[name] {
				t.Fatalf("%s is judged again, though nothing of it crossed the line", name)
			}
		}
		if len(changed) != len(want) {
			t.Fatalf("%d names are judged again, want %d", len(changed), len(want))
		}
		most = max(most, len(want))
		if err := x.bringUp(t.Context(), f, base); err != nil {
			t.Fatal(err)
		}
		scratch := &filtered{key: f.key, p: p, cut: f.cut}
		if err := x.bringUp(t.Context(), scratch, base); err != nil {
			t.Fatal(err)
		}
		one, two := f.snap.all(), scratch.snap.all()
		if !slices.EqualFunc(one, two, func(a, b *entry) bool { return a.name == b.name && a.shard.hash == b.shard.hash }) || f.snap.viewKey != scratch.snap.viewKey {
			t.Fatalf("at %d the view has %d names, one made anew %d, or others", now, len(one), len(two))
		}
	}
	if most == 0 || most > 30 {
		t.Errorf("at most %d names came of age at once", most)
	}
}
