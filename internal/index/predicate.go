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
// keys on every replica. A list of vulnerabilities has thousands of rules, and there may be
// a thousand predicates: what belongs to a name lies in lists that all names share.
type Predicate struct {
	key     string
	allow   map[unique.Handle[string]]bool // nil = every licence
	deny    map[unique.Handle[string]]bool
	minAge  int64       // milliseconds
	byName  []nameRules // sorted by name
	ranges  []conda.VersionMatcher
	specs   []specRule
	pattern []patternRule
}

// nameRules are the rules that speak of one name.
type nameRules struct {
	name            string
	versions, specs stretch // of the lists of the predicate
}

// stretch is a part of a list.
type stretch struct{ from, to uint32 }

// specRule is a spec of which more than name and version is to be looked at.
type specRule struct {
	version                          conda.VersionMatcher
	build, subdir, fileName, license conda.Pattern
	number                           conda.BuildNumberSpec
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
	versions, specs := map[string][]conda.VersionMatcher{}, map[string][]specRule{}
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
		versions[name] = append(versions[name], v.Spec.Matcher())
		texts = append(texts, name+" "+v.Spec.String())
	}
	note("versions", sorted(texts)...)
	texts = nil
	for _, m := range r.Specs {
		if err := inColumns(m); err != nil {
			return nil, err
		}
		texts = append(texts, m.String())
		name, one := m.PackageName()
		name = conda.NormalizeName(name)
		rule, more := newSpecRule(m)
		switch {
		case !one:
			p.pattern = append(p.pattern, patternRule{m.Name, rule})
		case more:
			specs[name] = append(specs[name], rule)
		default:
			versions[name] = append(versions[name], rule.version)
		}
	}
	note("specs", sorted(texts)...)
	p.key = hex.EncodeToString(sum.Sum(nil)[:8])
	p.lay(versions, specs)
	return p, nil
}

// lay puts the rules of each name into the lists, each of which is as long as it need be.
func (p *Predicate) lay(versions map[string][]conda.VersionMatcher, specs map[string][]specRule) {
	names := slices.Sorted(maps.Keys(versions))
	for name := range specs {
		if versions[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	p.byName = make([]nameRules, len(names))
	p.ranges, p.specs = make([]conda.VersionMatcher, 0, total(versions)), make([]specRule, 0, total(specs))
	for i, name := range names {
		r := nameRules{name: name, versions: stretch{from: uint32(len(p.ranges))}, specs: stretch{from: uint32(len(p.specs))}}
		p.ranges, p.specs = append(p.ranges, versions[name]...), append(p.specs, specs[name]...)
		r.versions.to, r.specs.to = uint32(len(p.ranges)), uint32(len(p.specs))
		p.byName[i] = r
	}
}

// total is how many there are in all lists.
func total[T any](lists map[string][]T) (n int) {
	for _, list := range lists {
		n += len(list)
	}
	return n
}

// newSpecRule takes the name off a spec, and says whether more than its version is to be
// looked at.
func newSpecRule(m conda.MatchSpec) (rule specRule, more bool) {
	rule = specRule{version: m.Version.Matcher(), build: m.Build, number: m.BuildNumber, subdir: m.Subdir, fileName: m.FileName, license: m.License}
	more = !m.Build.IsZero() || m.BuildNumber.String() != "" || !m.Subdir.IsZero() || !m.FileName.IsZero() || !m.License.IsZero()
	return rule, more
}

// takes reports whether a record of a version that the rule takes is taken.
func (r *specRule) takes(t conda.MatchTarget) bool {
	return r.build.Match(t.Build) && r.number.Match(t.BuildNumber) && r.subdir.Match(t.Subdir) &&
		r.fileName.Match(t.FileName) && r.license.Match(t.License)
}

// size estimates the bytes of memory.
func (p *Predicate) size() int64 {
	return int64(64*(len(p.allow)+len(p.deny)) + 64*len(p.byName) + 150*len(p.ranges) + 400*len(p.specs) + 500*len(p.pattern))
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
