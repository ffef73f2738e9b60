package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

func mustSpec(t testing.TB, text string) conda.MatchSpec {
	m, err := conda.ParseMatchSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustVersions(t testing.TB, name, text string) VersionRule {
	s, err := conda.ParseVersionSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	return VersionRule{name, s}
}

// forge is a subdir in the likeness of conda-forge's: 700,000 records under
// 35,000 names.
func forge(b *testing.B, shards bool) (entries []*entry, records int, now int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	now = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC).UnixMilli()
	byName := map[string]*entry{}
	var builder columnsBuilder
	for i := 0; records < 700_000; i++ {
		e := &entry{name: fmt.Sprintf("%s%x", []string{"", "py", "lib", "r-"}[rnd.IntN(4)], rnd.Uint32()|1<<31)}
		at := now - rnd.Int64N(8*365*24*3600_000)
		licence := fmt.Sprintf("LicenseRef-%d", int(180*math.Pow(rnd.Float64(), 2)))
		var rows []columnRow
		v, number := [3]int{rnd.IntN(3), rnd.IntN(10), 0}, int64(0)
		for range min(max(int(math.Exp(math.Log(5)+1.7*rnd.NormFloat64())), 1), 5911, 700_000-records) {
			if rnd.IntN(4) == 0 {
				number, at = number+1, min(at+rnd.Int64N(40*24*3600_000), now)
				if rnd.IntN(5) > 0 {
					v[2], number = v[2]+1, 0
				}
				if rnd.IntN(5) == 0 {
					v[1], v[2] = v[1]+1, 0
				}
			}
			row := columnRow{name: e.name, version: fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]), licence: licence, indexed: at, number: number}
			row.build = fmt.Sprintf("py3%dh%07x_%d", 6+rnd.IntN(8), rnd.Uint32()>>4, number)
			row.fileName = row.name + "-" + row.version + "-" + row.build + ".conda"
			rows = append(rows, row)
		}
		slices.SortFunc(rows, func(a, b columnRow) int { return strings.Compare(a.fileName, b.fileName) })
		for _, row := range rows {
			if err := builder.add(row); err != nil {
				b.Fatal(err)
			}
		}
		e.columns.Store(builder.finish())
		if shards {
			e.shard = forgeShard(rnd, e.name, rows)
		}
		byName[e.name] = e
		records += len(rows)
	}
	return listEntries(byName), records, now
}

// forgeShard has records of about 500 bytes.
func forgeShard(rnd *rand.Rand, name string, rows []columnRow) *shard {
	files := make([]repodata.ShardFile, len(rows))
	for i, r := range rows {
		b := msgp.AppendMapHeader(nil, 6)
		b = msgp.AppendString(msgp.AppendString(b, "name"), name)
		b = msgp.AppendString(msgp.AppendString(b, "version"), r.version)
		b = msgp.AppendString(msgp.AppendString(b, "build"), r.build)
		b = msgp.AppendString(msgp.AppendString(b, "license"), r.licence)
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "depends"), 12)
		for k := range 12 {
			b = msgp.AppendString(b, fmt.Sprintf("dependency-%d >=1.%d,<%d.0a0", k*k, rnd.IntN(4), k))
		}
		var sum [32]byte
		for k := range sum {
			sum[k] = byte(rnd.Uint32())
		}
		files[i] = repodata.ShardFile{FileName: r.fileName, Msgpack: msgp.AppendBytes(msgp.AppendString(b, "sha256"), sum[:])}
	}
	data, hash := repodata.EncodeShard(files, nil)
	s := &shard{name: name, generation: 1, hash: hash}
	s.hold(data)
	return s
}

