package repodata

import (
	"cmp"
	"encoding/json/jsontext"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
)

// CurrentRow is a record as far as most are looked at, and the rest as it lies in
// a shard.
type CurrentRow struct {
	FileName, Version      string
	BuildNumber, Timestamp int64
	Msgpack                []byte

	record *conda.Record // instead of Msgpack
}

// CurrentRecord is a record that current_repodata.json may have.
type CurrentRecord struct {
	FileRecord // with the hash of the twin
}

// Plain reports whether the record is without features.
func (r CurrentRecord) Plain() bool { return r.Record.Features == "" && r.Record.TrackFeatures == "" }

// JSON gives what stands under the file's name in the document.
func (r CurrentRecord) JSON() ([]byte, error) {
	enc, err := EncodeRecord(r.Record)
	return enc.JSON, err
}

// CurrentRows gives the records of a shard that EncodeShard made, of which keep is
// asked for their places as by FilterShard; nil keeps all.
func CurrentRows(shard []byte, keep func(place int) bool) ([]CurrentRow, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	raw, err := d.DecodeAll(shard, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking a shard: %w", err)
	}
	parts, err := shardParts(raw)
	if err != nil {
		return nil, err
	}
	rows := make([]CurrentRow, 0, len(parts))
	for place, i := range inOrder(parts) {
		if keep != nil && !keep(place) {
			continue
		}
		row, err := currentRow(parts[i])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func currentRow(p shardPart) (r CurrentRow, err error) {
	r.FileName = string(p.name)
	if r.Msgpack, err = msgp.Skip(p.bytes); err != nil { // the name
		return r, err
	}
	n, rest, err := msgp.ReadMapHeaderBytes(r.Msgpack)
	for ; n > 0 && err == nil; n-- {
		var key []byte
		if key, rest, err = msgp.ReadStringZC(rest); err != nil {
			break
		}
		switch string(key) {
		case "version":
			r.Version, rest, err = msgp.ReadStringBytes(rest)
		case "build_number":
			r.BuildNumber, rest, err = msgp.ReadInt64Bytes(rest)
		case "timestamp":
			r.Timestamp, rest, err = msgp.ReadInt64Bytes(rest)
		default:
			rest, err = msgp.Skip(rest)
		}
	}
	return r, err
}

func withTwin(r, twin conda.Record) conda.Record {
	extra := maps.Clone(r.Extra)
	if extra == nil {
		extra = map[string]jsontext.Value{}
	}
	if twin.MD5 != "" {
		extra["legacy_bz2_md5"] = appendJSONString(nil, twin.MD5)
	}
	if twin.Size > 0 {
		extra["legacy_bz2_size"] = strconv.AppendInt(nil, twin.Size, 10)
	}
	r.Extra = extra
	return r
}

// DependencyName gives the name of the package that a dependency speaks of, and
// false for one that cannot be read or may speak of several.
func DependencyName(text string) (string, bool) {
	spec, err := conda.ParseDependency(text)
	if err != nil {
		return "", false
	}
	name, ok := spec.PackageName()
	return conda.NormalizeName(name), ok
}

// CurrentGroup answers what current_repodata.json may have of one package name.
// A record is decoded when that depends on it, which of most it never does.
type CurrentGroup struct {
	rows   []*candidate // without those that have a twin
	series []conda.VersionSpec
	sorted bool // rows, the newest first
	newest []*candidate
}

// candidate is a record that may be kept.
type candidate struct {
	CurrentRow
	version conda.Version // zero where it cannot be read: below every other, and in no series
	twin    *candidate
	target  *conda.MatchTarget // nil until it is decoded
}

// NewCurrentGroup takes the records of a name, in any order, and the series of
// versions of which it keeps the newest, too.
func NewCurrentGroup(rows []CurrentRow, pins []string) *CurrentGroup {
	g := &CurrentGroup{rows: withoutTwins(rows)}
	versions := map[string]conda.Version{}
	for _, c := range g.rows {
		v, known := versions[c.Version]
		if !known {
			v, _ = conda.ParseVersion(c.Version) // the zero version where it fails
			versions[c.Version] = v
		}
		c.version = v
	}
	for _, pin := range pins {
		if spec, err := conda.ParseVersionSpec(pin + ".*"); err == nil {
			g.series = append(g.series, spec)
		}
	}
	g.newest = g.of(g.best(func(*candidate) bool { return true }))
	for _, s := range g.series {
		for _, c := range g.of(g.best(func(c *candidate) bool { return s.Match(c.version) })) {
			if !slices.Contains(g.newest, c) {
				g.newest = append(g.newest, c)
			}
		}
	}
	return g
}

// withoutTwins drops each .tar.bz2 that has a .conda of the same stem.
func withoutTwins(rows []CurrentRow) []*candidate {
	old := map[string]*candidate{}
	for _, r := range rows {
		if stem, ok := strings.CutSuffix(r.FileName, suffixTarBz2); ok {
			old[stem] = &candidate{CurrentRow: r}
		}
	}
	list := make([]*candidate, 0, len(rows))
	for _, r := range rows {
		if stem, ok := strings.CutSuffix(r.FileName, suffixConda); ok {
			list = append(list, &candidate{CurrentRow: r, twin: old[stem]})
			delete(old, stem)
		}
	}
	return slices.AppendSeq(list, maps.Values(old))
}

// CurrentRecords gives the records of some files of a name, sorted by file name.
func CurrentRecords(rows []CurrentRow, wanted func(fileName string) bool) ([]CurrentRecord, error) {
	list := slices.DeleteFunc(withoutTwins(rows), func(c *candidate) bool { return !wanted(c.FileName) })
	slices.SortFunc(list, func(a, b *candidate) int { return cmp.Compare(a.FileName, b.FileName) })
	return records(list)
}

// compareVersions orders as conda.CompareVersions, with the versions as they are
// parsed.
func (c *candidate) compareVersions(d *candidate) int {
	return cmp.Or(c.version.Compare(d.version), cmp.Compare(c.Version, d.Version))
}

// best gives one of those that want takes with the newest version, or nil.
func (g *CurrentGroup) best(want func(*candidate) bool) (best *candidate) {
	for _, c := range g.rows {
		if (best == nil || c.Version != best.Version && c.compareVersions(best) > 0) && want(c) {
			best = c
		}
	}
	return best
}

// of gives all builds of a version.
func (g *CurrentGroup) of(version *candidate) (list []*candidate) {
	for _, c := range g.rows {
		if version != nil && c.Version == version.Version {
			list = append(list, c)
		}
	}
	return list
}

// Newest gives all builds of the newest version and of the newest of each series.
func (g *CurrentGroup) Newest() ([]CurrentRecord, error) { return records(g.newest) }

// Answer gives what a dependency keeps of the name: nothing where one of the
// newest satisfies it, else the builds which do of the newest version that has any.
func (g *CurrentGroup) Answer(dependency string) ([]CurrentRecord, error) {
	spec, err := conda.ParseDependency(dependency)
	if err != nil {
		return nil, nil //nolint:nilerr // what cannot be read keeps nothing
	}
	for _, c := range g.newest {
		if ok, err := c.match(spec); ok || err != nil {
			return nil, err
		}
	}
	g.sort()
	var list []*candidate
	for _, c := range g.rows {
		if len(list) > 0 && c.Version != list[0].Version {
			break
		}
		ok, err := c.match(spec)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, c)
		}
	}
	return records(list)
}

