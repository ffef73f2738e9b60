package repodata_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// TestFilterShard compares what is left of random shards, both formats mixed,
// with the shard of the records that are left.
func TestFilterShard(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 7))
	for round := range 60 {
		var files []repodata.ShardFile
		for i := range 1 + rnd.IntN(80) {
			enc, err := repodata.EncodeRecord(conda.Record{
				Name: "p", Version: fmt.Sprint("1.", i), Build: "0", Subdir: "noarch",
				Depends: slices.Repeat([]string{"python >=3"}, rnd.IntN(6)), SHA256: strings.Repeat("ab", 32),
			})
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, repodata.ShardFile{FileName: fmt.Sprintf("p-1.%d-0%s", i, []string{".conda", ".tar.bz2"}[rnd.IntN(2)]), Msgpack: enc.Msgpack})
		}
		data, _ := repodata.EncodeShard(files, nil)
		slices.SortFunc(files, func(a, b repodata.ShardFile) int { return strings.Compare(a.FileName, b.FileName) })
		var left []repodata.ShardFile
		kept := make([]bool, len(files))
		for i, f := range files {
			if kept[i] = rnd.IntN(3) > 0; kept[i] {
				left = append(left, f)
			}
		}
		want, wantSum := repodata.EncodeShard(left, nil)
		got, sum, err := repodata.FilterShard(data, func(place int) bool { return kept[place] })
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || sum != wantSum {
			t.Fatalf("round %d: %d of %d records left are not the shard of these", round, len(left), len(files))
		}
	}
	if _, _, err := repodata.FilterShard([]byte("no shard"), func(int) bool { return true }); err == nil {
		t.Error("what is no shard was filtered")
	}
}

func TestEachEntry(t *testing.T) {
	records := []string{`{}`, `{"a":"}\"{\\","b":{"c":[1,{"d":"\\\""}]}}`, `{"x":1}`}
	var text []byte
	for i, r := range records {
		text = repodata.AppendEntry(text, fmt.Sprintf(`odd"\%d.conda`, i), []byte(r))
	}
	var got []string
	if err := repodata.EachEntry(text, func(_, r []byte) error { got = append(got, string(r)); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(records, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`x`, `"a"`, `"a":`, `"a":1`, `"a":{`, `"a":{},`, `"a":{}x`, `"a`, `"a":{"b":"`} {
		if err := repodata.EachEntry([]byte(bad), func(_, _ []byte) error { return nil }); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
