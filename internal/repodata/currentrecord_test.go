package repodata_test

import (
	"encoding/json/jsontext"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// drawRecord makes a record of p, of which most are spelt the usual way.
func drawRecord(rnd *rand.Rand, i int) conda.Record {
	odd := func(usual, odd string) string {
		if rnd.IntN(12) == 0 {
			return odd
		}
		return usual
	}
	some := func(list ...string) []string { return list[:rnd.IntN(len(list)+1)] }
	r := conda.Record{
		Name: "p", Version: fmt.Sprint("1.", i), Build: odd("0", ""), BuildNumber: rnd.Int64N(3), Subdir: odd("noarch", ""), Depends: some("python >=3", odd("b", "ü"), "c 1 0"),
		Constrains: some(odd("d", `"`)), License: odd("MIT", "tab\there"), LicenseFamily: odd("", "BSD"), Noarch: odd("", "python"), TrackFeatures: odd("", "x"), Features: odd("", "mkl"),
		PythonSitePackagesPath: odd("", "lib/python3.13t"), Timestamp: []int64{0, 170000023, 1700000000000, 1e15}[rnd.IntN(4)], IndexedTimestamp: 1700000000000 + int64(i),
		MD5: odd(fmt.Sprintf("%032x", i), ""), SHA256: odd(fmt.Sprintf("%064x", i), ""), Size: rnd.Int64N(3) * 1e8,
	}
	if rnd.IntN(8) == 0 {
		r.Extra = map[string]jsontext.Value{odd("aa", "legacy_bz2_size"): jsontext.Value(odd("[]", `{"b":[1.5,"x"],"a":null}`))}
	}
	if rnd.IntN(12) == 0 {
		r.Flags = []string{"gpu"}
	}
	if rnd.IntN(2) == 0 {
		r.RunExports = &conda.RunExports{Weak: some("p >=1")}
	}
	return r
}

// TestCurrentRecordJSON compares the text of records as they lie in a shard with what
// EncodeRecord makes of them, of those with a twin as Current has it.
func TestCurrentRecordJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 1))
	var reader repodata.ShardReader
	var group repodata.CurrentGroup
	for round := range 400 {
		var files []repodata.FileRecord
		for i := range 1 + rnd.IntN(4) {
			for _, suffix := range [][]string{{".conda"}, {".tar.bz2"}, {".conda", ".tar.bz2"}}[rnd.IntN(3)] {
				r := drawRecord(rnd, i)
				r.Version = "1" // all are kept
				files = append(files, repodata.FileRecord{FileName: fmt.Sprintf("p-1-%d%s", i, suffix), Record: r})
			}
		}
		rows, err := reader.Read(shardOf(t, files), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, r := range group.Records(rows, func([]byte) bool { return true }) {
			text, err := r.AppendJSON([]byte("before "))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.FileName())+strings.TrimPrefix(string(text), "before"))
		}
		for i := range files { // as they are read out of a repodata.json
			enc, err := repodata.EncodeRecord(files[i].Record)
			if err != nil {
				t.Fatal(err)
			}
			if files[i].Record, err = conda.ParseRecord(enc.JSON); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := repodata.Current(files, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(kept, func(a, b repodata.FileRecord) int { return strings.Compare(a.FileName, b.FileName) })
		for _, f := range kept {
			enc, err := repodata.EncodeRecord(f.Record)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, f.FileName+" "+string(enc.JSON))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d:\n%s\nwant\n%s", round, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestUsualRecord looks that the text of a record takes no decoding.
func TestUsualRecord(t *testing.T) {
	r := conda.Record{Name: "p", Version: "1", Build: "0", Depends: []string{"python"}, License: "MIT", MD5: strings.Repeat("0", 32), Size: 9, Timestamp: 1700000000000}
	files := []repodata.FileRecord{{FileName: "p-1-0.conda", Record: r}, {FileName: "p-1-0.tar.bz2", Record: r}}
	var reader repodata.ShardReader
	rows, err := reader.Read(shardOf(t, files), nil)
	if err != nil {
		t.Fatal(err)
	}
	var group repodata.CurrentGroup
	list := group.Records(rows, func([]byte) bool { return true })
	text := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(50, func() { text, err = list[0].AppendJSON(text[:0]) }); err != nil || n > 0 {
		t.Errorf("the text of a record allocates %g times, %v", n, err)
	}
	if want := `"indexed_timestamp`; strings.Contains(string(text), want) || !strings.Contains(string(text), `,"legacy_bz2_md5":"00000000000000000000000000000000","legacy_bz2_size":9,"license":"MIT"`) {
		t.Errorf("the record is %s", text)
	}
}
