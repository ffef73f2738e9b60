package bzip2_test

import (
	"bytes"
	stdlib "compress/bzip2"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	dsnet "github.com/dsnet/compress/bzip2"

	"terrarium/internal/bzip2"
)

// pack compresses with a writer that is not ours.
func pack(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := dsnet.NewWriter(&out, &dsnet.WriterConfig{Level: level})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// texts are contents of all kinds, by what they are.
func texts() map[string][]byte {
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	var words, runs bytes.Buffer
	for words.Len() < 300_000 {
		fmt.Fprintf(&words, "line %d of %x\n", random.IntN(5000), random.IntN(50))
	}
	for runs.Len() < 300_000 { // runs of every length about the borders of 4 and of 259
		v := byte(random.IntN(3))
		runs.Write(bytes.Repeat([]byte{v}, []int{1, 2, 3, 4, 5, 6, 257, 258, 259, 260, 520, 1000}[random.IntN(12)]))
	}
	return map[string][]byte{
		"nothing": nil, "a byte": []byte("a"), "four": []byte("aaaa"), "five": []byte("aaaaa"),
		"zeros": make([]byte, 1_000_000), "noise": noise, "words": words.Bytes(), "runs": runs.Bytes(),
		"the same again and again": bytes.Repeat([]byte("abc"), 90_000),
		"all bytes":                bytes.Repeat([]byte(allBytes()), 300),
	}
}

func allBytes() string {
	var b strings.Builder
	for v := range 256 {
		b.WriteByte(byte(v))
	}
	return b.String()
}

func TestContents(t *testing.T) {
	var file, whole []byte
	for name, want := range texts() {
		for _, level := range []int{1, 9} {
			packed := pack(t, want, level)
			got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, level %d: %d bytes of %d, %v", name, level, len(got), len(want), err)
			}
			file, whole = append(file, packed...), append(whole, want...)
		}
	}
	// All of them are one file; and no size of the pieces that are read, or that
	// come, makes a difference.
	for name, read := range map[string]func() ([]byte, error){
		"at once": func() ([]byte, error) { return io.ReadAll(bzip2.NewReader(bytes.NewReader(file))) },
		"from pieces": func() ([]byte, error) {
			return io.ReadAll(bzip2.NewReader(iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(file)))))
		},
		"from bytes": func() ([]byte, error) {
			return io.ReadAll(bzip2.NewReader(iotest.OneByteReader(bytes.NewReader(file))))
		},
		"into pieces": func() ([]byte, error) { return inPieces(bzip2.NewReader(bytes.NewReader(file)), 777) },
		"into crumbs": func() ([]byte, error) { return inPieces(bzip2.NewReader(bytes.NewReader(file)), 3) },
	} {
		got, err := read()
		if err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(whole), err)
		}
	}
}

// inPieces reads at most n bytes at once.
func inPieces(r io.Reader, n int) ([]byte, error) {
	var all bytes.Buffer
	b := make([]byte, n)
	for {
		n, err := r.Read(b)
		all.Write(b[:n])
		if errors.Is(err, io.EOF) {
			return all.Bytes(), nil
		}
		if err != nil {
			return all.Bytes(), err
		}
	}
}

// TestDamaged cuts two streams off at each byte, and turns each bit of them.
func TestDamaged(t *testing.T) {
	first := pack(t, []byte("some text that is not long, not long at all, but some text"), 1)
	file := append(bytes.Clone(first), pack(t, []byte(allBytes()), 1)...)
	same(t, "whole", file)
	for n := range file {
		_, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(file[:n])))
		if n == len(first) {
			if err != nil {
				t.Errorf("the first stream: %v", err)
			}
		} else if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d bytes of %d: %v", n, len(file), err)
		}
	}
	for bit := range len(file) * 8 {
		turned := bytes.Clone(file)
		turned[bit/8] ^= 0x80 >> (bit % 8)
		same(t, fmt.Sprintf("bit %d turned", bit), turned)
	}
	for _, tail := range []string{"B", "BZ", "BZh", "BZh9", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "BZh91AY&SY"} {
		same(t, fmt.Sprintf("%q behind it", tail), append(bytes.Clone(file), tail...))
	}
}

// TestErrors shows that a failure of the reader underneath comes through, and
// that errors stay.
func TestErrors(t *testing.T) {
	failure := errors.New("the disk is gone")
	file := pack(t, texts()["words"], 1)
	for _, n := range []int{0, 3, 100, len(file) / 2, len(file) - 1, len(file)} {
		r := bzip2.NewReader(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(failure)))
		_, err := io.ReadAll(r)
		if !errors.Is(err, failure) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if n, again := r.Read(make([]byte, 10)); n != 0 || !errors.Is(again, failure) {
			t.Errorf("asked again: %d bytes, %v", n, again)
		}
	}
	if _, err := io.ReadAll(bzip2.NewReader(nothing{})); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
	r := bzip2.NewReader(bytes.NewReader(file))
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("no bytes asked for: %d, %v", n, err)
	}
}

// nothing is a reader that never gives a byte nor an error.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// counting counts what is read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// TestReadsWhatItNeeds reads the beginning of a file of many blocks.
func TestReadsWhatItNeeds(t *testing.T) {
	content := make([]byte, 1_000_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it has no errors
	file := pack(t, content, 1)
	c := &counting{r: bytes.NewReader(file)}
	r := bzip2.NewReader(c)
	if c.n != 0 {
		t.Errorf("%d bytes read before the first is asked for", c.n)
	}
	b := make([]byte, 90_000)
	for block := range 3 {
		if _, err := io.ReadFull(r, b); err != nil || !bytes.Equal(b, content[block*len(b):][:len(b)]) {
			t.Fatalf("block %d: %v", block, err)
		}
		blocks := int64(block + 1)
		if at := r.InputOffset(); at < blocks*100_000 || at > blocks*102_000 { // noise gets larger by a hundredth
			t.Errorf("block %d: %d bytes decoded", block, at)
		}
		if c.n > r.InputOffset()+16<<10 {
			t.Errorf("block %d: %d bytes read for %d decoded", block, c.n, r.InputOffset())
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil || r.InputOffset() != int64(len(file)) {
		t.Errorf("%d bytes of %d, %v", r.InputOffset(), len(file), err)
	}
}

// TestMemory bounds what one reader allocates, over all its life.
func TestMemory(t *testing.T) {
	content := texts()
	large := make([]byte, 2_500_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large) // it has no errors
	packed := pack(t, large, 9)
	for name, c := range map[string]struct {
		file  []byte
		first int64 // bytes to read
		most  uint64
	}{
		"a few bytes of level 9":       {pack(t, content["four"], 9), 4, 100_000},
		"a large block, its beginning": {packed, 4000, 6_500_000},
		"many large blocks":            {packed, 1 << 30, 8_000_000},
		"a block that is all one run":  {craft('9', crafted{last: make([]byte, 900_000)}), 1 << 30, 8_000_000},
		"five streams":                 {bytes.Repeat(packed, 5), 1 << 30, 8_000_000},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = io.CopyN(io.Discard, bzip2.NewReader(bytes.NewReader(c.file)), c.first) // its errors are not asked for here
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > c.most {
			t.Errorf("%s: %d bytes allocated, at most %d are wanted", name, took, c.most)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	file := pack(b, texts()["words"], 9)
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"ours":   func(r io.Reader) io.Reader { return bzip2.NewReader(r) },
		"stdlib": stdlib.NewReader,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, err := io.Copy(io.Discard, reader(bytes.NewReader(file)))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
	}
}
