package conda

import (
	"slices"
	"strconv"
	"strings"

	"terrarium/internal/errs"
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
	end := -1
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

// BuildNumberSpec says which build numbers are wanted: one, or those in a
// relation to one. The zero value is the absent spec, which takes every number.
type BuildNumberSpec struct {
	text    string
	op      relationOp
	operand int64
}

// parseBuildNumberSpec reads a number, a number behind an operator, or "*".
func parseBuildNumberSpec(s string) (BuildNumberSpec, error) {
	text := strings.TrimSpace(s)
	if text == "*" {
		return BuildNumberSpec{text: text}, nil
	}
	digits := strings.TrimLeft(text, "=<>!~")
	spec := BuildNumberSpec{text: text}
	switch text[:len(text)-len(digits)] {
	case "":
		// The one spelling that is printed without leading zeros.
		digits = strings.TrimPrefix(digits, "+")
	case "=", "==":
	case "!=":
		spec.op = opNotEqual
	case "<":
		spec.op = opLess
	case "<=":
		spec.op = opLessEqual
	case ">":
		spec.op = opGreater
	case ">=":
		spec.op = opGreaterEqual
	default:
		digits = ""
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return BuildNumberSpec{}, errs.New(errs.Invalid, "The build number %q must be a whole number, which may have one of = == != < <= > >= before it.", clip(text)).On("build_number")
	}
	spec.operand = n
	if digits == text {
		spec.text = strconv.FormatInt(n, 10)
	}
	return spec, nil
}

// Match reports whether the spec takes n.
func (b BuildNumberSpec) Match(n int64) bool {
	if b.text == "" || b.text == "*" {
		return true
	}
	switch {
	case n < b.operand:
		return b.op.holds(-1)
	case n > b.operand:
		return b.op.holds(1)
	}
	return b.op.holds(0)
}

// IsZero reports whether the spec is absent.
func (b BuildNumberSpec) IsZero() bool { return b.text == "" }

// String is the spec as written.
func (b BuildNumberSpec) String() string { return b.text }

// checkCondition reports what is wrong with the condition of a dependency
// (CEP 43): specs joined by "and" and "or", with parentheses, none of which has
// a condition itself.
func checkCondition(s string) error {
	c := conditionParser{whole: s, rest: s}
	if err := c.expression(0); err != nil {
		return err
	}
	if c.rest != "" {
		return c.bad("a parenthesis is closed that was not opened")
	}
	return nil
}

type conditionParser struct {
	whole, rest string
}

func (c *conditionParser) bad(why string) error {
	return errs.New(errs.Invalid, "The condition %q cannot be read: %s.", clip(c.whole), why).On("when")
}

// expression reads operands joined by words. Only whether it can be read
// matters here, hence "and" and "or" need not be told apart.
func (c *conditionParser) expression(depth int) error {
	if depth > maxSpecDepth {
		return c.bad("its parentheses nest too deep")
	}
	for {
		c.rest = strings.TrimLeft(c.rest, " ")
		if after, ok := strings.CutPrefix(c.rest, "("); ok {
			c.rest = after
			if err := c.expression(depth + 1); err != nil {
				return err
			}
			if c.rest, ok = strings.CutPrefix(c.rest, ")"); !ok {
				return c.bad("a parenthesis is not closed")
			}
		} else if err := c.operand(); err != nil {
			return err
		}
		c.rest = strings.TrimLeft(c.rest, " ")
		if after, ok := strings.CutPrefix(c.rest, "and "); ok {
			c.rest = after
		} else if after, ok := strings.CutPrefix(c.rest, "or "); ok {
			c.rest = after
		} else if c.rest == "" || c.rest[0] == ')' {
			return nil
		} else {
			return c.bad("and or or is missing")
		}
	}
}

// operand reads one spec, which ends before a joining word or a parenthesis
// that stand outside brackets and quotes.
func (c *conditionParser) operand() error {
	end, depth := 0, 0
	quoted := byte(0)
scan:
	for end < len(c.rest) {
		switch ch := c.rest[end]; {
		case quoted != 0:
			if ch == quoted {
				quoted = 0
			}
		case ch == '\'' || ch == '"':
			quoted = ch
		case ch == '[':
			depth++
		case ch == ']':
			depth--
		case depth > 0:
		case ch == '(' || ch == ')',
			strings.HasPrefix(c.rest[end:], " and "), strings.HasPrefix(c.rest[end:], " or "):
			break scan
		}
		end++
	}
	text := strings.TrimSpace(c.rest[:end])
	c.rest = c.rest[end:]
	if last := text[strings.LastIndexByte(text, ' ')+1:]; last == "" || last == "and" || last == "or" {
		return c.bad("a spec is missing")
	}
	spec, err := parseMatchSpec(text, true)
	if err != nil {
		return err
	}
	if spec.When != "" {
		return c.bad("a condition may not have a condition itself")
	}
	return nil
}
