package index

import (
	"context"
	mathbits "math/bits"
	"slices"
	"strings"
	"unique"

	"terrarium/internal/conda"
)

// verdict says what a predicate leaves of a name.
type verdict uint8

const (
	whole verdict = iota
	partial
	gone
)

// bits has one bit for each record of a name, or for each version: whether it is
// kept, or taken.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }

// hasAll reports whether all n from i on are set.
func (b bits) hasAll(i, n int) bool {
	for end := i + n; i < end; i++ {
		if !b.has(i) {
			return false
		}
	}
	return true
}

func (b bits) count() (n int) {
	for _, word := range b {
		n += mathbits.OnesCount64(word)
	}
	return n
}

// judge holds names of a subdir against a predicate, one after the other. It is
// for one goroutine.
type judge struct {
	*Predicate
	subdir string
	cut    int64 // the moment before which a record must have been indexed

	licences, versions, kept bits // room, used again for each name
}

// room gives n bits, all zero, in the place of an earlier list.
func room(b *bits, n int) bits {
	words := (n + 63) / 64
	if cap(*b) < words {
		*b = make(bits, words)
	}
	*b = (*b)[:words]
	clear(*b)
	return *b
}

// rules gives the rules that speak of a name; nil if none does.
func (p *Predicate) rules(name string) *nameRules {
	i, ok := slices.BinarySearchFunc(p.byName, name, func(r nameRules, name string) int { return strings.Compare(r.name, name) })
	if !ok {
		return nil
	}
	return &p.byName[i]
}

// each judges all entries, which have their columns. The bits are f's only until
// it returns. A name that no rule speaks of and that has one licence, as most,
// costs a look at three numbers: the names of the rules are sought among those of
// the entries, not the other way round.
func (j *judge) each(ctx context.Context, entries []*entry, f func(e *entry, v verdict, kept bits) error) error {
	rules, from := j.byName, 0
	for from < len(entries) {
		to := len(entries) // where the next name with a rule stands, or would
		if len(rules) > 0 {
			to = from + gallop(entries[from:], rules[0].name)
		}
		for _, e := range entries[from:to] {
			v, kept := j.name(e.name, e.columns.Load(), nil)
			if err := f(e, v, kept); err != nil {
				return err
			}
		}
		if from = to; to == len(entries) {
			break
		}
		if e := entries[to]; e.name == rules[0].name {
			v, kept := j.name(e.name, e.columns.Load(), &rules[0])
			if err := f(e, v, kept); err != nil {
				return err
			}
			from++
		}
		rules = rules[1:]
	}
	return ctx.Err()
}

// gallop gives the first place whose name is not before the given one, which is
// expected to be near the start.
func gallop(entries []*entry, name string) int {
	step := 1
	for step < len(entries) && entries[step].name < name {
		step *= 2
	}
	from := step / 2
	i, _ := find(entries[from:min(step+1, len(entries))], name)
	return from + i
}

// name judges the records of one name, of which rules speak, unless they are
// nil. The bits are nil unless the verdict is partial, and stay until the next name.
func (j *judge) name(name string, c *columns, rules *nameRules) (verdict, bits) {
	denied, all := j.deniedLicences(c)
	young := j.minAge > 0 && c.newest >= j.cut
	if all || young && c.oldest >= j.cut {
		return gone, nil
	}
	touched := denied != nil || young
	if !touched && rules == nil && len(j.pattern) == 0 {
		return whole, nil
	}
	kept := room(&j.kept, len(c.cells))
	for i := range kept {
		kept[i] = ^uint64(0)
	}
	if rest := len(c.cells) % 64; rest > 0 {
		kept[len(kept)-1] = 1<<rest - 1
	}
	if rules != nil {
		touched = j.takeVersions(c, j.ranges[rules.versions.from:rules.versions.to]) || touched
		for i := rules.specs.from; i < rules.specs.to; i++ {
			touched = j.takeSpec(c, name, &j.specs[i]) || touched
		}
	}
	for i := range j.pattern {
		if j.pattern[i].name.Match(name) {
			touched = j.takeSpec(c, name, &j.pattern[i].specRule) || touched
		}
	}
	if !touched {
		return whole, nil
	}
	if young || denied != nil {
		for i := range c.cells {
			if young && c.cells[i].indexed >= j.cut || denied != nil && denied.has(int(c.odd.licence[i])) {
				kept[i/64] &^= 1 << (i % 64)
			}
		}
	}
	switch kept.count() {
	case 0:
		return gone, nil
	case len(c.cells):
		return whole, nil
	}
	return partial, kept
}

// denies reports whether a licence is taken out.
func (p *Predicate) denies(l unique.Handle[string]) bool {
	return p.allow != nil && !p.allow[l] || p.deny[l]
}

// deniedLicences says which of the licences of a name are denied: none (nil),
// some or all.
func (j *judge) deniedLicences(c *columns) (denied bits, all bool) {
	if c.odd == nil || c.odd.licence == nil {
		return nil, j.denies(c.licence)
	}
	n := 0
	for i, l := range c.odd.licences {
		if !j.denies(l) {
			continue
		}
		if n == 0 {
			denied = room(&j.licences, len(c.odd.licences))
		}
		denied.set(i)
		n++
	}
	return denied, n == len(c.odd.licences)
}

// takeVersions takes the records whose version any of the specs takes, and says
// whether there are such versions.
func (j *judge) takeVersions(c *columns, specs []conda.VersionMatcher) bool {
	if len(specs) == 0 {
		return false
	}
	versions, text := room(&j.versions, len(c.versions)), c.version
	order := c.versionOrder()
	for _, s := range specs {
		order.Match(s, text, versions)
	}
	if versions.count() == 0 {
		return false
	}
	for i := range c.cells {
		if versions.has(int(c.cells[i].version)) {
			j.kept[i/64] &^= 1 << (i % 64)
		}
	}
	return true
}

// takeSpec takes the records that a spec takes, and says whether any was there.
func (j *judge) takeSpec(c *columns, name string, s *specRule) (some bool) {
	versions := room(&j.versions, len(c.versions))
	c.versionOrder().Match(s.version, c.version, versions)
	if versions.count() == 0 {
		return false
	}
	t := conda.MatchTarget{Subdir: j.subdir}
	for i := range c.cells {
		if !versions.has(int(c.cells[i].version)) || !j.kept.has(i) {
			continue
		}
		t.Build, t.BuildNumber, t.License = c.build(i), c.number(i), c.licenceOf(i).Value()
		if !s.fileName.IsZero() {
			t.FileName = c.fileName(name, i)
		}
		if s.takes(t) {
			j.kept[i/64] &^= 1 << (i % 64)
			some = true
		}
	}
	return some
}
