package index

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unique"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// Rules say which records a predicate keeps: those that no rule takes out. The
// zero Rules keep everything.
type Rules struct {
	// AllowLicences, unless nil, are the only licences that are kept;
	// DenyLicences are taken out. Both are compared with the text of the record.
	AllowLicences, DenyLicences []string
	// MinAge takes out what this server first saw less long ago.
	MinAge time.Duration
	// Versions take out, by package name, the versions that the spec takes, as
	// a list of vulnerabilities would have it.
	Versions []VersionRule
	// Specs take out what any of them takes. They may speak of name, version,
	// build, build number, subdir, file name and licence.
	Specs []conda.MatchSpec
}

// VersionRule names versions of a package.
type VersionRule struct {
	Name string
	Spec conda.VersionSpec
}

// Predicate is a set of rules, compiled. It is immutable; equal rules have equal
// keys on every replica.
type Predicate struct {
	key     string
	allow   map[unique.Handle[string]]bool // nil = every licence
	deny    map[unique.Handle[string]]bool
	minAge  int64 // milliseconds
	byName  map[string]nameRules
	pattern []conda.MatchSpec // whose name takes several
}

// nameRules are the rules that speak of one name.
type nameRules struct {
	versions []conda.VersionSpec
	specs    []conda.MatchSpec
}

// NewPredicate compiles rules. It returns errs.Invalid for a spec that speaks of
// what the columns do not hold.
func NewPredicate(r Rules) (*Predicate, error) {
	if r.MinAge < 0 {
		return nil, errs.New(errs.Invalid, "The least age must not be negative.")
	}
	p := &Predicate{minAge: r.MinAge.Milliseconds(), byName: map[string]nameRules{}, deny: licenceSet(r.DenyLicences)}
	sum := sha256.New()
	note := func(kind string, texts ...string) { // a hash never fails
		_, _ = fmt.Fprintf(sum, "%s %d\n", kind, len(texts))
		for _, t := range texts {
			_, _ = fmt.Fprintf(sum, "%d:%s\n", len(t), t)
		}
	}
	if r.AllowLicences != nil {
		p.allow = licenceSet(r.AllowLicences)
		note("allow", sorted(r.AllowLicences)...)
	}
	note("deny", sorted(r.DenyLicences)...)
	_, _ = fmt.Fprintf(sum, "age %d\n", p.minAge)
	var texts []string
	for _, v := range r.Versions {
		name := conda.NormalizeName(v.Name)
		rules := p.byName[name]
		rules.versions = append(rules.versions, v.Spec)
		p.byName[name] = rules
		texts = append(texts, name+" "+v.Spec.String())
	}
	note("versions", sorted(texts)...)
	texts = nil
	for _, m := range r.Specs {
		if err := inColumns(m); err != nil {
			return nil, err
		}
		texts = append(texts, m.String())
		if name, one := m.PackageName(); one {
			rules := p.byName[conda.NormalizeName(name)]
			rules.specs = append(rules.specs, m)
			p.byName[conda.NormalizeName(name)] = rules
		} else {
			p.pattern = append(p.pattern, m)
		}
	}
	note("specs", sorted(texts)...)
	p.key = hex.EncodeToString(sum.Sum(nil)[:8])
	return p, nil
}

// Key names the rules in an ETag and in what is kept of them.
func (p *Predicate) Key() string { return p.key }

func licenceSet(list []string) map[unique.Handle[string]]bool {
	set := make(map[unique.Handle[string]]bool, len(list))
	for _, l := range list {
		set[unique.Make(l)] = true
	}
	return set
}

// inColumns refuses a spec whose answer the columns do not hold.
func inColumns(m conda.MatchSpec) error {
	if m.Channel.IsZero() && m.URL.IsZero() && m.MD5 == "" && m.SHA256 == "" && m.LicenseFamily.IsZero() &&
		m.TrackFeatures == nil && m.Features == nil && len(m.Flags) == 0 && m.When == "" && len(m.Extras) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "A policy cannot use the spec %q: it may speak of name, version, build, build number, subdir, file name and license only.", m.String())
}

