package repodata

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sort"
)

// A joint stands between the blocks of two pieces. A piece's encoder began
// with the repeat offsets 1, 4, 8, while the decoder of the spliced frame
// carries those which the piece before it left behind. The joint block is a
// compressed block (RLE literals, three sequences with RLE, predefined and RLE
// tables) that puts them back and emits jointSpaces spaces on the way, which
// JSON permits between tokens. The plain form carries the same spaces, so that
// the unpacked and the plain document are equal byte for byte.
const (
	jointBlock = "\x4c\x00\x00\xc1\x20\x03\x44\x08\x00\xb8\xdd\x4a"
	jointText  = "                                 " // 33 spaces
	commaBlock = "\x08\x00\x00,"
)

// lead is what a layout puts before a piece.
type lead byte

const (
	leadNone  lead = iota // the first piece of the document: the offsets are fresh
	leadJoint             // the first piece of a later part, after its text
	leadComma             // a piece after another of its part
)

func (l lead) json() string {
	switch l {
	case leadJoint:
		return jointText
	case leadComma:
		return "," + jointText
	default:
		return ""
	}
}

func (l lead) zstd() string {
	switch l {
	case leadJoint:
		return jointBlock
	case leadComma:
		return commaBlock + jointBlock
	default:
		return ""
	}
}

// Part is a stretch of a document: literal text, then pieces joined by commas.
type Part struct {
	Before []byte
	Pieces []Piece
}

// Layout is a document assembled from pieces without copying them, in two
// forms of known length: the plain JSON text and ONE zstd frame (rattler reads
// no further than the first) that decodes to exactly that text. Its offsets
// are computed once; it is immutable and safe for concurrent use.
type Layout struct {
	segments []segment
	json     int64
	zstd     int64
}

// segment is a literal text or a piece with its lead.
type segment struct {
	text   []byte // a literal's text, nil for a piece
	zstd   []byte // a literal's raw blocks, or a piece's whole canonical frame
	raw    int    // a piece's bytes of text
	lead   lead
	jsonAt int64 // offset of the segment (its lead) in either form
	zstdAt int64
}

// blocks gives the segment's bytes in the zstd form, without the lead.
func (s segment) blocks() []byte {
	if s.text != nil {
		return s.zstd
	}
	return s.zstd[len(canonicalHead) : len(s.zstd)-len(canonicalTail)]
}

// NewLayout lays out the parts and the text after the last of them. It takes
// pieces of any zstd encoder; those not made by NewPiece or ParsePiece are
// checked and normalised here, which costs a copy.
func NewLayout(parts []Part, tail []byte) (*Layout, error) {
	if len(tail) == 0 {
		return nil, errors.New("laying out an index: no text after the pieces")
	}
	n := 1 + len(parts)
	for _, p := range parts {
		n += len(p.Pieces)
	}
	l := &Layout{segments: make([]segment, 0, n), zstd: int64(len(canonicalHead))}
	first := true
	for _, part := range parts {
		l.literal(part.Before, false)
		for i, p := range part.Pieces {
			frame, err := p.canonicalFrame()
			if err != nil {
				return nil, fmt.Errorf("laying out an index: %w", err)
			}
			s := segment{zstd: frame, raw: p.Raw, lead: leadComma, jsonAt: l.json, zstdAt: l.zstd}
			switch {
			case first:
				s.lead = leadNone
			case i == 0:
				s.lead = leadJoint
			}
			first = false
			l.json += int64(len(s.lead.json()) + p.Raw)
			l.zstd += int64(len(s.lead.zstd()) + len(s.blocks()))
			l.segments = append(l.segments, s)
		}
	}
	l.literal(tail, true)
	return l, nil
}

// literal adds a text as raw blocks.
func (l *Layout) literal(text []byte, last bool) {
	if len(text) == 0 {
		return
	}
	s := segment{text: text, zstd: appendRaw(nil, text, last), jsonAt: l.json, zstdAt: l.zstd}
	l.json += int64(len(text))
	l.zstd += int64(len(s.zstd))
	l.segments = append(l.segments, s)
}

// JSONSize gives the length of the plain form in bytes.
func (l *Layout) JSONSize() int64 { return l.json }

// ZstdSize gives the length of the zstd form in bytes.
func (l *Layout) ZstdSize() int64 { return l.zstd }

// WriteJSON writes the plain form, unpacking piece after piece.
func (l *Layout) WriteJSON(w io.Writer) error {
	_, err := l.JSON().(io.WriterTo).WriteTo(w)
	return err
}

// WriteZstd writes the zstd form; nothing is compressed.
func (l *Layout) WriteZstd(w io.Writer) error {
	_, err := l.Zstd().(io.WriterTo).WriteTo(w)
	return err
}

// JSON gives a reader of the plain form. It unpacks a piece only when its text
// is read. A reader costs nothing to make and has its own state: one caller
// at a time; it also implements io.WriterTo.
func (l *Layout) JSON() io.ReadSeeker {
	return &reader{size: l.json, n: len(l.segments), at: func(i int) int64 { return l.segments[i].jsonAt }, load: l.jsonSegment}
}

