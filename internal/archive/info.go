package archive

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// The members of info/ that are read (CEP 34).
const (
	indexName      = "info/index.json"
	runExportsName = "info/run_exports.json"
	aboutName      = "info/about.json"
	pathsName      = "info/paths.json"
	filesName      = "info/files"      // before paths.json
	prefixName     = "info/has_prefix" // before paths.json
	noLinkName     = "info/no_link"    // before paths.json
)

// The most that is kept of a few members, in bytes.
const (
	maxText    = 1 << 20   // of a README; the rest is cut off
	maxLicense = 256 << 10 // of one licence; longer ones are left out
	maxIcon    = 512 << 10
	maxPaths   = 1 << 20 // of paths.json as it is; a longer one is only parsed
	maxList    = 4 << 20 // of info/files and info/has_prefix
)

// Info is what info/ of a package says. Everything in it is the uploader's
// word: texts may hold markup, names may lie, only lengths are bounded.
type Info struct {
	// Record is made of index.json and run_exports.json; hashes and size are
	// left to whoever has the bytes. RunExports is never nil. Subdir is empty
	// where a package that is not noarch does not say it.
	Record conda.Record

	// Faults are what is wrong with the values of Record, each errs.Invalid with
	// its key as the field. A package with any is refused (see Refuse).
	Faults []*errs.Error

	// IndexJSON is info/index.json as found.
	IndexJSON []byte

	// About, Paths and RunExports are about.json, paths.json and
	// run_exports.json as found, or nil. About and Paths are valid JSON
	// objects or nil; Paths is nil above 1 MiB.
	About, Paths, RunExports []byte

	// README is the text of info/README* or, failing that, of
	// info/recipe/README*, as valid UTF-8 of at most 1 MiB; READMEName is the
	// member that it comes from.
	README, READMEName string

	// Icon is info/icon.png or nil.
	Icon []byte

	// Members are the files of info/ that were seen, in the archive's order.
	Members []Member

	// PathList are the files of the package, from paths.json or, in very old
	// packages, from info/files. PathCount is how many there are where the
	// list had to end sooner.
	PathList  []Path
	PathCount int

	// Flags are derived from all paths, also those not listed.
	Flags Flags

	// Licenses are the texts below info/licenses/ and of info/LICENSE*, by
	// member name.
	Licenses map[string]string

	// Omitted names members that are there but were too large to keep, or not
	// fit to be kept.
	Omitted []string
}

// Member is a file of info/.
type Member struct {
	Name string // with "info/"
	Size int64
}

// collector makes an Info of the members of info/.
type collector struct {
	p    *pack
	info Info
	left int64 // of Limits.Keep

	files, hasPrefix, noLink []byte // the lists of very old packages
	pathsFound               bool

	prefix string // the placeholder of the last path
	full   bool   // no more paths fit
}

// newCollector makes an empty collector.
func newCollector(p *pack) *collector { return &collector{p: p, left: p.lim.Keep} }

// keep takes n bytes from what may be kept, or reports that they do not fit.
func (c *collector) keep(n int64) bool {
	if n > c.left {
		return false
	}
	c.left -= n
	return true
}

// omit notes that a member is not kept.
func (c *collector) omit(name string) {
	if len(c.info.Omitted) < 100 {
		c.info.Omitted = append(c.info.Omitted, name)
	}
}

// take reads a member of at most limit bytes, or omits it.
func (c *collector) take(m member, limit int64) ([]byte, error) {
	if m.size > limit || !c.keep(m.size) {
		c.omit(m.name)
		return nil, nil
	}
	return m.read()
}

// member looks at one file of info/.
func (c *collector) member(m member) (err error) {
	const perMember = 32 // bytes of a Member without its text
	if c.keep(perMember + int64(len(m.name))) {
		c.info.Members = append(c.info.Members, Member{Name: m.name, Size: m.size})
	}
	switch m.name {
	case indexName:
		c.info.IndexJSON, err = c.required(m)
	case runExportsName:
		c.info.RunExports, err = c.required(m)
	case aboutName:
		c.info.About, err = c.take(m, c.p.lim.IndexSize)
		if err == nil && !isObject(c.info.About) {
			c.info.About = nil
			c.omit(m.name)
		}
	case pathsName:
		err = c.paths(m)
	case filesName:
		c.files, err = c.take(m, maxList)
	case prefixName:
		c.hasPrefix, err = c.take(m, maxList)
	case noLinkName:
		c.noLink, err = c.take(m, maxList)
	case "info/icon.png":
		c.info.Icon, err = c.take(m, maxIcon)
	default:
		switch {
		case c.betterREADME(m.name):
			err = c.readme(m)
		case isLicense(m.name):
			err = c.license(m)
		}
	}
	return err
}

