package archive

import (
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdFrame is what can be known of a zstd frame (RFC 8878) without decoding.
type zstdFrame struct {
	window uint64 // bytes of history that decoding needs, as declared
	// holds is an upper bound of the content: the sum of the blocks, where a
	// compressed one counts as the largest.
	holds uint64
	// descriptor is where the byte that declares the window lies, or -1 in a
	// single-segment frame, whose window is its content.
	descriptor int64
}

// maxBlock is the content of the largest block of any frame.
const maxBlock = 128 << 10

// history is how much memory decoding really needs: no more than the frame can
// hold, however large a window it declares. Packages of a few kilobytes that
// declare 128 MiB are common.
func (f zstdFrame) history() uint64 { return min(f.window, f.holds) }

// frameHead reads the header of the frame that fills m and refuses a window
// that no client opens. It gives the frame and the length of the header.
func (p *pack) frameHead(m *zipMember) (zstdFrame, zstd.Header, error) {
	f := zstdFrame{descriptor: -1}
	var head zstd.Header
	b, err := p.src.bytes(m.offset, int(min(m.size, zstd.HeaderMaxSize)))
	if err != nil {
		return f, head, err
	}
	if err := head.Decode(b); err != nil {
		return f, head, p.damaged("%s is not zstd.", m.name)
	}
	if head.Skippable {
		return f, head, p.invalid("%s begins with a frame that is to be skipped; clients read the first frame only.", m.name)
	}
	if head.DictionaryID != 0 {
		return f, head, p.invalid("%s needs a zstd dictionary, which no client has.", m.name)
	}
	f.window = head.WindowSize
	if head.SingleSegment {
		f.window = head.FrameContentSize
	} else {
		f.descriptor = 5 // after the magic number and the frame's own descriptor
	}
	if f.window > p.lim.Window {
		return f, head, p.tooLarge("%s needs a zstd window of %s; the limit is %s. Compress it with a lower level.", m.name, amount(f.window), amount(p.lim.Window))
	}
	return f, head, nil
}

// frame walks over the blocks of m without decoding them. The member has to be
// exactly one frame: conda reads one, others read all.
func (p *pack) frame(m *zipMember) (zstdFrame, error) {
	f, head, err := p.frameHead(m)
	if err != nil {
		return f, err
	}
	at := int64(head.HeaderSize)
	cut := func() (zstdFrame, error) { return f, p.damaged("%s is cut off.", m.name) }
	largest := min(f.window, maxBlock)
	for last := false; !last; {
		if at+3 > m.size {
			return cut()
		}
		head, err := p.src.bytes(m.offset+at, 3)
		if err != nil {
			return cut()
		}
		b := uint32(head[0]) | uint32(head[1])<<8 | uint32(head[2])<<16
		at += 3
		last = b&1 != 0
		size := uint64(b >> 3)
		switch b >> 1 & 3 {
		case 0: // raw
			at += int64(size)
			f.holds += size
		case 1: // one byte, repeated
			at++
			f.holds += size
		case 2: // compressed
			at += int64(size)
			size = min(size, maxBlock)
			f.holds += largest
		default:
			return f, p.damaged("%s has a zstd block of no known type.", m.name)
		}
		if size > maxBlock {
			return f, p.damaged("%s has a zstd block of %d bytes; the most is %d.", m.name, size, maxBlock)
		}
	}
	if head.HasCheckSum {
		at += 4
	}
	switch {
	case at > m.size:
		return cut()
	case at < m.size:
		return f, p.invalid("%s holds more than one zstd frame; clients read the first frame only.", m.name)
	case head.HasFCS && head.FrameContentSize > f.holds:
		return f, p.invalid("%s promises %d bytes, but its blocks cannot hold them.", m.name, head.FrameContentSize)
	}
	return f, nil
}

// memberReader gives the content of a part of a .conda. After its end, Close
// says whether the part was whole.
type memberReader struct {
	io.Reader
	packed  *checked
	decoder *zstd.Decoder // to be closed, or nil
	whole   *whole        // what Reader gives, if that is all in memory and within the limit
}

// openMember starts to decode m, of which at most limit bytes may come out;
// over is the refusal of more.
func (p *pack) openMember(m *zipMember, f zstdFrame, limit int64, over func() error) (*memberReader, error) {
	byRatio := p.lim.maxDecoded(m.size)
	out := &capped{left: min(limit, byRatio), err: over}
	if byRatio < limit {
		out.err = func() error {
			return p.tooLarge("%s becomes more than %d times larger when decoded.", m.name, p.lim.Ratio)
		}
	}
	if m.size <= smallInfo && f.holds <= smallInfo && f.window <= smallWindow {
		b, err := p.small(m)
		if err != nil {
			return nil, err
		}
		r := &memberReader{Reader: out, packed: &checked{sum: crc32.ChecksumIEEE(b)}}
		content := p.decodeSmall(b, f)
		if out.r = content; int64(len(content.b)) <= out.left {
			r.whole = content
		}
		return r, nil
	}
	packed := &checked{r: p.src.section(m.offset, m.size)}
	in := io.Reader(packed)
	if f.descriptor >= 0 && f.holds < f.window {
		// The decoder allocates the whole window at once. Content never looks
		// back further than its own beginning, so a window as large as the
		// frame can hold decodes the same bytes: declare that one instead.
		in = &substitute{r: packed, at: f.descriptor, b: windowDescriptor(f.holds)}
	}
	decoder, err := zstd.NewReader(in,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(max(p.lim.Window, zstd.MinWindowSize)))
	if err != nil {
		return nil, err
	}
	out.r = decoder
	return &memberReader{Reader: out, packed: packed, decoder: decoder}, nil
}

const (
	// smallWindow is what the decoder of a scratch takes for a window. It has none:
	// all of a frame is in memory.
	smallWindow = 128 << 20
	// decodeSlack is room behind the content that makes decoding faster.
	decodeSlack = 64
)

// small reads a member of at most smallInfo bytes.
func (p *pack) small(m *zipMember) ([]byte, error) {
	s := p.src.scratch
	if m.size <= nearby || m.offset >= p.src.size-nearEnd {
		return p.src.bytes(m.offset, int(m.size))
	}
	if cap(s.packed) < int(m.size) {
		s.packed = make([]byte, m.size)
	}
	return p.src.read(s.packed[:m.size], m.offset)
}

// decodeSmall decodes a frame that holds at most smallInfo bytes. What was decoded
// before an error comes first, as from a stream.
func (p *pack) decodeSmall(b []byte, f zstdFrame) *whole {
	s := p.src.scratch
	if s.zstd == nil {
		decoder, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxWindow(smallWindow),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(err) // the options are constants
		}
		s.zstd = decoder
	}
	if need := int(f.holds) + decodeSlack; cap(s.plain) < need {
		s.plain = make([]byte, need)
	}
	plain, err := s.zstd.DecodeAll(b, s.plain[:0:int(f.holds)+decodeSlack])
	if err == nil {
		err = io.EOF
	}
	return &whole{b: plain, err: err}
}

