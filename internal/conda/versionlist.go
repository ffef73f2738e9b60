package conda

import (
	"slices"
	"strings"
)

// VersionList is the order of a list of version texts, worked out once, so that
// a spec is held against all of them by a few searches. It does not hold the
// texts; of each version it takes about 20 bytes. It is immutable.
type VersionList struct {
	keys  string // of the versions that can be read, oldest first, one after the other
	ends  []uint32
	order []uint32 // where in the list the version of a key stands
	n     int
}

// NewVersionList orders n texts. One that cannot be read as a version is taken
// as VersionSpec.Match takes the zero Version.
func NewVersionList(n int, text func(i int) string) *VersionList {
	type keyed struct {
		key   string
		place uint32
	}
	list := make([]keyed, 0, n)
	for i := range n {
		if v, err := ParseVersion(text(i)); err == nil {
			list = append(list, keyed{v.key(), uint32(i)})
		}
	}
	slices.SortFunc(list, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	var keys strings.Builder
	l := &VersionList{ends: make([]uint32, len(list)), order: make([]uint32, len(list)), n: n}
	for i, k := range list {
		keys.WriteString(k.key)
		l.ends[i], l.order[i] = uint32(keys.Len()), k.place
	}
	l.keys = strings.Clone(keys.String())
	return l
}

// Match sets in taken, which has a bit for each text of the list, the bits of
// those that a spec takes; text gives the texts as NewVersionList had them.
func (l *VersionList) Match(s VersionMatcher, text func(i int) string, taken []uint64) {
	if s.root == nil {
		for i := range l.n {
			taken[i/64] |= 1 << (i % 64)
		}
		return
	}
	l.match(s.root, text, taken)
}

func (l *VersionList) match(c versionClause, text func(i int) string, taken []uint64) {
	switch c := c.(type) {
	case anyOf:
		for _, c := range c {
			l.match(c, text, taken)
		}
		return
	case relation:
		if c.op == opNotEqual {
			l.match(relation{opLess, c.key}, text, taken)
			c.op = opGreater
			l.match(c, text, taken)
			return
		}
	}
	from, to, rest := l.span(c, text)
	if !rest {
		l.take(from, to, taken)
		return
	}
	for rank := from; rank < to; rank++ {
		if c.match(l.version(rank, text)) {
			l.take(rank, rank+1, taken)
		}
	}
}

// take sets the bits of a stretch of the order.
func (l *VersionList) take(from, to int, taken []uint64) {
	for _, place := range l.order[from:max(from, to)] {
		taken[place/64] |= 1 << (place % 64)
	}
}

// span gives a stretch of the order that holds all versions that a clause takes,
// and whether each of them has yet to be asked. Comparisons and prefixes
// take stretches, and so do clauses all of which do.
func (l *VersionList) span(c versionClause, text func(i int) string) (from, to int, rest bool) {
	from, to = 0, len(l.order)
	switch c := c.(type) {
	case anything:
		return from, to, false
	case relation:
		if c.op == opNotEqual {
			return from, to, true
		}
		if c.op == opEqual || c.op == opGreaterEqual {
			from = l.search(c.key, false)
		}
		switch c.op {
		case opLess:
			to = l.search(c.key, false)
		case opGreater:
			from = l.search(c.key, true)
		case opEqual, opLessEqual:
			to = l.search(c.key, true)
		}
		return from, max(from, to), false
	case startsWith:
		// The versions of a prefix are neighbours, for runs are compared from
		// the first on, and where the prefix itself would stand is among them.
		at := l.search(c.prefix.key(), false)
		from = searchBetween(0, at, func(rank int) bool { return c.match(l.version(rank, text)) })
		to = searchBetween(at, len(l.order), func(rank int) bool { return !c.match(l.version(rank, text)) })
		return from, to, false
	case both:
		f, t, r := l.span(c.a, text)
		from, to, rest = l.span(c.b, text)
		from, to = max(from, f), min(to, t)
		return from, max(from, to), rest || r
	case allOf:
		for _, c := range c {
			f, t, r := l.span(c, text)
			from, to, rest = max(from, f), min(to, t), rest || r
		}
		return from, max(from, to), rest
	}
	return from, to, true
}

// search gives the first rank whose key is not before the given one; with above,
// the first that is behind it.
func (l *VersionList) search(key string, above bool) int {
	return searchBetween(0, len(l.order), func(rank int) bool {
		own := l.key(rank)
		return own > key || own == key && !above
	})
}

// searchBetween gives the first of [from, to) for which f holds, or to; f holds
// for all that follow.
func searchBetween(from, to int, f func(i int) bool) int {
	for from < to {
		if mid := (from + to) / 2; f(mid) {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return to
}

func (l *VersionList) key(rank int) string {
	from := uint32(0)
	if rank > 0 {
		from = l.ends[rank-1]
	}
	return l.keys[from:l.ends[rank]]
}

func (l *VersionList) version(rank int, text func(i int) string) Version {
	v, _ := ParseVersion(text(int(l.order[rank]))) // it could be read before
	return v
}
