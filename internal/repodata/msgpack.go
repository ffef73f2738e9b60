package repodata

import (
	"bytes"
	"encoding/hex"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// maxDepth bounds the nesting of a value in a record; real ones have three.
const maxDepth = 64

// appendInt appends n in its shortest form, which for a number that is not
// negative is an unsigned one.
func appendInt(dst []byte, n int64) []byte {
	if n >= 0 {
		return msgp.AppendUint64(dst, uint64(n))
	}
	return msgp.AppendInt64(dst, n)
}

func appendList(dst []byte, list []string) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(len(list)))
	for _, s := range list {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}

// appendJSONAsMsgpack appends a JSON value as msgpack. Whole numbers become
// ints as far as 64 bits reach, all others floats.
func appendJSONAsMsgpack(dst []byte, value jsontext.Value) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	return appendNextAsMsgpack(dst, dec)
}

func appendNextAsMsgpack(dst []byte, dec *jsontext.Decoder) ([]byte, error) {
	if dec.StackDepth() > maxDepth {
		return dst, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return dst, err
	}
	switch tok.Kind() {
	case 'n':
		return msgp.AppendNil(dst), nil
	case 't', 'f':
		return msgp.AppendBool(dst, tok.Bool()), nil
	case '"':
		return msgp.AppendString(dst, tok.String()), nil
	case '0':
		return appendNumber(dst, tok.String())
	case '{', '[':
		object := tok.Kind() == '{'
		var body []byte
		var n uint32
		for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
			if object {
				key, err := dec.ReadToken()
				if err != nil {
					return dst, err
				}
				body = msgp.AppendString(body, key.String())
			}
			if body, err = appendNextAsMsgpack(body, dec); err != nil {
				return dst, err
			}
			n++
		}
		if _, err := dec.ReadToken(); err != nil {
			return dst, err
		}
		if object {
			dst = msgp.AppendMapHeader(dst, n)
		} else {
			dst = msgp.AppendArrayHeader(dst, n)
		}
		return append(dst, body...), nil
	}
	return dst, fmt.Errorf("unexpected token %v", tok.Kind())
}

func appendNumber(dst []byte, digits string) ([]byte, error) {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return appendInt(dst, n), nil
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return msgp.AppendUint64(dst, n), nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return dst, fmt.Errorf("number out of range: %w", err)
	}
	return msgp.AppendFloat64(dst, f), nil
}

var errMsgpack = errors.New("malformed msgpack")

// appendMsgpackAsJSON appends the value at the start of b as JSON and gives
// what follows it. Binary becomes lower-case hex, which is how a record spells
// a hash in JSON. Extensions and keys that are not strings are refused.
func appendMsgpackAsJSON(dst, b []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth {
		return dst, b, fmt.Errorf("%w: nested deeper than %d", errMsgpack, maxDepth)
	}
	if len(b) == 0 {
		return dst, b, fmt.Errorf("%w: cut off", errMsgpack)
	}
	switch t := msgp.NextType(b); t {
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(b)
		return append(dst, "null"...), rest, err
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(b)
		return strconv.AppendBool(dst, v), rest, err
	case msgp.IntType:
		v, rest, err := msgp.ReadInt64Bytes(b)
		return strconv.AppendInt(dst, v, 10), rest, err
	case msgp.UintType:
		v, rest, err := msgp.ReadUint64Bytes(b)
		return strconv.AppendUint(dst, v, 10), rest, err
	case msgp.Float64Type, msgp.Float32Type:
		v, rest, err := msgp.ReadFloat64Bytes(b)
		if err != nil {
			return dst, b, err
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, b, fmt.Errorf("%w: not a number", errMsgpack)
		}
		return appendFloat(dst, v), rest, nil
	case msgp.StrType:
		return appendMsgpackString(dst, b)
	case msgp.BinType:
		v, rest, err := msgp.ReadBytesZC(b)
		if err != nil {
			return dst, b, err
		}
		dst = append(dst, '"')
		dst = hex.AppendEncode(dst, v)
		return append(dst, '"'), rest, nil
	case msgp.ArrayType:
		n, rest, err := msgp.ReadArrayHeaderBytes(b)
		if err != nil {
			return dst, b, err
		}
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, rest, err = appendMsgpackAsJSON(dst, rest, depth+1); err != nil {
				return dst, b, err
			}
		}
		return append(dst, ']'), rest, nil
	case msgp.MapType:
		n, rest, err := msgp.ReadMapHeaderBytes(b)
		if err != nil {
			return dst, b, err
		}
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, rest, err = appendMsgpackString(dst, rest); err != nil {
				return dst, b, err
			}
			dst = append(dst, ':')
			if dst, rest, err = appendMsgpackAsJSON(dst, rest, depth+1); err != nil {
				return dst, b, err
			}
		}
		return append(dst, '}'), rest, nil
	default:
		return dst, b, fmt.Errorf("%w: a value of type %s", errMsgpack, t)
	}
}

// appendFloat spells f so that it is read as a float again: 1 as 1.0.
func appendFloat(dst []byte, f float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	if !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

func appendMsgpackString(dst, b []byte) (out, rest []byte, err error) {
	s, rest, err := msgp.ReadStringZC(b)
	if err != nil {
		return dst, b, err
	}
	out, err = jsontext.AppendQuote(dst, s)
	if err != nil {
		return dst, b, fmt.Errorf("%w: text that is not UTF-8", errMsgpack)
	}
	return out, rest, nil
}
