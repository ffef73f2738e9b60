package conda

import (
	"regexp"
	"slices"
	"strings"

	"terrarium/internal/errs"
)

// The bounds of a version spec: its bytes, and how deep parentheses may nest.
const (
	maxVersionSpec = 2048
	maxSpecDepth   = 32
)

// VersionSpec says which versions are wanted: clauses joined by "," (and,
// binding tighter) and "|" (or), with parentheses. The zero value is the absent
// spec, which takes every version. It is read-only once parsed and may be
// shared.
type VersionSpec struct {
	text string
	root versionClause
}

// versionClause is a node of a parsed spec. It takes the whole version because
// some clauses look at its text.
type versionClause interface {
	match(v Version) bool
}

// ParseVersionSpec reads a version spec as conda does:
//
//   - every version
//     V  ==V                  equal, the local part included
//     =V  V.*  V*             V and what begins with its components
//     !=V  !=V.*              neither of these
//     <V  <=V  >V  >=V        by order; a trailing .* is ignored
//     ~=V                     at least V, beginning with V less its last component
//     1.*.2                   a glob on the text
//     ^REGEX$                 an RE2 regular expression on the text
//
// It returns errs.Invalid.
func ParseVersionSpec(s string) (VersionSpec, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return VersionSpec{}, badSpec(s, "it is empty")
	}
	if len(text) > maxVersionSpec {
		return VersionSpec{}, errs.New(errs.Invalid, "The version spec %q has %d characters; the limit is %d.",
			clip(text), len(text), maxVersionSpec).On("version")
	}
	p := versionSpecParser{all: text, rest: text}
	parsed, err := p.alternatives(0)
	if err != nil {
		return VersionSpec{}, err
	}
	if p.rest != "" {
		return VersionSpec{}, badSpec(text, "a parenthesis is closed that was not opened")
	}
	return VersionSpec{text: parsed.text, root: parsed.clause}, nil
}

// Match reports whether the spec takes v. The zero Version, of which nothing is
// known, is taken only where every version is.
func (s VersionSpec) Match(v Version) bool {
	if s.root == nil || v.IsZero() {
		return s.text == "" || s.text == "*"
	}
	return s.root.match(v)
}

// String is the spec in conda's spelling, without spaces: V* becomes V.*, and
// only the parentheses that are needed stay. It is "" for the absent spec.
func (s VersionSpec) String() string { return s.text }

// IsZero reports whether the spec is absent.
func (s VersionSpec) IsZero() bool { return s.text == "" }

// VersionMatcher is a version spec without its text, for who holds thousands of them.
// The zero value takes every version.
type VersionMatcher struct{ root versionClause }

// Matcher gives the spec without its text.
func (s VersionSpec) Matcher() VersionMatcher {
	if s.Match(Version{}) { // the one spec that takes what cannot be read takes everything
		return VersionMatcher{}
	}
	return VersionMatcher{s.root}
}

func badSpec(spec, why string) error {
	return errs.New(errs.Invalid, "The version spec %q cannot be read: %s.", clip(strings.TrimSpace(spec)), why).On("version")
}

// versionSpecParser reads a spec by recursive descent.
type versionSpecParser struct {
	all, rest string
}

// parsedClause is a clause with its canonical text and whether that text has an
// "or" outside parentheses.
type parsedClause struct {
	clause versionClause
	text   string
	or     bool
}

// alternatives reads clauses joined by "|" up to the end or a parenthesis.
func (p *versionSpecParser) alternatives(depth int) (parsedClause, error) {
	if depth > maxSpecDepth {
		return parsedClause{}, badSpec(p.all, "its parentheses nest too deep")
	}
	return p.joined('|', func() (parsedClause, error) {
		return p.joined(',', func() (parsedClause, error) { return p.clause(depth) })
	})
}

