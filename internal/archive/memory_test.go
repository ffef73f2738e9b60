package archive_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/condatest"
)

// TestMemory reads twenty of the most greedy archives at once, kind by kind.
// All of them together may take 512 MB.
func TestMemory(t *testing.T) {
	const (
		readers = 20
		most    = 512 << 20
	)
	type greedy struct {
		name, fileName string
		bytes          []byte
	}
	var cases []greedy
	add := func(name string, info map[string]string) {
		s := condatest.Spec{Info: info}
		cases = append(cases, greedy{name, s.FileName(), condatest.Make(t, s)})
	}
	for _, c := range condatest.Hostile() {
		switch c.Name {
		case "zstd bomb", "many members", "bzip2 bomb (.tar.bz2)", "huge PAX header":
			cases = append(cases, greedy{c.Name, c.FileName, c.Bytes})
		}
	}
	// The window is used in full, and after that all is kept that can be.
	noise := make([]byte, 9<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // it has no errors
	paths := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"paths":[{"_path":"first"}`)
		for i := range n {
			fmt.Fprintf(&b, `,{"_path":"p%d","sha256":"%064d","size_in_bytes":1}`, i, i)
		}
		return b.String() + "]}"
	}
	add("everything kept", map[string]string{
		"a": string(noise), "paths.json": paths(30_000), "icon.png": string(noise[:500<<10]),
		"README.md": strings.Repeat("\xff", 1<<20), "licenses/a": strings.Repeat("a", 256<<10),
	})
	add("long paths.json", map[string]string{"a": string(noise), "paths.json": paths(60_000)})
	add("old lists", map[string]string{
		"paths.json": "",
		"files":      strings.Repeat("a\n", 1<<20), "has_prefix": strings.Repeat("a\n", 1<<20), "no_link": strings.Repeat("a\n", 1<<20),
	})
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"name":"demo","version":"1.0","build":"0","build_number":0`)
		for i := range n {
			fmt.Fprintf(&b, `,"%x":0`, i)
		}
		return b.String() + "}"
	}
	add("many keys", map[string]string{"index.json": keys(19_000)})
	add("many dependencies", map[string]string{"index.json": `{"name":"demo","version":"1.0","build":"0","build_number":0,"depends":["a"` + strings.Repeat(`,"a"`, 19_000) + "]}"})

	for _, c := range cases {
		debug.FreeOSMemory()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var group sync.WaitGroup
		start := make(chan struct{})
		infos := make([]*archive.Info, readers) // held, as by waiting transactions
		for i := range readers {
			group.Go(func() {
				<-start
				infos[i], _ = archive.Read(bytes.NewReader(c.bytes), int64(len(c.bytes)), c.fileName, archive.Limits{})
			})
		}
		close(start)
		group.Wait()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(infos)
		// What was free before was given back to the system, so HeapSys without
		// what is still given back has only grown by what this case needed.
		grown := int64(after.HeapSys-after.HeapReleased) - int64(before.HeapAlloc)
		t.Logf("%s: %d MB, allocated %d MB", c.name, grown>>20, (after.TotalAlloc-before.TotalAlloc)>>20)
		if grown > most {
			t.Errorf("%s: %d readers take %d MB; the most is %d", c.name, readers, grown>>20, most>>20)
		}
	}
}

// TestWideWindow reads a package that declares a window of 128 MiB, which is
// far more than it holds.
func TestWideWindow(t *testing.T) {
	b := condatest.WideWindow()
	for _, read := range []func() error{
		func() error {
			_, err := archive.Read(bytes.NewReader(b), int64(len(b)), "demo-1.0-0.conda", archive.Limits{})
			return err
		},
		func() error {
			return archive.Check(bytes.NewReader(b), int64(len(b)), "demo-1.0-0.conda", archive.Limits{})
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Error(err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("took %d bytes", took)
		}
	}
}
