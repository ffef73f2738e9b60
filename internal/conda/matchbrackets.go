package conda

import (
	"slices"
	"strings"
)

// bracketPair is one KEY=VALUE of the brackets.
type bracketPair struct {
	key, value string
	list       bool // whether the value stood in brackets of its own
}

// order is lower for pairs that others may override.
func (b bracketPair) order() int {
	if b.key == "channel" {
		return 0
	}
	return 1
}

// brackets cuts the one section in square brackets out of a spec and reads its
// pairs. Commas or spaces part them; a value with either is in quotes.
func (p *matchSpecParser) brackets(s string) (rest string, pairs []bracketPair, err error) {
	open := strings.IndexByte(s, '[')
	if open < 0 {
		return s, nil, nil
	}
	if caret := strings.IndexByte(s[:open], '^'); caret == 0 || caret > 0 && s[caret-1] == ':' {
		// The name is a regular expression, whose brackets are its own.
		if end := strings.IndexByte(s, '$'); end > open {
			rest, pairs, err = p.brackets(s[end:])
			return s[:end] + rest, pairs, err
		}
	}
	in := s[open+1:]
	for {
		in = strings.TrimLeft(in, " ,")
		if in == "" {
			return "", nil, p.bad("a square bracket is not closed")
		}
		if in[0] == ']' {
			rest = s[:open] + in[1:]
			break
		}
		var pair bracketPair
		if pair, in, err = p.pair(in); err != nil {
			return "", nil, err
		}
		if slices.ContainsFunc(pairs, func(b bracketPair) bool { return b.key == pair.key }) {
			return "", nil, p.bad("it gives " + clip(pair.key) + " twice")
		}
		pairs = append(pairs, pair)
	}
	if strings.ContainsAny(rest, "[]") {
		return "", nil, p.bad("it has more than one section in square brackets")
	}
	return rest, pairs, nil
}

// pair reads one KEY=VALUE and gives what follows it.
func (p *matchSpecParser) pair(in string) (pair bracketPair, rest string, err error) {
	equals := strings.IndexByte(in, '=')
	if equals < 0 {
		return pair, "", p.bad("what stands in square brackets must be key=value")
	}
	pair.key = strings.TrimSpace(in[:equals])
	for i := range len(pair.key) {
		if c := pair.key[i]; !isLowerAlnum(c) && !isUpper(c) && c != '_' && c != '-' {
			return pair, "", p.bad("what stands in square brackets must be key=value")
		}
	}
	in = strings.TrimLeft(in[equals+1:], " ")
	var end int
	switch {
	case in != "" && (in[0] == '\'' || in[0] == '"'):
		end = strings.IndexByte(in[1:], in[0])
		if end < 0 {
			return pair, "", p.bad("a quotation mark is not closed")
		}
		pair.value, rest = in[1:1+end], in[end+2:]
	case in != "" && in[0] == '[':
		if !p.lists {
			return pair, "", p.bad("a list is not possible here")
		}
		end = strings.IndexByte(in, ']')
		if end < 0 {
			return pair, "", p.bad("a square bracket is not closed")
		}
		pair.value, pair.list, rest = in[1:end], true, in[end+1:]
	default:
		end = strings.IndexAny(in, ", ]")
		if end < 0 {
			return pair, "", p.bad("a square bracket is not closed")
		}
		pair.value, rest = in[:end], in[end:]
		if strings.ContainsAny(pair.value, "'\"[") {
			return pair, "", p.bad("a value with brackets or quotation marks must be in quotation marks")
		}
	}
	if pair.key == "" || pair.value == "" {
		return pair, "", p.bad("a key or a value is missing in its square brackets")
	}
	if rest == "" || strings.IndexByte(", ]", rest[0]) < 0 {
		return pair, "", p.bad("a comma is missing in its square brackets")
	}
	return pair, rest, nil
}
