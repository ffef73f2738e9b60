package repodata

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/tinylib/msgp/msgp"
)

// UpdateShard gives the shard that EncodeShard makes of the records of one that it
// made before, after some were put in, in place of those of the same file if there
// are any, and the others that are named went. What stays is copied. Of the shard
// nothing is shared, since a frame cannot be put together of frames where no white
// space may stand between them; but its records need not be read.
func UpdateShard(data []byte, put []ShardFile, gone []string) (updated []byte, sum [sha256.Size]byte, err error) {
	e := getEncoder()
	defer e.release()
	parts, err := e.unpackParts(data)
	if err != nil {
		return nil, sum, err
	}
	changed := make(map[string]bool, len(put)+len(gone))
	for _, f := range put {
		changed[f.FileName] = true
	}
	for _, file := range gone {
		changed[file] = true
	}
	parts = slices.DeleteFunc(parts, func(p shardPart) bool { return changed[string(p.name)] })
	for _, f := range put {
		key := msgp.AppendString(nil, f.FileName)
		p := shardPart{name: []byte(f.FileName), bytes: append(key, f.Msgpack...)}
		switch {
		case bytes.HasSuffix(p.name, []byte(suffixConda)):
			p.group = 1
		case !bytes.HasSuffix(p.name, []byte(suffixTarBz2)):
			continue
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b shardPart) int { return bytes.Compare(a.name, b.name) })
	updated, sum = e.encodeParts(parts)
	return updated, sum, nil
}

// encodeParts makes a shard of parts, which are sorted by name.
func (e *encoder) encodeParts(parts []shardPart) ([]byte, [sha256.Size]byte) {
	var counts [2]uint32
	size := 64
	for _, p := range parts {
		counts[p.group]++
		size += len(p.bytes)
	}
	out := msgp.AppendMapHeader(make([]byte, 0, size), 2)
	for group, key := range [...]string{"packages", "packages.conda"} {
		out = msgp.AppendString(out, key)
		out = msgp.AppendMapHeader(out, counts[group])
		for _, p := range parts {
			if p.group == group {
				out = append(out, p.bytes...)
			}
		}
	}
	data := bytes.Clone(e.compress(out)) // kept for long: at its exact size
	return data, sha256.Sum256(data)
}
