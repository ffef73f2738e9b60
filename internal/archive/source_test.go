package archive_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// counted counts reads and their bytes.
type counted struct {
	r            io.ReaderAt
	reads, bytes int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.reads++
	c.bytes += n
	return n, err
}

// TestFewReads reads info/ of packages of 1 MB and counts what that takes: each
// read may be a request to an object store.
func TestFewReads(t *testing.T) {
	for name, c := range map[string]struct {
		spec         condatest.Spec
		reads, bytes int
	}{
		"a small info/":    {condatest.Spec{PadTo: 1 << 20}, 2, 20 << 10},
		"one of 100 kB":    {condatest.Spec{PadTo: 1 << 20, Info: map[string]string{"noise": noise(100_000)}}, 6, 136_000},
		"one of 1 MB":      {condatest.Spec{PadTo: 1 << 20, Info: map[string]string{"noise": noise(1_000_000)}}, 60, 1_100_000},
		".tar.bz2, 2.5 MB": {condatest.Spec{PadTo: 2_500_000, Format: conda.FormatTarBz2}, 65, 960_000},
	} {
		b := condatest.Make(t, c.spec)
		r := &counted{r: bytes.NewReader(b)}
		if _, err := archive.Read(r, int64(len(b)), c.spec.FileName(), archive.Limits{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.reads > c.reads || r.bytes > c.bytes {
			t.Errorf("%s: %d reads of %d bytes in all; at most %d of %d are needed", name, r.reads, r.bytes, c.reads, c.bytes)
		}
	}
}

// noise gives n bytes that do not compress.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it has no errors
	return string(b)
}

// TestHeadersAnywhere moves the header of the second member over the end of what
// is read at once.
func TestHeadersAnywhere(t *testing.T) {
	for n := 3900; n <= 4096; n++ {
		b := condatest.WithMetadata(n)
		if _, err := archive.Read(bytes.NewReader(b), int64(len(b)), "demo-1.0-0.conda", archive.Limits{}); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if err := archive.Check(bytes.NewReader(b), int64(len(b)), "demo-1.0-0.conda", archive.Limits{}); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// TestInfoIsItsOwn holds what was read of one archive against what is read of it
// again after others: none of it may lie in memory that is used again.
func TestInfoIsItsOwn(t *testing.T) {
	read := func(s condatest.Spec) *archive.Info {
		b := condatest.Make(t, s)
		info, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	spec := func(name string) condatest.Spec {
		return condatest.Spec{
			Name: name, Depends: []string{name + " >=1"}, License: name, README: strings.Repeat(name, 100),
			Summary: name, Info: map[string]string{"licenses/" + name: name, "icon.png": name}, Files: map[string]string{name: name, name + "2": name},
			RunExports: &conda.RunExports{Weak: []string{name}},
		}
	}
	first := read(spec("first"))
	for i := range 20 {
		read(spec(fmt.Sprintf("n%dth", i)))
	}
	if diff := cmp.Diff(read(spec("first")), first, cmpopts.EquateComparable()); diff != "" {
		t.Errorf("it has changed (-again +before):\n%s", diff)
	}
}

// bothWays reads a tar for info/ that is decoded at once and one that is streamed
// because of the zeros behind it, which is the way of archive/tar alone. Both have
// to come to the same end.
func bothWays(t *testing.T, tar []byte) {
	t.Helper()
	if len(tar) > 64<<10 {
		return
	}
	read := func(blocks int) (*archive.Info, error) {
		b := condatest.AroundZeros(tar, blocks)
		return archive.Read(bytes.NewReader(b), int64(len(b)), "demo-1.0-0.conda", fuzzLimits)
	}
	atOnce, err := read(0)
	streamed, streamedErr := read(2)
	if err != nil && strings.Contains(errs.Message(err), "cut off") {
		return // the other one may have found the rest of a file among more zeros
	}
	if fmt.Sprint(err) != fmt.Sprint(streamedErr) {
		t.Fatalf("at once %v, streamed %v", err, streamedErr)
	}
	if diff := cmp.Diff(streamed, atOnce, cmpopts.EquateComparable()); diff != "" {
		t.Fatalf("(-streamed +at once):\n%s", diff)
	}
}

// TestTars reads info/ out of tars of all forms.
func TestTars(t *testing.T) {
	index := `{"name":"demo","version":"1.0","build":"0","build_number":0,"subdir":"noarch","noarch":"generic"}`
	long := "info/" + strings.Repeat("long/", 20)
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		for _, h := range []tar.Header{
			{Name: "info/test", Size: 5},
			{Name: "./info/./test", Size: 5},
			{Name: "info/empty"},
			{Name: "info/folder/", Typeflag: tar.TypeDir},
			{Name: "info", Typeflag: tar.TypeDir},
			{Name: "info/link", Typeflag: tar.TypeSymlink, Linkname: "test"},
			{Name: "info/pipe", Typeflag: tar.TypeFifo},
			{Name: long + "name", Size: 511},
			{Name: long + strings.Repeat("x", 99), Size: 512},
			{Name: "info/\u00e9", Size: 513},
			{Name: "info/owned", Uid: 1 << 20, Gid: 1 << 20, Uname: "root", Gname: "root", Mode: 0o4755, ModTime: time.Unix(1<<31, 0)},
			{Name: "info/late", ModTime: time.Unix(1<<34, 5)},
			{Name: "info/index.json", Size: 1},
			{Name: "elsewhere", Size: 1},
			{Name: "../info/x"},
		} {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			add := func(h tar.Header, content string) error {
				h.Format = format
				if err := w.WriteHeader(&h); err != nil {
					return err
				}
				_, err := io.WriteString(w, content)
				return err
			}
			if err := add(h, strings.Repeat("x", int(h.Size))); err != nil {
				continue // the form cannot say it
			}
			if err := add(tar.Header{Name: "info/index.json", Size: int64(len(index))}, index); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			whole := b.Bytes()
			bothWays(t, whole)
			for _, n := range []int{1, 511, 512, 513, 700, 1024, 1536} {
				bothWays(t, whole[:min(n, len(whole))])
			}
			if h.Name != "info/test" && h.Name != "info/folder/" && h.Name != long+"name" {
				continue
			}
			// Each byte of the header is another one, with the checksum to go with
			// it and without.
			values := []byte{0, ' ', '0', '7', '8', 0x80, 0xff, '/', 'x'}
			for i := range 512 {
				changed := bytes.Clone(whole)
				changed[i] = values[i%len(values)]
				if i%16 != 0 {
					copy(changed[148:], checksum(changed))
				}
				bothWays(t, changed)
			}
		}
	}
}

// checksum writes that of a header as the format has it.
func checksum(head []byte) string {
	sum := 8 * int(' ')
	for i, c := range head[:512] {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	return fmt.Sprintf("%06o\x00 ", sum)
}
