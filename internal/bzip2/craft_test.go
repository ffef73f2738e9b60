package bzip2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"terrarium/internal/bzip2"
)

// crafted is a block written by hand, as no compressor does.
type crafted struct {
	last       []byte // the last column, of at most 18 different bytes
	origin     uint64
	sum        uint32
	randomised uint64
	groups     int                   // fewer or more than are needed
	bend       func(lengths []uint8) // of the second code, which all groups use
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	b    []byte
	free uint
}

func (w *bitWriter) put(v uint64, n uint) {
	for n > 0 {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		n--
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

// craft writes a file of one stream.
func craft(level byte, blocks ...crafted) []byte {
	w := &bitWriter{b: []byte{'B', 'Z', 'h', level}}
	all := uint32(0)
	for _, b := range blocks {
		all = bits.RotateLeft32(all, 1) ^ b.sum
		b.write(w)
	}
	w.put(0x177245385090, 48)
	w.put(uint64(all), 32)
	return w.b
}

func (b crafted) write(w *bitWriter) {
	w.put(0x314159265359, 48)
	w.put(uint64(b.sum), 32)
	w.put(b.randomised, 1)
	w.put(b.origin, 24)
	var list []byte
	w.put(0xffff, 16)
	for v := range 256 {
		used := bytes.IndexByte(b.last, byte(v)) >= 0
		if used {
			list = append(list, byte(v))
			w.put(1, 1)
		} else {
			w.put(0, 1)
		}
	}
	end := len(list) + 1
	var symbols []int
	run := 0
	flush := func() {
		for ; run > 0; run = (run - 1) / 2 {
			symbols = append(symbols, (run-1)%2)
		}
	}
	for _, v := range b.last {
		i := bytes.IndexByte(list, v)
		if i == 0 {
			run++
			continue
		}
		flush()
		symbols = append(symbols, i+1)
		copy(list[1:], list[:i])
		list[0] = v
	}
	flush()
	symbols = append(symbols, end)

	// The code of symbol i is i ones and a zero; the last one has none.
	lengths := make([]uint8, end+1)
	for i := range lengths {
		lengths[i] = uint8(min(i+1, end))
	}
	groups := (len(symbols)+49)/50 + b.groups
	w.put(2, 3)
	w.put(uint64(groups), 15)
	for i := range groups {
		if i == 0 {
			w.put(0b10, 2) // the second code comes to the front
		} else {
			w.put(0, 1)
		}
	}
	for code := range 2 {
		if code == 1 && b.bend != nil {
			b.bend(lengths)
		}
		now := lengths[0]
		w.put(uint64(now), 5)
		for _, n := range lengths {
			for ; now < n; now++ {
				w.put(0b10, 2)
			}
			for ; now > n; now-- {
				w.put(0b11, 2)
			}
			w.put(0, 1)
		}
	}
	codes := canonical(lengths)
	for _, s := range symbols {
		w.put(codes[s], uint(lengths[s]))
	}
}

// canonical gives the code of each symbol, the shortest first.
func canonical(lengths []uint8) []uint64 {
	codes := make([]uint64, len(lengths))
	next := uint64(0)
	for n := uint8(1); n <= 20; n++ {
		for s, m := range lengths {
			if m == n {
				codes[s] = next
				next++
			}
		}
		next <<= 1
	}
	return codes
}

// checksum is that of the format, bit by bit.
func checksum(b []byte) uint32 {
	sum := ^uint32(0)
	for _, v := range b {
		sum ^= uint32(v) << 24
		for range 8 {
			sum = sum<<1 ^ 0x04c11db7&-(sum>>31)
		}
	}
	return ^sum
}

// plainly walks over the rows from origin as the format says, one by one, and
// writes runs out. ok is false where a run at the end has no length.
func plainly(last []byte, origin uint64) (content []byte, ok bool) {
	var forth []int
	for v := range 256 {
		for i, l := range last {
			if int(l) == v {
				forth = append(forth, i)
			}
		}
	}
	row, equal := forth[origin], 0
	for i := range last {
		v := last[row]
		row = forth[row]
		if equal == 4 {
			content = append(content, bytes.Repeat(content[len(content)-1:], int(v))...)
			equal = 0
			continue
		}
		if equal > 0 && i > 0 && content[len(content)-1] == v {
			equal++
		} else {
			equal = 1
		}
		content = append(content, v)
	}
	return content, equal != 4
}

// TestForeignRows reads blocks whose rows are no rotations of one text, which
// all readers of the format have to read in the same way.
func TestForeignRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	ended := 0
	for round := range 40 {
		n := []int{4, 1, 2, 5, 50, 4096, 64 << 10, 64<<10 + 1, 99_999, 100_000}[round%10]
		last := make([]byte, n)
		for i := range last {
			last[i] = byte(random.IntN(1 + round%18))
		}
		b := crafted{last: last, origin: random.Uint64N(uint64(n))}
		want, ok := plainly(last, b.origin)
		b.sum = checksum(want)
		file := craft('1', b, b)
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(file)))
		if !ok {
			ended++
			if told := bzip2.Error(""); !errors.As(err, &told) {
				t.Errorf("round %d, %d bytes: %v for a run without a length", round, n, err)
			}
			continue
		}
		want = append(want, want...)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("round %d: %d bytes of %d, %v", round, len(got), len(want), err)
		}
		// The standard library goes on with a run of length 0 where libbz2 begins
		// another.
		same(t, fmt.Sprintf("round %d", round), file)
	}
	if ended == 0 || ended > 20 {
		t.Errorf("%d blocks end with a run", ended)
	}
}

