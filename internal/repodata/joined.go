package repodata

import "io"

// Joined is a document that is put together of texts without copying them: documents
// that have most of them in common share these. It is immutable and safe for concurrent
// use.
type Joined struct {
	segments [][]byte // head, entries, tail
	at       []int64  // where each begins, with the comma before it
	size     int64
}

// NewJoined puts a document together: head, the entries with commas between them, tail.
func NewJoined(head []byte, entries [][]byte, tail []byte) *Joined {
	j := &Joined{segments: make([][]byte, 0, len(entries)+2), at: make([]int64, 0, len(entries)+2)}
	add := func(text []byte) {
		j.at = append(j.at, j.size)
		j.segments = append(j.segments, text)
		j.size += int64(len(j.comma(len(j.segments)-1, len(entries))) + len(text))
	}
	add(head)
	for _, e := range entries {
		add(e)
	}
	add(tail)
	return j
}

// comma is what stands before a segment of a document with so many entries: a comma before
// every entry but the first.
func (j *Joined) comma(segment, entries int) string {
	if segment > 1 && segment <= entries {
		return ","
	}
	return ""
}

// Size gives the length of the document in bytes.
func (j *Joined) Size() int64 { return j.size }

// Open gives a reader of the document, which has its own state and also implements
// io.WriterTo.
func (j *Joined) Open() io.ReadSeeker {
	return &reader{
		size: j.size, n: len(j.segments), at: func(i int) int64 { return j.at[i] },
		load: func(i int, buf []byte) (lead string, body, reuse []byte, err error) {
			return j.comma(i, len(j.segments)-2), j.segments[i], buf, nil
		},
	}
}
