package repodata_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"terrarium/internal/repodata"
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

// checkLayout asserts that both forms of a layout hold want, by every door.
func checkLayout(t testing.TB, l *repodata.Layout, want []byte) {
	t.Helper()
	var plain, packed bytes.Buffer
	if err := l.WriteJSON(&plain); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteZstd(&packed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain.Bytes(), want) {
		t.Fatalf("plain form differs: %d bytes, want %d", plain.Len(), len(want))
	}
	if l.JSONSize() != int64(plain.Len()) || l.ZstdSize() != int64(packed.Len()) {
		t.Fatalf("sizes %d, %d; wrote %d, %d", l.JSONSize(), l.ZstdSize(), plain.Len(), packed.Len())
	}
	got, err := decodeFrames(t, packed.Bytes())
	if err != nil {
		t.Fatalf("decoding the spliced frame: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the spliced frame decodes to other bytes")
	}
	if _, err := repodata.ParsePiece(packed.Bytes()); err != nil { // refuses anything but one frame
		t.Fatalf("the splice is not one frame: %v", err)
	}
}

// wantText is the document that parts and tail stand for.
func wantText(parts [][]string, befores []string, tail string) []byte {
	var b bytes.Buffer
	joint := strings.Repeat(" ", 33)
	first := true
	for i, p := range parts {
		b.WriteString(befores[i])
		for j, text := range p {
			if j > 0 {
				b.WriteByte(',')
			}
			if !first {
				b.WriteString(joint)
			}
			first = false
			b.WriteString(text)
		}
	}
	b.WriteString(tail)
	return b.Bytes()
}

func TestSpliceProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var parts []repodata.Part
		var texts [][]string
		var befores []string
		for range rapid.IntRange(1, 3).Draw(rt, "parts") {
			before := rapid.SampledFrom([]string{"", `{"packages":{`, strings.Repeat("x", 300_000)}).Draw(rt, "before")
			part := repodata.Part{Before: []byte(before)}
			var text []string
			for range rapid.IntRange(0, 8).Draw(rt, "pieces") {
				s := sampleText(r, rapid.IntRange(0, sampleKinds-1).Draw(rt, "kind"), 1+r.IntN(1<<r.IntN(18)))
				p, err := repodata.NewPiece(s)
				if rapid.Bool().Draw(rt, "foreign") {
					p, err = repodata.Piece{Raw: len(s), Zstd: encodeWith(t, rapid.SampledFrom(levels).Draw(rt, "level"),
						rapid.Bool().Draw(rt, "crc"), rapid.Bool().Draw(rt, "streamed"), s)}, nil
				}
				if err != nil {
					rt.Fatal(err)
				}
				part.Pieces = append(part.Pieces, p)
				text = append(text, string(s))
			}
			parts, texts, befores = append(parts, part), append(texts, text), append(befores, before)
		}
		l, err := repodata.NewLayout(parts, []byte("}}"))
		if err != nil {
			rt.Fatal(err)
		}
		checkLayout(t, l, wantText(texts, befores, "}}"))
	})
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

func TestSpliceLibzstd(t *testing.T) {
	frames, texts := corpus(t)
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var part repodata.Part
		var want []string
		for range 1 + r.IntN(6) {
			i := r.IntN(len(frames))
			p, err := repodata.ParsePiece(frames[i])
			if err != nil {
				t.Fatal(err)
			}
			if text, err := p.Text(nil); err != nil || !bytes.Equal(text, texts[i]) {
				t.Fatalf("frame %d: its text differs, %v", i, err)
			}
			part.Pieces = append(part.Pieces, p)
			want = append(want, string(texts[i]))
		}
		part.Before = []byte("{")
		l, err := repodata.NewLayout([]repodata.Part{part}, []byte("}"))
		if err != nil {
			t.Fatal(err)
		}
		checkLayout(t, l, wantText([][]string{want}, []string{"{"}, "}"))
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// TestJointIsNeeded proves that the corpus would notice a missing joint: it
// takes the joint blocks out of spliced frames and looks that a good part of
// them no longer decodes to the right text.
func TestJointIsNeeded(t *testing.T) {
	frames, texts := corpus(t)
	joint := []byte("\x4c\x00\x00\xc1\x20\x03\x44\x08\x00\xb8\xdd\x4a")
	wrong, all := 0, 0
	for i := range frames {
		for j := range frames {
			l, err := repodata.NewLayout([]repodata.Part{{Pieces: []repodata.Piece{
				{Raw: len(texts[i]), Zstd: frames[i]}, {Raw: len(texts[j]), Zstd: frames[j]},
			}}}, []byte("}"))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := l.WriteZstd(&b); err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b.Bytes(), joint); n != 1 {
				t.Fatalf("%d joint blocks between two pieces", n)
			}
			all++
			got, err := decodeFrames(t, bytes.Replace(b.Bytes(), joint, nil, 1))
			if err != nil || !bytes.Equal(got, slicesJoin(texts[i], ",", texts[j], "}")) {
				wrong++
			}
		}
	}
	t.Logf("without the joint %d of %d are wrong", wrong, all)
	if wrong < all/10 {
		t.Fatalf("without the joint only %d of %d are wrong: the corpus proves nothing", wrong, all)
	}
}

