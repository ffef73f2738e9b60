package registry_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"terrarium/internal/registry"
)

// TestImportBatches: what an import takes at once is bounded by records, and by what
// these and their archives hold.
func TestImportBatches(t *testing.T) {
	sized := func(n int, size int64) []byte {
		return regexp.MustCompile(`"size":\d+`).ReplaceAll(manyRecords(n), fmt.Appendf(nil, `"size":%d`, size))
	}
	const long = 1 << 20
	longer := replaced(manyRecords(40), `"numpy >=1.20"`, `"numpy >=1.20`+strings.Repeat(" ,>=1.20", long/8)+`"`)
	for name, c := range map[string]struct {
		document []byte
		archives bool
		total    int
		most     int // of a batch
		least    int // of the first one
	}{
		"records":       {manyRecords(700), false, 700, 600, 600},
		"long records":  {longer, false, 40, 16, 2},
		"archives":      {manyRecords(70), true, 70, 32, 32},
		"long archives": {sized(9, 30<<20), true, 9, 3, 3},
		"a claim":       {sized(9, 1<<62), true, 9, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				var done []int
				_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{
					// No archive is there, so all are left out, each in its batch.
					Files:        fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: c.document}},
					MetadataOnly: !c.archives, BaseURL: "https://channel.test", Name: name,
				}, func(_ string, n int) { done = append(done, n) })
				if err != nil {
					t.Fatal(err)
				}
				before, most := 0, 0
				for _, n := range done {
					most, before = max(most, n-before), n
				}
				if before != c.total || most > c.most || done[0] < c.least || !slices.IsSorted(done) {
					t.Errorf("done %v, want %d in batches of at most %d", done, c.total, c.most)
				}
			})
		})
	}
}
