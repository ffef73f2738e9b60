package archive

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// nearEnd is how much of the end of an archive is read at once: the ZIP
	// directory, and before it info- of most packages, since builders write it last.
	nearEnd = 16 << 10
	// nearby is how much is read at once elsewhere, where a few bytes are asked for.
	nearby = 4 << 10
	// smallInfo is the most bytes, packed and not, of an info- that is decoded
	// at once, in memory that the next one uses again.
	smallInfo = 256 << 10
)

// scratch is memory that the reading of one archive leaves to that of the next.
type scratch struct {
	end    [nearEnd]byte
	near   [nearby]byte
	rest   [nearby]byte // for what is only looked at
	packed []byte       // an info-, at most smallInfo
	plain  []byte       // what it holds, at most smallInfo and decodeSlack
	zstd   *zstd.Decoder
	path   rawPath
}

// scratches are those of which nobody reads an archive at the moment. Each has
// about 1 MiB if it has read a .conda.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// source is random access to an archive, of which small parts close to each other
// are asked for one after the other. It remembers the failure of the reader
// underneath, which whoever reads from it reports as damage.
type source struct {
	r       io.ReaderAt
	size    int64
	err     error
	scratch *scratch
	end     int   // bytes of scratch.end that are there
	near    int   // bytes of scratch.near that are there
	nearAt  int64 // where they lie
}

// ReadAt reads like the reader underneath; its end is no failure.
func (s *source) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}

// section gives a part of the archive.
func (s *source) section(off, n int64) *io.SectionReader { return io.NewSectionReader(s, off, n) }

// bytes gives n bytes at off; fewer are io.ErrUnexpectedEOF. They are there until
// it is called again, and those of the last 16 KiB as long as the archive is read.
func (s *source) bytes(off int64, n int) ([]byte, error) {
	start := max(s.size-nearEnd, 0)
	if n > nearby && off < start {
		return s.read(make([]byte, n), off)
	}
	if off >= start {
		if s.end == 0 {
			s.end, _ = s.ReadAt(s.scratch.end[:s.size-start], start) // a failure is remembered
		}
		return part(s.scratch.end[:s.end], off-start, n)
	}
	if off < s.nearAt || off+int64(n) > s.nearAt+int64(s.near) {
		s.near, _ = s.ReadAt(s.scratch.near[:], off) // a failure is remembered
		s.nearAt = off
	}
	return part(s.scratch.near[:s.near], off-s.nearAt, n)
}

// part gives n bytes of b at off.
func part(b []byte, off int64, n int) ([]byte, error) {
	if off+int64(n) > int64(len(b)) {
		return nil, io.ErrUnexpectedEOF
	}
	return b[off:][:n:n], nil
}

// read fills b from off; fewer bytes are io.ErrUnexpectedEOF.
func (s *source) read(b []byte, off int64) ([]byte, error) {
	if n, _ := s.ReadAt(b, off); n < len(b) { // a failure is remembered
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}
