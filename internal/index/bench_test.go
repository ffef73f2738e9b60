//go:build unix

package index_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"
	"testing"
	"time"

	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/sqldbtest"
)

// forge is a channel like conda-forge: a name for every 25 records, of which a few
// have hundreds, built for several versions of python, with dependencies on each
// other that are drawn from the versions there are.
type forge struct {
	rnd   *rand.Rand
	names []string
	tops  []int // the newest minor version of each
	now   time.Time
}

func newForge(n int, now time.Time) (*forge, made) {
	f := &forge{rnd: rand.New(rand.NewPCG(7, uint64(n))), now: now}
	m := made{}
	for len(m) < n {
		f.names, f.tops = append(f.names, fmt.Sprintf("pkg-%x-%d", f.rnd.IntN(1<<12), len(f.names))), append(f.tops, 0)
		f.release(m, len(f.names)-1, 1+int(math.Exp(f.rnd.NormFloat64()*1.7+1.6)/5))
	}
	return f, m
}

// release adds some versions of a name, each in five builds.
func (f *forge) release(m made, i, versions int) {
	for range versions {
		f.tops[i]++
		for build := range 5 {
			f.build(m, i, build)
		}
	}
}

func (f *forge) build(m made, i, build int) {
	name, version := f.names[i], fmt.Sprintf("1.%d.%d", f.tops[i], f.rnd.IntN(3))
	depends := []string{"__glibc >=2.17,<3.0.a0", fmt.Sprintf("python >=3.%d,<3.%d.0a0", 9+build, 10+build)}
	for range f.rnd.IntN(8) {
		of := int(math.Pow(f.rnd.Float64(), 3) * float64(i+1)) // some are depended upon by many
		top := max(f.tops[of], 1)
		depends = append(depends, fmt.Sprintf("%s >=1.%d,<1.%d", f.names[of], max(top-f.rnd.IntN(4), 0), top+1-f.rnd.IntN(12)/11))
	}
	number := fmt.Sprintf("py3%dh%07x_%d", 9+build, f.rnd.IntN(1<<28), f.rnd.IntN(3))
	file := name + "-" + version + "-" + number + ".conda"
	sum := sha256.Sum256([]byte(file))
	m[file] = map[string]any{
		"name": name, "version": version, "build": number, "build_number": f.rnd.IntN(3), "license": "BSD-3-Clause", "subdir": "linux-64",
		"depends": depends, "sha256": hex.EncodeToString(sum[:]), "md5": hex.EncodeToString(sum[:16]), "size": f.rnd.IntN(1 << 20), "timestamp": f.now.UnixMilli(),
	}
}

func all(string, map[string]any) bool { return true }

// asking asks an index for a document.
type asking func(x *index.Index, open registry.Opened) error

// benchmarkFirst measures what a document costs an index that has just read all rows, in
// memory also above what it takes afterwards, and what it costs one that gave it before
// one name got a version.
func benchmarkFirst(b *testing.B, f asking) {
	for _, n := range []int{10_000, 100_000} {
		w := newWorld(b, sqldbtest.Open(b))
		forge, m := newForge(n, w.now)
		open := m.into(w, "main", all)
		var took time.Duration
		var highest int64
		load := func(b *testing.B) *index.Index {
			x := w.replica()
			if _, err := x.View(b.Context(), open, "linux-64"); err != nil {
				b.Fatal(err)
			}
			return x
		}
		ask := func(b *testing.B, x *index.Index, open registry.Opened) {
			if _, err := x.View(b.Context(), open, "linux-64"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			begun := cpu(b)
			if err := f(x, open); err != nil {
				b.Fatal(err)
			}
			took += cpu(b) - begun
			b.StopTimer()
		}
		b.Run(fmt.Sprintf("%d/scratch", n), func(b *testing.B) {
			b.ReportAllocs()
			b.StopTimer()
			took, highest = 0, 0
			for range b.N {
				x := load(b)
				before := heap()
				highest = max(highest, peak(func() { ask(b, x, open) })-before)
			}
			b.ReportMetric(took.Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(highest)/1e6, "peak-MB")
		})
		b.Run(fmt.Sprintf("%d/changed", n), func(b *testing.B) {
			b.ReportAllocs()
			b.StopTimer()
			x := load(b)
			before := heap()
			ask(b, x, open)
			held := heap() - before
			b.ResetTimer()
			took = 0
			for range b.N {
				change := made{}
				forge.release(change, forge.rnd.IntN(len(forge.names)), 1)
				ask(b, x, change.into(w, "main", all))
			}
			b.ReportMetric(took.Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(held)/float64(n), "B/record")
		})
	}
}

// peak gives the most bytes of the heap in use while f runs, garbage included, as far as
// a look every half millisecond sees it.
func peak(f func()) (most int64) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		list := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for tick := time.NewTicker(500 * time.Microsecond); ; {
			metrics.Read(list)
			most = max(most, int64(list[0].Value.Uint64()))
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				return
			}
		}
	})
	f()
	close(done)
	looking.Wait()
	return most
}

// cpu gives the time that the process has had of all cores.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap gives the bytes in use.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkCurrent(b *testing.B) {
	benchmarkFirst(b, func(x *index.Index, open registry.Opened) error {
		v, err := x.View(b.Context(), open, "linux-64")
		if err == nil {
			_, err = v.Document(b.Context(), index.CurrentJSON)
		}
		return err
	})
}

func BenchmarkChanneldata(b *testing.B) {
	benchmarkFirst(b, func(x *index.Index, open registry.Opened) error {
		_, err := x.Channeldata(b.Context(), open, "")
		return err
	})
}

// BenchmarkLargeName is what one more record of a name with 5,000 costs: to be in
// the shards, and to be in the text of repodata.json.zst when that was made before.
func BenchmarkLargeName(b *testing.B) {
	w := newWorld(b, sqldbtest.Open(b))
	forge, m := newForge(1_000, w.now)
	forge.release(m, 0, 1_000)
	open := m.into(w, "main", all)
	x := w.replica()
	var published, asked cost
	step := func() {
		v, err := x.View(b.Context(), open, "linux-64")
		if err != nil {
			b.Fatal(err)
		}
		published.stop(b)
		asked.start(b)
		if _, err := v.Document(b.Context(), index.RepodataZstd); err != nil {
			b.Fatal(err)
		}
		asked.stop(b)
	}
	step()
	published, asked = cost{}, cost{}
	for range b.N {
		change := made{}
		forge.build(change, 0, 1)
		open = change.into(w, "main", all)
		published.start(b)
		step()
	}
	published.report(b, "publish")
	asked.report(b, "ask")
}

// cost sums up what something costs of processor and memory.
type cost struct {
	took, from        time.Duration
	bytes, bytesUntil uint64
}

func (c *cost) start(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.from, c.bytesUntil = cpu(b), m.TotalAlloc
}

func (c *cost) stop(b *testing.B) {
	c.took += cpu(b) - c.from
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.bytes += m.TotalAlloc - c.bytesUntil
}

func (c *cost) report(b *testing.B, of string) {
	b.ReportMetric(c.took.Seconds()*1000/float64(b.N), of+"-cpu-ms/op")
	b.ReportMetric(float64(c.bytes)/float64(b.N), of+"-B/op")
}