// Zstd gives a reader of the zstd form, under the same terms as JSON.
func (l *Layout) Zstd() io.ReadSeeker {
	// Segment 0 is the frame's header, which belongs to no part.
	return &reader{size: l.zstd, n: len(l.segments) + 1, at: func(i int) int64 {
		if i == 0 {
			return 0
		}
		return l.segments[i-1].zstdAt
	}, load: l.zstdSegment, kept: true}
}

// jsonSegment gives the text of segment i, in buf where it must be unpacked.
func (l *Layout) jsonSegment(i int, buf []byte) (lead string, body, reuse []byte, err error) {
	s := l.segments[i]
	if s.text != nil {
		return "", s.text, buf, nil
	}
	if cap(buf) < s.raw {
		buf = make([]byte, 0, s.raw)
	}
	text, err := Piece{Raw: s.raw, Zstd: s.zstd}.Text(buf[:0])
	if err != nil {
		return "", nil, buf, err
	}
	return s.lead.json(), text, text, nil
}

// zstdSegment gives the bytes of segment i of the zstd form.
func (l *Layout) zstdSegment(i int, buf []byte) (lead string, body, reuse []byte, err error) {
	if i == 0 {
		return canonicalHead, nil, buf, nil
	}
	s := l.segments[i-1]
	return s.lead.zstd(), s.blocks(), buf, nil
}

// reader walks one form of a layout, segment by segment.
type reader struct {
	size int64
	n    int
	at   func(i int) int64
	load func(i int, buf []byte) (lead string, body, reuse []byte, err error)
	kept bool // bodies are parts of the document, and not made in buf

	pos    int64
	loaded bool // cur, lead and body are those of a segment
	cur    int
	lead   string
	body   []byte
	buf    []byte
}

// seat loads the segment that holds pos, which must be below size.
func (r *reader) seat() error {
	if r.loaded {
		from := r.at(r.cur)
		end := from + int64(len(r.lead)+len(r.body))
		if r.pos >= from && r.pos < end {
			return nil
		}
	}
	i := r.cur + 1
	if !r.loaded || i >= r.n || r.at(i) != r.pos { // not simply the next one
		i = sort.Search(r.n, func(i int) bool { return r.at(i) > r.pos }) - 1
	}
	r.loaded = false
	lead, body, buf, err := r.load(i, r.buf)
	r.buf = buf
	if err != nil {
		return err
	}
	r.loaded, r.cur, r.lead, r.body = true, i, lead, body
	return nil
}

// Size is the length of the whole in bytes.
func (r *reader) Size() int64 { return r.size }

// Read fills p from the position on.
func (r *reader) Read(p []byte) (int, error) {
	if r.pos >= r.size {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.pos < r.size {
		if err := r.seat(); err != nil {
			return n, err
		}
		off := int(r.pos - r.at(r.cur))
		var k int
		if off < len(r.lead) {
			k = copy(p[n:], r.lead[off:])
		} else {
			k = copy(p[n:], r.body[off-len(r.lead):])
		}
		n += k
		r.pos += int64(k)
	}
	return n, nil
}

// Keeper is a writer that need not copy what nobody changes.
type Keeper interface {
	io.Writer
	// WriteKept is Write, and may keep p after it returns. p does not change.
	WriteKept(p []byte) (int, error)
}

// WriteTo writes everything from the position on, bodies in one write each, and
// without a copy to a Keeper.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	start := r.pos
	if k, ok := w.(Keeper); ok && r.kept {
		for r.pos < r.size {
			if err := r.seat(); err != nil {
				return r.pos - start, err
			}
			off := int(r.pos - r.at(r.cur))
			if off < len(r.lead) {
				if _, err := k.WriteKept([]byte(r.lead[off:])); err != nil {
					return r.pos - start, err
				}
				off = len(r.lead)
			}
			if _, err := k.WriteKept(r.body[off-len(r.lead):]); err != nil {
				return r.pos - start, err
			}
			r.pos = r.at(r.cur) + int64(len(r.lead)+len(r.body))
		}
		return r.pos - start, nil
	}
	out := writers.Get().(*bufio.Writer)
	out.Reset(w)
	defer func() {
		out.Reset(nil) // so that the pool holds no connection
		writers.Put(out)
	}()
	for r.pos < r.size {
		if err := r.seat(); err != nil {
			return r.pos - start, err
		}
		off := int(r.pos - r.at(r.cur))
		if off < len(r.lead) {
			if _, err := out.WriteString(r.lead[off:]); err != nil {
				return r.pos - start, err
			}
			off = len(r.lead)
		}
		if _, err := out.Write(r.body[off-len(r.lead):]); err != nil {
			return r.pos - start, err
		}
		r.pos = r.at(r.cur) + int64(len(r.lead)+len(r.body))
	}
	return r.pos - start, out.Flush()
}

// Seek moves the position; nothing is loaded until the next Read.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seeking in an index: before its start")
	}
	r.pos = offset
	return offset, nil
}
