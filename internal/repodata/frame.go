package repodata

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The zstd format, RFC 8878, as far as blocks of one frame are to be moved
// into another.
const (
	frameMagic   = 0xFD2FB528
	maxBlockSize = 128 << 10 // Block_Maximum_Size at a window of 128 KiB or more

	blockRaw        = 0
	blockRLE        = 1
	blockCompressed = 2

	// canonicalHead is the header of every frame that is written here from
	// blocks: no content size, no checksum, no dictionary, a window of 1 MiB.
	canonicalHead = "\x28\xb5\x2f\xfd\x00\x50"
	// canonicalTail is an empty raw block with the last-block flag.
	canonicalTail = "\x01\x00\x00"
)

var errFrame = errors.New("malformed zstd frame")

// frame is what parseFrame finds.
type frame struct {
	window      uint64
	contentSize int64  // -1 if the header does not say
	blocks      []byte // all blocks, with their headers, without the checksum
	last        int    // offset in blocks of the last block's header
}

// parseFrame walks data, which must be one whole zstd frame and nothing else.
// It looks at the header of every block, not into the entropy-coded streams.
func parseFrame(data []byte) (frame, error) {
	f := frame{contentSize: -1}
	if len(data) < 5 {
		return f, fmt.Errorf("%w: %d bytes", errFrame, len(data))
	}
	switch magic := binary.LittleEndian.Uint32(data); {
	case magic&^0xF == 0x184D2A50:
		return f, fmt.Errorf("%w: skippable frame", errFrame)
	case magic != frameMagic:
		return f, fmt.Errorf("%w: no magic number", errFrame)
	}
	desc := data[4]
	rest := data[5:]
	single, checksum := desc&0x20 != 0, desc&0x04 != 0
	if desc&0x08 != 0 {
		return f, fmt.Errorf("%w: reserved bit set", errFrame)
	}
	if desc&0x03 != 0 {
		return f, fmt.Errorf("%w: needs a dictionary", errFrame)
	}
	if !single {
		if len(rest) < 1 {
			return f, fmt.Errorf("%w: header cut off", errFrame)
		}
		base := uint64(1) << (10 + rest[0]>>3)
		f.window = base + base/8*uint64(rest[0]&7)
		rest = rest[1:]
	}
	sizeLen := [4]int{0, 2, 4, 8}[desc>>6]
	if sizeLen == 0 && single {
		sizeLen = 1
	}
	if len(rest) < sizeLen {
		return f, fmt.Errorf("%w: header cut off", errFrame)
	}
	if sizeLen > 0 {
		var b [8]byte
		copy(b[:], rest[:sizeLen])
		size := binary.LittleEndian.Uint64(b[:])
		if sizeLen == 2 {
			size += 256
		}
		if size > 1<<62 {
			return f, fmt.Errorf("%w: content size %d", errFrame, size)
		}
		f.contentSize = int64(size)
		if single {
			f.window = size
		}
		rest = rest[sizeLen:]
	}

	f.blocks = rest
	for at := 0; ; {
		b, err := readBlock(rest[at:])
		if err != nil {
			return f, err
		}
		if b.last {
			f.last = at
			f.blocks = rest[:at+3+len(b.body)]
			rest = rest[at+3+len(b.body):]
			break
		}
		at += 3 + len(b.body)
	}
	if checksum {
		if len(rest) < 4 {
			return f, fmt.Errorf("%w: checksum cut off", errFrame)
		}
		rest = rest[4:]
	}
	if len(rest) > 0 {
		return f, fmt.Errorf("%w: %d bytes after it", errFrame, len(rest))
	}
	return f, nil
}

// block is one block of a frame.
type block struct {
	last bool
	kind byte
	size int    // the header's Block_Size
	body []byte // what follows the header: one byte for RLE
}

// readBlock reads the block at the start of data.
func readBlock(data []byte) (block, error) {
	if len(data) < 3 {
		return block{}, fmt.Errorf("%w: no last block", errFrame)
	}
	h := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16
	b := block{last: h&1 != 0, kind: byte(h >> 1 & 3), size: int(h >> 3)}
	if b.kind > blockCompressed {
		return b, fmt.Errorf("%w: reserved block type", errFrame)
	}
	if b.size > maxBlockSize {
		return b, fmt.Errorf("%w: block of %d bytes", errFrame, b.size)
	}
	n := b.size
	if b.kind == blockRLE {
		n = 1
	}
	if len(data) < 3+n {
		return b, fmt.Errorf("%w: block cut off", errFrame)
	}
	b.body = data[3 : 3+n]
	return b, nil
}

