package conda

import (
	"strconv"
	"strings"

	"terrarium/internal/errs"
)

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