func slicesJoin(a []byte, sep string, b []byte, tail string) []byte {
	return append(append(append(append([]byte(nil), a...), sep...), b...), tail...)
}

func TestLayoutReaders(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	parts := []repodata.Part{{Before: []byte(`{"packages":{`)}, {Before: []byte(`},"packages.conda":{`)}, {Before: []byte(`},"x":{`)}}
	for i := range 9 {
		p, err := repodata.NewPiece(sampleText(r, i%sampleKinds, 5000))
		if err != nil {
			t.Fatal(err)
		}
		parts[i%2*2].Pieces = append(parts[i%2*2].Pieces, p) // the middle part stays empty
	}
	l, err := repodata.NewLayout(parts, []byte("}}"))
	if err != nil {
		t.Fatal(err)
	}
	var plain, packed bytes.Buffer
	if err := errors.Join(l.WriteJSON(&plain), l.WriteZstd(&packed)); err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]struct {
		open func() io.ReadSeeker
		want []byte
	}{"json": {l.JSON, plain.Bytes()}, "zstd": {l.Zstd, packed.Bytes()}} {
		t.Run(name, func(t *testing.T) {
			if err := iotest.TestReader(form.open(), form.want); err != nil {
				t.Fatal(err)
			}
			rs := form.open()
			for range 300 { // ranges, as http.ServeContent asks for them
				from := r.IntN(len(form.want) + 10)
				n := r.IntN(7000)
				if _, err := rs.Seek(int64(from), io.SeekStart); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(io.LimitReader(rs, int64(n)))
				if err != nil {
					t.Fatal(err)
				}
				want := form.want[min(from, len(form.want)):min(from+n, len(form.want))]
				if !bytes.Equal(got, want) {
					t.Fatalf("range %d+%d differs", from, n)
				}
			}
			if _, err := rs.Seek(7, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			var rest bytes.Buffer
			if n, err := rs.(io.WriterTo).WriteTo(&rest); err != nil || n != int64(len(form.want)-7) || !bytes.Equal(rest.Bytes(), form.want[7:]) {
				t.Fatalf("WriteTo from 7: %d, %v", n, err)
			}
			if _, err := rs.Seek(-1, io.SeekStart); err == nil {
				t.Fatal("a negative offset is taken")
			}
		})
	}
}

func TestNewRepodata(t *testing.T) {
	piece := func(text string) repodata.Piece {
		p, err := repodata.NewPiece([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	joint := strings.Repeat(" ", 33)
	tests := []struct {
		name          string
		tarBz2, conda []repodata.Piece
		removed       []string
		want          string
	}{
		{name: "empty", want: `{"info":{"subdir":"noarch"},"repodata_version":1,"packages":{},"packages.conda":{},"removed":[]}`},
		{name: "both", tarBz2: []repodata.Piece{piece(`"a.tar.bz2":{}`)}, conda: []repodata.Piece{piece(`"a.conda":{}`), piece(`"b.conda":{}`)}, removed: []string{"z", "c", "z"},
			want: `{"info":{"subdir":"noarch"},"repodata_version":1,"packages":{"a.tar.bz2":{}},"packages.conda":{` + joint + `"a.conda":{},` + joint + `"b.conda":{}},"removed":["c","z"]}`},
		{name: "conda only", conda: []repodata.Piece{piece(`"a.conda":{}`)},
			want: `{"info":{"subdir":"noarch"},"repodata_version":1,"packages":{},"packages.conda":{"a.conda":{}},"removed":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := repodata.NewRepodata("noarch", tt.tarBz2, tt.conda, tt.removed)
			if err != nil {
				t.Fatal(err)
			}
			checkLayout(t, l, []byte(tt.want))
		})
	}
}

func TestEncoderReuse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		text := sampleText(r, r.IntN(sampleKinds), 1+r.IntN(300_000))
		got, err := repodata.NewPiece(text) // a pooled encoder with a past
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := repodata.ParsePiece(encodeWith(t, zstd.SpeedFastest, false, false, text))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Zstd, fresh.Zstd) {
			t.Fatalf("%d bytes of text: a used encoder gives other bytes than a fresh one", len(text))
		}
	}
}
