//go:build bench

package bench

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// compared gives the least processor time of either of two functions in rounds that
// take turns: what other work on the machine adds is not theirs.
func compared(t testing.TB, ours, theirs func() error) (a, b time.Duration) {
	t.Helper()
	for range 7 {
		for i, f := range []func() error{ours, theirs} {
			took := cpu(func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			})
			least := &a
			if i == 1 {
				least = &b
			}
			if *least == 0 || took < *least {
				*least = took
			}
		}
	}
	return a, b
}

// python runs testdata/formats.py, and gives seconds or whatever it prints; ok is
// false where no Python is named.
func python(t testing.TB, into any, args ...string) (ok bool) {
	t.Helper()
	name := os.Getenv("TERRARIUM_PYTHON")
	if name == "" {
		return false
	}
	cmd := exec.CommandContext(t.Context(), name, append([]string{"testdata/formats.py"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("formats.py %s: %v\n%s", args[0], err, stderr.String())
	}
	if err := json.Unmarshal(out, into, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("formats.py printed %q: %v", out, err)
	}
	return true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// TestBenchShardEncode makes shards from records that were encoded when they came
// and, beside, from their JSON: row 6.
func TestBenchShardEncode(t *testing.T) {
	channel := newSynthetic(10_000)
	slices.SortFunc(channel.names, func(a, b *line) int { return strings.Compare(a.name, b.name) })
	encoded := make([][]repodata.ShardFile, len(channel.names))
	encode := func(l *line) ([]repodata.ShardFile, error) {
		var files []repodata.ShardFile
		for _, rec := range l.records {
			parsed, err := conda.ParseRecord(rec.json)
			if err != nil {
				return nil, err
			}
			e, err := repodata.EncodeRecord(parsed)
			if err != nil {
				return nil, err
			}
			files = append(files, repodata.ShardFile{FileName: rec.fileName, Msgpack: e.Msgpack})
		}
		slices.SortFunc(files, func(a, b repodata.ShardFile) int { return strings.Compare(a.FileName, b.FileName) })
		return files, nil
	}
	for i, l := range channel.names {
		var err error
		if encoded[i], err = encode(l); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := compared(t, func() error {
		for _, files := range encoded {
			repodata.EncodeShard(files, nil)
		}
		return nil
	}, func() error {
		for _, l := range channel.names {
			files, err := encode(l)
			if err != nil {
				return err
			}
			repodata.EncodeShard(files, nil)
		}
		return nil
	})
	each := func(d time.Duration) string {
		return fmt.Sprintf("%d ns a record", d.Nanoseconds()/int64(channel.records))
	}
	figures.atLeast(t, figure{
		row: 6, name: "shard-encode", at: "10000 records", ours: each(ours), peer: each(theirs), besides: "JSON → struct → msgpack", ratio: float64(theirs) / float64(ours),
	}, 3, 1.5)
}

// TestBenchUploadParse reads info/ of packages beside conda-package-streaming and
// libbz2: rows 16 and 17.
func TestBenchUploadParse(t *testing.T) {
	folder := t.TempDir()
	make1 := func(s condatest.Spec) string {
		path := filepath.Join(folder, s.FileName())
		if err := os.WriteFile(path, condatest.Make(t, s), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var condas []string
	for i := range 20 {
		condas = append(condas, make1(condatest.Spec{Name: fmt.Sprint("p", i), PadTo: 1 << 20}))
	}
	first := make1(condatest.Spec{Name: "first", Format: conda.FormatTarBz2, PadTo: 8 << 20})
	var theirs struct{ Seconds float64 }
	parse, _ := compared(t, func() error { return readAll(condas) }, func() error { return nil })
	l := figure{row: 16, name: "upload-parse", at: "20 packages of 1 MB", ours: short(parse), peer: unmeasured, besides: "conda-package-streaming", better: "≥ 10"}
	if python(t, &theirs, append([]string{"parse"}, condas...)...) {
		l.peer, l.ratio = short(seconds(theirs.Seconds)), theirs.Seconds/parse.Seconds()
		figures.atLeast(t, l, 10, 6)
	} else {
		figures.add(t, l)
	}
	begin, _ := compared(t, func() error { return readAll([]string{first}) }, func() error { return nil })
	l = figure{row: 17, name: "bz2-first-info", at: ".tar.bz2 of 8 MB", ours: short(begin), peer: unmeasured, besides: "libbz2", better: "≤ 1.3"}
	if python(t, &theirs, "bz2", first) {
		l.peer, l.ratio = short(seconds(theirs.Seconds)), begin.Seconds()/theirs.Seconds
		figures.atMost(t, l, 1.3, 1.3)
	} else {
		figures.add(t, l)
	}
	f, err := os.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingReader{r: f}
	if _, err := archive.Read(counted, st.Size(), filepath.Base(first), archive.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	figures.add(t, figure{row: 17, name: "bz2-first-info, bytes read", at: ".tar.bz2 of 8 MB", ours: megabytes(counted.n), better: "two blocks"})
	if most := int64(2 << 20); counted.n > most { // two blocks of 900 kB that do not compress, and a buffer
		t.Errorf("read %d bytes of %d, at most %d are needed", counted.n, st.Size(), most)
	}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.ReaderAt
	n int64
}

// ReadAt implements io.ReaderAt.
func (c *countingReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(b, at)
	c.n += int64(n)
	return n, err
}

// readAll reads info/ of packages as an upload does.
func readAll(paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err == nil {
			_, err = archive.Read(f, st.Size(), filepath.Base(path), archive.DefaultLimits())
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
