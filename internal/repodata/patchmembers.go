package repodata

import (
	"bytes"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"
)

// members are those of a JSON object, in any order. A record has twenty: to find
// one in the list is quicker than to make a map of them.
type members []member

type member struct {
	key   string
	value jsontext.Value
}

// membersOf reads an object. The values alias it.
func membersOf(object []byte) (members, error) {
	in := jsontext.NewDecoder(bytes.NewReader(object))
	token, err := in.ReadToken()
	if err == nil && token.Kind() != '{' {
		err = fmt.Errorf("%s is no object", token.Kind())
	}
	list := make(members, 0, 24)
	for err == nil && in.PeekKind() == '"' {
		var m member
		if token, err = in.ReadToken(); err != nil {
			break
		}
		m.key = token.String()
		if m.value, err = in.ReadValue(); err != nil {
			break
		}
		end := int(in.InputOffset())
		m.value = object[end-len(m.value) : end : end]
		list = append(list, m)
	}
	if err == nil {
		_, err = in.ReadToken()
	}
	if err != nil {
		return nil, fmt.Errorf("read an object: %w", err)
	}
	return list, nil
}

// find gives the place of a key, -1 where it is not.
func (m members) find(key string) int {
	return slices.IndexFunc(m, func(one member) bool { return one.key == key })
}

// merge puts a value under key: null deletes, an object is merged into an
// object, anything else replaces.
func (m members) merge(key string, value jsontext.Value) (members, error) {
	i := m.find(key)
	switch {
	case value.Kind() == 'n' && i < 0:
		return m, nil
	case value.Kind() == 'n':
		return slices.Delete(m, i, i+1), nil
	case i < 0:
		return append(m, member{key, value}), nil
	case value.Kind() != '{' || m[i].value.Kind() != '{':
		m[i].value = value
		return m, nil
	}
	into, err := membersOf(m[i].value)
	if err != nil {
		return nil, err
	}
	from, err := membersOf(value)
	if err != nil {
		return nil, err
	}
	for _, one := range from {
		if into, err = into.merge(one.key, one.value); err != nil {
			return nil, err
		}
	}
	m[i].value = into.text()
	return m, nil
}

// text writes the object, its keys sorted.
func (m members) text() jsontext.Value {
	slices.SortFunc(m, func(a, b member) int { return strings.Compare(a.key, b.key) })
	n := 2
	for _, one := range m {
		n += len(one.key) + len(one.value) + 4
	}
	out := append(make(jsontext.Value, 0, n), '{')
	for i, one := range m {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendKey(out, one.key), ':')
		out = append(out, one.value...)
	}
	return append(out, '}')
}

func appendKey(dst jsontext.Value, key string) jsontext.Value {
	out, err := jsontext.AppendQuote(dst, key)
	if err != nil {
		panic(fmt.Sprintf("repodata: quote a key that was read: %v", err)) // a decoder gives UTF-8 alone
	}
	return out
}
