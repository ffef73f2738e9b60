package conda

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// lastSeconds is the largest timestamp that is taken for seconds (the end of
// the year 9999); conda reads whatever is larger as milliseconds.
const lastSeconds = 253402300799

// eachMember calls f for each member of the JSON object b. It refuses anything
// else, duplicate keys, invalid UTF-8 and text behind the object.
func eachMember(b []byte, f func(key string, v jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadToken(); err != nil {
			return describe(err)
		}
		return errNotObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return describe(err)
	}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return describe(err)
		}
		key := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return describe(err)
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return describe(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// errNotObject is what eachMember says of JSON that is something else.
var errNotObject = errors.New("it is not an object")

// describe shortens an error of the JSON decoder for people.
func describe(err error) error {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("at byte %d, %w", syntax.ByteOffset, syntax.Err)
}

// text reads a string; null is the empty one.
func text(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case 'n':
		return "", nil
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return s, err
	}
	return "", fmt.Errorf("must be text, not %s", kindName(v))
}

func requiredText(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", fmt.Errorf("must be text, not %s", kindName(v))
	}
	return text(v)
}

// textList reads a list of strings; null is the empty one.
func textList(v jsontext.Value) ([]string, error) {
	switch v.Kind() {
	case 'n':
		return nil, nil
	case '[':
		var list []jsontext.Value
		if err := json.Unmarshal(v, &list); err != nil {
			return nil, err
		}
		out := make([]string, 0, len(list))
		for _, item := range list {
			if item.Kind() != '"' {
				return nil, fmt.Errorf("must be a list of texts, but holds %s", kindName(item))
			}
			s, err := text(item)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("must be a list of texts, not %s", kindName(v))
}

// textLists reads an object of lists of strings.
func textLists(v jsontext.Value) (map[string][]string, error) {
	if v.Kind() == 'n' {
		return nil, nil
	}
	if v.Kind() != '{' {
		return nil, fmt.Errorf("must be an object of lists, not %s", kindName(v))
	}
	out := map[string][]string{}
	err := eachMember(v, func(key string, item jsontext.Value) error {
		list, err := textList(item)
		if err != nil {
			return fmt.Errorf("%s %w", clip(key), err)
		}
		out[key] = list
		return nil
	})
	return out, err
}

// joinedText reads a string, or a list of strings that it joins by spaces.
func joinedText(v jsontext.Value) (string, error) {
	if v.Kind() == '[' {
		list, err := textList(v)
		return strings.Join(list, " "), err
	}
	return text(v)
}

// wholeNumber reads a number without a fraction; null is 0. Upstream ones may
// be written as text, or with a fraction of zero.
func (how recordReader) wholeNumber(v jsontext.Value) (int64, error) {
	digits := string(v)
	switch v.Kind() {
	case 'n', '"':
		if !how.upstream {
			return 0, fmt.Errorf("must be a number, not %s", kindName(v))
		}
		if v.Kind() == 'n' {
			return 0, nil
		}
		s, err := text(v)
		if err != nil {
			return 0, err
		}
		digits = strings.TrimSpace(s)
	case '0':
	default:
		return 0, fmt.Errorf("must be a number, not %s", kindName(v))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err == nil {
		return n, nil
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil && how.upstream && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	return 0, errors.New("must be a whole number of at most 18 digits")
}

// timestamp reads a time as Unix milliseconds. Old builders wrote seconds, some
// with a fraction.
func timestamp(v jsontext.Value) (int64, error) {
	switch v.Kind() {
	case 'n', 'f':
		return 0, nil
	case '0':
	default:
		return 0, fmt.Errorf("must be a number of milliseconds, not %s", kindName(v))
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.Abs(f) >= 1<<53 {
		return 0, errors.New("is not a time")
	}
	// Seconds of the first eight years after 1970 stay as they are: their
	// milliseconds would be read as seconds again, here and by conda.
	if f <= lastSeconds && f*1000 > lastSeconds {
		f *= 1000
	}
	return int64(f), nil
}

// noarch reads the kind of a package without a platform. True, from before
// there were two kinds, is generic.
func noarch(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case 'n', 'f':
		return "", nil
	case 't':
		return noarchGeneric, nil
	case '"':
		s, err := text(v)
		if err != nil {
			return "", err
		}
		switch s = lower(s); s {
		case "", noarchGeneric, noarchPython:
			return s, nil
		}
	}
	return "", errors.New(`must be "generic" or "python"`)
}

// hash reads a hash of n hexadecimal digits in lower case; null is none.
func hash(v jsontext.Value, n int) (string, error) {
	s, err := text(v)
	if err != nil || s == "" {
		return "", err
	}
	s = lower(s)
	if !isHex(s, n) {
		return "", fmt.Errorf("must be %d hexadecimal digits", n)
	}
	return s, nil
}

// kindName names the kind of a JSON value for people.
func kindName(v jsontext.Value) string {
	switch v.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "something else"
}

// sorted yields the members of a map in the order of their keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
