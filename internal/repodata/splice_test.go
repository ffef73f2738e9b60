package repodata_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"terrarium/internal/repodata"
)

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
		{
			name: "both", tarBz2: []repodata.Piece{piece(`"a.tar.bz2":{}`)}, conda: []repodata.Piece{piece(`"a.conda":{}`), piece(`"b.conda":{}`)}, removed: []string{"z", "c", "z"},
			want: `{"info":{"subdir":"noarch"},"repodata_version":1,"packages":{"a.tar.bz2":{}},"packages.conda":{` + joint + `"a.conda":{},` + joint + `"b.conda":{}},"removed":["c","z"]}`,
		},
		{
			name: "conda only", conda: []repodata.Piece{piece(`"a.conda":{}`)},
			want: `{"info":{"subdir":"noarch"},"repodata_version":1,"packages":{},"packages.conda":{"a.conda":{}},"removed":[]}`,
		},
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