// joined reads one or more operands with an operator between them.
func (p *versionSpecParser) joined(operator byte, operand func() (parsedClause, error)) (parsedClause, error) {
	first, err := operand()
	if err != nil || !p.take(operator) {
		return first, err
	}
	operands := []parsedClause{first}
	for {
		next, err := operand()
		if err != nil {
			return parsedClause{}, err
		}
		operands = append(operands, next)
		if !p.take(operator) {
			break
		}
	}
	clauses := make([]versionClause, len(operands))
	texts := make([]string, len(operands))
	for i, o := range operands {
		clauses[i], texts[i] = o.clause, o.text
		if o.or && operator == ',' {
			texts[i] = "(" + o.text + ")"
		}
	}
	out := parsedClause{text: strings.Join(texts, string(operator))}
	switch {
	case operator == '|':
		out.clause, out.or = anyOf(clauses), true
	case len(clauses) == 2:
		out.clause = both{clauses[0], clauses[1]}
	default:
		out.clause = allOf(clauses)
	}
	return out, nil
}

// clause reads one clause or an expression in parentheses.
func (p *versionSpecParser) clause(depth int) (parsedClause, error) {
	p.skipSpaces()
	if p.take('(') {
		inner, err := p.alternatives(depth + 1)
		if err != nil {
			return parsedClause{}, err
		}
		if !p.take(')') {
			return parsedClause{}, badSpec(p.all, "a parenthesis is not closed")
		}
		return inner, nil
	}
	end := strings.IndexAny(p.rest, "(),|")
	if strings.HasPrefix(p.rest, "^") {
		// A regular expression may hold all of these; it ends at its dollar.
		if end = strings.IndexByte(p.rest, '$'); end >= 0 {
			end++
		}
	}
	if end < 0 {
		end = len(p.rest)
	}
	term := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end:]
	p.skipSpaces()
	if p.rest != "" && strings.IndexByte("),|", p.rest[0]) < 0 {
		return parsedClause{}, badSpec(p.all, "a comma or bar is missing")
	}
	clause, text, err := p.term(term)
	return parsedClause{clause: clause, text: text}, err
}

// take consumes one byte, if it is the next.
func (p *versionSpecParser) take(c byte) bool {
	p.skipSpaces()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *versionSpecParser) skipSpaces() { p.rest = strings.TrimLeft(p.rest, " \t") }

// term reads what stands between two joining marks and gives its canonical text.
func (p *versionSpecParser) term(term string) (versionClause, string, error) {
	switch {
	case term == "":
		return nil, "", badSpec(p.all, "a clause is empty")
	case strings.Trim(term, "*") == "":
		return anything{}, "*", nil
	case term[0] == '^' || term[len(term)-1] == '$':
		if term[0] != '^' || term[len(term)-1] != '$' {
			return nil, "", badSpec(p.all, "a regular expression must begin with ^ and end with $")
		}
		re, err := compileRegexp(term, false)
		return textRegexp{re}, term, err
	case strings.IndexByte("=<>!~", term[0]) >= 0:
		return p.relation(term)
	case strings.Contains(strings.TrimRight(term, "*"), "*"):
		for i := range len(term) {
			if c := term[i]; !isLowerAlnum(c) && !isUpper(c) && strings.IndexByte("._+!-*", c) < 0 {
				return nil, "", badSpec(p.all, "it holds a character that no version has")
			}
		}
		if strings.HasSuffix(term, "!") { // printed before a build it would read as an operator
			return nil, "", badSpec(p.all, "an epoch has no version behind it")
		}
		for strings.Contains(term, "**") {
			term = strings.ReplaceAll(term, "**", "*")
		}
		return textGlob(term), term, nil
	case term[len(term)-1] == '*':
		base := strings.TrimSpace(strings.TrimRight(strings.TrimRight(term, "*"), "."))
		v, err := p.version(base)
		return startsWith{v}, base + ".*", err
	}
	v, err := p.version(term)
	return relation{opEqual, v.key()}, term, err
}

