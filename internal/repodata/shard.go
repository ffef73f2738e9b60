package repodata

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/errs"
)

// MaxShard is the largest shard, in bytes unpacked, that conda reads; more
// than that of one package name (about 25,000 records) must not be published.
const MaxShard = 16 << 20

// The suffixes that decide in which group of a document a file stands.
const (
	suffixConda  = ".conda"
	suffixTarBz2 = ".tar.bz2"
)

// ShardFile is one record of a shard: its file name and its msgpack map.
type ShardFile struct {
	FileName string
	Msgpack  []byte
}

// Shard is all records of one package name in one subdir (CEP 16).
type Shard struct {
	Files   []ShardFile // sorted by file name
	Removed []string    // files that were indexed and are hidden now, sorted
}

// EncodeShard encodes the records of one package name, and the names of its
// removed files, as one zstd frame, and gives the SHA-256 of the frame, which
// is the shard's name. The bytes do not depend on the order of files. Files
// whose names end neither with .conda nor with .tar.bz2 are left out.
func EncodeShard(files []ShardFile, removed []string) (data []byte, sum [sha256.Size]byte) {
	byName := func(a, b ShardFile) int { return strings.Compare(a.FileName, b.FileName) }
	if !slices.IsSortedFunc(files, byName) {
		files = slices.SortedFunc(slices.Values(files), byName)
	}
	e := getEncoder()
	defer e.release()
	b := e.raw[:0]
	b = msgp.AppendMapHeader(b, 2+boolInt(len(removed) > 0))
	b = msgp.AppendString(b, "packages")
	b = appendGroup(b, files, suffixTarBz2)
	b = msgp.AppendString(b, "packages.conda")
	b = appendGroup(b, files, suffixConda)
	if len(removed) > 0 {
		b = msgp.AppendString(b, "removed")
		b = appendList(b, slices.Compact(slices.Sorted(slices.Values(removed))))
	}
	e.raw = b
	data = bytes.Clone(e.compress(b)) // kept for long: at its exact size
	return data, sha256.Sum256(data)
}

func boolInt(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// appendGroup appends the map of those files whose names end with suffix.
func appendGroup(dst []byte, files []ShardFile, suffix string) []byte {
	var n uint32
	for _, f := range files {
		n += boolInt(strings.HasSuffix(f.FileName, suffix))
	}
	dst = msgp.AppendMapHeader(dst, n)
	for _, f := range files {
		if strings.HasSuffix(f.FileName, suffix) {
			dst = msgp.AppendString(dst, f.FileName)
			dst = append(dst, f.Msgpack...)
		}
	}
	return dst
}

// DecodeShard reads a shard of any server: exactly one zstd frame of at most
// MaxShard bytes unpacked. It checks the outline only; the records, whose
// bytes alias one buffer, are for TranscodeMsgpack. Unknown keys and v3 are
// passed over. It returns errs.Invalid or errs.TooLarge.
func DecodeShard(data []byte) (Shard, error) { return DecodeShardLimit(data, MaxShard) }

// DecodeShardLimit is DecodeShard with a limit of the caller's for the bytes
// unpacked, which is also the limit for the window of the frame.
func DecodeShardLimit(data []byte, limit int64) (Shard, error) {
	raw, err := decompressOne(data, limit, limit, "shard")
	if err != nil {
		return Shard{}, err
	}
	s, err := parseShard(raw)
	if err != nil {
		return Shard{}, errs.Wrap(errs.Invalid, err, "The shard cannot be read.")
	}
	return s, nil
}

func parseShard(raw []byte) (Shard, error) {
	var s Shard
	rest, err := eachEntry(raw, func(key string, rest []byte) ([]byte, error) {
		switch key {
		case "packages":
			return s.readGroup(rest, suffixTarBz2)
		case "packages.conda":
			return s.readGroup(rest, suffixConda)
		case "removed":
			return s.readRemoved(rest)
		}
		return msgp.Skip(rest)
	})
	if err != nil {
		return Shard{}, err
	}
	if len(rest) > 0 {
		return Shard{}, fmt.Errorf("%w: %d bytes after the shard", errMsgpack, len(rest))
	}
	slices.SortFunc(s.Files, func(a, b ShardFile) int { return strings.Compare(a.FileName, b.FileName) })
	for i := 1; i < len(s.Files); i++ {
		if s.Files[i].FileName == s.Files[i-1].FileName {
			return Shard{}, fmt.Errorf("%s is there twice", shorten(s.Files[i].FileName))
		}
	}
	slices.Sort(s.Removed)
	s.Removed = slices.Compact(s.Removed)
	return s, nil
}

func (s *Shard) readGroup(b []byte, suffix string) ([]byte, error) {
	return eachEntry(b, func(name string, value []byte) ([]byte, error) {
		if !strings.HasSuffix(name, suffix) {
			return nil, fmt.Errorf("%s does not end with %s", shorten(name), suffix)
		}
		if msgp.NextType(value) != msgp.MapType {
			return nil, fmt.Errorf("the record of %s is not a map", shorten(name))
		}
		rest, err := msgp.Skip(value)
		if err != nil {
			return nil, err
		}
		n := len(value) - len(rest)
		s.Files = append(s.Files, ShardFile{FileName: name, Msgpack: value[:n:n]})
		return rest, nil
	})
}

func (s *Shard) readRemoved(b []byte) ([]byte, error) {
	if msgp.IsNil(b) {
		return msgp.ReadNilBytes(b)
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	for range n {
		var name string
		if name, rest, err = msgp.ReadStringBytes(rest); err != nil {
			return nil, err
		}
		s.Removed = append(s.Removed, name)
	}
	return rest, nil
}

// eachEntry calls f for every entry of the map at the start of b with the key
// and all that follows it; f gives what is left after the value. Nil stands
// for an empty map.
func eachEntry(b []byte, f func(key string, value []byte) (rest []byte, err error)) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: cut off", errMsgpack)
	}
	if msgp.IsNil(b) {
		return msgp.ReadNilBytes(b)
	}
	n, rest, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	for range n {
		var key string
		if key, rest, err = msgp.ReadStringBytes(rest); err != nil {
			return nil, err
		}
		if len(rest) == 0 {
			return nil, fmt.Errorf("%w: cut off", errMsgpack)
		}
		if rest, err = f(key, rest); err != nil {
			return nil, err
		}
	}
	return rest, nil
}
