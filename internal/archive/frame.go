package archive

import (
	"encoding/binary"
	"errors"
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
	blocks := blockReader{r: p.src.section(m.offset, m.size)}
	largest := min(f.window, maxBlock)
	for last := false; !last; {
		b, err := blocks.header(at)
		if err != nil {
			return cut()
		}
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

// blockReader reads the headers of blocks through a small buffer, so that many
// small blocks cost few reads and large ones are skipped.
type blockReader struct {
	r     io.ReaderAt
	buf   [4 << 10]byte
	start int64
	n     int
}

// header gives the 3 bytes at off as a number.
func (b *blockReader) header(off int64) (uint32, error) {
	if off < b.start || off+3 > b.start+int64(b.n) {
		n, err := b.r.ReadAt(b.buf[:], off)
		b.start, b.n = off, n
		if n < 3 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	at := b.buf[off-b.start:]
	return uint32(binary.LittleEndian.Uint16(at)) | uint32(at[2])<<16, nil
}

// memberReader gives the content of a part of a .conda. After its end, Close
// says whether the part was whole.
type memberReader struct {
	io.Reader
	packed  *checked
	decoder *zstd.Decoder
}

// openMember starts to decode m, of which at most limit bytes may come out;
// over is the refusal of more.
func (p *pack) openMember(m *zipMember, f zstdFrame, limit int64, over error) (*memberReader, error) {
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
	byRatio := p.lim.maxDecoded(m.size)
	out := &capped{r: decoder, left: min(limit, byRatio), err: over}
	if byRatio < limit {
		out.err = p.tooLarge("%s becomes more than %d times larger when decoded.", m.name, p.lim.Ratio)
	}
	return &memberReader{Reader: out, packed: packed, decoder: decoder}, nil
}

// finish checks the sum of the bytes read, which have to be all of m.
func (r *memberReader) finish(p *pack, m *zipMember) error {
	if _, err := io.Copy(io.Discard, r.packed); err != nil {
		return err
	}
	if r.packed.sum != m.crc {
		return p.damaged("%s does not have the checksum that the ZIP directory gives.", m.name)
	}
	return nil
}

// Close frees the decoder.
func (r *memberReader) Close() { r.decoder.Close() }

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

// capped gives at most left bytes of r, then err if there are more.
type capped struct {
	r    io.Reader
	left int64
	err  error
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left < 0 {
		return 0, c.err
	}
	if int64(len(b)) > c.left+1 {
		b = b[:c.left+1]
	}
	n, err := c.r.Read(b)
	if c.left -= int64(n); c.left < 0 {
		return n - 1, c.err
	}
	return n, err
}
