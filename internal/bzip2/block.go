package bzip2

import (
	"encoding/binary"
	"math/bits"
)

const (
	// groupSize is how many symbols are written with one code.
	groupSize = 50
	maxCodes  = 6
)

// block is one block: first its symbols, then the bytes that they stand for,
// sorted by what follows them, then walks over those in their true order.
type block struct {
	codes     [maxCodes]code
	selectors []uint8 // the code of each group

	last   []byte      // the last column of the sorted rotations
	n      int         // how much of last counts
	origin uint32      // the row that is the content itself
	count  [256]uint32 // how often a byte is in last

	walk
}

// decode reads a block, but for its mark and checksum, of at most size bytes.
func (b *block) decode(in *input, size int) error {
	b.n = 0
	randomised, err := in.take(1)
	if err != nil {
		return err
	}
	if randomised != 0 {
		return Error("a block is randomised, as only versions before 0.9.5 wrote them; these are not supported")
	}
	origin, err := in.take(24)
	if err != nil {
		return err
	}
	list, used, err := usedBytes(in)
	if err != nil {
		return err
	}
	if err := b.readCodes(in, used+2); err != nil {
		return err
	}
	clear(b.count[:])
	if err := b.symbols(in, size, &list, used+1); err != nil {
		return err
	}
	if origin >= uint64(b.n) {
		return Error("a block begins outside itself")
	}
	b.origin = uint32(origin)
	b.begin()
	return nil
}

// usedBytes reads which bytes are in the block, in a map of 16 times 16 bits.
func usedBytes(in *input) (list [256]byte, n int, err error) {
	ranges, err := in.take(16)
	if err != nil {
		return list, 0, err
	}
	for high := range 16 {
		if ranges>>(15-high)&1 == 0 {
			continue
		}
		used, err := in.take(16)
		if err != nil {
			return list, 0, err
		}
		for low := range 16 {
			if used>>(15-low)&1 != 0 {
				list[n] = byte(high<<4 | low)
				n++
			}
		}
	}
	if n == 0 {
		return list, 0, Error("a block has no bytes")
	}
	return list, n, nil
}

// readCodes reads the codes and which group uses which.
func (b *block) readCodes(in *input, symbols int) error {
	head, err := in.take(3 + 15)
	if err != nil {
		return err
	}
	codes, groups := int(head>>15), int(head&(1<<15-1))
	if codes < 2 || codes > maxCodes {
		return Error("a block has fewer than two codes, or more than six")
	}
	if groups == 0 {
		return Error("a block has no groups of symbols")
	}
	if cap(b.selectors) < groups {
		b.selectors = make([]uint8, groups)
	}
	b.selectors = b.selectors[:groups]
	recent := order{0, 1, 2, 3, 4, 5}
	for i := range b.selectors {
		if i%(ahead/2) == 0 { // of each a byte is taken at most, and 8 are looked at
			if err := in.fill(); err != nil {
				return err
			}
		}
		in.refill()
		ones := bits.LeadingZeros64(^in.bits)
		if ones >= codes {
			return in.fault("a group of symbols has a code that does not exist")
		}
		in.skip(uint(ones) + 1)
		b.selectors[i] = recent.front(ones)
	}
	for i := range codes {
		lengths, err := codeLengths(in, symbols)
		if err != nil {
			return err
		}
		b.codes[i].make(lengths[:symbols])
	}
	return nil
}

// codeLengths reads the length of the code of each symbol, written as steps up
// and down from one to the next.
func codeLengths(in *input, symbols int) (lengths [maxSymbols]uint8, err error) {
	start, err := in.take(5)
	if err != nil {
		return lengths, err
	}
	n := int(start)
	for i := range symbols {
		for {
			if n < 1 || n > maxCodeLen {
				return lengths, in.fault("a code has fewer than 1 or more than 20 bits")
			}
			if err := in.fill(); err != nil {
				return lengths, err
			}
			in.refill()
			step := in.bits >> 62
			if step < 2 {
				in.skip(1)
				break
			}
			in.skip(2)
			n += 1 - 2*int(step&1)
		}
		lengths[i] = uint8(n)
	}
	return lengths, nil
}

// symbols reads the symbols up to the one called end, and writes what they stand
// for to last. 0 and 1 are digits of how often the byte at the front of list is
// repeated; others name a place in list whose byte goes to the front.
func (b *block) symbols(in *input, size int, list *[256]byte, end int) error {
	const tooMany = "a block holds more than its file says it may"
	var (
		last       = b.last[:min(len(b.last), size)] // walkAll leaves it longer
		n          = 0
		run, power = 0, 1
		bits       uint64
		have       uint
		pos        int
		wrong      = "a block has more symbols than groups of them"
	)
groups:
	for _, selector := range b.selectors {
		if err := in.fill(); err != nil {
			return err
		}
		c := &b.codes[selector]
		bits, have, pos = in.bits, in.n, in.pos
		for i := range groupSize {
			if i&1 == 0 { // 56 bits are more than two codes
				bits |= binary.BigEndian.Uint64(in.buf[pos:]) >> (have & 63)
				pos += int(63-have) >> 3
				have |= 56
			}
			entry := uint(c.table[bits>>(64-direct)])
			symbol, length := entry>>5, entry&31
			if length == 0 {
				if symbol, length = c.long(bits); length == 0 {
					wrong = "a block holds bits that are no code"
					break groups
				}
			}
			bits <<= length & 63
			have -= length
			if symbol < 2 {
				if run += power << symbol; run > size {
					wrong = tooMany
					break groups
				}
				power <<= 1
				continue
			}
			if run > 0 {
				if n+run > len(last) {
					if n+run > size {
						wrong = tooMany
						break groups
					}
					last = grown(last[:n], n+run, size)
				}
				v := list[0]
				repeat(last[n:n+run], v)
				b.count[v] += uint32(run)
				n += run
				run, power = 0, 1
			}
			if symbol == uint(end) {
				wrong = ""
				break groups
			}
			if n >= len(last) {
				if n >= size {
					wrong = tooMany
					break groups
				}
				last = grown(last[:n], n+1, size)
			}
			var v byte
			if place := symbol - 1; place < 8 {
				v = nearToFront(list, place)
			} else {
				v = list[place&255]
				copy(list[1:], list[:place&255])
				list[0] = v
			}
			last[n] = v
			b.count[v]++
			n++
		}
		in.bits, in.n, in.pos = bits, have, pos
	}
	in.bits, in.n, in.pos = bits, have, pos
	b.last, b.n = last, n
	if wrong != "" {
		return in.fault(wrong)
	}
	return in.fill()
}

// nearToFront gives the byte at place i, which is below 8, and moves it to the
// front.
func nearToFront(list *[256]byte, i uint) byte {
	w := binary.LittleEndian.Uint64(list[:8])
	v := w >> (8 * i & 63) & 0xff
	upTo := uint64(2)<<((8*i+7)&63) - 1 // the bytes that change
	binary.LittleEndian.PutUint64(list[:8], w&^upTo|w&(upTo>>8)<<8|v)
	return byte(v)
}

// repeat fills b with v.
func repeat(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}
