package repodata

import (
	"cmp"
	"slices"
	"strings"
)

// Entry is one file's entry in a document that is made whole when asked for:
// the file name and the JSON text that stands under it.
type Entry struct {
	FileName string
	JSON     []byte
}

// NewDocument lays out a repodata.json of a subdir from single records, for
// documents without kept pieces such as current_repodata.json. The order of
// entries does not matter.
func NewDocument(subdir string, entries []Entry, removed []string) (*Layout, error) {
	tarBz2, conda, err := piecesOf(entries)
	if err != nil {
		return nil, err
	}
	return NewRepodata(subdir, tarBz2, conda, removed)
}

// piecesOf sorts entries into the two groups and cuts each into pieces.
// Entries of other files are left out.
func piecesOf(entries []Entry) (tarBz2, conda []Piece, err error) {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(a.FileName, b.FileName) })
	if tarBz2, err = groupPieces(entries, suffixTarBz2); err != nil {
		return nil, nil, err
	}
	if conda, err = groupPieces(entries, suffixConda); err != nil {
		return nil, nil, err
	}
	return tarBz2, conda, nil
}

func groupPieces(entries []Entry, suffix string) ([]Piece, error) {
	var pieces []Piece
	var text []byte
	flush := func() error {
		if len(text) == 0 {
			return nil
		}
		p, err := NewPiece(text)
		text = text[:0]
		pieces = append(pieces, p)
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.FileName, suffix) {
			continue
		}
		if len(text)+EntrySize(e.FileName, e.JSON) > pieceMax {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		text = AppendEntry(text, e.FileName, e.JSON)
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return pieces, nil
}
