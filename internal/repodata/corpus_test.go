package repodata_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var update = flag.Bool("update", false, "write golden files and the corpus of libzstd pieces anew")

// decodeFrames decodes data with the reference options of a lenient decoder.
func decodeFrames(t testing.TB, data []byte) ([]byte, error) {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return d.DecodeAll(data, nil)
}

// sampleText gives piece text of one of several kinds; the kinds are those
// that use repeat offsets differently.
func sampleText(r *rand.Rand, kind, size int) []byte {
	var b bytes.Buffer
	name := fmt.Sprintf("k%d-%d", kind, r.IntN(1000))
	switch kind {
	case 0: // repodata
		for i := 0; b.Len() < size; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"%s-1.%d-py3%d_0.conda":{"build":"py3%d_0","build_number":0,"depends":["libgcc >=1%d","python >=3.%d,<3.%d.0a0","python_abi 3.%d.* *_cp3%d"],"md5":"%016x%016x","name":"%s","sha256":"%016x%016x%016x%016x","size":%d,"subdir":"linux-64","version":"1.%d"}`,
				name, i, i%5, i%5, i%4, i%5, i%5+1, i%5, i%5, r.Uint64(), r.Uint64(), name, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.IntN(1<<24), i)
		}
	case 1: // one run: matches at offset 1 from the start
		fmt.Fprintf(&b, `"%s":"%s"`, name, strings.Repeat("a", size))
	case 2: // runs of several periods
		fmt.Fprintf(&b, `"%s":"`, name)
		for b.Len() < size {
			b.WriteString(strings.Repeat("abcdefghijklmnop"[:1+r.IntN(16)], 1+r.IntN(40)))
		}
		b.WriteByte('"')
	case 3: // noise that no encoder shortens much
		fmt.Fprintf(&b, `"%s":"`, name)
		for range size {
			b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[r.IntN(64)])
		}
		b.WriteByte('"')
	case 4: // spaces, period 4 and 8
		fmt.Fprintf(&b, `"%s":[%s1]`, name, strings.Repeat("1,2,3,4,", size/8))
	case 5: // fields of a few bytes that change at fixed distances
		fmt.Fprintf(&b, `"%s":"`, name)
		row := []byte("0000-aaaa-1111-bbbb-2222-cccc-")
		for b.Len() < size {
			row[r.IntN(len(row))] = byte('a' + r.IntN(26))
			b.Write(row)
		}
		b.WriteByte('"')
	}
	return b.Bytes()
}

const sampleKinds = 6

// levels are the encoders of klauspost that a piece may come from.
var levels = []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression}

func encodeWith(t testing.TB, level zstd.EncoderLevel, crc, streamed bool, text []byte) []byte {
	t.Helper()
	opts := []zstd.EOption{zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1 << 20), zstd.WithEncoderCRC(crc)}
	var b bytes.Buffer
	e, err := zstd.NewWriter(&b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if !streamed {
		return e.EncodeAll(text, nil)
	}
	if _, err := e.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// corpus gives the committed frames that the zstd program made, at levels 1,
// 3, 9 and 19, with checksum; -update makes them anew with the zstd on PATH.
func corpus(t testing.TB) (frames, texts [][]byte) {
	t.Helper()
	dir := filepath.Join("testdata", "pieces")
	if *update {
		r := rand.New(rand.NewPCG(21, 11))
		for kind := range sampleKinds {
			for _, level := range []int{1, 3, 9, 19} {
				size := 3000
				if kind == 1 || kind == 4 { // long runs of several blocks, cheap to keep
					size = 300_000
				}
				cmd := exec.Command("zstd", "-q", "-c", fmt.Sprintf("-%d", level), "--zstd=wlog=20", "--check")
				cmd.Stdin = bytes.NewReader(sampleText(r, kind, size))
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("kind%d-level%d.zst", kind, level)), out, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.zst"))
	if err != nil || len(names) != 4*sampleKinds {
		t.Fatalf("corpus: %d frames, %v", len(names), err)
	}
	for _, name := range names {
		frame, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := decodeFrames(t, frame) // alone, and verified by its checksum
		if err != nil {
			t.Fatal(err)
		}
		frames, texts = append(frames, frame), append(texts, text)
	}
	return frames, texts
}
