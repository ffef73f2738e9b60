//go:build bench

package bench

import (
	"encoding/json/jsontext"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// TestBenchChannel looks that the synthetic channel is what it should be: valid,
// the same each time, small within large, and about as large as real records.
func TestBenchChannel(t *testing.T) {
	small, large := newSynthetic(2_000), newSynthetic(10_000)
	if small.records != 2_000 || large.records != 10_000 {
		t.Fatalf("%d and %d records, want 2000 and 10000", small.records, large.records)
	}
	for i, l := range small.names[:len(small.names)-1] { // the last one is cut short
		if other := large.names[i]; l.name != other.name || string(l.records[0].json) != string(other.records[0].json) {
			t.Fatalf("name %d is %s in the small channel and %s in the large one", i, l.name, other.name)
		}
	}
	root := t.TempDir()
	bytes := large.write(t, root)
	f, err := os.Open(filepath.Join(root, subdir, "repodata.json.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	_, err = repodata.ReadRecords(f, func(fileName string, raw jsontext.Value) error {
		seen[fileName] = true
		rec, err := conda.ParseRecord(raw)
		if err == nil {
			err = rec.Validate()
		}
		return err
	})
	if err != nil || len(seen) != large.records {
		t.Fatalf("read %d of %d records: %v", len(seen), large.records, err)
	}
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// Real: 577 bytes a record, at zstd level 1 0.16 of that (performance.md §1.2).
	if each := float64(bytes) / float64(large.records); each < 450 || each > 700 {
		t.Errorf("%.0f bytes a record, want about those of real ones", each)
	}
	if ratio := float64(stat.Size()) / float64(bytes); ratio < 0.12 || ratio > 0.22 {
		t.Errorf("compresses to %.3f, want about 0.16", ratio)
	}
	t.Logf("%d records under %d names, %.0f bytes each, compressed to %.3f", large.records, len(large.names),
		float64(bytes)/float64(large.records), float64(stat.Size())/float64(bytes))
	r := rand.New(rand.NewPCG(seed, 1))
	if l := large.pick(r); len(l.records) == 0 {
		t.Errorf("picked %s, which has no records", l.name)
	}
}
