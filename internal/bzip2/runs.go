package bzip2

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// runs undoes what is done first when a block is written: four equal bytes are
// followed by how many more there are.
type runs struct {
	raw     []byte // of the block, not yet looked at or copied
	all     bool   // nothing of the block follows raw
	literal int    // bytes of raw to copy; what follows is not yet known
	counted bool   // after literal comes how often its last byte is repeated
	again   int    // how often to repeat value
	value   byte

	crc     uint32 // of what was given, in the order of bits of package crc32
	scratch [1 << 10]byte
}

// reset makes it ready for a block.
func (r *runs) reset() {
	r.raw, r.all, r.literal, r.counted, r.again, r.crc = nil, false, 0, false, 0, 0
}

// sum is the checksum of what was given. Before the first block it is that of
// nothing.
func (r *runs) sum() uint32 { return bits.Reverse32(r.crc) }

// read gives the next bytes of the block; none are its end.
func (r *runs) read(out []byte, b *block) (int, error) {
	n := 0
	for n < len(out) {
		switch {
		case r.again > 0:
			m := min(r.again, len(out)-n)
			repeat(out[n:n+m], r.value)
			r.again -= m
			n += m
		case r.literal > 0:
			m := copy(out[n:], r.raw[:r.literal])
			r.value = r.raw[m-1]
			r.raw = r.raw[m:]
			r.literal -= m
			n += m
		case r.counted:
			r.again, r.raw, r.counted = int(r.raw[0]), r.raw[1:], false
		case len(r.raw) >= maxRun || r.all && len(r.raw) > 0:
			if !r.look() {
				r.update(out[:n])
				return n, Error("a block ends with a run that has no length")
			}
		case b.done < b.n:
			r.raw, r.all = b.more(r.raw)
		default:
			r.update(out[:n])
			return n, nil
		}
	}
	r.update(out)
	return n, nil
}

// look finds out what the bytes at the beginning of raw mean. It reports whether
// they can mean something.
func (r *runs) look() bool {
	at := firstRun(r.raw)
	switch {
	case at+maxRun <= len(r.raw):
		r.literal, r.counted = at+maxRun-1, true
	case at+maxRun-1 == len(r.raw) && r.all:
		return false
	case r.all:
		r.literal = len(r.raw)
	default:
		r.literal = at
	}
	return true
}

// firstRun gives where the first four equal bytes begin, or where they may begin
// in the bytes after b: three before its end.
func firstRun(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+11 <= len(b); i += 8 {
		p := b[i : i+11 : i+11]
		w := binary.LittleEndian.Uint64(p)
		differ := (w ^ binary.LittleEndian.Uint64(p[1:])) | (w ^ binary.LittleEndian.Uint64(p[2:])) | (w ^ binary.LittleEndian.Uint64(p[3:]))
		if zero := (differ - ones) &^ differ & tops; zero != 0 {
			return i + bits.TrailingZeros64(zero)/8
		}
	}
	for ; i+4 <= len(b); i++ {
		if b[i] == b[i+1] && b[i] == b[i+2] && b[i] == b[i+3] {
			return i
		}
	}
	return max(len(b)-3, 0)
}

// update adds to the checksum. Bits go into it from the highest, in package
// crc32, which has the processor's help, from the lowest.
func (r *runs) update(b []byte) {
	for len(b) > 0 {
		n := copy(r.scratch[:], b)
		b = b[n:]
		for i := 0; i < n; i += 8 {
			p := r.scratch[i : i+8 : i+8]
			w := binary.LittleEndian.Uint64(p)
			w = w>>1&0x5555555555555555 | w&0x5555555555555555<<1
			w = w>>2&0x3333333333333333 | w&0x3333333333333333<<2
			w = w>>4&0x0f0f0f0f0f0f0f0f | w&0x0f0f0f0f0f0f0f0f<<4
			binary.LittleEndian.PutUint64(p, w)
		}
		r.crc = crc32.Update(r.crc, crc32.IEEETable, r.scratch[:n])
	}
}