// forgeRules is the policy of performance.md §5: 138 licences, 14 days, 2,000
// ranges of versions and 200 specs, of names drawn by their records.
func forgeRules(b *testing.B, entries []*entry, seed uint64) Rules {
	rnd := rand.New(rand.NewPCG(seed, 3))
	var names []string // each as often as it has records
	for _, e := range entries {
		names = append(names, slices.Repeat([]string{e.name}, len(e.columns.Load().cells))...)
	}
	r := Rules{MinAge: 14 * 24 * time.Hour}
	for i := range 180 {
		if i%4 > 0 {
			r.AllowLicences = append(r.AllowLicences, fmt.Sprintf("LicenseRef-%d", i))
		}
	}
	for range 2000 {
		from := rnd.IntN(3)
		r.Versions = append(r.Versions, mustVersions(b, names[rnd.IntN(len(names))], fmt.Sprintf(">=%d.%d,<%d.%d.%d", from, rnd.IntN(8), from, 8+rnd.IntN(8), rnd.IntN(9))))
	}
	for range 200 {
		r.Specs = append(r.Specs, mustSpec(b, fmt.Sprintf("%s >=%d.%d py3*", names[rnd.IntN(len(names))], rnd.IntN(3), rnd.IntN(10))))
	}
	return r
}

func heapBytes() int64 {
	var m runtime.MemStats
	for range 4 { // the first ones only empty pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkEvaluate is what it costs to hold a policy against 700,000 records,
// and what columns and predicates take.
func BenchmarkEvaluate(b *testing.B) {
	before := heapBytes()
	entries, records, now := forge(b, false)
	made := heapBytes()
	rules := forgeRules(b, entries, 1)
	evaluate := func(p *Predicate) (kept int) {
		j := judge{Predicate: p, subdir: "linux-64", cut: now - p.minAge}
		if err := j.each(b.Context(), entries, func(e *entry, v verdict, some bits) error {
			switch v {
			case whole:
				kept += len(e.columns.Load().cells)
			case partial:
				kept += some.count()
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		return kept
	}
	p, err := NewPredicate(rules)
	if err != nil {
		b.Fatal(err)
	}
	kept := evaluate(p) // the first puts versions in order
	beforePredicates := heapBytes()
	many := make([]*Predicate, 20)
	for i := range many {
		many[i], _ = NewPredicate(forgeRules(b, entries, uint64(2+i))) // as the first
	}
	predicates := heapBytes() - beforePredicates
	b.ReportAllocs()
	for b.Loop() {
		evaluate(p)
	}
	b.ReportMetric(float64(made-before)/float64(records), "B/record")
	b.ReportMetric(float64(beforePredicates-before)/float64(records), "B/record-with-orders")
	b.ReportMetric(float64(predicates)/float64(len(many)), "B/predicate")
	b.ReportMetric(float64(kept)/float64(records), "kept")
	runtime.KeepAlive(many)
}

// BenchmarkColdView makes views of different policies with their shard indexes, and
// tells what a hot one takes, its policy included.
func BenchmarkColdView(b *testing.B) {
	entries, _, now := forge(b, true)
	base := &snapshot{channel: "c", subdir: "linux-64", generation: 1, entries: entries}
	x := New(nil, nil, Options{Now: func() time.Time { return time.UnixMilli(now) }, ViewBytes: 64 << 30})
	base.shardIndex()
	view := func(seed uint64) *filtered {
		b.StopTimer()
		p, err := NewPredicate(forgeRules(b, entries, seed))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		f := x.filters.get(filteredKey{"c", "linux-64", p.key, 0}, p)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := x.bringUp(b.Context(), f, base); err != nil {
			b.Fatal(err)
		}
		x.filters.account(f)
		if _, err := (&View{x: x, snap: f.snap, base: base}).Document(b.Context(), ShardIndex); err != nil {
			b.Fatal(err)
		}
		return f
	}
	view(1) // the first puts versions in order
	before := heapBytes()
	b.ReportAllocs()
	b.ResetTimer()
	var last *filtered
	for i := range b.N { // Loop would measure the making of policies
		last = view(uint64(2 + i))
	}
	b.StopTimer()
	b.ReportMetric(float64(heapBytes()-before)/float64(b.N)/1e6, "MB/view")
	b.ReportMetric(float64(last.size())/1e6, "MB/view-estimated")
	b.ReportMetric(float64(len(last.snap.all())), "names")
	b.ReportMetric(float64(len(last.snap.shared.parts)), "partial")
	runtime.KeepAlive(x)
}
