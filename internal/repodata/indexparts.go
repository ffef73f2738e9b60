package repodata

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// indexWhole is the size of a shard index, in bytes unpacked, from which on it
// is not compressed: its hashes, two thirds of it, do not shrink, and to try
// costs 5 ms for 30,000 names, at each generation.
const indexWhole = 128 << 10

// IndexPart is the entries of neighbouring names in a shard index, ready to be
// put into a frame. It is immutable.
type IndexPart struct {
	names  int
	raw    int    // bytes of the entries
	blocks []byte // the entries as raw blocks of a frame
}

// NewIndexPart encodes the entries of n names, sorted. Parts begin at the names
// that Segment picks, so that equal indexes have equal bytes.
func NewIndexPart(n int, entry func(i int) (name string, sum [32]byte)) IndexPart {
	e := getEncoder()
	defer e.release()
	b := e.raw[:0]
	for i := range n {
		name, sum := entry(i)
		b = appendIndexEntry(b, name, sum)
	}
	e.raw = b
	return IndexPart{names: n, raw: len(b), blocks: rawBlocks(b, false)}
}

func appendIndexEntry(b []byte, name string, sum [32]byte) []byte {
	return msgp.AppendBytes(msgp.AppendString(b, name), sum[:])
}

// rawBlocks gives text as raw blocks in a slice of their exact size.
func rawBlocks(text []byte, last bool) []byte {
	return appendRaw(make([]byte, 0, len(text)+3*(len(text)/maxBlockSize+1)), text, last)
}

// appendText appends the entries of the part without the marks of its blocks.
func (p IndexPart) appendText(dst []byte) []byte {
	for rest := p.blocks; len(rest) > 0; {
		n := int(uint32(rest[0])|uint32(rest[1])<<8|uint32(rest[2])<<16) >> 3 // as appendRaw wrote it
		dst = append(dst, rest[3:3+n]...)
		rest = rest[3+n:]
	}
	return dst
}

// IndexFrame is a shard index as one zstd frame. A large one shares the bytes of
// its parts; it is immutable and safe for concurrent use.
type IndexFrame struct {
	segments [][]byte
	at       []int64
	size     int64
}

// NewIndexFrame joins parts to the index of a subdir: from 128 KiB on as raw
// blocks, which copies nothing, and below that compressed.
func NewIndexFrame(info ShardIndexInfo, parts []IndexPart) *IndexFrame {
	names, raw := 0, 0
	for _, p := range parts {
		names += p.names
		raw += p.raw
	}
	head := appendIndexHead(nil, info, names)
	tail := msgp.AppendInt(msgp.AppendString(nil, "version"), 1)
	raw += len(head) + len(tail)
	f := &IndexFrame{}
	if raw < indexWhole {
		e := getEncoder()
		defer e.release()
		b := append(e.raw[:0], head...)
		for _, p := range parts {
			b = p.appendText(b)
		}
		e.raw = append(b, tail...)
		f.add(bytes.Clone(e.compress(e.raw)))
		return f
	}
	f.segments, f.at = make([][]byte, 0, len(parts)+2), make([]int64, 0, len(parts)+2)
	// The header says how long the content is: conda unpacks in one step.
	start := binary.LittleEndian.AppendUint32([]byte("\x28\xb5\x2f\xfd\x80\x50"), uint32(raw))
	f.add(appendRaw(start, head, false))
	for _, p := range parts {
		if p.raw > 0 {
			f.add(p.blocks)
		}
	}
	f.add(rawBlocks(tail, true))
	return f
}

func (f *IndexFrame) add(b []byte) {
	f.segments, f.at = append(f.segments, b), append(f.at, f.size)
	f.size += int64(len(b))
}

// Size gives the length of the frame in bytes.
func (f *IndexFrame) Size() int64 { return f.size }

// Open gives a reader of the frame, which has its own state and also
// implements io.WriterTo.
func (f *IndexFrame) Open() io.ReadSeeker {
	return &reader{
		size: f.size, n: len(f.segments), kept: true, at: func(i int) int64 { return f.at[i] },
		load: func(i int, buf []byte) (lead string, body, reuse []byte, err error) {
			return "", f.segments[i], buf, nil
		},
	}
}

// Bytes gives the whole frame, which must not be changed.
func (f *IndexFrame) Bytes() []byte {
	if len(f.segments) == 1 {
		return f.segments[0]
	}
	return slices.Concat(f.segments...)
}

// appendIndexHead appends what stands before the entries.
func appendIndexHead(b []byte, info ShardIndexInfo, names int) []byte {
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendString(b, "info")
	b = msgp.AppendMapHeader(b, 3+boolInt(!info.CreatedAt.IsZero()))
	b = msgp.AppendString(b, "base_url")
	b = msgp.AppendString(b, "")
	if !info.CreatedAt.IsZero() {
		b = msgp.AppendString(b, "created_at")
		b = msgp.AppendString(b, info.CreatedAt.UTC().Format(time.RFC3339))
	}
	b = msgp.AppendString(b, "shards_base_url")
	b = msgp.AppendString(b, ShardsBaseURL)
	b = msgp.AppendString(b, "subdir")
	b = msgp.AppendString(b, info.Subdir)
	b = msgp.AppendString(b, "shards")
	return msgp.AppendMapHeader(b, uint32(names))
}
