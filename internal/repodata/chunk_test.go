package repodata_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"terrarium/internal/repodata"
)

const kib = 1 << 10

// drawNames draws a sorted list of names with sizes as channels have them.
func drawNames(t *rapid.T) []repodata.NameSize {
	size := rapid.OneOf(rapid.IntRange(1, 4*kib), rapid.IntRange(1, 60*kib), rapid.IntRange(60*kib, 70*kib), rapid.IntRange(64*kib, 5000*kib))
	byName := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}-[0-9]{1,3}`), size, 0, 400).Draw(t, "names")
	var names []repodata.NameSize
	for name, size := range byName {
		names = append(names, repodata.NameSize{Name: name, Size: size})
	}
	slices.SortFunc(names, func(a, b repodata.NameSize) int { return strings.Compare(a.Name, b.Name) })
	return names
}

// cover asserts that ranges are the whole list in order without gaps.
func cover(t rapid.TB, n int, ranges []repodata.Range) {
	t.Helper()
	at := 0
	for _, r := range ranges {
		if r.From != at || r.To <= r.From {
			t.Fatalf("range %v after %d", r, at)
		}
		at = r.To
	}
	if at != n {
		t.Fatalf("ranges end at %d of %d", at, n)
	}
}

func TestChunkSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t)
		ranges := repodata.Chunk(names)
		cover(t, len(names), ranges)
		for _, r := range ranges {
			size := 0
			for i, n := range names[r.From:r.To] {
				size += n.Size
				if n.Size >= 64*kib && r.To-r.From > 1 {
					t.Fatalf("%s of %d bytes is not alone", n.Name, n.Size)
				}
				if i > 0 && repodata.Segment(n.Name) {
					t.Fatalf("the segment start %s is inside a piece", n.Name)
				}
			}
			if size > 128*kib && r.To-r.From > 1 {
				t.Fatalf("a piece of %d names has %d bytes", r.To-r.From, size)
			}
		}
	})
}

// TestChunkLocality changes one name and looks that pieces outside of Around
// stay what they were: the promise by which the index redoes a few only.
func TestChunkLocality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawNames(t)
		name := rapid.StringMatching(`[a-z]{1,3}-[0-9]{1,3}`).Draw(t, "name")
		if len(before) > 0 && rapid.Bool().Draw(t, "existing") {
			name = rapid.SampledFrom(before).Draw(t, "which").Name
		}
		size := rapid.SampledFrom([]int{0, 1, 500, 40 * kib, 70 * kib}).Draw(t, "size") // 0: remove
		var after []repodata.NameSize
		for _, n := range before {
			if n.Name != name {
				after = append(after, n)
			}
		}
		if size > 0 {
			after = append(after, repodata.NameSize{Name: name, Size: size})
			slices.SortFunc(after, func(a, b repodata.NameSize) int { return strings.Compare(a.Name, b.Name) })
		}
		outside := func(names []repodata.NameSize) []string {
			around := repodata.Around(names, name)
			var out []string
			for _, r := range repodata.Chunk(names) {
				if r.From < around.To && r.To > around.From { // overlaps
					if r.From < around.From || r.To > around.To {
						t.Fatalf("the piece %v crosses the ends of %v", r, around)
					}
					continue
				}
				out = append(out, fmt.Sprint(names[r.From:r.To]))
			}
			return out
		}
		if a, b := outside(before), outside(after); !slices.Equal(a, b) {
			t.Fatalf("pieces outside of the neighbourhood of %s changed:\n%v\n%v", name, a, b)
		}
	})
}

func TestChunkRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []repodata.NameSize
		for i := range rapid.IntRange(0, 2000).Draw(t, "files") {
			files = append(files, repodata.NameSize{Name: fmt.Sprintf("foo-%05d-0.conda", i), Size: 570})
		}
		if len(files) > 0 && rapid.Bool().Draw(t, "large") {
			files[rapid.IntRange(0, len(files)-1).Draw(t, "which")].Size = 300 * kib
		}
		ranges := repodata.ChunkRecords(files)
		cover(t, len(files), ranges)
		for i, r := range ranges {
			size := 0
			for _, f := range files[r.From:r.To] {
				size += f.Size
			}
			if size > 128*kib && r.To-r.From > 1 {
				t.Fatalf("piece %d has %d bytes", i, size)
			}
			if nextLarge := i+1 < len(ranges) && files[ranges[i+1].From].Size > 128*kib; size < 64*kib && i+1 < len(ranges) && !nextLarge {
				t.Fatalf("piece %d of %d has %d bytes", i, len(ranges), size)
			}
		}
	})
}

// TestChunkRecordsLocality adds a record in front of a large name: most pieces
// behind stay the same.
func TestChunkRecordsLocality(t *testing.T) {
	var files []repodata.NameSize
	for i := range 6000 {
		files = append(files, repodata.NameSize{Name: fmt.Sprintf("foo-%05d-0.conda", i), Size: 570})
	}
	names := func(files []repodata.NameSize) map[string]bool {
		out := map[string]bool{}
		for _, r := range repodata.ChunkRecords(files) {
			out[fmt.Sprint(files[r.From:r.To])] = true
		}
		return out
	}
	before := names(files)
	changed := 0
	for piece := range names(append([]repodata.NameSize{{Name: "foo-0-0.conda", Size: 570}}, files...)) {
		if !before[piece] {
			changed++
		}
	}
	if changed > len(before)/3 {
		t.Errorf("%d of %d pieces changed", changed, len(before))
	}
}

// TestSegmentStride holds the mean length of segments, on which the cost of a
// change rests.
func TestSegmentStride(t *testing.T) {
	starts := 0
	for i := range 64_000 {
		if repodata.Segment(fmt.Sprintf("package-%d", i)) {
			starts++
		}
	}
	if starts < 800 || starts > 1200 {
		t.Errorf("%d segments of 64000 names, want about 1000", starts)
	}
}
