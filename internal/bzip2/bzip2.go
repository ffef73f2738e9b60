// Package bzip2 decompresses bzip2, the older of the two compressions of conda
// packages and of upstream channels' repodata, faster than the standard library
// does. It does not compress.
//
// The format has no standard. What is read here follows the description of
// Joe Tsai ("BZIP2: Format Specification", 2016) and, where that leaves a
// choice, libbz2 1.0.8, which clients unpack with: several streams in a row are
// one file, as pbzip2 writes them; a prefix code may be incomplete as long as no
// code is used that is missing. What libbz2 and others read differently is
// refused: anything else behind a stream, and a block that ends where the length
// of a run has to come. Blocks that were randomised, as versions before 0.9.5 of
// 1999 wrote them, are refused too.
//
// A file is hostile until proved otherwise: every checksum is checked, and a
// Reader holds five bytes for each byte of the largest block so far, of which
// there are at most 900,000, and about 100 kB. How much may come out of few bytes
// is for the caller to say.
package bzip2

import (
	"io"
	"math/bits"
)

// Error says why bytes are no bzip2 file. What is merely cut off is
// io.ErrUnexpectedEOF.
type Error string

func (e Error) Error() string { return "bzip2: " + string(e) }

// The marks of 48 bits before a block and at the end of a stream: the digits of
// π and of its square root.
const (
	blockMark = 0x314159265359
	endMark   = 0x177245385090
)

// perLevel is how many bytes a block may hold for each level of a stream, before
// they are taken for runs.
const perLevel = 100_000

// Reader gives the content of a bzip2 file. It decodes a block when the first
// byte of it is asked for, and of that block no more than is needed for the
// bytes asked for, about.
type Reader struct {
	in  input
	err error // sticky

	begun     bool   // the first stream has been opened
	size      int    // most bytes in a block of this stream
	blockSum  uint32 // that the block has to have
	streamSum uint32 // of the blocks so far

	block block
	runs  runs
}

// NewReader makes a Reader of the file that r gives from its first byte to its
// end. It reads ahead of what it decodes, by at most 16 KiB.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: input{r: r}}
}

// InputOffset gives how many bytes of the file have been decoded. More may have
// been read.
func (r *Reader) InputOffset() int64 { return r.in.offset() }

// Read gives the next bytes of the content. The checksum of a block is compared
// when all of it has been given. It returns Error for what is no bzip2 file,
// io.ErrUnexpectedEOF for one that is cut off, and errors of the reader
// underneath as they are.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, r.err
	}
	for r.err == nil {
		n, err := r.runs.read(b, &r.block)
		if n > 0 || err != nil {
			r.err = err
			return n, err
		}
		r.err = r.next()
	}
	return 0, r.err
}

// next goes from the end of a block, or from the beginning, to the next block.
func (r *Reader) next() error {
	if !r.begun {
		r.begun = true
		if err := r.open(); err != nil {
			return err
		}
	} else if sum := r.runs.sum(); sum != r.blockSum {
		return Error("a block does not have its checksum")
	}
	for {
		mark, err := r.in.take(48)
		if err != nil {
			return err
		}
		sum, err := r.in.take(32)
		if err != nil {
			return err
		}
		switch mark {
		case blockMark:
			r.blockSum = uint32(sum)
			r.streamSum = bits.RotateLeft32(r.streamSum, 1) ^ r.blockSum
			r.runs.reset()
			return r.block.decode(&r.in, r.size)
		case endMark:
			if r.streamSum != uint32(sum) {
				return Error("the file does not have its checksum")
			}
			r.in.align()
			if err := r.in.end(); err != nil {
				return err
			}
			if err := r.open(); err != nil {
				return err
			}
		default:
			return Error("neither a block nor the end of the file is where one has to be")
		}
	}
}

// open reads the header of a stream: BZh and a digit.
func (r *Reader) open() error {
	head, err := r.in.take(32)
	if err != nil {
		return err
	}
	level := int(head&0xff) - '0'
	if head>>8 != 'B'<<16|'Z'<<8|'h' || level < 1 || level > 9 {
		return Error("it does not begin with BZh and a digit")
	}
	r.size, r.streamSum = level*perLevel, 0
	r.runs.reset()
	return nil
}
