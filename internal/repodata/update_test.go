package repodata_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"terrarium/internal/repodata"
)

// drawChange draws what becomes of some files: records that are put in, and files
// that go, of which some may never have been there.
func drawChange(t *rapid.T, files map[string]int) (put map[string]int, gone []string) {
	put = rapid.MapOfN(rapid.StringMatching(`n-[0-9]{1,3}-0\.(conda|tar\.bz2)`), rapid.IntRange(2, 9*kib), 0, 6).Draw(t, "put")
	there := slices.Sorted(maps.Keys(files))
	for range rapid.IntRange(0, 6).Draw(t, "gone") {
		if len(there) > 0 {
			f := rapid.SampledFrom(there).Draw(t, "file")
			if _, back := put[f]; !back && !slices.Contains(gone, f) {
				gone = append(gone, f)
			}
		}
	}
	return put, gone
}

func entriesOf(files map[string]int) (list []repodata.Entry) {
	for f, size := range files {
		list = append(list, repodata.Entry{FileName: f, JSON: fmt.Appendf(nil, `{"k":"%s"}`, strings.Repeat(f[2:3], size))})
	}
	slices.SortFunc(list, func(a, b repodata.Entry) int { return strings.Compare(a.FileName, b.FileName) })
	return list
}

// TestNamePiecesUpdate holds Update against pieces that are made of all records.
// Half of the files that go are those at which a piece begins.
func TestNamePiecesUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		largest := []int{1000, 8 * kib, 80 * kib}[rnd.IntN(3)]
		grow := func(n int) map[string]int {
			files := map[string]int{}
			for range n {
				files[fmt.Sprintf("n-%d-0.conda", rnd.IntN(1000))] = 1 + rnd.IntN(largest)
			}
			return files
		}
		files := grow(rnd.IntN(min(600, 4<<20/largest)))
		p, err := repodata.NewNamePieces(entriesOf(files))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			put := grow(rnd.IntN(5))
			var gone []string
			for _, file := range slices.Concat(p.Heads, slices.Sorted(maps.Keys(files))) {
				if _, back := put[file]; !back && files[file] > 0 && rnd.IntN(2*len(p.Heads)) == 0 {
					gone = append(gone, file)
					delete(files, file)
				}
			}
			maps.Copy(files, put)
			got, err := p.Update(entriesOf(put), gone)
			if err != nil {
				t.Fatal(err)
			}
			want, err := repodata.NewNamePieces(entriesOf(files))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Heads, got.Heads); diff != "" {
				t.Fatalf("heads (-want +got):\n%s", diff)
			}
			for i := range want.Pieces {
				if !bytes.Equal(want.Pieces[i].Zstd, got.Pieces[i].Zstd) || want.Pieces[i].Raw != got.Pieces[i].Raw {
					t.Fatalf("piece %d differs", i)
				}
			}
			p = got
		}
	})
}

// TestNamePiecesShared: one record more makes at most three of many pieces anew.
func TestNamePiecesShared(t *testing.T) {
	files := map[string]int{}
	for i := range 4000 {
		files[fmt.Sprintf("n-%d.%d-0.conda", i/7, i*7919%4000)] = 500
	}
	p, err := repodata.NewNamePieces(entriesOf(files))
	if err != nil || len(p.Pieces) < 15 {
		t.Fatalf("%d pieces, %v", len(p.Pieces), err)
	}
	for i := range 40 {
		got, err := p.Update(entriesOf(map[string]int{fmt.Sprintf("n-%d.x%d-0.conda", i*13, i): 600}), nil)
		if err != nil {
			t.Fatal(err)
		}
		fresh := 0
		for _, piece := range got.Pieces {
			if !slices.ContainsFunc(p.Pieces, func(q repodata.Piece) bool { return &q.Zstd[0] == &piece.Zstd[0] }) {
				fresh++
			}
		}
		if fresh == 0 || fresh > 3 {
			t.Errorf("record %d: %d of %d pieces were made anew", i, fresh, len(got.Pieces))
		}
		p = got
	}
}

// TestUpdateShard holds UpdateShard against a shard of all records.
func TestUpdateShard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := func(files map[string]int) (list []repodata.ShardFile) {
			for f, size := range files {
				list = append(list, repodata.ShardFile{FileName: f, Msgpack: append([]byte{0x81, 0xa1, 'k', 0xda, byte(size >> 8), byte(size)}, make([]byte, size)...)})
			}
			return list
		}
		files := rapid.MapOfN(rapid.StringMatching(`n-[0-9]{1,3}-0\.(conda|tar\.bz2)`), rapid.IntRange(256, 9*kib), 0, 50).Draw(t, "files")
		data, _ := repodata.EncodeShard(of(files), nil)
		put, gone := drawChange(t, files)
		got, sum, err := repodata.UpdateShard(data, of(put), gone)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range gone {
			delete(files, f)
		}
		for f, size := range put {
			files[f] = size
		}
		if want, wantSum := repodata.EncodeShard(of(files), nil); !bytes.Equal(want, got) || sum != wantSum {
			t.Fatal("the shard differs from one of all records")
		}
	})
}
