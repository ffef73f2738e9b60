package bzip2

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	// ahead is how many bytes lie in front of the place where bits are taken
	// after a call of fill: more than a group of 50 codes of 20 bits has.
	ahead = 144
	// inputSize is how much is read at once.
	inputSize = 16 << 10
)

// input takes bits, the first of a byte being its highest, from a reader. At its
// end it goes on with zeros until somebody calls fill or take, which tell: so the
// decoder of codes need not look for the end at each of them.
type input struct {
	r    io.Reader
	err  error // of r, when it has ended
	read int64 // bytes of r that were there before buf

	bits uint64 // the next bits, from the highest down
	n    uint   // how many of bits count
	pos  int    // of the byte in buf that comes after them
	len  int    // of what was read into buf
	buf  []byte
}

// offset gives how many bytes have been taken, counting those of which only a
// part was.
func (in *input) offset() int64 { return in.read + int64(in.pos) - int64(in.n/8) }

// fill sees to it that there are ahead bytes at pos. It returns an error if bits
// were taken that are not there.
func (in *input) fill() error {
	if in.len-in.pos >= ahead {
		return nil
	}
	if in.err == nil {
		if in.buf == nil {
			in.buf = make([]byte, inputSize+2*ahead)
		}
		in.read += int64(in.pos)
		in.len = copy(in.buf, in.buf[in.pos:in.len])
		in.pos = 0
		for tries := 0; in.len < ahead && in.err == nil; tries++ {
			var n int
			if n, in.err = in.r.Read(in.buf[in.len:inputSize]); tries > 1000 && n == 0 && in.err == nil {
				in.err = io.ErrNoProgress
			}
			in.len += n
		}
		if in.err == nil {
			return nil
		}
		clear(in.buf[in.len:]) // at least 2*ahead
	}
	return in.over()
}

// over gives an error if bits were taken that are not there.
func (in *input) over() error {
	if in.pos*8-int(in.n) <= in.len*8 {
		return nil
	}
	if errors.Is(in.err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return in.err
}

// refill makes at least 56 bits count. There have to be 8 bytes at pos.
func (in *input) refill() {
	in.bits |= binary.BigEndian.Uint64(in.buf[in.pos:]) >> in.n
	in.pos += int(63-in.n) >> 3
	in.n |= 56
}

// take gives the next n bits, at most 56.
func (in *input) take(n uint) (uint64, error) {
	if err := in.fill(); err != nil {
		return 0, err
	}
	in.refill()
	v := in.bits >> (64 - n)
	in.skip(n)
	return v, in.over()
}

// skip passes over n bits of those that count.
func (in *input) skip(n uint) {
	in.bits <<= n
	in.n -= n
}

// align passes over what is left of a byte of which bits were taken.
func (in *input) align() { in.skip(in.n % 8) }

// end gives the error of the reader underneath, io.EOF as a rule, if nothing
// follows, and nil if something does. It is called between bytes.
func (in *input) end() error {
	if err := in.fill(); err != nil {
		return err
	}
	if in.pos*8-int(in.n) < in.len*8 {
		return nil
	}
	return in.err
}

// fault says why what was taken is wrong, unless it was not there at all.
func (in *input) fault(why string) error {
	if err := in.fill(); err != nil {
		return err
	}
	return Error(why)
}
