package conda

import (
	"slices"
	"strings"
)

// MatchSpec is conda's query for packages (CEP 29). Only ParseMatchSpec and
// ParseDependency make one; a field that the text does not have is zero and
// takes everything. A parsed spec is read-only and may be shared.
type MatchSpec struct {
	Name    Pattern // always there; "*" takes every name; case does not matter
	Version VersionSpec
	Build   Pattern // case matters, as in conda

	BuildNumber BuildNumberSpec

	Channel  ChannelPattern
	Subdir   Pattern
	FileName Pattern
	URL      Pattern

	MD5, SHA256 string // whole hashes, in any case

	License, LicenseFamily Pattern // case does not matter

	TrackFeatures, Features []string // sorted; the record must have exactly these

	// When is the condition under which a dependency counts (CEP 43): specs
	// joined by "and", "or" and parentheses. Match does not look at it, as
	// it speaks of other packages than the one matched.
	When string

	// Extras are the optional groups asked for (CEP 44). Match does not look
	// at them: to ask for an unknown group is no error.
	Extras []string

	// Flags must all be among those of the record (CEP 45); they may be globs.
	Flags []string

	// fromFile is set where the spec was the URL of a package file, of which
	// conda prints only channel, subdir, name, version and build.
	fromFile bool
}

// MatchTarget is what a MatchSpec is held against: one file of one channel. A
// field left empty is matched as empty.
type MatchTarget struct {
	Name        string
	Version     Version
	Build       string
	BuildNumber int64

	Channel  string // a name or a URL; OWNER/CHANNEL for one of ours
	Subdir   string
	FileName string
	URL      string

	MD5, SHA256            string
	License, LicenseFamily string

	TrackFeatures, Features string // lists joined by spaces or commas
	Flags                   []string
}

// Match reports whether the spec takes t.
func (m MatchSpec) Match(t MatchTarget) bool {
	return m.Name.Match(t.Name) &&
		m.Version.Match(t.Version) &&
		m.Build.Match(t.Build) &&
		m.BuildNumber.Match(t.BuildNumber) &&
		m.Channel.Match(t.Channel) &&
		m.Subdir.Match(t.Subdir) &&
		m.FileName.Match(t.FileName) &&
		m.URL.Match(t.URL) &&
		(m.MD5 == "" || lower(m.MD5) == lower(t.MD5)) &&
		(m.SHA256 == "" || lower(m.SHA256) == lower(t.SHA256)) &&
		m.License.Match(t.License) &&
		m.LicenseFamily.Match(t.LicenseFamily) &&
		(m.TrackFeatures == nil || slices.Equal(m.TrackFeatures, features(t.TrackFeatures))) &&
		(m.Features == nil || slices.Equal(m.Features, features(t.Features))) &&
		flagsMatch(m.Flags, t.Flags)
}

// flagsMatch reports whether each wanted flag, perhaps a glob, is there.
func flagsMatch(want, have []string) bool {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h string) bool { return globMatch(w, h) }) {
			return false
		}
	}
	return true
}

// features splits a list joined by spaces or commas and sorts it.
func features(s string) []string {
	list := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
	slices.Sort(list)
	return slices.Compact(list)
}

// PackageName gives the one name that the spec is about and true, or "" and
// false where it may be about several.
func (m MatchSpec) PackageName() (string, bool) { return m.Name.Exact() }

// String is the spec in the one spelling that conda prints; ParseMatchSpec
// reads it back (ParseDependency, where there are lists of extras or flags).
func (m MatchSpec) String() string {
	var (
		out      strings.Builder
		brackets []string
	)
	bracket := func(key, value string) { brackets = append(brackets, key+"="+value) }

	_, oneChannel := m.Channel.Exact()
	switch channel := m.Channel.String(); {
	case oneChannel:
		out.WriteString(channel)
	case channel != "" && channel != "*":
		bracket("channel", quote(channel))
	}
	if subdir := m.Subdir.String(); subdir != "" {
		if oneChannel && KnownSubdir(subdir) {
			out.WriteString("/" + subdir)
		} else {
			bracket("subdir", quote(subdir))
		}
	}
	if out.Len() > 0 {
		out.WriteString("::")
	}
	out.WriteString(m.Name.String())

	exact := false // whether one version is named, so that a build may follow
	version, build := m.Version.String(), m.Build.String()
	switch {
	case version == "", version == "*":
	case strings.ContainsAny(version, "><$^|,"), innerGlob(version) && strings.HasSuffix(version, ".*"):
		// Who reads a spec drops a leading "==".
		bracket("version", mustQuote(strings.TrimPrefix(version, "==")))
	case strings.HasPrefix(version, "!="), strings.HasPrefix(version, "~="):
		if build != "" {
			bracket("version", mustQuote(version))
		} else {
			out.WriteString(version)
		}
	case strings.HasPrefix(version, "=") && !strings.HasPrefix(version, "=="):
		// Its "=" was hidden by a space or a parenthesis: nothing translated it.
		out.WriteString("=" + strings.TrimSuffix(strings.TrimSuffix(version[1:], "*"), "."))
	case strings.HasSuffix(version, ".*"):
		out.WriteString("=" + strings.TrimSuffix(version, ".*"))
	case strings.HasSuffix(version, "*"):
		out.WriteString("=" + strings.TrimSuffix(version, "*"))
	default:
		out.WriteString("==" + strings.TrimPrefix(version, "=="))
		exact = true
	}
	switch {
	case build == "":
	case strings.ContainsAny(build, "><$^|,"):
		bracket("build", mustQuote(build))
	case strings.Contains(build, "*") || !exact:
		bracket("build", build)
	default:
		out.WriteString("=" + build)
	}

	rest := func(key, value string) {
		if value != "" {
			bracket(key, quote(value))
		}
	}
	rest("build_number", m.BuildNumber.String())
	rest("track_features", strings.Join(m.TrackFeatures, " "))
	rest("features", strings.Join(m.Features, " "))
	if !m.fromFile || m.Channel.IsZero() {
		rest("url", m.URL.String())
	}
	rest("md5", m.MD5)
	rest("sha256", m.SHA256)
	rest("license", m.License.String())
	rest("license_family", m.LicenseFamily.String())
	if m.URL.IsZero() {
		rest("fn", m.FileName.String())
	}
	rest("when", m.When)
	if len(m.Extras) > 0 {
		bracket("extras", list(m.Extras))
	}
	if len(m.Flags) > 0 {
		bracket("flags", list(m.Flags))
	}
	if len(brackets) > 0 {
		out.WriteString("[" + strings.Join(brackets, ",") + "]")
	}
	return out.String()
}

// innerGlob reports whether a version clause has an asterisk before its end.
func innerGlob(version string) bool {
	return strings.Contains(strings.TrimRight(version, "*"), "*")
}

// quote puts a value of the brackets into quotes if it needs them.
func quote(value string) string {
	if !strings.ContainsAny(value, ", =[]()'\"") {
		return value
	}
	return mustQuote(value)
}

// mustQuote puts a value into quotes. No value holds both kinds: each was
// itself read from between quotes.
func mustQuote(value string) string {
	if strings.Contains(value, "'") {
		return `"` + value + `"`
	}
	return "'" + value + "'"
}

// list writes extras or flags: one alone bare, several as conda prints them.
func list(items []string) string {
	if len(items) == 1 {
		return quote(items[0])
	}
	return "['" + strings.Join(items, "', '") + "']"
}
