package repodata_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/repodata"
)

// TestLargeShardIndex reads indexes that are not compressed: one frame that says
// its length, little larger than a compressed one, read alike by every door.
func TestLargeShardIndex(t *testing.T) {
	names, hashes := benchIndex()
	var alone []string // of which none begins a segment
	for i := 0; len(alone) < 5_000; i++ {
		if n := fmt.Sprintf("name-%06d", i); !repodata.Segment(n) {
			alone = append(alone, n)
		}
	}
	for what, list := range map[string][]string{"many segments": names, "one long segment": alone, "just large": names[:2_800]} {
		info := repodata.ShardIndexInfo{Subdir: "linux-64"}
		data := repodata.EncodeShardIndex(info, list, hashes[:len(list)])
		got, err := repodata.DecodeShardIndex(data) // refuses anything but one frame
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !slices.Equal(got.Names, list) || !slices.Equal(got.Hashes, hashes[:len(list)]) {
			t.Errorf("%s: other names or hashes than were encoded", what)
		}
		raw, err := decodeFrames(t, data)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) <= len(raw) || len(data) > len(raw)+len(raw)/100 {
			t.Errorf("%s: %d bytes of %d, want raw blocks and little beside them", what, len(data), len(raw))
		}
	}
}

// TestIndexFrame reads a frame of parts from random places and whole.
func TestIndexFrame(t *testing.T) {
	names, hashes := benchIndex()
	for _, n := range []int{0, 3, 5_000} {
		var parts []repodata.IndexPart
		for from := 0; from < n; {
			to := from + 1
			for to < n && !repodata.Segment(names[to]) {
				to++
			}
			first := from
			parts = append(parts, repodata.NewIndexPart(to-from, func(i int) (string, [32]byte) { return names[first+i], hashes[first+i] }))
			from = to
		}
		f := repodata.NewIndexFrame(repodata.ShardIndexInfo{Subdir: "noarch"}, parts)
		want := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch"}, names[:n], hashes[:n])
		if !bytes.Equal(f.Bytes(), want) || f.Size() != int64(len(want)) {
			t.Fatalf("%d names: the parts give other bytes than the names", n)
		}
		all, err := io.ReadAll(f.Open())
		if err != nil || !bytes.Equal(all, want) {
			t.Fatalf("%d names: reading gives other bytes: %v", n, err)
		}
		for at := 0; at < len(want); at += 1 + len(want)/7 {
			r := f.Open()
			if _, err := r.Seek(int64(at), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			var rest bytes.Buffer
			if _, err := io.Copy(&rest, r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(len(want)-at, rest.Len()); diff != "" || !bytes.Equal(rest.Bytes(), want[at:]) {
				t.Fatalf("%d names: from %d on: other bytes %s", n, at, diff)
			}
		}
	}
}
