package repodata

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
)

// ShardReader reads the records of shards that EncodeShard made as they lie there.
// None is decoded, and nothing is allocated once its buffers have grown: what it gave
// of one shard is gone when it reads the next. The zero value is ready; it is for one
// goroutine.
type ShardReader struct {
	raw  []byte
	rows []ShardRow
}

// ShardRow is a record as it lies in a shard: of most, no more is ever looked at than
// the members that have a field here.
type ShardRow struct {
	FileName, Version      []byte
	BuildNumber, Timestamp int64

	msgpack []byte
	at      [fieldCount]uint32 // where the value of a field begins in msgpack; 0 = nowhere
	odd     bool               // there is a member without a field
	record  *conda.Record      // once it is decoded, or instead of msgpack
}

// Read gives the records of a shard in any order. keep is asked for their places as
// by FilterShard; nil keeps all.
func (s *ShardReader) Read(shard []byte, keep func(place int) bool) ([]ShardRow, error) {
	d := decoders.Get().(*zstd.Decoder)
	raw, err := d.DecodeAll(shard, s.raw[:0])
	decoders.Put(d)
	if err != nil {
		return nil, fmt.Errorf("unpacking a shard: %w", err)
	}
	s.raw, s.rows = raw, s.rows[:0]
	rest, err := eachEntry(raw, func(key string, value []byte) ([]byte, error) {
		if key != "packages" && key != "packages.conda" {
			return nil, fmt.Errorf("%w: %s in a shard of ours", errMsgpack, shorten(key))
		}
		n, rest, err := msgp.ReadMapHeaderBytes(value)
		for ; n > 0 && err == nil; n-- {
			s.rows = append(s.rows, ShardRow{})
			rest, err = s.rows[len(s.rows)-1].read(rest)
		}
		return rest, err
	})
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after the shard", errMsgpack, len(rest))
	}
	if err != nil {
		return nil, err
	}
	if keep != nil {
		slices.SortFunc(s.rows, func(a, b ShardRow) int { return bytes.Compare(a.FileName, b.FileName) })
		place := -1
		s.rows = slices.DeleteFunc(s.rows, func(ShardRow) bool {
			place++
			return !keep(place)
		})
	}
	return s.rows, nil
}

// read takes the key and the record at the start of b and gives what follows.
func (r *ShardRow) read(b []byte) ([]byte, error) {
	name, start, err := msgp.ReadStringZC(b)
	if err != nil {
		return nil, err
	}
	n, rest, err := msgp.ReadMapHeaderBytes(start)
	for ; n > 0 && err == nil; n-- {
		var key []byte
		if key, rest, err = msgp.ReadStringZC(rest); err != nil {
			break
		}
		f := fieldOf(key)
		r.odd = r.odd || f == fieldUnusual || f == fieldDropped
		r.at[f] = uint32(len(start) - len(rest))
		switch f {
		case fieldVersion:
			r.Version, rest, err = msgp.ReadStringZC(rest)
		case fieldBuildNumber:
			r.BuildNumber, rest, err = msgp.ReadInt64Bytes(rest)
		case fieldTimestamp:
			r.Timestamp, rest, err = msgp.ReadInt64Bytes(rest)
		default:
			rest, err = msgp.Skip(rest)
		}
	}
	if err != nil {
		return nil, err
	}
	r.FileName, r.msgpack = name, start[:len(start)-len(rest)]
	if r.Timestamp != 0 && r.Timestamp <= surelyMillis { // it may have been seconds
		rec, err := r.decode()
		if err != nil {
			return nil, err
		}
		r.Timestamp = rec.Timestamp
	}
	return rest, nil
}

// decode gives the whole record.
func (r *ShardRow) decode() (conda.Record, error) {
	if r.record == nil {
		rec, err := recordOfMsgpack(r.msgpack)
		if err != nil {
			return conda.Record{}, err
		}
		r.record = &rec
	}
	return *r.record, nil
}

// value gives the bytes from the value of a field on; nil where it has none.
func (r *ShardRow) value(f field) []byte {
	if r.at[f] == 0 {
		return nil
	}
	return r.msgpack[r.at[f]:]
}

// text gives a field that is text; nil where it has none.
func (r *ShardRow) text(f field) []byte {
	text, _, _ := msgp.ReadStringZC(r.value(f)) // nil for what is no text
	return text
}

// hash gives the bytes of a hash; nil where it has none.
func (r *ShardRow) hash(f field) []byte {
	hash, _, _ := msgp.ReadBytesZC(r.value(f)) // nil for what is no hash
	return hash
}
