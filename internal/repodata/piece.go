package repodata

import (
	"errors"
	"fmt"

	"terrarium/internal/errs"
)

// Piece is the JSON text of neighbouring records, `"file":{…},"file":{…}`
// without a comma at either end, compressed apart from its neighbours so that
// a change costs one piece and not the document.
type Piece struct {
	Raw  int    // bytes of the text
	Zstd []byte // the text as one whole zstd frame, window at most 1 MiB, no checksum

	// canonical says that Zstd has been through canonical().
	canonical bool
}

// NewPiece compresses text. The bytes depend on the text alone.
func NewPiece(text []byte) (Piece, error) {
	if len(text) == 0 {
		return Piece{}, errors.New("a piece needs text")
	}
	if len(text) > maxPiece {
		return Piece{}, errs.New(errs.TooLarge, "A piece of the index would be %d bytes; at most %d are allowed.", len(text), maxPiece)
	}
	e := getEncoder()
	defer e.release()
	z, err := canonical(e.compress(text))
	if err != nil {
		return Piece{}, fmt.Errorf("normalising our own frame: %w", err)
	}
	return Piece{Raw: len(text), Zstd: z, canonical: true}, nil
}

// ParsePiece takes a frame of any zstd encoder, for example out of a cache on
// disk. It refuses (errs.Invalid) what could not be spliced: several frames,
// skippable frames, dictionaries, a window over 1 MiB, tables that the frame
// does not itself define, and whatever does not decode.
func ParsePiece(frame []byte) (Piece, error) {
	z, err := canonical(frame)
	if err != nil {
		return Piece{}, errs.Wrap(errs.Invalid, err, "A stored piece of the index cannot be used.")
	}
	text, err := decompressPiece(nil, z)
	if err != nil {
		return Piece{}, errs.Wrap(errs.Invalid, err, "A stored piece of the index cannot be unpacked.")
	}
	if len(text) == 0 {
		return Piece{}, errs.New(errs.Invalid, "A stored piece of the index is empty.")
	}
	return Piece{Raw: len(text), Zstd: z, canonical: true}, nil
}

// Text appends the piece's text to dst. It fails where the frame is damaged
// or does not hold Raw bytes.
func (p Piece) Text(dst []byte) ([]byte, error) {
	out, err := decompressPiece(dst, p.Zstd)
	if err != nil {
		return dst, fmt.Errorf("unpacking a piece: %w", err)
	}
	if len(out)-len(dst) != p.Raw {
		return dst, fmt.Errorf("unpacking a piece: %d bytes instead of %d", len(out)-len(dst), p.Raw)
	}
	return out, nil
}

// canonicalFrame gives the piece's frame in the form that splices.
func (p Piece) canonicalFrame() ([]byte, error) {
	if p.canonical {
		return p.Zstd, nil
	}
	return canonical(p.Zstd)
}
