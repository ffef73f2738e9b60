package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
)

// Digest is what there is to say of bytes without their meaning.
type Digest struct {
	SHA256 [32]byte
	MD5    [16]byte
	Size   int64
}

// Key is the key of the bytes.
func (d Digest) Key() Key { return KeyOf(d.SHA256) }

// SHA256Hex is the SHA-256 in lower-case hex.
func (d Digest) SHA256Hex() string { return hex.EncodeToString(d.SHA256[:]) }

// MD5Hex is the MD5 in lower-case hex.
func (d Digest) MD5Hex() string { return hex.EncodeToString(d.MD5[:]) }

// Writer takes bytes into a temporary file while it hashes them. They can be read
// by ReaderAt before Commit puts them under their key. It belongs to one
// goroutine.
type Writer struct {
	// MaxSize is the most bytes that may be written, 0 for no limit. More is
	// errs.TooLarge.
	MaxSize int64

	file   *os.File
	write  func(p []byte) error
	commit func(ctx context.Context, digest Digest) error
	remove func() error // takes the temporary file away

	hashes hasher
	size   int64
	digest Digest
	state  writerState
	err    error       // the first that Write met
	span   *trace.Span // from Create to Commit or Abort
}

type writerState int

const (
	writing   writerState = iota
	finished              // digest is known
	committed             // bytes are under their key
	aborted
)

// Write takes bytes. After an error the Writer can only be aborted.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.state != writing {
		return 0, errors.New("blob: write after the end")
	}
	if w.MaxSize > 0 && int64(len(p)) > w.MaxSize-w.size {
		w.err = errs.New(errs.TooLarge, "The file is larger than the limit of %d bytes.", w.MaxSize)
		return 0, w.err
	}
	if err := w.write(p); err != nil {
		w.err = diskError(err)
		return 0, w.err
	}
	w.hashes.add(p)
	w.size += int64(len(p))
	return len(p), nil
}

// Size is how many bytes have been written so far.
func (w *Writer) Size() int64 { return w.size }

// Digest ends the writing and gives the digests of the bytes.
func (w *Writer) Digest() (Digest, error) {
	if w.err != nil {
		return Digest{}, w.err
	}
	switch w.state {
	case writing:
		w.digest = w.hashes.sum()
		w.digest.Size = w.size
		w.state = finished
	case aborted:
		return Digest{}, errors.New("blob: used after Abort")
	}
	return w.digest, nil
}

// ReaderAt ends the writing and gives the bytes for reading, and their number. It
// works until Commit or Abort.
func (w *Writer) ReaderAt() (io.ReaderAt, int64, error) {
	if _, err := w.Digest(); err != nil {
		return nil, 0, err
	}
	return w.file, w.size, nil
}

// Commit ends the writing and puts the bytes under their key, where they last. If
// they are there already that is as well. On an error nothing is left behind,
// save that bytes may be under their key.
func (w *Writer) Commit(ctx context.Context) (_ Digest, err error) {
	defer func() { w.span.End(err) }()
	digest, err := w.Digest()
	if err != nil {
		return Digest{}, errors.Join(err, w.Abort())
	}
	if w.state == committed {
		return digest, nil
	}
	if err := ctx.Err(); err != nil {
		return Digest{}, errors.Join(err, w.Abort())
	}
	if err := w.commit(ctx, digest); err != nil {
		// Joined, the removal's error would hide nothing: the kind is the first one's.
		return Digest{}, errors.Join(err, w.Abort())
	}
	w.state = committed
	w.span.Number("size", digest.Size)
	if err := w.file.Close(); err != nil {
		return Digest{}, diskError(err)
	}
	return digest, nil
}

// Abort gives the bytes up. After Commit, or a second time, it does nothing, so
// that it can be deferred.
func (w *Writer) Abort() error {
	if w.state == committed || w.state == aborted {
		return nil
	}
	if w.state == writing {
		w.hashes.sum() // ends its goroutines
	}
	w.state = aborted
	defer func() { w.span.End(w.err) }()
	return errors.Join(w.file.Close(), w.remove())
}
