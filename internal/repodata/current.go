package repodata

import (
	"cmp"
	"encoding/json/jsontext"
	"maps"
	"slices"
	"strconv"
	"strings"

	"terrarium/internal/conda"
)

// FileRecord is a record with the name of its file.
type FileRecord struct {
	FileName string
	Record   conda.Record
}

// Current selects the records of current_repodata.json, which only conda's
// classic solver reads: for each name all builds of the newest version, and of
// the newest version of each series that pins names for it ("python": "3.8",
// "3.9"); then, for each dependency that no kept record satisfies, all builds
// of the newest version that does; then, for a name of which only builds with
// features are kept, the newest record without. Of twins only the .conda is
// taken, with the old file's hash in legacy_bz2_md5. The result is sorted by
// file name; the order of files does not matter.
func Current(files []FileRecord, pins map[string][]string) []FileRecord {
	c := currentSelection{names: map[string][]*candidate{}, specs: map[string]dependency{}}
	for _, f := range withoutTwins(files) {
		c.names[f.Record.Name] = append(c.names[f.Record.Name], newCandidate(f))
	}
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		group := c.names[name]
		slices.SortFunc(group, func(a, b *candidate) int {
			return cmp.Or(compareNewest(a.Record, b.Record), cmp.Compare(a.FileName, b.FileName))
		})
		c.keepNewest(group, func(*candidate) bool { return true })
		for _, pin := range pins[name] {
			if spec, err := conda.ParseVersionSpec(pin + ".*"); err == nil {
				c.keepNewest(group, func(f *candidate) bool { return spec.Match(f.target.Version) })
			}
		}
	}
	c.satisfy()
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		c.keepPlain(c.names[name])
	}
	c.satisfy()

	out := make([]FileRecord, 0, len(c.kept))
	for _, f := range c.kept {
		out = append(out, f.FileRecord)
	}
	slices.SortFunc(out, func(a, b FileRecord) int { return cmp.Compare(a.FileName, b.FileName) })
	return out
}

// compareNewest orders records by version, build number and time, the newest
// first.
func compareNewest(a, b conda.Record) int {
	return cmp.Or(
		conda.CompareVersions(b.Version, a.Version),
		cmp.Compare(b.BuildNumber, a.BuildNumber),
		cmp.Compare(b.Timestamp, a.Timestamp))
}

// withoutTwins drops each .tar.bz2 that has a .conda of the same stem.
func withoutTwins(files []FileRecord) []FileRecord {
	old := map[string]FileRecord{}
	for _, f := range files {
		if stem, ok := strings.CutSuffix(f.FileName, suffixTarBz2); ok {
			old[stem] = f
		}
	}
	out := make([]FileRecord, 0, len(files))
	for _, f := range files {
		stem, ok := strings.CutSuffix(f.FileName, suffixConda)
		if !ok {
			continue
		}
		if twin, ok := old[stem]; ok {
			delete(old, stem)
			extra := maps.Clone(f.Record.Extra)
			if extra == nil {
				extra = map[string]jsontext.Value{}
			}
			if twin.Record.MD5 != "" {
				extra["legacy_bz2_md5"] = appendJSONString(nil, twin.Record.MD5)
			}
			if twin.Record.Size > 0 {
				extra["legacy_bz2_size"] = strconv.AppendInt(nil, twin.Record.Size, 10)
			}
			f.Record.Extra = extra
		}
		out = append(out, f)
	}
	return slices.AppendSeq(out, maps.Values(old))
}

// candidate is a record that may be kept.
type candidate struct {
	FileRecord
	target conda.MatchTarget
	kept   bool
}

func newCandidate(f FileRecord) *candidate {
	r := f.Record
	version, err := conda.ParseVersion(r.Version)
	if err != nil {
		version = conda.Version{} // below every other, and in no series
	}
	return &candidate{FileRecord: f, target: conda.MatchTarget{
		Name: r.Name, Version: version, Build: r.Build, BuildNumber: r.BuildNumber, Subdir: r.Subdir, FileName: f.FileName,
		MD5: r.MD5, SHA256: r.SHA256, License: r.License, LicenseFamily: r.LicenseFamily,
		TrackFeatures: r.TrackFeatures, Features: r.Features, Flags: r.Flags,
	}}
}

// dependency is a parsed entry of depends; ok is false for one that cannot be
// read or names no single package.
type dependency struct {
	spec conda.MatchSpec
	name string
	ok   bool
}

type currentSelection struct {
	names  map[string][]*candidate // each group the newest first
	specs  map[string]dependency
	kept   []*candidate
	walked int // kept records whose dependencies were looked at
}

// keepNewest keeps all records of the newest version that want takes.
func (c *currentSelection) keepNewest(group []*candidate, want func(*candidate) bool) {
	var version *candidate
	for _, f := range group {
		if !want(f) || version != nil && conda.CompareVersions(version.Record.Version, f.Record.Version) != 0 {
			continue
		}
		if version == nil {
			version = f
		}
		c.keep(f)
	}
}

func (c *currentSelection) keep(f *candidate) {
	if !f.kept {
		f.kept = true
		c.kept = append(c.kept, f)
	}
}

// satisfy keeps what the dependencies of kept records need, theirs included.
func (c *currentSelection) satisfy() {
	for ; c.walked < len(c.kept); c.walked++ {
		for _, text := range c.kept[c.walked].Record.Depends {
			d := c.dependency(text)
			if !d.ok {
				continue
			}
			group := c.names[d.name]
			match := func(f *candidate) bool { return d.spec.Match(f.target) }
			if slices.ContainsFunc(group, func(f *candidate) bool { return f.kept && match(f) }) {
				continue
			}
			c.keepNewest(group, match)
		}
	}
}

func (c *currentSelection) dependency(text string) dependency {
	if d, ok := c.specs[text]; ok {
		return d
	}
	var d dependency
	if spec, err := conda.ParseDependency(text); err == nil {
		d.spec = spec
		d.name, d.ok = spec.PackageName()
	}
	c.specs[text] = d
	return d
}

// keepPlain keeps the newest record without features where all that is kept of
// the name has some.
func (c *currentSelection) keepPlain(group []*candidate) {
	plain := func(f *candidate) bool { return f.Record.Features == "" && f.Record.TrackFeatures == "" }
	for _, f := range group {
		if f.kept && plain(f) {
			return
		}
	}
	if i := slices.IndexFunc(group, plain); i >= 0 {
		c.keep(group[i])
	}
}
