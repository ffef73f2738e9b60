package index

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"terrarium/internal/repodata"
)

// listEntries gives the entries sorted by name.
func listEntries(byName map[string]*entry) []*entry {
	out := make([]*entry, 0, len(byName))
	for _, n := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[n])
	}
	return out
}

func someEntry(name string, change int) *entry {
	return &entry{name: name, shard: &shard{name: name, hash: sha256.Sum256(fmt.Append(nil, name, change))}}
}

func encodeWhole(entries []*entry) []byte {
	names, hashes := make([]string, len(entries)), make([][32]byte, len(entries))
	for i, e := range entries {
		names[i], hashes[i] = e.name, e.shard.hash
	}
	return repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, names, hashes)
}

// TestShardListEqualsWhole makes random changes, several between two readings,
// and compares the list that lived through them with one made of the names. Of
// the parts, few are made anew; a view without some names shares them too.
func TestShardListEqualsWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	byName := map[string]*entry{}
	for i := range 6_000 {
		n := fmt.Sprintf("p%05d", 3*i)
		byName[n] = someEntry(n, 0)
	}
	var known []*listPart
	for step := range 300 {
		changes := 1 + rnd.IntN(3)
		for range changes {
			n := fmt.Sprintf("p%05d", rnd.IntN(18_000))
			for rnd.IntN(3) == 0 && !repodata.Segment(n) { // often one that begins a part
				n = fmt.Sprintf("p%05d", rnd.IntN(18_000))
			}
			if byName[n] != nil && rnd.IntN(2) == 0 {
				delete(byName, n)
			} else {
				byName[n] = someEntry(n, step)
			}
		}
		s := &snapshot{subdir: "linux-64", entries: listEntries(byName), list: known}
		if got := s.shardIndex().Bytes(); !bytes.Equal(got, encodeWhole(s.entries)) {
			t.Fatalf("step %d: the list of parts differs from one made whole", step)
		}
		if fresh := lacking(s.list, known); step > 0 && fresh > 2*changes {
			t.Fatalf("step %d: %d changes made %d parts anew", step, changes, fresh)
		}
		known = s.list
		if step%50 == 0 {
			hides := s.entries[rnd.IntN(len(s.entries))].name
			v := &snapshot{subdir: "linux-64", list: s.list, entries: slices.DeleteFunc(slices.Clone(s.entries), func(e *entry) bool { return e.name == hides })}
			if got := v.shardIndex().Bytes(); !bytes.Equal(got, encodeWhole(v.entries)) || lacking(v.list, s.list) > 1 {
				t.Fatalf("step %d: a view without %s: other bytes, or %d parts of its own", step, hides, lacking(v.list, s.list))
			}
		}
	}
}

// TestShardListOfView takes names, and records of names, out of channels at random, and
// compares the index that is made of the channel's with one made of the names: few and
// many of them, and names without a beginning of a part among them.
func TestShardListOfView(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 2))
	for step := range 60 {
		byName := map[string]*entry{}
		for i := range 1 + rnd.IntN(6_000) {
			if n := fmt.Sprintf("p%05d", i); step%3 > 0 || !repodata.Segment(n) {
				byName[n] = someEntry(n, 0)
			}
		}
		base := &snapshot{subdir: "linux-64", entries: listEntries(byName)}
		shared := newSharing(base.entries)
		shared.list = base.cutList()
		one := []int{1, 5, 300, 100_000}[rnd.IntN(4)] // of so many is taken away, and as many lose records
		for i, e := range base.entries {
			switch rnd.IntN(one + 1) {
			case 0:
				e = nil
			case 1:
				e = &entry{name: e.name, shard: someEntry(e.name, 1).shard, part: &part{of: e.shard}}
			}
			shared.add(i, e)
		}
		v := &snapshot{subdir: "linux-64", shared: shared.close()}
		if got := v.shardIndex().Bytes(); !bytes.Equal(got, encodeWhole(v.all())) {
			t.Fatalf("step %d: of %d names, %d of them a part, the view's list differs from one made whole", step, v.count(), len(shared.parts))
		}
	}
}

// BenchmarkShardIndexOfView is what the index of a view costs that has lost a name, or
// records of one, in a hundred of 35,000.
func BenchmarkShardIndexOfView(b *testing.B) {
	byName := map[string]*entry{}
	for i := range 35_000 {
		n := fmt.Sprintf("package-%05d", i)
		byName[n] = someEntry(n, 0)
	}
	base := &snapshot{subdir: "linux-64", entries: listEntries(byName)}
	shared := newSharing(base.entries)
	shared.list = base.cutList()
	for i, e := range base.entries {
		switch i % 200 {
		case 0:
			e = nil
		case 100:
			e = &entry{name: e.name, shard: someEntry(e.name, 1).shard, part: &part{of: e.shard}}
		}
		shared.add(i, e)
	}
	v := &snapshot{subdir: "linux-64", shared: shared.close()}
	b.ReportAllocs()
	for b.Loop() {
		v.shardIndex()
	}
}

// lacking counts the parts that are not among others.
func lacking(parts, others []*listPart) int {
	n := 0
	for _, p := range parts {
		if !slices.Contains(others, p) {
			n++
		}
	}
	return n
}

// BenchmarkShardIndex is what the index costs after one of 35,000 names changed.
func BenchmarkShardIndex(b *testing.B) {
	byName := map[string]*entry{}
	for i := range 35_000 {
		n := fmt.Sprintf("package-%05d", i)
		byName[n] = someEntry(n, 0)
	}
	entries := listEntries(byName)
	known := cutList(entries, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i * 7919 % len(entries)
		entries[at] = someEntry(entries[at].name, i)
		s := &snapshot{subdir: "linux-64", entries: entries, list: known}
		s.shardIndex()
		known = s.list
	}
}
