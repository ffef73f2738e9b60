package bzip2_test

import (
	"bytes"
	stdlib "compress/bzip2"
	"fmt"
	"io"
	"testing"

	dsnet "github.com/dsnet/compress/bzip2"

	"terrarium/internal/bzip2"
)

// enough is how much of the content of a file is compared: fifty bytes may become
// 45 MB.
const enough = 4 << 20

// same reads a file with others, too. Where codes are missing, the standard
// library sees other symbols than libbz2, and where a run has the length 0 but
// goes on, other bytes. What it says otherwise than we do is for the other library
// to judge, which does as libbz2 does.
func same(t *testing.T, name string, file []byte) {
	t.Helper()
	read := func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, enough)) }
	want, wantErr := read(stdlib.NewReader(bytes.NewReader(file)))
	got, err := read(bzip2.NewReader(bytes.NewReader(file)))
	agree := func() bool { return (err == nil) == (wantErr == nil) && (err != nil || bytes.Equal(got, want)) }
	if agree() {
		return
	}
	first := fmt.Sprintf("%d bytes and %v; the standard library gives %d and %v", len(got), err, len(want), wantErr)
	r, openErr := dsnet.NewReader(bytes.NewReader(file), nil)
	if openErr != nil {
		t.Fatal(openErr)
	}
	if want, wantErr = read(r); !agree() {
		t.Errorf("%s: %s, and the other one %d and %v", name, first, len(want), wantErr)
	}
}

// FuzzReader reads bytes beside the other readers of the format, at once and in
// pieces.
func FuzzReader(f *testing.F) {
	for _, content := range texts() {
		if len(content) < 100 {
			f.Add(pack(f, content, 1), uint16(1))
		}
	}
	text := []byte("some text that is not long, not long at all, but some text")
	f.Add(append(pack(f, text, 1), pack(f, text, 9)...), uint16(7))
	f.Add(pack(f, bytes.Repeat([]byte(allBytes()), 3), 9), uint16(100))
	f.Fuzz(func(t *testing.T, file []byte, piece uint16) {
		same(t, "the file", file)
		whole, err := io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(file)), enough))
		parts, partsErr := inPieces(io.LimitReader(bzip2.NewReader(bytes.NewReader(file)), enough), int(piece)+1)
		if !bytes.Equal(whole, parts) || (err == nil) != (partsErr == nil) {
			t.Errorf("%d bytes and %v at once; in pieces %d and %v", len(whole), err, len(parts), partsErr)
		}
	})
}
