package repodata_test

import (
	"crypto/sha256"
	"encoding/json/jsontext"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// benchRecord is a record as conda-forge has them: about 570 bytes of JSON.
func benchRecord(i int) (fileName string, r conda.Record) {
	sum := sha256.Sum256(fmt.Append(nil, i))
	r = conda.Record{
		Name: "libexample", Version: fmt.Sprintf("1.%d.0", i), Build: fmt.Sprintf("py311h%07x_%d", sum[:4], i%3), BuildNumber: int64(i % 3), Subdir: "linux-64",
		Depends:    []string{"__glibc >=2.17,<3.0.a0", "libgcc >=13", "libstdcxx >=13", "numpy >=1.26.4,<2.0a0", "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311"},
		Constrains: []string{"example >=1.0"}, License: "BSD-3-Clause", LicenseFamily: "BSD", Timestamp: 1700000000000 + int64(i),
		MD5: fmt.Sprintf("%x", sum[:16]), SHA256: fmt.Sprintf("%x", sum), Size: 1234567 + int64(i), RunExports: &conda.RunExports{},
	}
	return r.FileName(conda.FormatConda), r
}

func benchEncoded(b *testing.B, n int) (names []string, encoded []repodata.Encoded) {
	b.Helper()
	for i := range n {
		fn, r := benchRecord(i)
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			b.Fatal(err)
		}
		names, encoded = append(names, fn), append(encoded, e)
	}
	return names, encoded
}

func BenchmarkTranscodeRecord(b *testing.B) {
	names, encoded := benchEncoded(b, 100)
	b.SetBytes(int64(len(encoded[0].JSON)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := repodata.TranscodeRecord(names[i%100], encoded[i%100].JSON); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTranscodeMsgpack(b *testing.B) {
	names, encoded := benchEncoded(b, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := repodata.TranscodeMsgpack(names[i%100], encoded[i%100].Msgpack); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRecord(b *testing.B) { // what the short path saves
	_, encoded := benchEncoded(b, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := conda.ParseRecord(encoded[i%100].JSON); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeShard(b *testing.B) {
	for _, n := range []int{5, 48, 284, 5911} { // p50, p90, p99 and the largest name
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			names, encoded := benchEncoded(b, n)
			files := make([]repodata.ShardFile, n)
			for i := range files {
				files[i] = repodata.ShardFile{FileName: names[i], Msgpack: encoded[i].Msgpack}
			}
			b.ReportAllocs()
			for b.Loop() {
				repodata.EncodeShard(files, nil)
			}
		})
	}
}

func benchPieceText(b *testing.B) []byte {
	b.Helper()
	var text []byte
	for i := 0; len(text) < 127<<10; i++ {
		fn, r := benchRecord(i)
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			b.Fatal(err)
		}
		text = repodata.AppendEntry(text, fn, e.JSON)
	}
	return text
}

func BenchmarkNewPiece(b *testing.B) {
	text := benchPieceText(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := repodata.NewPiece(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPieceText(b *testing.B) {
	text := benchPieceText(b)
	p, err := repodata.NewPiece(text)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		if buf, err = p.Text(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJoin lays out and writes a document of conda-forge's size.
func BenchmarkJoin(b *testing.B) {
	p, err := repodata.NewPiece(benchPieceText(b))
	if err != nil {
		b.Fatal(err)
	}
	pieces := make([]repodata.Piece, 3047)
	for i := range pieces {
		pieces[i] = p
	}
	b.Run("layout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := repodata.NewRepodata("linux-64", pieces[:1000], pieces[1000:], nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	l, err := repodata.NewRepodata("linux-64", pieces[:1000], pieces[1000:], nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("zstd", func(b *testing.B) {
		b.SetBytes(l.ZstdSize())
		b.ReportAllocs()
		for b.Loop() {
			if err := l.WriteZstd(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.SetBytes(l.JSONSize())
		b.ReportAllocs()
		for b.Loop() {
			if err := l.WriteJSON(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("range", func(b *testing.B) { // one read in the middle, as a resumed download
		b.ReportAllocs()
		buf := make([]byte, 4096)
		for b.Loop() {
			r := l.JSON()
			if _, err := r.Seek(l.JSONSize()/2, io.SeekStart); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(r, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchIndex() (names []string, hashes [][32]byte) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 30_000 {
		names = append(names, fmt.Sprintf("package-%05d", i))
		var sum [32]byte
		for j := range sum {
			sum[j] = byte(r.Uint32())
		}
		hashes = append(hashes, sum)
	}
	return names, hashes
}

func BenchmarkEncodeShardIndex(b *testing.B) {
	names, hashes := benchIndex()
	b.ReportAllocs()
	for b.Loop() {
		repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, names, hashes)
	}
}

func BenchmarkDecodeShardIndex(b *testing.B) {
	names, hashes := benchIndex()
	data := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, names, hashes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := repodata.DecodeShardIndex(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadRecords(b *testing.B) {
	text := benchPieceText(b)
	doc := append(append([]byte(`{"info":{"subdir":"linux-64"},"packages":{},"packages.conda":{`), text...), `}}`...)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		r := &loopReader{doc: doc}
		if _, err := repodata.ReadRecords(r, func(string, jsontext.Value) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// loopReader gives doc once, without the methods that would let a reader skip copies.
type loopReader struct{ doc []byte }

func (r *loopReader) Read(p []byte) (int, error) {
	if len(r.doc) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.doc)
	r.doc = r.doc[n:]
	return n, nil
}

func BenchmarkChunk(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	names := make([]repodata.NameSize, 30_000)
	for i := range names {
		names[i] = repodata.NameSize{Name: fmt.Sprintf("package-%05d", i), Size: 500 << r.IntN(8)}
	}
	b.ReportAllocs()
	for b.Loop() {
		repodata.Chunk(names)
	}
}
