package archive

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"io"

	"terrarium/internal/bzip2"
)

// bz2Stream is the content of a .tar.bz2. It counts, and refuses a bomb.
type bz2Stream struct {
	p     *pack
	r     *bzip2.Reader
	out   int64 // bytes given so far
	limit int64 // of out
	past  error // what to return beyond limit
}

// openBz2 checks that the archive begins and ends as bzip2 does, and gives its
// content up to limit, then the error past.
func (p *pack) openBz2(limit int64, past error) (*bz2Stream, error) {
	const (
		shortest = 14             // an empty stream
		endMark  = 0x177245385090 // 48 bits, before a checksum of 32
	)
	if p.src.size < shortest {
		return nil, p.damaged("it is not a bzip2 file: it has only %d bytes.", p.src.size)
	}
	head, err := p.src.bytes(0, 3)
	if err != nil {
		return nil, err
	}
	if string(head) != "BZh" {
		return nil, p.damaged("it is not a bzip2 file.")
	}
	// The last block need not end with a byte, so up to 7 bits follow. Seeing
	// the mark here tells a whole file from one that was cut off without
	// decoding all of it.
	tail, err := p.src.bytes(p.src.size-11, 8)
	if err != nil {
		return nil, err
	}
	bits, whole := binary.BigEndian.Uint64(tail)>>8, false
	for shift := range 8 {
		whole = whole || bits>>shift&(1<<48-1) == endMark
	}
	if !whole {
		return nil, p.damaged("it does not end as a bzip2 file does: it is cut off, or something follows it.")
	}
	return &bz2Stream{p: p, r: bzip2.NewReader(p.src.section(0, p.src.size)), limit: limit, past: past}, nil
}

func (s *bz2Stream) Read(b []byte) (int, error) {
	if s.out >= s.limit {
		return 0, s.past
	}
	if room := s.limit - s.out; int64(len(b)) > room {
		b = b[:room]
	}
	n, err := s.r.Read(b)
	s.out += int64(n)
	if s.out > s.p.lim.maxDecoded(s.r.InputOffset()) {
		return n, s.p.tooLarge("it becomes more than %d times larger when decoded.", s.p.lim.Ratio)
	}
	return n, err
}

// errScanned ends the search for info/ in a .tar.bz2.
var errScanned = errors.New("looked at as much as is allowed")

// tailed decides how far a .tar.bz2 is read: info/ is a run of members at the
// beginning, more or less, and what follows it is slow to decode.
type tailed struct {
	lim     Limits
	index   bool  // info/index.json was seen
	end     int64 // where the last member of info/ ended
	stopped bool
}

// member tells of a header whose content begins at offset at of the content.
func (t *tailed) member(h *tar.Header, name string, at int64) {
	switch {
	case t.stopped:
	case inInfo(name):
		t.index = t.index || name == indexName
		t.end = at + h.Size
	case t.index && at+h.Size-t.end > t.lim.BZ2Tail:
		t.stopped = true
	}
}

// walkTarBz2Info is walkInfo for a .tar.bz2.
func (p *pack) walkTarBz2Info(visit func(member) error) error {
	s, err := p.openBz2(p.lim.BZ2Scan, errScanned)
	if err != nil {
		return err
	}
	w := p.newTarWalk(s)
	reach := tailed{lim: p.lim}
	for {
		h, name, err := w.next()
		if errors.Is(err, io.EOF) {
			return w.drain(s)
		}
		if errors.Is(err, errScanned) {
			if reach.index {
				return nil
			}
			return p.tooLarge("it has no info/index.json in its first %s, decoded. Put info/ first.", amount(p.lim.BZ2Scan))
		}
		if err != nil {
			return err
		}
		reach.member(h, name, s.out)
		if reach.stopped {
			return nil
		}
		if !inInfo(name) {
			continue
		}
		look, err := w.nextInfo(h, name)
		if err != nil {
			return err
		}
		if look {
			if err := visit(member{name: name, size: h.Size, body: w.body()}); err != nil {
				return err
			}
		}
	}
}
