package conda

import (
	"strings"

	"terrarium/internal/errs"
)

// The channels that conda knows without configuration. A name stands for a
// path below the alias; "defaults" stands for three channels of another host.
const (
	aliasHost    = "conda.anaconda.org"
	defaultsHost = "repo.anaconda.com"
	defaultsName = "defaults"
)

// channelIdentity is a channel as conda compares it.
type channelIdentity struct {
	name      string // its path
	canonical string // how conda prints it: a name, or the URL of a foreign one
	base      string // its URL, for those that conda.anaconda.org does not serve; else ""
	subdir    string // what was cut off the end
}

// identifyChannel reads a channel as it stands before "::" or in a record: a
// name or a URL, either with a known subdir at the end.
func identifyChannel(s string) (channelIdentity, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		name := strings.Trim(s, "/")
		var id channelIdentity
		if i := strings.LastIndexByte(name, '/'); i >= 0 && KnownSubdir(lower(name[i+1:])) {
			name, id.subdir = name[:i], lower(name[i+1:])
		}
		id.name, id.canonical = name, name
		if partOfDefaults(name) {
			id.canonical = defaultsName
		}
		return id, nil
	}
	u, err := ParseChannelURL(s)
	if err != nil {
		return channelIdentity{}, err
	}
	path := u.Path
	if u.Label != "" {
		path += "/label/" + u.Label
	}
	id := channelIdentity{name: path, canonical: path, subdir: u.Subdir}
	if u.Host != aliasHost || path == "" {
		id.base, id.canonical = u.Base(), u.Base()
	}
	if u.Host == defaultsHost && partOfDefaults(path) {
		id.canonical = defaultsName
	}
	return id, nil
}

// partOfDefaults reports whether conda counts a name among "defaults".
func partOfDefaults(name string) bool {
	return name == "pkgs/main" || name == "pkgs/r" || name == "pkgs/msys2"
}

// ChannelPattern is how a MatchSpec matches a channel: by name, by the URL of a
// channel that conda.anaconda.org does not serve, as a glob or as a regular
// expression. The zero value is the absent pattern, which matches everything.
type ChannelPattern struct {
	pattern Pattern
	url     bool // whether the pattern is exact and a URL
}

// notInChannel are the characters that no channel of a spec has, since the text
// of a spec gives them another meaning.
const notInChannel = " []'\"#,=<>|()"

// newChannelPattern reads a channel and gives the subdir cut off its end.
func newChannelPattern(s string) (p ChannelPattern, subdir string, err error) {
	if strings.HasPrefix(s, "^") && strings.HasSuffix(s, "$") {
		p.pattern, err = newPattern(s, false)
		return p, "", err
	}
	id, err := identifyChannel(s)
	if err != nil {
		return ChannelPattern{}, "", err
	}
	if strings.ContainsAny(s, notInChannel) {
		return ChannelPattern{}, "", errs.New(errs.Invalid, "The channel %q holds a character that no channel has.", clip(s)).On("channel")
	}
	text := id.canonical
	if id.base != "" {
		text, p.url = id.base, true
	}
	p.pattern, err = newPattern(text, false)
	return p, id.subdir, err
}

// Match reports whether the pattern takes a channel, given as a name or a URL.
// As in conda, "defaults" takes its three parts and they only each other's
// name; a URL takes only a channel of the same URL.
func (p ChannelPattern) Match(channel string) bool {
	text, exact := p.pattern.Exact()
	if !exact && (p.pattern.IsZero() || p.pattern.String() == "*") {
		return true
	}
	id, err := identifyChannel(channel)
	switch {
	case err != nil:
		return false
	case !exact:
		return p.pattern.Match(id.canonical)
	case p.url:
		return text == id.base
	}
	return text == id.name || text == id.canonical
}

// Exact gives the one channel that the pattern names and true, or "" and false.
func (p ChannelPattern) Exact() (string, bool) { return p.pattern.Exact() }

// IsZero reports whether the pattern is absent.
func (p ChannelPattern) IsZero() bool { return p.pattern.IsZero() }

// String is the channel as conda prints it: a name, or a URL without secrets.
func (p ChannelPattern) String() string { return p.pattern.String() }
