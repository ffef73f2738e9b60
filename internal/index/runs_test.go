package index

import (
	"fmt"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// TestRowsOfShards: the text of a record comes out of a shard as it went into rows,
// so that documents can be made while the database is away.
func TestRowsOfShards(t *testing.T) {
	var of []*entry
	var want [groups][]row
	for n := range 3 {
		name := fmt.Sprint("p", n)
		var rows []row
		for i := range 5 {
			r := conda.Record{
				Name: name, Version: fmt.Sprint("1.", i), Build: "0", BuildNumber: int64(i), Depends: []string{"python >=3.9", "é"}, Constrains: []string{"x <2"},
				Subdir: "noarch", License: "MIT", Size: int64(i), Timestamp: 1_700_000_000_000, IndexedTimestamp: 1_700_000_000_123,
				SHA256: fmt.Sprintf("%064x", i), MD5: fmt.Sprintf("%032x", i), RunExports: &conda.RunExports{Weak: []string{name}},
			}
			encoded, err := repodata.EncodeRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			extension := []string{".conda", ".tar.bz2"}[i%2]
			row := row{name: name, fileName: name + "-" + r.Version + "-0" + extension, json: encoded.JSON, msgpack: encoded.Msgpack}
			rows = append(rows, row)
			want[groupOf(row.fileName)] = append(want[groupOf(row.fileName)], row)
		}
		of = append(of, makeEntry(name, rows, 1))
	}
	for g := range want {
		got, err := rowsOfShards(of, g)
		if err != nil || len(got) != len(want[g]) {
			t.Fatalf("%d rows, want %d, %v", len(got), len(want[g]), err)
		}
		for i, r := range got {
			if w := want[g][i]; r.name != w.name || r.fileName != w.fileName || string(r.json) != string(w.json) {
				t.Errorf("got %s %s, want %s %s", r.fileName, r.json, w.fileName, w.json)
			}
		}
	}
}
