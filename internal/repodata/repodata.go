package repodata

import (
	"encoding/json/jsontext"
	"slices"
)

// NewRepodata lays out repodata.json (CEP 36, version 1) of a subdir:
// info, repodata_version, packages, packages.conda, removed, in this order,
// which is the one that libmamba's on-demand parser reads without rewinding.
// tarBz2 and conda are the pieces of the two groups, by package name and then
// by file name (rattler sorts for itself what this leaves out of order); removed are the names of files that were indexed and are hidden now.
func NewRepodata(subdir string, tarBz2, conda []Piece, removed []string) (*Layout, error) {
	head := appendJSONString([]byte(`{"info":{"subdir":`), subdir)
	head = append(head, `},"repodata_version":1,"packages":{`...)
	tail := []byte(`},"removed":[`)
	removed = slices.Sorted(slices.Values(removed))
	for i, name := range slices.Compact(removed) {
		if i > 0 {
			tail = append(tail, ',')
		}
		tail = appendJSONString(tail, name)
	}
	tail = append(tail, `]}`...)
	return NewLayout([]Part{
		{Before: head, Pieces: tarBz2},
		{Before: []byte(`},"packages.conda":{`), Pieces: conda},
	}, tail)
}

// AppendEntry appends one entry of a piece's text, `"file":{…}`, with a comma
// before it unless dst is empty.
func AppendEntry(dst []byte, fileName string, record []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = appendJSONString(dst, fileName)
	dst = append(dst, ':')
	return append(dst, record...)
}

// EntrySize gives the bytes that AppendEntry adds, with the comma: what Chunk
// and ChunkRecords want as the size of a record.
func EntrySize(fileName string, record []byte) int {
	n := 4 + len(record) // two quotes, colon, comma
	for i := range len(fileName) {
		if c := fileName[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			return len(appendJSONString(nil, fileName)) + 2 + len(record)
		}
		n++
	}
	return n
}

// appendJSONString appends s as a JSON string, minimally escaped. What is not
// UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // only for what is not UTF-8, already replaced
		return out
	}
	return out
}