// relation reads an operator and its version.
func (p *versionSpecParser) relation(term string) (versionClause, string, error) {
	n := 1
	for n < len(term) && strings.IndexByte("=<>!~", term[n]) >= 0 {
		n++
	}
	operator, base := term[:n], strings.TrimSpace(term[n:])
	text := operator + base
	if base == "" {
		return nil, "", badSpec(p.all, "a version is missing behind "+operator)
	}
	bare, fuzzy := strings.CutSuffix(base, ".*")
	if !fuzzy && (operator == "=" || operator == "!=") {
		// conda would look for an asterisk in the version here, which is there
		// in none; what people mean by =1.7* is =1.7.*
		bare, fuzzy = strings.CutSuffix(base, "*")
	}
	if operator == "==" && !fuzzy && strings.HasSuffix(base, "*") {
		// At the head of a match spec the operator is dropped, and 1.7* is left.
		return p.term(base)
	}
	bare = strings.TrimSpace(bare)
	if operator[0] == '=' && strings.Contains(bare, "*") {
		return nil, "", badSpec(p.all, "an asterisk stands inside the version behind "+operator)
	}
	if operator == "~=" && fuzzy {
		return nil, "", badSpec(p.all, "~= takes no .*")
	}
	v, err := p.version(bare)
	if err != nil {
		return nil, "", err
	}
	switch operator {
	case "=":
		return startsWith{v}, text, nil
	case "==":
		return relation{opEqual, v.key()}, operator + bare, nil
	case "!=":
		if fuzzy {
			return not{startsWith{v}}, text, nil
		}
		return relation{opNotEqual, v.key()}, text, nil
	case "<":
		return relation{opLess, v.key()}, text, nil
	case "<=":
		return relation{opLessEqual, v.key()}, text, nil
	case ">":
		return relation{opGreater, v.key()}, text, nil
	case ">=":
		return relation{opGreaterEqual, v.key()}, text, nil
	case "~=":
		main, _, _ := strings.Cut(bare, "+")
		dot := strings.LastIndexByte(main, '.')
		if dot < 0 {
			return nil, "", badSpec(p.all, "~= needs a version of at least two parts")
		}
		series, err := p.version(main[:dot])
		return both{relation{opGreaterEqual, v.key()}, startsWith{series}}, text, err
	}
	return nil, "", badSpec(p.all, "there is no operator "+operator)
}

// version reads the version of a clause. The error tells of the whole spec.
func (p *versionSpecParser) version(s string) (Version, error) {
	v, err := parseVersion(s, true)
	if err != nil {
		return Version{}, errs.Wrap(errs.Invalid, err, "The version spec %q cannot be read: %q is not a version.", clip(p.all), clip(s)).On("version")
	}
	return v, nil
}

type anything struct{}

func (anything) match(Version) bool { return true }

type allOf []versionClause

func (c allOf) match(v Version) bool {
	return !slices.ContainsFunc(c, func(c versionClause) bool { return !c.match(v) })
}

// both is allOf for two, as a range of versions has them, in a third of the memory.
type both struct{ a, b versionClause }

func (c both) match(v Version) bool { return c.a.match(v) && c.b.match(v) }

type anyOf []versionClause

func (c anyOf) match(v Version) bool {
	return slices.ContainsFunc(c, func(c versionClause) bool { return c.match(v) })
}

type not struct{ clause versionClause }

func (c not) match(v Version) bool { return !c.clause.match(v) }

type textRegexp struct{ re *regexp.Regexp }

func (c textRegexp) match(v Version) bool { return c.re.MatchString(v.text) }

type textGlob string

func (c textGlob) match(v Version) bool { return globMatch(string(c), v.text) }

type startsWith struct{ prefix Version }

func (c startsWith) match(v Version) bool { return v.startsWith(c.prefix) }

// relation compares with a version. Of that it holds the key alone, since lists of
// vulnerabilities hold thousands.
type relation struct {
	op  relationOp
	key string
}

type relationOp uint8

const (
	opEqual relationOp = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
)

func (c relation) match(v Version) bool {
	var space [64]byte
	return c.op.holds(strings.Compare(string(v.appendKey(space[:0])), c.key))
}

// holds reports whether the relation fits the outcome of a comparison.
func (op relationOp) holds(c int) bool {
	switch op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	}
	return c >= 0
}
