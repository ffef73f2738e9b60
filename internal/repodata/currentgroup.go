package repodata

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"terrarium/internal/conda"
)

// DependencyName gives the name of the package that a dependency speaks of, and
// false for one that may speak of several. Of one that cannot be read it is either,
// since that keeps nothing.
func DependencyName(text string) (string, bool) {
	if name, rest, _ := strings.Cut(text, " "); isPlainName(name) && !strings.Contains(rest, "[") {
		return name, true
	}
	spec, err := conda.ParseDependency(text)
	if err != nil {
		return "", false
	}
	name, ok := spec.PackageName()
	return conda.NormalizeName(name), ok
}

// isPlainName reports whether a text is a package name as most are spelt.
func isPlainName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return s != ""
}

// CurrentGroup answers what current_repodata.json may have of one package name after
// the other, in room that it uses again. A record is looked into when something depends
// on it, which of most never does. The zero value is ready; it is for one goroutine.
type CurrentGroup struct {
	rows     []*candidate // without those that have a twin
	versions []groupVersion
	newest   []*candidate
	sorted   bool // rows, the newest first

	slab   []candidate
	old    []*ShardRow // the .tar.bz2, sorted by name
	twin   []bool      // those of old that have one
	key    []byte
	places map[string]int32 // of versions
}

// candidate is a record that may be kept.
type candidate struct {
	row, twin *ShardRow
	version   int32              // its place in versions
	target    *conda.MatchTarget // nil until it is asked for
}

// groupVersion is a version of the name.
type groupVersion struct {
	text   string
	read   bool
	parsed conda.Version // once it is read; zero where it cannot be: below every other, and in no series
	rank   int32         // 0 is the newest, once the rows are sorted
}

func (v *groupVersion) parse() conda.Version {
	if !v.read {
		v.parsed, _ = conda.ParseVersion(v.text) // the zero version where it fails
		v.read = true
	}
	return v.parsed
}

// Take takes the records of a name, in any order, and the series of versions of which
// it keeps the newest, too. The rows must stay as they are until the next.
func (g *CurrentGroup) Take(rows []ShardRow, pins []string) {
	g.pair(rows)
	g.versions, g.newest, g.sorted = g.versions[:0], g.newest[:0], false
	if g.places == nil {
		g.places = map[string]int32{}
	}
	clear(g.places)
	for _, c := range g.rows {
		place, ok := g.places[string(c.row.Version)]
		if !ok {
			place = int32(len(g.versions))
			g.versions = append(g.versions, groupVersion{text: string(c.row.Version)})
			g.places[g.versions[place].text] = place
		}
		c.version = place
	}
	kept := []int32{g.best(func(*groupVersion) bool { return true })}
	for _, pin := range pins {
		if spec, err := conda.ParseVersionSpec(pin + ".*"); err == nil {
			kept = append(kept, g.best(func(v *groupVersion) bool { return spec.Match(v.parse()) }))
		}
	}
	for _, c := range g.rows {
		if slices.Contains(kept, c.version) {
			g.newest = append(g.newest, c)
		}
	}
}

// pair makes candidates of records. It drops each .tar.bz2 that has a .conda of the same
// stem, and files that are neither.
func (g *CurrentGroup) pair(rows []ShardRow) {
	g.slab, g.rows, g.old = slices.Grow(g.slab[:0], len(rows)), g.rows[:0], g.old[:0]
	byName := func(a, b *ShardRow) int { return bytes.Compare(a.FileName, b.FileName) }
	for i := range rows {
		if bytes.HasSuffix(rows[i].FileName, []byte(suffixTarBz2)) {
			g.old = append(g.old, &rows[i])
		}
	}
	if !slices.IsSortedFunc(g.old, byName) {
		slices.SortFunc(g.old, byName)
	}
	g.twin = append(g.twin[:0], make([]bool, len(g.old))...)
	add := func(c candidate) {
		g.slab = append(g.slab, c)
		g.rows = append(g.rows, &g.slab[len(g.slab)-1])
	}
	for i := range rows {
		stem, ok := bytes.CutSuffix(rows[i].FileName, []byte(suffixConda))
		if !ok {
			continue
		}
		c := candidate{row: &rows[i]}
		g.key = append(append(g.key[:0], stem...), suffixTarBz2...)
		at, ok := slices.BinarySearchFunc(g.old, g.key, func(r *ShardRow, key []byte) int { return bytes.Compare(r.FileName, key) })
		if ok {
			c.twin, g.twin[at] = g.old[at], true
		}
		add(c)
	}
	for at, r := range g.old {
		if !g.twin[at] {
			add(candidate{row: r})
		}
	}
}

