package repodata

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// FilterShard encodes what keep leaves of a shard that EncodeShard made, and
// gives the SHA-256 of the frame: the same bytes that EncodeShard makes of the
// records that are left. keep is asked for the place of each record in the list
// of the shard's files sorted by name. No record is decoded, only copied.
func FilterShard(data []byte, keep func(place int) bool) (filtered []byte, sum [sha256.Size]byte, err error) {
	e := getEncoder()
	defer e.release()
	parts, err := e.unpackParts(data)
	if err != nil {
		return nil, sum, err
	}
	kept := make([]shardPart, 0, len(parts))
	for place, i := range inOrder(parts) {
		if keep(place) {
			kept = append(kept, parts[i])
		}
	}
	filtered, sum = e.encodeParts(kept)
	return filtered, sum, nil
}

// unpackParts gives the parts of a shard; they lie in the buffer of the encoder.
func (e *encoder) unpackParts(data []byte) ([]shardPart, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	raw, err := d.DecodeAll(data, e.raw[:0])
	if err != nil {
		return nil, fmt.Errorf("unpacking a shard: %w", err)
	}
	e.raw = raw
	return shardParts(raw)
}

// inOrder gives the parts by the names of their files.
func inOrder(parts []shardPart) []int {
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	byName := func(a, b int) int { return bytes.Compare(parts[a].name, parts[b].name) }
	if !slices.IsSortedFunc(order, byName) { // each group is, both together are not
		slices.SortFunc(order, byName)
	}
	return order
}

// shardPart is one record of a shard with its key, as it lies in the shard.
type shardPart struct {
	name  []byte
	group int
	bytes []byte
}

// shardParts takes a shard of ours apart.
func shardParts(raw []byte) ([]shardPart, error) {
	var parts []shardPart
	rest, err := eachEntry(raw, func(key string, value []byte) ([]byte, error) {
		group := 0
		switch key {
		case "packages":
		case "packages.conda":
			group = 1
		default:
			return nil, fmt.Errorf("%w: %s in a shard of ours", errMsgpack, shorten(key))
		}
		n, rest, err := msgp.ReadMapHeaderBytes(value)
		if err != nil {
			return nil, err
		}
		parts = slices.Grow(parts, int(n))
		for range n {
			start := rest
			var name []byte
			if name, rest, err = msgp.ReadStringZC(rest); err != nil {
				return nil, err
			}
			if rest, err = msgp.Skip(rest); err != nil {
				return nil, err
			}
			parts = append(parts, shardPart{name: name, group: group, bytes: start[:len(start)-len(rest)]})
		}
		return rest, nil
	})
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after the shard", errMsgpack, len(rest))
	}
	return parts, err
}
