package conda

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"terrarium/internal/errs"
)

// maxVersionInput is the longest text that ParseVersion reads, in bytes. CEP 26
// allows 64 for new files; mirrors and specs hold somewhat longer ones.
const maxVersionInput = 512

// Version is a parsed conda version (CEP 33). The zero value is not a version:
// it compares below every parsed one. Versions are values and may be copied.
type Version struct {
	text  string      // as written, trimmed
	main  []component // the epoch first
	local []component // what follows "+"; nil if absent
}

// component is what stands between two separators: runs of digits and of
// everything else, in turn, a run of digits first.
type component []element

// element is one run.
type element struct {
	kind elementKind
	num  uint64 // of a number that fits
	text string // a word in lower case; of a number that does not fit, its digits without leading zeros
}

// elementKind is in the order in which runs of different kinds compare.
type elementKind uint8

const (
	kindStars  elementKind = iota // asterisks, in specs only: >1.0* takes 1.0 itself
	kindDev                       // the word dev, below every other word
	kindWord                      // any other word, below every number
	kindNumber                    // digits
	kindPost                      // the word post, above every number
)

// zero is what a missing run counts as, so that 1.1 equals 1.1.0.
var zero = element{kind: kindNumber}

// ParseVersion reads a version. Case does not matter; numbers may be of any
// length. It returns errs.Invalid with a sentence that says what is wrong.
func ParseVersion(s string) (Version, error) { return parseVersion(s, false) }

// parseVersion reads a version, or with stars the version of a spec, in which
// asterisks are runs of their own.
func parseVersion(s string, stars bool) (Version, error) {
	text := strings.TrimSpace(s)
	bad := func(why string) (Version, error) {
		return Version{}, errs.New(errs.Invalid, "The version %q cannot be read: %s.", clip(text), why).On("version")
	}
	switch {
	case text == "":
		return bad("it is empty")
	case len(text) > maxVersionInput:
		return bad("it is longer than " + strconv.Itoa(maxVersionInput) + " characters")
	}
	norm := lower(text)
	dash, underscore := false, false
	for i := range len(norm) {
		switch c := norm[i]; {
		case isLowerAlnum(c), c == '.', c == '+', c == '!', c == '*' && stars:
		case c == '_':
			underscore = true
		case c == '-':
			dash = true
		default:
			return bad("it may hold only letters, digits, dots, underscores, dashes, plus signs and exclamation marks")
		}
	}
	if dash {
		if underscore {
			return bad("it holds both dashes and underscores")
		}
		norm = strings.ReplaceAll(norm, "-", "_")
	}

	epoch, rest, ok := strings.Cut(norm, "!")
	if !ok {
		epoch, rest = "0", norm
	}
	if strings.Contains(rest, "!") {
		return bad("it has more than one epoch mark (!)")
	}
	if !allDigits(epoch) {
		return bad("its epoch, the part before !, must be a number")
	}
	main, local, hasLocal := strings.Cut(rest, "+")
	if strings.Contains(local, "+") {
		return bad("it has more than one local part (+)")
	}

	// Components are slices of one array of runs, to allocate twice in all.
	runs := append(make([]element, 0, 8), number(epoch))
	v := Version{text: text, main: append(make([]component, 0, 6), runs[:1:1])}
	if v.main, runs, ok = appendComponents(v.main, runs, main, true); !ok {
		return bad("a part between its separators is empty")
	}
	if hasLocal {
		if v.local, _, ok = appendComponents(nil, runs, local, false); !ok {
			return bad("a part of its local version, behind +, is empty")
		}
	}
	return v, nil
}

// appendComponents splits s at dots and underscores and reports whether every
// part holds something; the runs of the parts are appended to runs. With
// keepLast an underscore at the very end belongs to the last part: openssl's
// 1.0.1_ sorts before 1.0.1a.
func appendComponents(to []component, runs []element, s string, keepLast bool) ([]component, []element, bool) {
	end := len(s)
	if keepLast && strings.HasSuffix(s, "_") {
		end--
	}
	start := 0
	for i := 0; i <= end; i++ {
		if i < end && s[i] != '.' && s[i] != '_' {
			continue
		}
		part := s[start:i]
		if i == end {
			part = s[start:]
		}
		if part == "" {
			return nil, nil, false
		}
		first := len(runs)
		runs = appendRuns(runs, part)
		to = append(to, runs[first:len(runs):len(runs)])
		start = i + 1
	}
	return to, runs, true
}

// appendRuns cuts a non-empty part into runs. One that begins with a word gets
// a 0 in front, to keep numbers and words in step: 1.1.a1 equals 1.1.0a1.
func appendRuns(to []element, s string) []element {
	if !isDigit(s[0]) {
		to = append(to, zero)
	}
	for start := 0; start < len(s); {
		class := runClass(s[start])
		end := start + 1
		for end < len(s) && runClass(s[end]) == class {
			end++
		}
		switch run := s[start:end]; {
		case class == kindNumber:
			to = append(to, number(run))
		case class == kindStars:
			to = append(to, element{kind: kindStars, text: run})
		case run == "post":
			to = append(to, element{kind: kindPost})
		case run == "dev":
			to = append(to, element{kind: kindDev})
		default:
			to = append(to, element{kind: kindWord, text: run})
		}
		start = end
	}
	return to
}