// selfContained reports whether the blocks decode without entropy tables of
// blocks before them: in a spliced frame a treeless literals section or a
// repeat-mode table at the start of a piece would silently take the table of
// the piece before it.
func selfContained(blocks []byte) error {
	var huffman, sequences bool
	for at := 0; at < len(blocks); {
		b, err := readBlock(blocks[at:])
		if err != nil {
			return err
		}
		at += 3 + len(b.body)
		if b.kind != blockCompressed {
			continue
		}
		kind, rest, err := skipLiterals(b.body)
		if err != nil {
			return err
		}
		switch kind {
		case 2: // Compressed_Literals_Block brings its own tree
			huffman = true
		case 3: // Treeless_Literals_Block takes the last one
			if !huffman {
				return fmt.Errorf("%w: literals without a tree", errFrame)
			}
		}
		modes, some, err := sequenceModes(rest)
		if err != nil {
			return err
		}
		if !some {
			continue
		}
		repeats := modes>>6 == 3 || modes>>4&3 == 3 || modes>>2&3 == 3
		if repeats && !sequences {
			return fmt.Errorf("%w: repeat mode without a table", errFrame)
		}
		sequences = true
	}
	return nil
}

// skipLiterals gives the type of a compressed block's literals section and
// what follows the section.
func skipLiterals(body []byte) (kind byte, rest []byte, err error) {
	if len(body) == 0 {
		return 0, nil, fmt.Errorf("%w: empty compressed block", errFrame)
	}
	kind = body[0] & 3
	format := body[0] >> 2 & 3
	var head, size int
	var h uint64
	for i := range min(5, len(body)) {
		h |= uint64(body[i]) << (8 * i)
	}
	switch {
	case kind < 2 && format&1 == 0:
		head, size = 1, int(h>>3&0x1F)
	case kind < 2 && format == 1:
		head, size = 2, int(h>>4&0xFFF)
	case kind < 2:
		head, size = 3, int(h>>4&0xFFFFF)
	case format < 2:
		head, size = 3, int(h>>14&0x3FF)
	case format == 2:
		head, size = 4, int(h>>18&0x3FFF)
	default:
		head, size = 5, int(h>>22&0x3FFFF)
	}
	if kind == 1 { // RLE: one byte stands for all
		size = 1
	}
	if len(body) < head+size {
		return 0, nil, fmt.Errorf("%w: literals cut off", errFrame)
	}
	return kind, body[head+size:], nil
}

// sequenceModes gives the byte of symbol compression modes; some is false
// where the block has no sequences and hence no such byte.
func sequenceModes(section []byte) (modes byte, some bool, err error) {
	if len(section) == 0 {
		return 0, false, fmt.Errorf("%w: no sequences section", errFrame)
	}
	n := 1
	switch c := section[0]; {
	case c == 0:
		return 0, false, nil
	case c == 255:
		n = 3
	case c >= 128:
		n = 2
	}
	if len(section) <= n {
		return 0, false, fmt.Errorf("%w: sequences cut off", errFrame)
	}
	return section[n], true, nil
}

// canonical rewrites a frame of any encoder into the one form that a splice
// takes without touching a byte: the canonical header, all blocks with the
// last-block flag cleared, and an empty last block.
func canonical(data []byte) ([]byte, error) {
	f, err := parseFrame(data)
	if err != nil {
		return nil, err
	}
	if f.window > maxWindow {
		return nil, fmt.Errorf("%w: window of %d bytes, at most %d can be spliced", errFrame, f.window, maxWindow)
	}
	if err := selfContained(f.blocks); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(canonicalHead)+len(f.blocks)+len(canonicalTail))
	out = append(out, canonicalHead...)
	if string(f.blocks[f.last:]) == canonicalTail {
		out = append(out, f.blocks[:f.last]...)
	} else {
		out = append(out, f.blocks...)
		out[len(canonicalHead)+f.last] &^= 1
	}
	return append(out, canonicalTail...), nil
}

// appendRaw appends text as raw blocks, the final one flagged if last.
func appendRaw(dst, text []byte, last bool) []byte {
	for {
		n := min(len(text), maxBlockSize)
		h := uint32(n) << 3
		if last && n == len(text) {
			h |= 1
		}
		dst = append(dst, byte(h), byte(h>>8), byte(h>>16))
		dst = append(dst, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			return dst
		}
	}
}