// NewestPlain gives the newest record without features, if there is one.
func (g *CurrentGroup) NewestPlain() ([]CurrentRecord, error) {
	g.sort()
	for _, c := range g.rows {
		r, err := c.decode()
		if err != nil {
			return nil, err
		}
		if (CurrentRecord{FileRecord{Record: r}}).Plain() {
			return records([]*candidate{c})
		}
	}
	return nil, nil
}

func (g *CurrentGroup) sort() {
	if g.sorted {
		return
	}
	slices.SortFunc(g.rows, func(a, b *candidate) int {
		return cmp.Or(b.compareVersions(a), cmp.Compare(b.BuildNumber, a.BuildNumber), cmp.Compare(b.Timestamp, a.Timestamp), cmp.Compare(a.FileName, b.FileName))
	})
	g.sorted = true
}

// match reports whether a dependency takes the record. The version, which says
// no to most, is known without decoding it.
func (c *candidate) match(spec conda.MatchSpec) (bool, error) {
	if !spec.Version.Match(c.version) {
		return false, nil
	}
	if c.target == nil {
		r, err := c.decode()
		if err != nil {
			return false, err
		}
		c.target = &conda.MatchTarget{
			Name: r.Name, Version: c.version, Build: r.Build, BuildNumber: r.BuildNumber, Subdir: r.Subdir, FileName: c.FileName,
			MD5: r.MD5, SHA256: r.SHA256, License: r.License, LicenseFamily: r.LicenseFamily,
			TrackFeatures: r.TrackFeatures, Features: r.Features, Flags: r.Flags,
		}
	}
	return spec.Match(*c.target), nil
}

func (c *candidate) decode() (conda.Record, error) {
	if c.record == nil {
		r, err := recordOfMsgpack(c.Msgpack)
		if err != nil {
			return conda.Record{}, err
		}
		c.record = &r
	}
	return *c.record, nil
}

func records(list []*candidate) ([]CurrentRecord, error) {
	var out []CurrentRecord
	for _, c := range list {
		r, err := c.decode()
		if err != nil {
			return nil, err
		}
		if c.twin != nil {
			old, err := c.twin.decode()
			if err != nil {
				return nil, err
			}
			r = withTwin(r, old)
		}
		out = append(out, CurrentRecord{FileRecord{FileName: c.FileName, Record: r}})
	}
	return out, nil
}
