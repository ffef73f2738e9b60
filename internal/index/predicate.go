package index

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
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
	minAge  int64       // milliseconds
	byName  []nameRules // sorted by name
	pattern []patternRule
}

// nameRules are the rules that speak of one name. A list of vulnerabilities has
// thousands, so they are small.
type nameRules struct {
	name     string
	versions []conda.VersionSpec
	specs    []specRule
}

// specRule is a spec of which more than name and version is to be looked at.
type specRule struct {
	version conda.VersionSpec
	rest    *conda.MatchSpec // less name and version
}

// patternRule is a spec whose name takes several.
type patternRule struct {
	name conda.Pattern
	specRule
}

// NewPredicate compiles rules. It returns errs.Invalid for a spec that speaks of
// what the columns do not hold.
func NewPredicate(r Rules) (*Predicate, error) {
	if r.MinAge < 0 {
		return nil, errs.New(errs.Invalid, "The least age must not be negative.")
	}
	p := &Predicate{minAge: r.MinAge.Milliseconds(), deny: licenceSet(r.DenyLicences)}
	rules := map[string]*nameRules{}
	of := func(name string) *nameRules {
		name = conda.NormalizeName(name)
		if rules[name] == nil {
			rules[name] = &nameRules{name: name}
		}
		return rules[name]
	}
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
		to := of(v.Name)
		to.versions = append(to.versions, v.Spec)
		texts = append(texts, to.name+" "+v.Spec.String())
	}
	note("versions", sorted(texts)...)
	texts = nil
	for _, m := range r.Specs {
		if err := inColumns(m); err != nil {
			return nil, err
		}
		texts = append(texts, m.String())
		name, one := m.PackageName()
		rule, more := newSpecRule(m)
		switch {
		case !one:
			p.pattern = append(p.pattern, patternRule{m.Name, rule})
		case more:
			to := of(name)
			to.specs = append(to.specs, rule)
		default:
			to := of(name)
			to.versions = append(to.versions, m.Version)
		}
	}
	note("specs", sorted(texts)...)
	p.key = hex.EncodeToString(sum.Sum(nil)[:8])
	p.byName = make([]nameRules, 0, len(rules))
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		p.byName = append(p.byName, *rules[name])
	}
	return p, nil
}

// newSpecRule takes name and version off a spec, and says whether that leaves
// anything.
func newSpecRule(m conda.MatchSpec) (rule specRule, more bool) {
	rest := m
	rest.Name, rest.Version = conda.Pattern{}, conda.VersionSpec{}
	more = !rest.Build.IsZero() || rest.BuildNumber.String() != "" || !rest.Subdir.IsZero() || !rest.FileName.IsZero() || !rest.License.IsZero()
	return specRule{version: m.Version, rest: &rest}, more
}

// size estimates the bytes of memory.
func (p *Predicate) size() int64 {
	n := 64*(len(p.allow)+len(p.deny)) + 700*len(p.pattern)
	for _, r := range p.byName {
		n += 64 + 200*len(r.versions) + 700*len(r.specs)
	}
	return int64(n)
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