// Records gives the records of some files among those of a name, sorted by file name. The group
// answers for nothing then.
func (g *CurrentGroup) Records(rows []ShardRow, wanted func(fileName []byte) bool) []CurrentRecord {
	g.pair(rows)
	list := slices.DeleteFunc(g.rows, func(c *candidate) bool { return !wanted(c.row.FileName) })
	slices.SortFunc(list, func(a, b *candidate) int { return bytes.Compare(a.row.FileName, b.row.FileName) })
	return records(list)
}

// best gives the newest of those versions that want takes, or -1.
func (g *CurrentGroup) best(want func(*groupVersion) bool) int32 {
	best := int32(-1)
	for i := range g.versions {
		v := &g.versions[i]
		if (best < 0 || conda.CompareVersions(v.text, g.versions[best].text) > 0) && want(v) {
			best = int32(i)
		}
	}
	return best
}

// Newest gives all builds of the newest version and of the newest of each series.
func (g *CurrentGroup) Newest() []CurrentRecord { return records(g.newest) }

// Answer gives what a dependency keeps of the name: nothing where one of the
// newest satisfies it, else the builds which do of the newest version that has any.
func (g *CurrentGroup) Answer(dependency string) ([]CurrentRecord, error) {
	spec, err := conda.ParseDependency(dependency)
	if err != nil {
		return nil, nil //nolint:nilerr // what cannot be read keeps nothing
	}
	m := matcher{g: g, spec: spec, version: -1}
	for _, c := range g.newest {
		if ok, err := m.match(c); ok || err != nil {
			return nil, err
		}
	}
	g.sort()
	var list []*candidate
	for _, c := range g.rows {
		if len(list) > 0 && c.version != list[0].version {
			break
		}
		ok, err := m.match(c)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, c)
		}
	}
	return records(list), nil
}

// NewestPlain gives the newest record without features, if there is one.
func (g *CurrentGroup) NewestPlain() []CurrentRecord {
	g.sort()
	for _, c := range g.rows {
		if (CurrentRecord{c.row, c.twin}).Plain() {
			return records([]*candidate{c})
		}
	}
	return nil
}

func (g *CurrentGroup) sort() {
	if g.sorted {
		return
	}
	order := make([]*groupVersion, len(g.versions))
	for i := range g.versions {
		order[i] = &g.versions[i]
	}
	slices.SortFunc(order, func(a, b *groupVersion) int { return conda.CompareVersions(b.text, a.text) })
	for rank, v := range order {
		v.rank = int32(rank)
	}
	slices.SortFunc(g.rows, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(g.versions[a.version].rank, g.versions[b.version].rank), cmp.Compare(b.row.BuildNumber, a.row.BuildNumber),
			cmp.Compare(b.row.Timestamp, a.row.Timestamp), bytes.Compare(a.row.FileName, b.row.FileName))
	})
	g.sorted = true
}

// matcher holds a spec against candidates, of which neighbours mostly share a version.
type matcher struct {
	g       *CurrentGroup
	spec    conda.MatchSpec
	version int32 // the last one, and whether the spec takes it
	takes   bool
}

// match reports whether the spec takes a candidate. The version, which says no to most,
// is known without a look at the record.
func (m *matcher) match(c *candidate) (bool, error) {
	if c.version != m.version {
		m.version, m.takes = c.version, m.spec.Version.Match(m.g.versions[c.version].parse())
	}
	if !m.takes {
		return false, nil
	}
	if c.target == nil {
		target, err := c.row.target(m.g.versions[c.version].parse())
		if err != nil {
			return false, err
		}
		c.target = &target
	}
	return m.spec.Match(*c.target), nil
}

// target is what a spec is held against.
func (r *ShardRow) target(version conda.Version) (conda.MatchTarget, error) {
	if r.odd || r.msgpack == nil {
		rec, err := r.decode()
		return conda.MatchTarget{
			Name: rec.Name, Version: version, Build: rec.Build, BuildNumber: rec.BuildNumber, Subdir: rec.Subdir, FileName: string(r.FileName),
			MD5: rec.MD5, SHA256: rec.SHA256, License: rec.License, LicenseFamily: rec.LicenseFamily,
			TrackFeatures: rec.TrackFeatures, Features: rec.Features, Flags: rec.Flags,
		}, err
	}
	text := func(f field) string { return string(r.text(f)) }
	return conda.MatchTarget{
		Name: text(fieldName), Version: version, Build: text(fieldBuild), BuildNumber: r.BuildNumber, Subdir: text(fieldSubdir), FileName: string(r.FileName),
		MD5: hex.EncodeToString(r.hash(fieldMD5)), SHA256: hex.EncodeToString(r.hash(fieldSHA256)), License: text(fieldLicense), LicenseFamily: text(fieldLicenseFamily),
		TrackFeatures: text(fieldTrackFeatures), Features: text(fieldFeatures),
	}, nil
}
