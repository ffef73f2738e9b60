package conda

import (
	"strings"

	"terrarium/internal/errs"
)

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
