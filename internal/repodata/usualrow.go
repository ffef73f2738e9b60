package repodata

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// Most records in shards are spelt the usual way: members that have a field, in the order
// of their keys, whose values EncodeRecord would spell so again. Their JSON is copied
// together from the msgpack.

// usualAlways are the fields that every record has.
var usualAlways = [...]field{fieldName, fieldVersion, fieldBuild, fieldBuildNumber, fieldDepends}

// appendUsual appends the JSON of a record as EncodeRecord has it, with what withTwin adds
// for a twin, which may be nil. It reports false, with dst as it was, for a record that
// is not spelt the usual way: that one has to be decoded.
func (r *ShardRow) appendUsual(dst []byte, twin *ShardRow) ([]byte, bool) {
	if r.odd || r.msgpack == nil || twin != nil && twin.msgpack == nil {
		return dst, false
	}
	for _, f := range usualAlways {
		if r.at[f] == 0 {
			return dst, false
		}
	}
	n, rest, err := msgp.ReadMapHeaderBytes(r.msgpack)
	if err != nil {
		return dst, false
	}
	out := append(dst, '{')
	var last []byte
	for range n {
		var key []byte
		if key, rest, err = msgp.ReadStringZC(rest); err != nil || bytes.Compare(key, last) <= 0 {
			return dst, false
		}
		if twin != nil && string(key) > "legacy_bz2_size" { // the name comes after it, and is always there
			if out = twin.appendLegacy(out, len(out) > len(dst)+1); out == nil {
				return dst, false
			}
			twin = nil
		}
		last = key
		f := fieldOf(key)
		if f == fieldRunExports { // stands in a document of its own
			if msgp.NextType(rest) != msgp.MapType {
				return dst, false
			}
			if rest, err = msgp.Skip(rest); err != nil {
				return dst, false
			}
			continue
		}
		if len(out) > len(dst)+1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), key...), '"', ':')
		var ok bool
		if out, rest, ok = f.appendUsual(out, rest); !ok {
			return dst, false
		}
	}
	return append(out, '}'), true
}

// appendLegacy appends what the record of a twin's .conda says of it; nil where it
// cannot be told.
func (r *ShardRow) appendLegacy(out []byte, comma bool) []byte {
	more := func(key string) {
		if comma {
			out = append(out, ',')
		}
		comma = true
		out = append(out, key...)
	}
	if r.at[fieldMD5] != 0 {
		md5 := r.hash(fieldMD5)
		if len(md5) != 16 {
			return nil
		}
		more(`"legacy_bz2_md5":"`)
		out = append(hex.AppendEncode(out, md5), '"')
	}
	if r.at[fieldSize] != 0 {
		size, _, err := msgp.ReadInt64Bytes(r.value(fieldSize))
		if err != nil || size <= 0 {
			return nil
		}
		more(`"legacy_bz2_size":`)
		out = strconv.AppendInt(out, size, 10)
	}
	return out
}

// appendUsual appends the value at the start of b, and gives what follows it. It reports
// false for a value that EncodeRecord would not write so, or not at all.
func (f field) appendUsual(out, b []byte) (to, rest []byte, ok bool) {
	switch f {
	case fieldName, fieldVersion, fieldBuild:
		return appendUsualText(out, b, 0)
	case fieldSubdir, fieldLicense, fieldLicenseFamily, fieldTrackFeatures, fieldFeatures, fieldPythonPath:
		return appendUsualText(out, b, 1)
	case fieldNoarch:
		text, _, err := msgp.ReadStringZC(b)
		if err != nil || string(text) != "generic" && string(text) != "python" {
			return out, b, false
		}
		return appendUsualText(out, b, 1)
	case fieldBuildNumber:
		return appendUsualInt(out, b, 0)
	case fieldSize:
		return appendUsualInt(out, b, 1)
	case fieldTimestamp, fieldIndexedTimestamp:
		return appendUsualInt(out, b, surelyMillis+1)
	case fieldDepends:
		return appendUsualList(out, b, 0)
	case fieldConstrains:
		return appendUsualList(out, b, 1)
	case fieldMD5:
		return appendUsualHash(out, b, 16)
	case fieldSHA256:
		return appendUsualHash(out, b, 32)
	case fieldUnusual, fieldDropped, fieldRunExports, fieldCount:
	}
	return out, b, false
}

// appendUsualText appends text that needs no escapes.
func appendUsualText(out, b []byte, least int) (to, rest []byte, ok bool) {
	text, rest, err := msgp.ReadStringZC(b)
	if err != nil || len(text) < least {
		return out, b, false
	}
	for _, c := range text {
		if c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			return out, b, false
		}
	}
	return append(append(append(out, '"'), text...), '"'), rest, true
}

// appendUsualInt appends a number of which no way of reading it loses a digit.
func appendUsualInt(out, b []byte, least int64) (to, rest []byte, ok bool) {
	if t := msgp.NextType(b); t != msgp.IntType && t != msgp.UintType {
		return out, b, false
	}
	n, rest, err := msgp.ReadInt64Bytes(b)
	if err != nil || n < least || n >= 1e15 {
		return out, b, false
	}
	return strconv.AppendInt(out, n, 10), rest, true
}

func appendUsualList(out, b []byte, least uint32) (to, rest []byte, ok bool) {
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < least {
		return out, b, false
	}
	out = append(out, '[')
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		if out, rest, ok = appendUsualText(out, rest, 0); !ok {
			return out, b, false
		}
	}
	return append(out, ']'), rest, true
}

func appendUsualHash(out, b []byte, size int) (to, rest []byte, ok bool) {
	if msgp.NextType(b) != msgp.BinType {
		return out, b, false
	}
	hash, rest, err := msgp.ReadBytesZC(b)
	if err != nil || len(hash) != size {
		return out, b, false
	}
	return append(hex.AppendEncode(append(out, '"'), hash), '"'), rest, true
}