// whole gives b and then err.
type whole struct {
	b   []byte
	err error
}

func (w *whole) Read(b []byte) (int, error) {
	if len(w.b) == 0 {
		return 0, w.err
	}
	n := copy(b, w.b)
	w.b = w.b[n:]
	return n, nil
}

// finish checks the sum of the bytes read, which have to be all of m.
func (r *memberReader) finish(p *pack, m *zipMember) error {
	if r.decoder != nil {
		if _, err := io.Copy(io.Discard, r.packed); err != nil {
			return err
		}
	}
	if r.packed.sum != m.crc {
		return p.damaged("%s does not have the checksum that the ZIP directory gives.", m.name)
	}
	return nil
}

// Close frees the decoder.
func (r *memberReader) Close() {
	if r.decoder != nil {
		r.decoder.Close()
	}
}

// windowDescriptor gives the byte for the smallest window of at least n bytes:
// five bits of exponent, three of eighths.
func windowDescriptor(n uint64) byte {
	for exponent := range byte(32) {
		base := uint64(1) << (10 + exponent)
		for eighths := range byte(8) {
			if base+base/8*uint64(eighths) >= n {
				return exponent<<3 | eighths
			}
		}
	}
	return 0xff
}

// substitute gives the bytes of r with b in the place of the byte at offset at.
type substitute struct {
	r   io.Reader
	off int64
	at  int64
	b   byte
}

func (s *substitute) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if i := s.at - s.off; i >= 0 && i < int64(n) {
		b[i] = s.b
	}
	s.off += int64(n)
	return n, err
}

// checked sums the bytes that are read through it.
type checked struct {
	r   io.Reader
	sum uint32
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, b[:n])
	return n, err
}

// capped gives at most left bytes of r, then what err gives if there are more.
type capped struct {
	r    io.Reader
	left int64
	err  func() error
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left < 0 {
		return 0, c.err()
	}
	if int64(len(b)) > c.left+1 {
		b = b[:c.left+1]
	}
	n, err := c.r.Read(b)
	if c.left -= int64(n); c.left < 0 {
		return n - 1, c.err()
	}
	return n, err
}
