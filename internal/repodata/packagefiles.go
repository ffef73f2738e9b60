package repodata

import (
	"cmp"
	"encoding/hex"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
)

// PackageFiles gathers what channeldata.json says of the files of one package name,
// file by file in any order. Of most files it keeps nothing.
type PackageFiles struct {
	Name string // as the files spell it

	some    bool // there is a file
	newest  channelFile
	flags   ChannelFlags
	time    int64                  // of any file, Unix milliseconds
	subdirs []string               // sorted
	exports map[string]channelFile // by version: the newest build that has any
}

// channelFile is a file as far as channeldata.json needs it.
type channelFile struct {
	subdir, name, version, build, license string
	sha256                                string // hex
	number, time                          int64
	exports                               jsontext.Value // nil for none
}

// Newest is the subdir and the name of the file whose words about.json the package has.
func (p *PackageFiles) Newest() (subdir, fileName string) { return p.newest.subdir, p.newest.name }

// Package gives what was gathered. about is the info/about.json of the newest file, or nil.
func (p *PackageFiles) Package(about []byte) ChannelPackage {
	out := ChannelPackage{
		ChannelFlags: p.flags, RunExports: make(map[string]jsontext.Value, len(p.exports)), Subdirs: p.subdirs,
		Timestamp: p.time / 1000, Version: p.newest.version, Texts: aboutTexts(about, p.newest.license),
	}
	for version, f := range p.exports {
		out.RunExports[version] = f.exports
	}
	return out
}

// GatherRows adds records of one subdir to what is known of the packages of their
// names, each spelling of a name being one, and what flags says of their files.
func GatherRows(packages []PackageFiles, subdir string, rows []ShardRow, flags func(fileName []byte) ChannelFlags) ([]PackageFiles, error) {
	for i := range rows {
		r := &rows[i]
		name := r.text(fieldName)
		at := slices.IndexFunc(packages, func(p PackageFiles) bool { return p.Name == string(name) })
		if at < 0 {
			at, packages = len(packages), append(packages, PackageFiles{Name: string(name)})
		}
		if err := packages[at].addRow(subdir, r); err != nil {
			return nil, fmt.Errorf("reading the record of %s in a shard: %w", r.FileName, err)
		}
		packages[at].flags.or(flags(r.FileName))
	}
	return packages, nil
}

// addRow adds a record.
func (p *PackageFiles) addRow(subdir string, r *ShardRow) error {
	p.seen(subdir, r.Timestamp)
	if !p.some || p.newest.compareRow(subdir, r) > 0 {
		p.newest, p.some = channelFileOf(subdir, r), true
	}
	exports := r.value(fieldRunExports)
	if exports == nil {
		return nil // nobody has looked
	}
	if n, _, err := msgp.ReadMapHeaderBytes(exports); err != nil || n == 0 {
		return err
	}
	if f, ok := p.exports[string(r.Version)]; ok && f.compareRow(subdir, r) <= 0 {
		return nil
	}
	f := channelFileOf(subdir, r)
	var err error
	if f.exports, _, err = appendMsgpackAsJSON(nil, exports, 0); err != nil {
		return err
	}
	p.export(f)
	return nil
}

// add adds a file and reports whether it is the newest so far.
func (p *PackageFiles) add(c ChannelFile) (newest bool) {
	r := c.Record
	p.flags.or(c.Flags)
	p.seen(c.Subdir, r.Timestamp)
	f := channelFile{
		subdir: c.Subdir, version: r.Version, build: r.Build, license: r.License, sha256: r.SHA256, number: r.BuildNumber, time: r.Timestamp,
	}
	if newest = !p.some || p.newest.compare(f) > 0; newest {
		p.newest, p.some = f, true
	}
	if r.RunExports == nil {
		return newest
	}
	var w recordWriter
	w.runExports(r.RunExports)
	if text := string(w.exports); text == "{}" || w.err != nil {
		return newest
	}
	if known, ok := p.exports[f.version]; !ok || known.compare(f) > 0 {
		f.exports = w.exports
		p.export(f)
	}
	return newest
}

func (p *PackageFiles) seen(subdir string, time int64) {
	p.time = max(p.time, time)
	if at, ok := slices.BinarySearch(p.subdirs, subdir); !ok {
		p.subdirs = slices.Insert(p.subdirs, at, subdir)
	}
}

func (p *PackageFiles) export(f channelFile) {
	if p.exports == nil {
		p.exports = map[string]channelFile{}
	}
	p.exports[f.version] = f
}

// compare orders files: by version, build number and time, the newest first. Where
// the same build is in several subdirs any rule does, so that one is fixed.
func (f *channelFile) compare(g channelFile) int {
	return cmp.Or(f.compareBuild([]byte(g.version), g.number, g.time),
		strings.Compare(f.subdir, g.subdir), strings.Compare(f.build, g.build), strings.Compare(f.sha256, g.sha256))
}

// compareRow is compare for a record, of which most are older than a file that is known.
func (f *channelFile) compareRow(subdir string, r *ShardRow) int {
	if c := f.compareBuild(r.Version, r.BuildNumber, r.Timestamp); c != 0 {
		return c
	}
	return f.compare(channelFileOf(subdir, r))
}

func (f *channelFile) compareBuild(version []byte, number, time int64) int {
	newer := 0
	if f.version != string(version) {
		newer = conda.CompareVersions(string(version), f.version)
	}
	return cmp.Or(newer, cmp.Compare(number, f.number), cmp.Compare(time, f.time))
}

func channelFileOf(subdir string, r *ShardRow) channelFile {
	return channelFile{
		subdir: subdir, name: string(r.FileName), version: string(r.Version), build: string(r.text(fieldBuild)), license: string(r.text(fieldLicense)),
		sha256: hex.EncodeToString(r.hash(fieldSHA256)), number: r.BuildNumber, time: r.Timestamp,
	}
}
