package repodata_test

import (
	"bytes"
	"encoding/json/jsontext"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

func FuzzReadRecords(f *testing.F) {
	f.Add([]byte(`{"info":{"subdir":"noarch"},"packages":{"a-1-0.tar.bz2":{"name":"a"}},"removed":["x"],"repodata_version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := repodata.ReadRecords(bytes.NewReader(data), func(fn string, raw jsontext.Value) error {
			if raw.Kind() != '{' || !raw.IsValid(jsontext.AllowDuplicateNames(true)) {
				t.Fatalf("record %q is not an object", raw)
			}
			return nil
		})
		if err == nil && info.Version > 2 {
			t.Fatalf("version %d", info.Version)
		}
	})
}

func FuzzDecodeShard(f *testing.F) {
	files := shardFiles(f, 4)
	data, _ := repodata.EncodeShard(files, []string{"x"})
	f.Add(data, false)
	raw, err := decodeFrames(f, data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, true)
	f.Fuzz(func(t *testing.T, data []byte, wrap bool) {
		if wrap { // past the compressor, into the msgpack
			data = pack(t, data)
		}
		s, err := repodata.DecodeShardLimit(data, 1<<20)
		if err != nil {
			return
		}
		again, _ := repodata.EncodeShard(s.Files, s.Removed)
		if _, err := repodata.DecodeShardLimit(again, 2<<20); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		for _, file := range s.Files {
			r, e, err := repodata.TranscodeMsgpack(file.FileName, file.Msgpack)
			if err != nil {
				continue
			}
			if _, e2, err := repodata.TranscodeMsgpack(file.FileName, e.Msgpack); err != nil || !bytes.Equal(e.Msgpack, e2.Msgpack) {
				t.Fatalf("the msgpack of %+v is not canonical: %v", r, err)
			}
		}
	})
}

func FuzzDecodeShardIndex(f *testing.F) {
	data := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch"}, []string{"a", "b"}, make([][32]byte, 2))
	f.Add(data, false)
	raw, err := decodeFrames(f, data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, true)
	f.Fuzz(func(t *testing.T, data []byte, wrap bool) {
		if wrap {
			data = pack(t, data)
		}
		x, err := repodata.DecodeShardIndex(data)
		if err != nil {
			return
		}
		y, err := repodata.DecodeShardIndex(repodata.EncodeShardIndex(x.Info, x.Names, x.Hashes))
		if err != nil || len(y.Names) != len(x.Names) {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}

// FuzzSplice takes bytes for a frame of some encoder: what ParsePiece accepts
// must splice between other pieces without a change.
func FuzzSplice(f *testing.F) {
	frames, _ := corpus(f)
	for _, frame := range frames[:8] {
		f.Add(frame)
	}
	other, err := repodata.NewPiece([]byte(`"a":"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc"`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := repodata.ParsePiece(frame)
		if err != nil {
			return
		}
		text, err := p.Text(nil)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := decodeFrames(t, frame)
		if err == nil && !bytes.Equal(text, alone) { // a wrong checksum is not looked at
			t.Fatal("the piece's text is not the frame's")
		}
		l, err := repodata.NewLayout([]repodata.Part{{Pieces: []repodata.Piece{other, p, other, p, p}}}, []byte("}"))
		if err != nil {
			t.Fatal(err)
		}
		a, b := `"a":"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc"`, string(text)
		checkLayout(t, l, wantText([][]string{{a, b, a, b, b}}, []string{""}, "}"))
	})
}

// FuzzTranscodeRecord holds the short path to the meaning of conda.ParseRecord
// and the encoders to one spelling.
func FuzzTranscodeRecord(f *testing.F) {
	full, err := repodata.EncodeRecord(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full.JSON)
	f.Add([]byte(`{"name":"a","version":"1","build":"0","build_number":1,"arch":null,"timestamp":1505745059,"noarch":true,"depends":["a", "b"],"size":1.0}`))
	f.Add([]byte(`{"name":"a","version":"1","build":"0","timestamp":1505745059267,"md5":"00112233445566778899AABBCCDDEEFF","track_features":["x"],"run_exports":["a"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		want, err := conda.ParseRecord(raw)
		fileName := want.FileName(conda.FormatConda)
		r, e, transcodeErr := repodata.TranscodeRecord(fileName, raw)
		if err != nil {
			if transcodeErr == nil {
				t.Fatalf("ParseRecord refuses with %v, TranscodeRecord does not", err)
			}
			return
		}
		if transcodeErr != nil {
			return // a name that is no file name, a value that cannot be indexed
		}
		sameRecord(t, want, r)
		_, again, err := repodata.TranscodeRecord(fileName, e.JSON)
		if err != nil || !bytes.Equal(again.JSON, e.JSON) {
			t.Fatalf("%s becomes %s, %v", e.JSON, again.JSON, err)
		}
		_, back, err := repodata.TranscodeMsgpack(fileName, e.Msgpack)
		if err != nil || !bytes.Equal(back.Msgpack, e.Msgpack) || !bytes.Equal(back.RunExports, e.RunExports) {
			t.Fatalf("the msgpack of %s comes back as %s: %v", e.JSON, back.JSON, err)
		}
		if rest, err := msgp.Skip(e.Msgpack); err != nil || len(rest) > 0 {
			t.Fatalf("malformed msgpack: %v", err)
		}
	})
}
