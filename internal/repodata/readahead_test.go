package repodata_test

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// manyRecords is a document of more text than is read ahead.
func manyRecords(n int) string {
	var b strings.Builder
	b.WriteString(`{"info":{"subdir":"noarch"},"packages.conda":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"p%d-1-0.conda":{"name":"p%d","depends":[%q]}`, i, i, strings.Repeat("x", 200))
	}
	b.WriteString("}}")
	return b.String()
}

// TestReadRecordsInPieces is that what is read does not depend on how it comes.
func TestReadRecordsInPieces(t *testing.T) {
	const n = 8000
	text := []byte(manyRecords(n))
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for form, data := range map[string][]byte{"plain": text, "zstd": enc.EncodeAll(text, nil)} {
		for how, in := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader,
			"halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
		} {
			t.Run(form+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					i := 0
					_, err := repodata.ReadRecords(in(bytes.NewReader(data)), func(file string, raw jsontext.Value) error {
						if want := fmt.Sprintf("p%d-1-0.conda", i); file != want || !bytes.HasSuffix(raw, []byte(`x"]}`)) {
							return fmt.Errorf("record %d is %s: %s", i, file, raw)
						}
						i++
						return nil
					})
					if err != nil || i != n {
						t.Errorf("%d records, %v", i, err)
					}
				})
			})
		}
	}
}

// TestReadRecordsEnds is that nothing goes on reading, whatever ends it, and that of two
// faults the first one is told, however far was read. The bubble fails if a goroutine is left.
func TestReadRecordsEnds(t *testing.T) {
	boom := errors.New("boom")
	text := manyRecords(8000)
	for name, tt := range map[string]struct {
		text string
		f    error
		kind errs.Kind
		is   error
	}{
		"the caller":        {text: text, f: boom, kind: errs.Internal, is: boom},
		"the reader":        {text: text[:len(text)/2], kind: errs.Internal, is: boom},
		"what it says":      {text: `{"packages":{"a":nonsense}}` + text, kind: errs.Invalid},
		"what follows it":   {text: text + text, kind: errs.Invalid},
		"a record too long": {text: `{"packages":{"a":{"name":"` + strings.Repeat("x", 5<<20), kind: errs.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := io.MultiReader(strings.NewReader(tt.text), iotest.ErrReader(boom))
				_, err := repodata.ReadRecords(r, func(string, jsontext.Value) error { return tt.f })
				if err == nil || errs.KindOf(err) != tt.kind || errors.Is(err, boom) != (tt.is != nil) {
					t.Errorf("got %v of kind %v", err, errs.KindOf(err))
				}
			})
		})
	}
}

// panics gives some text and then panics.
type panics struct{ text io.Reader }

func (p panics) Read(b []byte) (int, error) {
	n, err := p.text.Read(b)
	if err != nil {
		panic("the reader is broken")
	}
	return n, nil
}

// TestReadRecordsPanics is that a panic comes to who reads, who may have a place for it,
// and leaves no goroutine, whether it is the reader's or the caller's.
func TestReadRecordsPanics(t *testing.T) {
	text := manyRecords(8000)
	for name, tt := range map[string]struct {
		r io.Reader
		f func(string, jsontext.Value) error
	}{
		"the reader": {panics{strings.NewReader(text[:len(text)/2])}, func(string, jsontext.Value) error { return nil }},
		"the caller": {strings.NewReader(text), func(string, jsontext.Value) error { panic("the caller is broken") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer func() {
					if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), name+" is broken") {
						t.Errorf("it ended with %v", p)
					}
				}()
				_, err := repodata.ReadRecords(tt.r, tt.f)
				t.Errorf("it came back with %v", err)
			})
		})
	}
}
