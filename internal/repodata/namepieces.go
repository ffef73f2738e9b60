package repodata

import (
	"cmp"
	"encoding/json/jsontext"
	"slices"
)

// NamePieces is the text of the records of one large name, sorted by file name and
// cut as ChunkRecords says.
type NamePieces struct {
	Pieces []Piece
	Heads  []string // the file name at which each piece begins
}

// NewNamePieces compresses records that are sorted by file name.
func NewNamePieces(records []Entry) (NamePieces, error) {
	list := make([]NameSize, len(records))
	for i, r := range records {
		list[i] = r.nameSize()
	}
	var out NamePieces
	for _, rg := range ChunkRecords(list) {
		if err := out.add(records[rg.From:rg.To]); err != nil {
			return NamePieces{}, err
		}
	}
	return out, nil
}

func (e Entry) nameSize() NameSize { return NameSize{e.FileName, EntrySize(e.FileName, e.JSON)} }

// add appends the piece of some records.
func (p *NamePieces) add(records []Entry) error {
	n := 0
	for _, r := range records {
		n += EntrySize(r.FileName, r.JSON)
	}
	text := make([]byte, 0, n)
	for _, r := range records {
		text = AppendEntry(text, r.FileName, r.JSON)
	}
	piece, err := NewPiece(text)
	p.Pieces, p.Heads = append(p.Pieces, piece), append(p.Heads, records[0].FileName)
	return err
}

// Update gives the pieces that NewNamePieces makes of the records after some were
// put in, in place of those of the same file if there are any, and the others that
// are named went. Pieces are shared from where the cuts are the same again: most
// often all but one or two.
func (p NamePieces) Update(put []Entry, gone []string) (NamePieces, error) {
	changes := make(map[string]*Entry, len(put)+len(gone))
	for _, file := range gone {
		changes[file] = nil
	}
	for i := range put {
		changes[put[i].FileName] = &put[i]
	}
	u := pieceUpdate{old: p, changes: changes}
	for file := range changes {
		u.files = append(u.files, file)
	}
	slices.Sort(u.files)
	for at := 0; at < len(p.Pieces); {
		// A change of the record at which a piece begins may move the cut before it.
		if len(u.files) == 0 || at+1 < len(p.Pieces) && u.files[0] > p.Heads[at+1] {
			u.out.Pieces, u.out.Heads = append(u.out.Pieces, p.Pieces[at]), append(u.out.Heads, p.Heads[at])
			at++
			continue
		}
		var err error
		if at, err = u.redo(at); err != nil {
			return NamePieces{}, err
		}
	}
	if len(p.Pieces) == 0 {
		slices.SortFunc(put, func(a, b Entry) int { return cmp.Compare(a.FileName, b.FileName) })
		return NewNamePieces(put)
	}
	return u.out, nil
}

// pieceUpdate is an Update under way.
type pieceUpdate struct {
	old, out NamePieces
	changes  map[string]*Entry // nil = gone
	files    []string          // those of changes that were not met yet, sorted
}

// redo cuts anew from the start of a piece and gives the next one that begins where
// a new one does.
func (u *pieceUpdate) redo(at int) (int, error) {
	var open []Entry
	size := 0
	for first := at; at < len(u.old.Pieces); at++ {
		records, err := u.old.Pieces[at].entries()
		if err != nil {
			return 0, err
		}
		if at > first && (len(u.files) == 0 || u.files[0] > u.old.Heads[at]) && (len(open) == 0 || cutBefore(size, records[0].nameSize())) {
			break
		}
		for _, r := range u.merge(at, records) {
			n := r.nameSize()
			if len(open) > 0 && cutBefore(size, n) {
				if err := u.out.add(open); err != nil {
					return 0, err
				}
				open, size = nil, 0
			}
			open, size = append(open, r), size+n.Size
		}
	}
	if len(open) == 0 {
		return at, nil
	}
	return at, u.out.add(open)
}

// merge gives the records of a piece after the changes that fall into it.
func (u *pieceUpdate) merge(at int, records []Entry) []Entry {
	n := len(u.files)
	if at+1 < len(u.old.Heads) {
		n, _ = slices.BinarySearch(u.files, u.old.Heads[at+1])
	}
	here := u.files[:n]
	u.files = u.files[n:]
	records = slices.DeleteFunc(records, func(r Entry) bool {
		_, changed := u.changes[r.FileName]
		return changed
	})
	for _, file := range here {
		if e := u.changes[file]; e != nil {
			records = append(records, *e)
		}
	}
	slices.SortFunc(records, func(a, b Entry) int { return cmp.Compare(a.FileName, b.FileName) })
	return records
}

// entries takes a piece apart.
func (p Piece) entries() (list []Entry, err error) {
	text, err := p.Text(make([]byte, 0, p.Raw))
	if err != nil {
		return nil, err
	}
	err = EachEntry(text, func(name, record []byte) error {
		file, err := jsontext.AppendUnquote(nil, name)
		list = append(list, Entry{FileName: string(file), JSON: record})
		return err
	})
	if err == nil && len(list) == 0 {
		err = errPieceText
	}
	return list, err
}
