package bzip2

import "slices"

const (
	// maxCodeLen is the most bits of a code.
	maxCodeLen = 20
	// maxSymbols are 254 places in a list, two digits of a run, and the end.
	maxSymbols = 258
	// direct is how many bits are looked up at once.
	direct = 10
)

// code is a canonical prefix code: shorter codes come first, and among those of
// one length the lower symbol does.
type code struct {
	// table gives, by the next bits, the symbol in the upper bits and the length
	// of its code in the lower five; zero where the code is longer or there is none.
	table [1 << direct]uint16
	// limit and first are for longer codes: those of n bits are below limit[n],
	// and a code less first[n] is the place in symbols.
	limit   [maxCodeLen + 1]uint32
	first   [maxCodeLen + 1]uint32
	symbols [maxSymbols]uint16
}

// make sets the code by the length for each symbol. Lengths that no prefix code
// has are taken as libbz2 does: codes that do not fit are never found.
func (c *code) make(lengths []uint8) {
	var count [maxCodeLen + 1]uint32
	for _, n := range lengths {
		count[n]++
	}
	var place [maxCodeLen + 1]uint32 // of the next symbol of a length
	at, next := uint32(0), uint32(0)
	for n := 1; n <= maxCodeLen; n++ {
		c.first[n] = next - at // may wrap around, as the difference to it does
		place[n] = at
		at += count[n]
		next += count[n]
		c.limit[n] = next
		next <<= 1
	}
	for symbol, n := range lengths {
		c.symbols[place[n]] = uint16(symbol)
		place[n]++
	}
	filled := 0
	at = 0
	for n := uint(1); n <= direct; n++ {
		for range count[n] {
			span := 1 << (direct - n)
			if filled+span > len(c.table) {
				break
			}
			entry := c.symbols[at]<<5 | uint16(n)
			for i := range span {
				c.table[filled+i] = entry
			}
			filled += span
			at++
		}
	}
	clear(c.table[filled:])
}

// long finds a code that the table does not have at the head of bits. It gives
// zero if there is none.
func (c *code) long(bits uint64) (symbol, length uint) {
	for n := uint(direct + 1); n <= maxCodeLen; n++ {
		if v := uint32(bits >> (64 - n)); v < c.limit[n] {
			return uint(c.symbols[v-c.first[n]]), n
		}
	}
	return 0, 0
}

// order is a list of few numbers of which the one that is named comes to the
// front.
type order [6]uint8

// front gives the number at i and moves it to the front.
func (o *order) front(i int) uint8 {
	v := o[i]
	copy(o[1:i+1], o[:i])
	o[0] = v
	return v
}

// grown gives s with more room, at most limit and at least need.
func grown[T any](s []T, need, limit int) []T {
	size := min(max(need, 2*len(s)), limit)
	return slices.Grow(s, size-len(s))[:size]
}