// runClass says with which of its neighbours a character makes a run: digits,
// asterisks, or all else, whatever word that turns out to be.
func runClass(c byte) elementKind {
	switch {
	case isDigit(c):
		return kindNumber
	case c == '*':
		return kindStars
	}
	return kindWord
}

// number makes the run of a string of digits of any length.
func number(digits string) element {
	digits = strings.TrimLeft(digits, "0")
	if len(digits) < 20 { // always fits 64 bits
		var n uint64
		for i := range len(digits) {
			n = n*10 + uint64(digits[i]-'0')
		}
		return element{kind: kindNumber, num: n}
	}
	return element{kind: kindNumber, num: math.MaxUint64, text: digits}
}

// compare orders two runs. A word compares bytewise, which on lower-case ASCII
// puts "_" before the letters.
func (e element) compare(o element) int {
	if e.kind != o.kind {
		return cmp.Compare(e.kind, o.kind)
	}
	if e.kind == kindNumber {
		// Numbers that do not fit share the largest num; the longer is larger.
		if c := cmp.Compare(e.num, o.num); c != 0 {
			return c
		}
		if c := cmp.Compare(len(e.text), len(o.text)); c != 0 {
			return c
		}
	}
	return strings.Compare(e.text, o.text)
}

// compareComponents orders two lists; what is missing counts as zero.
func compareComponents(a, b []component) int {
	for i := range max(len(a), len(b)) {
		var x, y component
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		for j := range max(len(x), len(y)) {
			e, f := zero, zero
			if j < len(x) {
				e = x[j]
			}
			if j < len(y) {
				f = y[j]
			}
			if c := e.compare(f); c != 0 {
				return c
			}
		}
	}
	return 0
}

// Compare is -1, 0 or +1 as v is older than, equal to or newer than w. Versions
// written differently can be equal (1.1 and 1.1.0). Local parts count only
// where all else is equal.
func (v Version) Compare(w Version) int {
	if v.IsZero() || w.IsZero() {
		return cmp.Compare(len(v.main), len(w.main))
	}
	if c := compareComponents(v.main, w.main); c != 0 {
		return c
	}
	return compareComponents(v.local, w.local)
}

// Equal reports whether v and w compare as equal.
func (v Version) Equal(w Version) bool { return v.Compare(w) == 0 }

// IsZero reports whether v is the zero value, which no text parses to.
func (v Version) IsZero() bool { return len(v.main) == 0 }

// String is the version as it was written, without space around it.
func (v Version) String() string { return v.text }

// Prerelease reports whether v announces a later version rather than being
// one: whether any run of its main part is a word other than post, as in
// 1.0rc1, 2.0.dev3 or 1.1_.
func (v Version) Prerelease() bool {
	for _, c := range v.main {
		for _, e := range c {
			if e.kind == kindDev || e.kind == kindWord {
				return true
			}
		}
	}
	return false
}

// startsWith reports whether v lies in prefix.*: all of prefix's components
// equal v's, except that its very last run, if a word, need only begin v's
// (2013ab is in 2013a.*). A prefix without a local part ignores v's; one with
// a local part wants the main parts equal and looks at the local ones.
func (v Version) startsWith(prefix Version) bool {
	have, want := v.main, prefix.main
	if len(prefix.local) > 0 {
		if compareComponents(v.main, prefix.main) != 0 {
			return false
		}
		have, want = v.local, prefix.local
	}
	last := len(want) - 1
	if compareComponents(have[:min(last, len(have))], want[:last]) != 0 {
		return false
	}
	var x component
	if last < len(have) {
		x = have[last]
	}
	y := want[last]
	n := len(y) - 1
	if compareComponents([]component{x[:min(n, len(x))]}, []component{y[:n]}) != 0 {
		return false
	}
	e, f := zero, y[n]
	if n < len(x) {
		e = x[n]
	}
	if prefixWord, ok := f.word(); ok {
		word, isWord := e.word()
		return isWord && strings.HasPrefix(word, prefixWord)
	}
	return e.compare(f) == 0
}

// word gives the text of a run that compares as text. Dev is in capitals, so
// that no other word begins with it.
func (e element) word() (string, bool) {
	switch e.kind {
	case kindDev:
		return "DEV", true
	case kindWord, kindStars:
		return e.text, true
	}
	return "", false
}

// CompareVersions orders any two texts, for sorting lists that hold whatever
// upstream wrote: what ParseVersion refuses comes before all that it reads and
// is ordered bytewise; versions that are equal but written differently are
// ordered bytewise too. So it is 0 only for equal texts.
func CompareVersions(a, b string) int {
	if c, ok := compareNumbers(a, b); ok {
		return cmp.Or(c, strings.Compare(a, b))
	}
	v, errA := ParseVersion(a)
	w, errB := ParseVersion(b)
	if errA == nil && errB == nil {
		if c := v.Compare(w); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	}
	if errA == nil {
		return 1
	}
	if errB == nil {
		return -1
	}
	return strings.Compare(a, b)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