// TestCrafted reads blocks that break one rule, or nearly do.
func TestCrafted(t *testing.T) {
	text := []byte("many a banana and a lemon")
	good := func() crafted {
		content, _ := plainly(text, 3)
		return crafted{last: text, origin: 3, sum: checksum(content)}
	}
	var long []byte
	for len(long) <= 100_000 {
		long = append(long, text...)
	}
	for _, c := range []struct {
		name, want string // "" is no error
		level      byte
		change     func(*crafted)
	}{
		{name: "good", change: func(*crafted) {}},
		{name: "randomised", change: func(b *crafted) { b.randomised = 1 }, want: "randomised"},
		{name: "wrong checksum", change: func(b *crafted) { b.sum++ }, want: "does not have its checksum"},
		{name: "begins behind its end", change: func(b *crafted) { b.origin = uint64(len(text)) }, want: "begins outside itself"},
		{name: "too few groups", change: func(b *crafted) { b.groups = -1 }, want: "no groups"},
		{name: "more groups than needed", change: func(b *crafted) { b.groups = 20_000 }},
		{name: "level 0", level: '0', change: func(*crafted) {}, want: "BZh"},
		{name: "level :", level: ':', change: func(*crafted) {}, want: "BZh"},
		{name: "more than its level has", change: func(b *crafted) { b.last = long }, want: "more than its file says"},
		{name: "a run of more than its level has", change: func(b *crafted) { b.last = bytes.Repeat([]byte("a"), 100_001) }, want: "more than its file says"},
		{name: "a longest run", change: func(b *crafted) {
			b.last, b.origin = bytes.Repeat([]byte("a"), 100_000), 0
			content, _ := plainly(b.last, 0)
			b.sum = checksum(content)
		}},
		{name: "a run without a length", change: func(b *crafted) {
			b.last, b.origin, b.sum = []byte("aaaa"), 0, checksum([]byte("aaaa"))
		}, want: "no length"},
		{name: "codes that are missing, not used", change: func(b *crafted) { b.bend = func(l []uint8) { l[len(l)-1]++ } }},
		{name: "codes of all lengths", change: func(b *crafted) {
			b.bend = func(l []uint8) {
				for i := range l {
					l[i] = uint8(20 - i)
				}
			}
		}},
		{name: "symbols without a code, not used", change: func(b *crafted) {
			// Digits of runs come once only, so the higher one has no use.
			b.bend = func(l []uint8) {
				for i := range l {
					l[i] = 4
				}
				l[1] = 20
			}
		}},
		{name: "more codes than fit", change: func(b *crafted) {
			b.bend = func(l []uint8) {
				for i := range l {
					l[i] = 1
				}
			}
		}, want: "bzip2: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := good()
			c.change(&b)
			if c.level == 0 {
				c.level = '1'
			}
			_, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(craft(c.level, b))))
			if c.want == "" && err != nil {
				t.Errorf("it is refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want one with %q", err, c.want)
			}
		})
	}
}