// verdict says what a predicate leaves of a name.
type verdict uint8

const (
	whole verdict = iota
	partial
	gone
)

// bits has one bit for each record of a name: whether it is kept.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }

// judge holds a name against the predicate; cut is the moment before which a
// record must have been indexed. The bits are nil unless the verdict is partial.
// A name that no rule speaks of and that has one licence, as most, costs two
// comparisons.
func (p *Predicate) judge(subdir, name string, c *columns, cut int64) (verdict, bits) {
	var deniedLicences []bool
	denied := 0
	for i, l := range c.licences {
		if p.allow != nil && !p.allow[l] || p.deny[l] {
			if deniedLicences == nil {
				deniedLicences = make([]bool, len(c.licences))
			}
			deniedLicences[i] = true
			denied++
		}
	}
	young := p.minAge > 0 && c.newest >= cut
	if denied == len(c.licences) || young && c.oldest >= cut {
		return gone, nil
	}
	rules := p.byName[name]
	specs := rules.specs
	for _, m := range p.pattern {
		if m.Name.Match(name) {
			specs = append(slices.Clip(specs), m)
		}
	}
	if denied == 0 && !young && len(rules.versions) == 0 && len(specs) == 0 {
		return whole, nil
	}
	deniedVersions := rules.deniedVersions(c)
	kept := make(bits, (len(c.cells)+63)/64)
	n := 0
	for i := range c.cells {
		cl := &c.cells[i]
		if young && cl.indexed >= cut || denied > 0 && deniedLicences[cl.licence] || deniedVersions != nil && deniedVersions[cl.version] {
			continue
		}
		if len(specs) > 0 && c.matches(specs, subdir, name, i) {
			continue
		}
		kept.set(i)
		n++
	}
	switch n {
	case 0:
		return gone, nil
	case len(c.cells):
		return whole, nil
	}
	return partial, kept
}

// deniedVersions says, for each version of the name, whether a rule takes it
// out; nil where no rule speaks of versions alone.
func (r nameRules) deniedVersions(c *columns) []bool {
	if len(r.versions) == 0 {
		return nil
	}
	out := make([]bool, len(c.versions))
	for i, v := range c.parsedVersions() {
		out[i] = slices.ContainsFunc(r.versions, func(s conda.VersionSpec) bool { return s.Match(v) })
	}
	return out
}

// matches reports whether any of the specs takes a record.
func (c *columns) matches(specs []conda.MatchSpec, subdir, name string, i int) bool {
	cl := &c.cells[i]
	t := conda.MatchTarget{
		Name: name, Version: c.parsedVersions()[cl.version], Build: c.build(i), BuildNumber: cl.number,
		Subdir: subdir, License: c.licences[cl.licence].Value(),
	}
	for _, m := range specs {
		if !m.FileName.IsZero() {
			t.FileName = c.fileName(name, i)
		}
		if m.Match(t) {
			return true
		}
	}
	return false
}

// line finds, among the records of a snapshot, the newest time of indexing
// before the cut, and the oldest from the cut on, 0 where there is none. What a
// predicate with an age leaves depends on the moment through the first alone.
func (s *snapshot) line(cut int64) (line, next int64) {
	for _, e := range s.entries {
		c := e.columns.Load()
		if c.newest < cut {
			line = max(line, c.newest)
			continue
		}
		for i := range c.cells {
			switch t := c.cells[i].indexed; {
			case t < cut:
				line = max(line, t)
			case next == 0 || t < next:
				next = t
			}
		}
	}
	return line, next
}

// viewKey is the part of an ETag that names what is left by the predicate, as
// the line has it, to a caller from whom names are hidden.
func (p *Predicate) viewKey(line int64, hidden []string) string {
	key := "p" + p.key
	if p.minAge > 0 {
		key += fmt.Sprintf("-%x", line)
	}
	if len(hidden) > 0 {
		sum := sha256.New()
		_, _ = io.WriteString(sum, strings.Join(hidden, "\n")) // a hash never fails
		key += "-" + hex.EncodeToString(sum.Sum(nil)[:8])
	}
	return key
}