// required reads a member without which the package cannot be listed.
func (c *collector) required(m member) ([]byte, error) {
	if m.size > c.p.lim.IndexSize {
		return nil, c.p.tooLarge("%s has %s; the limit is %s.", m.name, amount(m.size), amount(c.p.lim.IndexSize))
	}
	b, err := m.read()
	if err != nil {
		return nil, err
	}
	// Every value but the first of a list or object has a comma before it.
	if bytes.Count(b, []byte(",")) > c.p.lim.IndexValues {
		return nil, c.p.tooLarge("%s has more than %d values, which is the limit.", m.name, c.p.lim.IndexValues)
	}
	return b, nil
}

// betterREADME reports whether name is a README that goes before the one found
// so far.
func (c *collector) betterREADME(name string) bool {
	rank := func(name string) int {
		dir, base := path.Split(name)
		stem, ext, _ := strings.Cut(strings.ToLower(base), ".")
		if stem != "readme" {
			return 0
		}
		switch ext {
		case "md", "rst", "txt", "markdown", "":
		default:
			return 0
		}
		switch dir {
		case "info/":
			return 2
		case "info/recipe/":
			return 1
		default:
			return 0
		}
	}
	return rank(name) > rank(c.info.READMEName)
}

// readme reads the beginning of a README.
func (c *collector) readme(m member) error {
	m.size = min(m.size, maxText)
	if !c.keep(m.size) {
		c.omit(m.name)
		return nil
	}
	b, err := m.read()
	if err != nil {
		return err
	}
	c.info.README, c.info.READMEName = strings.ToValidUTF8(string(b), "\ufffd"), m.name
	return nil
}

// isLicense reports whether a member is the text of a licence.
func isLicense(name string) bool {
	if strings.HasPrefix(name, "info/licenses/") {
		return true
	}
	base, ok := strings.CutPrefix(strings.ToLower(name), "info/license")
	return ok && !strings.Contains(base, "/")
}

// license reads the text of a licence; what is not text is left out.
func (c *collector) license(m member) error {
	b, err := c.take(m, maxLicense)
	if err != nil || b == nil {
		return err
	}
	if !utf8.Valid(b) {
		c.omit(m.name)
		return nil
	}
	if c.info.Licenses == nil {
		c.info.Licenses = map[string]string{}
	}
	c.info.Licenses[m.name] = string(b)
	return nil
}

// finish parses what was found and compares it with the file name. What is wrong
// with the values is gathered in Info.Faults; only what leaves nothing to compare
// is an error.
func (c *collector) finish() (*Info, error) {
	p, info := c.p, &c.info
	if info.IndexJSON == nil {
		return nil, p.damaged("it has no info/index.json, so it is not a conda package.")
	}
	record, faults, err := conda.ReadIndexJSON(info.IndexJSON)
	if err != nil {
		return nil, p.about(err)
	}
	unread := map[string]bool{} // keys of which no more can be said
	for _, f := range faults {
		unread[f.Field] = true
	}
	record.RunExports = &conda.RunExports{}
	if info.RunExports != nil {
		exports, err := conda.ParseRunExports(info.RunExports)
		if e, ok := errors.AsType[*errs.Error](err); ok {
			faults = append(faults, e)
		} else if err != nil {
			return nil, err
		}
		record.RunExports = &exports
	}
	for _, part := range []struct{ key, index, file string }{
		{"name", record.Name, p.name.Name},
		{"version", record.Version, p.name.Version},
		{"build", record.Build, p.name.Build},
	} {
		if part.index != part.file && !unread[part.key] {
			faults = append(faults, errs.New(errs.Invalid, "info/index.json says %s %s, the file name says %s.",
				part.key, plain(part.index), part.file).Because(reasonMismatch).On(part.key))
		}
	}
	for _, f := range record.Faults() {
		// A subdir becomes a part of URLs, so it is never taken as it comes.
		if !unread[f.Field] && (!p.lim.Lenient || f.Field == "subdir") {
			faults = append(faults, f)
		}
	}
	if record.Subdir == "" && record.Noarch != "" {
		record.Subdir = "noarch"
	}
	info.Record, info.Faults = record, faults
	if !c.pathsFound {
		c.oldPaths()
	}
	info.Members = slices.Clip(info.Members)
	info.PathList = slices.Clip(info.PathList)
	return info, nil
}

// plain shows a value that is fit to stand in a sentence as it is, and quotes
// any other.
func plain(s string) string {
	if s == "" || len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return clip(s)
	}
	return s
}

// isObject reports whether b is a JSON object. Duplicate keys are let through:
// nobody decides by about.json.
func isObject(b []byte) bool {
	v := jsontext.Value(b)
	return v.IsValid(jsontext.AllowDuplicateNames(true)) && v.Kind() == '{'
}
