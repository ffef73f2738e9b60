package repodata

import (
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/errs"
)

// ShardsBaseURL is where a shard lies, relative to its index.
const ShardsBaseURL = "./shards/"

// The limits of a shard index that is read, in bytes; conda's cap is the same.
const (
	maxShardIndex       = 128 << 20
	maxShardIndexWindow = 32 << 20
)

// ShardIndexInfo is the info of a shard index.
type ShardIndexInfo struct {
	Subdir string
	// BaseURL and ShardsBaseURL say where files and shards lie, relative to the
	// index or absolute. EncodeShardIndex does not read them: it always writes
	// "" and ShardsBaseURL.
	BaseURL, ShardsBaseURL string
	// CreatedAt is the time of the newest change, not of the encoding, which
	// would make equal indexes differ. The zero time is left out.
	CreatedAt time.Time
}

// ShardIndex says which shard holds the records of a package name (CEP 16).
type ShardIndex struct {
	Info   ShardIndexInfo
	Names  []string   // sorted bytewise
	Hashes [][32]byte // the SHA-256 of the shard of each name, as compressed
}

// ShardFileName is the name of a shard's file below ShardsBaseURL.
func ShardFileName(sum [32]byte) string { return hex.EncodeToString(sum[:]) + ".msgpack.zst" }

// EncodeShardIndex encodes the index of a subdir as one zstd frame. names are
// package names, best sorted already, and hashes those of their shards, one
// for each; it panics if their numbers differ. A large index is not compressed:
// see NewIndexFrame, which gives the same bytes from parts that are kept.
func EncodeShardIndex(info ShardIndexInfo, names []string, hashes [][32]byte) []byte {
	if len(names) != len(hashes) {
		panic(fmt.Sprintf("repodata: %d names and %d hashes", len(names), len(hashes)))
	}
	if !slices.IsSorted(names) {
		names, hashes = slices.Clone(names), slices.Clone(hashes)
		sort.Sort(byName{names, hashes})
	}
	var parts []IndexPart
	for from := 0; from < len(names); {
		to := from + 1
		for to < len(names) && !Segment(names[to]) {
			to++
		}
		at := from
		parts = append(parts, NewIndexPart(to-from, func(i int) (string, [32]byte) { return names[at+i], hashes[at+i] }))
		from = to
	}
	return NewIndexFrame(info, parts).Bytes()
}

// byName sorts names and takes their hashes along.
type byName struct {
	names  []string
	hashes [][32]byte
}

func (s byName) Len() int           { return len(s.names) }
func (s byName) Less(i, j int) bool { return s.names[i] < s.names[j] }
func (s byName) Swap(i, j int) {
	s.names[i], s.names[j] = s.names[j], s.names[i]
	s.hashes[i], s.hashes[j] = s.hashes[j], s.hashes[i]
}

// DecodeShardIndex reads the shard index of any server: exactly one zstd frame
// of at most 128 MiB unpacked, version 1 or none, hashes as bin or as hex
// text. Unknown keys are passed over. It returns errs.Invalid or
// errs.TooLarge.
func DecodeShardIndex(data []byte) (ShardIndex, error) {
	raw, err := decompressOne(data, maxShardIndex, maxShardIndexWindow, "shard index")
	if err != nil {
		return ShardIndex{}, err
	}
	x, err := parseShardIndex(raw)
	if err != nil {
		return ShardIndex{}, errs.Wrap(errs.Invalid, err, "The shard index cannot be read.")
	}
	return x, nil
}

func parseShardIndex(raw []byte) (ShardIndex, error) {
	var x ShardIndex
	var informed bool
	rest, err := eachEntry(raw, func(key string, value []byte) ([]byte, error) {
		switch key {
		case "version":
			v, rest, err := msgp.ReadInt64Bytes(value)
			if err == nil && v > 1 {
				err = fmt.Errorf("its version is %d, and only 1 is known", v)
			}
			return rest, err
		case "info":
			informed = true
			return x.Info.read(value)
		case "shards":
			return x.readShards(value)
		}
		return msgp.Skip(value)
	})
	switch {
	case err != nil:
		return ShardIndex{}, err
	case len(rest) > 0:
		return ShardIndex{}, fmt.Errorf("%w: %d bytes after the index", errMsgpack, len(rest))
	case !informed:
		return ShardIndex{}, fmt.Errorf("%w: no info", errMsgpack)
	}
	sort.Sort(byName{x.Names, x.Hashes})
	for i := 1; i < len(x.Names); i++ {
		if x.Names[i] == x.Names[i-1] {
			return ShardIndex{}, fmt.Errorf("%s is there twice", shorten(x.Names[i]))
		}
	}
	return x, nil
}

func (info *ShardIndexInfo) read(b []byte) ([]byte, error) {
	return eachEntry(b, func(key string, value []byte) (rest []byte, err error) {
		switch key {
		case "subdir":
			info.Subdir, rest, err = msgp.ReadStringBytes(value)
		case "base_url":
			info.BaseURL, rest, err = readOptionalString(value)
		case "shards_base_url":
			info.ShardsBaseURL, rest, err = readOptionalString(value)
		case "created_at":
			if msgp.NextType(value) != msgp.StrType {
				return msgp.Skip(value)
			}
			var s string
			if s, rest, err = msgp.ReadStringBytes(value); err == nil {
				// It informs and decides nothing: an odd one is none.
				info.CreatedAt, _ = time.Parse(time.RFC3339, s)
			}
		default:
			rest, err = msgp.Skip(value)
		}
		return rest, err
	})
}

func readOptionalString(b []byte) (string, []byte, error) {
	if msgp.IsNil(b) {
		rest, err := msgp.ReadNilBytes(b)
		return "", rest, err
	}
	return msgp.ReadStringBytes(b)
}

func (x *ShardIndex) readShards(b []byte) ([]byte, error) {
	return eachEntry(b, func(name string, value []byte) ([]byte, error) {
		if name == "" || strings.ContainsAny(name, "/\\\x00") {
			return nil, fmt.Errorf("%s cannot be the name of a package", shorten(name))
		}
		var sum [32]byte
		if msgp.NextType(value) == msgp.StrType {
			s, rest, err := msgp.ReadStringZC(value)
			if err != nil {
				return nil, err
			}
			if n, err := hex.Decode(sum[:], s[:min(len(s), 64)]); err != nil || n != 32 || len(s) != 64 {
				return nil, fmt.Errorf("the hash of %s is not 64 hexadecimal digits", shorten(name))
			}
			x.Names, x.Hashes = append(x.Names, name), append(x.Hashes, sum)
			return rest, nil
		}
		v, rest, err := msgp.ReadBytesZC(value)
		if err != nil {
			return nil, err
		}
		if len(v) != len(sum) {
			return nil, fmt.Errorf("the hash of %s has %d bytes, not 32", shorten(name), len(v))
		}
		copy(sum[:], v)
		x.Names, x.Hashes = append(x.Names, name), append(x.Hashes, sum)
		return rest, nil
	})
}
