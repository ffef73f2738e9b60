package repodata

import (
	"bufio"
	"sync"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/errs"
)

// maxWindow is the window that every frame of this package asks of a decoder:
// 1 MiB keeps clients small and costs almost no ratio on repodata.
const maxWindow = 1 << 20

// encoders and decoders keep the tables of idle compressors, about 1 MiB each;
// EncodeAll and DecodeAll carry nothing over from one call to the next, which
// TestEncoderReuse holds. writers gather what is short on its way out.
var (
	encoders = sync.Pool{New: func() any { return &encoder{zstd: newEncoder()} }}
	decoders = sync.Pool{New: func() any { return newDecoder() }}
	writers  = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}
)

// encoder is a compressor with the buffers that its callers use.
type encoder struct {
	zstd *zstd.Encoder
	raw  []byte // to assemble what is to be compressed
	out  []byte
}

// maxScratch is the largest buffer that an idle encoder keeps, in bytes.
const maxScratch = 4 << 20

func getEncoder() *encoder { return encoders.Get().(*encoder) }

func (e *encoder) release() {
	if cap(e.raw) > maxScratch {
		e.raw = nil
	}
	if cap(e.out) > maxScratch {
		e.out = nil
	}
	encoders.Put(e)
}

// compress gives src as one zstd frame without checksum. The result is valid
// until the encoder is used again.
func (e *encoder) compress(src []byte) []byte {
	if cap(e.out) < len(src)/2 {
		e.out = make([]byte, 0, len(src)+len(src)/64+64)
	}
	e.out = e.zstd.EncodeAll(src, e.out[:0])
	return e.out
}

// newEncoder makes the one kind of compressor of this package. Level 1 is both the
// fastest and, on repodata, smaller than the default level.
func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(maxWindow),
		zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}

// maxPiece bounds the text of one piece, which the chunker keeps near 128 KiB
// unless a single record is larger.
const maxPiece = 64 << 20

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxPiece))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}

// decompressPiece appends the content of a piece's frame to dst.
func decompressPiece(dst, frame []byte) ([]byte, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	return d.DecodeAll(frame, dst)
}

// decompressOne decodes data, which must be exactly one zstd frame (clients
// stop after the first) of at most limit bytes of content and a window of at
// most window bytes. What names the data in the error's sentence.
func decompressOne(data []byte, limit, window int64, what string) ([]byte, error) {
	f, err := parseFrame(data)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The %s is not a single zstd frame.", what)
	}
	if f.window > uint64(window) {
		return nil, errs.New(errs.TooLarge, "The %s asks for a zstd window of %d bytes; at most %d are allowed.", what, f.window, window)
	}
	if f.contentSize > limit {
		return nil, errs.New(errs.TooLarge, "The %s is %d bytes unpacked; at most %d are allowed.", what, f.contentSize, limit)
	}
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(max(uint64(window), zstd.MinWindowSize)),
		zstd.WithDecoderMaxMemory(uint64(limit)))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	out, err := d.DecodeAll(data, nil)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The %s cannot be unpacked: it is damaged, or larger than %d bytes.", what, limit)
	}
	return out, nil
}
