package conda

import (
	"regexp"
	"strings"

	"terrarium/internal/errs"
)

// maxRegexp is the longest regular expression of a spec in bytes. RE2 runs in
// time linear in text and expression, so this bounds the work.
const maxRegexp = 256

// Pattern is how a field of a MatchSpec matches text: exactly, as a glob (it
// holds an asterisk) or as a regular expression (it begins with ^ and ends with
// $). The zero value is the absent pattern, which matches everything.
type Pattern struct {
	text string
	kind patternKind
	fold bool           // whether case is ignored; text is then in lower case
	re   *regexp.Regexp // of patternRegexp
}

type patternKind uint8

const (
	patternExact patternKind = iota
	patternGlob
	patternRegexp
)

// newPattern reads a pattern. With fold, case does not matter.
func newPattern(text string, fold bool) (Pattern, error) {
	p := Pattern{text: text, fold: fold}
	switch {
	case strings.HasPrefix(text, "^") && strings.HasSuffix(text, "$"):
		p.kind = patternRegexp
		var err error
		if p.re, err = compileRegexp(text, fold); err != nil {
			return Pattern{}, err
		}
		return p, nil
	case strings.Contains(text, "*"):
		p.kind = patternGlob
	}
	if fold {
		p.text = lower(text)
	}
	return p, nil
}

// compileRegexp reads a regular expression that is applied from the beginning
// of a text, as Python's match does.
func compileRegexp(text string, fold bool) (*regexp.Regexp, error) {
	if len(text) > maxRegexp {
		return nil, errs.New(errs.Invalid, "The regular expression %q has %d characters; the limit is %d.", clip(text), len(text), maxRegexp)
	}
	flags := ""
	if fold {
		flags = "(?i)"
	}
	// Compiled alone first: what follows must not close the group early.
	if _, err := regexp.Compile(text); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The regular expression %q cannot be read; look-around and back-references are not supported.", clip(text))
	}
	re, err := regexp.Compile(flags + `\A(?:` + text + `)`)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The regular expression %q cannot be read.", clip(text))
	}
	return re, nil
}

// Match reports whether the pattern takes s.
func (p Pattern) Match(s string) bool {
	switch p.kind {
	case patternRegexp:
		return p.re.MatchString(s)
	case patternGlob:
		if p.fold {
			s = lower(s)
		}
		return globMatch(p.text, s)
	}
	if p.text == "" {
		return true
	}
	if p.fold {
		s = lower(s)
	}
	return p.text == s
}

// Exact gives the one text that the pattern takes and true, or "" and false if
// it may take several.
func (p Pattern) Exact() (string, bool) {
	if p.kind != patternExact || p.text == "" {
		return "", false
	}
	return p.text, true
}

// IsZero reports whether the pattern is absent.
func (p Pattern) IsZero() bool { return p.text == "" }

// String is the pattern as written, in lower case where case does not matter.
func (p Pattern) String() string { return p.text }

// globMatch reports whether s fits a glob in which * stands for any text. On a
// mismatch only the last asterisk seen takes one byte more, hence the time is
// at most the product of the lengths.
func globMatch(glob, s string) bool {
	g, i := 0, 0
	star, from := -1, 0 // the last asterisk and where its text ends so far
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, i
			g++
		case g < len(glob) && glob[g] == s[i]:
			g++
			i++
		case star >= 0:
			from++
			g, i = star+1, from
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}
