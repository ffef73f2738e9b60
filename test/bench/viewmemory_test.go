//go:build bench

package bench

import (
	"fmt"
	"runtime"
	"testing"

	"terrarium/internal/index"
)

// What a view may take in memory with its policy and its index, and without both, at
// 700,000 records; how many a gigabyte is to hold; and the growth that CI judges.
const (
	hotAllowed, coldAllowed = 2_000_000, 200_000
	viewsInGigabyte         = 300.0
	viewMemoryGrowth        = 20.0
)

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only empties the pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func kilobytes(n int64) string { return fmt.Sprintf("%.1f kB", float64(n)/1e3) }

// measureCold has views made of which nobody asks for a document.
func (v *viewed) measureCold() {
	bare := make([]*index.Predicate, orgs)
	for i := range bare {
		bare[i] = v.predicate(v.policy(uint64(300 + i)))
	}
	before := heap()
	for _, p := range bare {
		if _, err := v.idx.Filtered(v.ctx, v.open, p, subdir); err != nil {
			v.Fatal(err)
		}
	}
	v.bare = (heap() - before) / orgs
	runtime.KeepAlive(bare)
}

// tellMemory adds what views take in memory.
func (v *viewed) tellMemory(t *testing.T, at string, least *viewed) {
	t.Helper()
	for _, l := range []struct {
		name                 string
		ours, allowed, least int64
	}{{"hot, with its policy and its index", v.hot, hotAllowed, least.hot}, {"cold, policy apart", v.bare, coldAllowed, least.bare}} {
		figures.atMost(t, figure{
			row: 8, name: "org-view-memory, " + l.name, at: at, ours: kilobytes(l.ours), peer: kilobytes(l.allowed), besides: "the limit at 700,000", ratio: float64(l.ours) / float64(l.allowed),
		}, 1, memoryJudged)
		if v == least {
			continue
		}
		if got, allowed := float64(l.ours)/float64(l.least), grown(viewMemoryGrowth, v.channel.records, least.channel.records); got > allowed {
			t.Errorf("a view at %s (%s) takes %.1f times the memory of one at %d, at most %.0f is right", at, l.name, got, least.channel.records, allowed)
		}
	}
	many := 1e9 / float64(v.hot)
	figures.atLeast(t, figure{
		row: 8, name: "org-view-memory, hot views in a gigabyte", at: at, ours: fmt.Sprintf("%.0f", many), peer: fmt.Sprint(viewsInGigabyte), besides: "wanted at 700,000", ratio: many / viewsInGigabyte,
	}, 1, 1/memoryJudged)
}
