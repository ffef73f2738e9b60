package repodata

import (
	"bufio"
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/bzip2"
	"terrarium/internal/errs"
)

const (
	// maxRecord bounds one record, name or other token of an upstream
	// document; real ones have a few kilobytes.
	maxRecord = 4 << 20
	// maxStreamWindow is the window that the zstd program itself accepts; level
	// 19 asks for 8 MiB, --ultra for up to this.
	maxStreamWindow = 128 << 20
)

// Info is what a repodata document says beside its records.
type Info struct {
	Subdir  string
	BaseURL string // CEP 15; "" where files lie beside the document
	Version int    // repodata_version, 0 if absent
	Removed []string
}

// ReadRecords reads a repodata.json of any size (CEP 36), plain or compressed
// with zstd or bzip2, and calls f for each record of packages and
// packages.conda in the order of the document. raw is void once f returns. It
// holds one record at a time, at most 4 MiB, and passes over v3, signatures
// and unknown keys. Since info may come last, a document of another version
// than 0, 1 and 2 may be refused only after its records were seen: act on them
// when ReadRecords has returned.
//
// It returns errs.Invalid for what is not such a document, errs.TooLarge for
// one oversized record, and the errors of r and f as they are, wrapped.
func ReadRecords(r io.Reader, f func(fileName string, raw jsontext.Value) error) (Info, error) {
	src := &source{r: r}
	plain, closeIt, err := unpack(bufio.NewReaderSize(src, 64<<10))
	if err != nil {
		return Info{}, src.explain(err)
	}
	defer closeIt()
	ahead := newReadAhead(plain)
	defer ahead.close() // for a panic of f; else it is closed by then
	d := &documentReader{f: f, meter: &meter{r: ahead}}
	d.dec = jsontext.NewDecoder(d.meter,
		// The names of 700,000 records would be kept for this check.
		jsontext.AllowDuplicateNames(true))
	err = d.document()
	if ahead.close() == nil {
		src.err = nil // it lies further on than what is wrong here
	}
	if err != nil {
		if d.fErr != nil {
			return d.info, d.fErr
		}
		return d.info, src.explain(err)
	}
	return d.info, nil
}

// source remembers the error of the reader behind it, to tell it from a
// malformed document.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// explain turns an error of reading into one for the caller.
func (s *source) explain(err error) error {
	if s.err != nil {
		return fmt.Errorf("reading repodata: %w", s.err)
	}
	if errs.KindOf(err) != errs.Internal {
		return err
	}
	if errors.Is(err, errMeter) {
		return errs.New(errs.TooLarge, "The repodata holds a record or text of more than %d bytes.", maxRecord)
	}
	return errs.Wrap(errs.Invalid, err, "The repodata cannot be read: it is damaged or not such a document.")
}

// unpack finds out by its first bytes how the document is compressed.
func unpack(r *bufio.Reader) (io.Reader, func(), error) {
	start, err := r.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxStreamWindow))
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	case bytes.HasPrefix(start, []byte("BZh")):
		return bzip2.NewReader(r), func() {}, nil
	}
	return r, func() {}, nil
}

var errMeter = errors.New("token too large")

// meter lets no more than left bytes pass until it is set again, so that the
// JSON decoder, which holds a whole value, cannot be made to hold the document.
type meter struct {
	r    io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errMeter
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// documentReader walks one repodata document.
type documentReader struct {
	dec   *jsontext.Decoder
	meter *meter
	f     func(string, jsontext.Value) error
	fErr  error
	info  Info
}

func (d *documentReader) token() (jsontext.Token, error) {
	d.meter.left = maxRecord
	return d.dec.ReadToken()
}

func (d *documentReader) value() (jsontext.Value, error) {
	d.meter.left = maxRecord
	return d.dec.ReadValue()
}

func (d *documentReader) peek() jsontext.Kind {
	d.meter.left = maxRecord
	return d.dec.PeekKind()
}

func (d *documentReader) document() error {
	tok, err := d.token()
	if err == io.EOF { //nolint:errorlint // CEP 36: an empty file is an empty document; one that was cut off, which is wrapped, is not
		return nil
	}
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return errors.New("it is not an object")
	}
	seen := map[string]bool{}
	err = d.members(func(key string) error {
		switch key {
		case "info", "packages", "packages.conda", "removed", "repodata_version":
			if seen[key] {
				return fmt.Errorf("%q is there twice", key)
			}
			seen[key] = true
		}
		switch key {
		case "info":
			return d.object(d.infoMember)
		case "packages", "packages.conda":
			return d.object(d.record)
		case "removed":
			return d.removed()
		case "repodata_version":
			return d.version()
		}
		return d.skip()
	})
	if err != nil {
		return err
	}
	if _, err := d.token(); err != io.EOF { //nolint:errorlint // a reader that was cut off may wrap it
		if err == nil {
			err = errors.New("something follows the document")
		}
		return err
	}
	return nil
}

// object calls f at each value of the object that comes next; null stands for
// an empty one.
func (d *documentReader) object(f func(key string) error) error {
	tok, err := d.token()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case 'n':
		return nil
	case '{':
		return d.members(f)
	}
	return errors.New("a group is not an object")
}

// members calls f at each value of the object that has just been opened.
func (d *documentReader) members(f func(key string) error) error {
	for d.peek() != '}' {
		tok, err := d.token()
		if err != nil {
			return err
		}
		if err := f(tok.String()); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

func (d *documentReader) record(fileName string) error {
	raw, err := d.value()
	if err != nil {
		return err
	}
	if raw.Kind() != '{' {
		return fmt.Errorf("the record of %s is not an object", shorten(fileName))
	}
	d.fErr = d.f(fileName, raw)
	return d.fErr
}

func (d *documentReader) infoMember(key string) error {
	var into *string
	switch key {
	case "subdir":
		into = &d.info.Subdir
	case "base_url":
		into = &d.info.BaseURL
	default:
		return d.skip()
	}
	tok, err := d.token()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '"':
		*into = tok.String()
	case 'n':
	default:
		return fmt.Errorf("info.%s is not text", key)
	}
	return nil
}

func (d *documentReader) version() error {
	raw, err := d.value()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return errors.New("repodata_version is not a whole number")
	}
	if n < 0 || n > 2 {
		return errs.New(errs.Invalid, "The repodata has version %d; only 1 and 2 can be read.", n)
	}
	d.info.Version = n
	return nil
}

func (d *documentReader) removed() error {
	tok, err := d.token()
	if err != nil || tok.Kind() == 'n' {
		return err
	}
	if tok.Kind() != '[' {
		return errors.New("removed is not a list")
	}
	for d.peek() != ']' {
		tok, err := d.token()
		if err != nil {
			return err
		}
		if tok.Kind() != '"' {
			return errors.New("removed holds something that is not a file name")
		}
		d.info.Removed = append(d.info.Removed, tok.String())
	}
	_, err = d.token()
	return err
}

// skip passes over the next value token by token, however large it is.
func (d *documentReader) skip() error {
	depth := d.dec.StackDepth()
	for {
		if _, err := d.token(); err != nil {
			return err
		}
		if d.dec.StackDepth() == depth {
			return nil
		}
	}
}
