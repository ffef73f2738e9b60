package conda

import (
	"net/url"
	"strings"

	"terrarium/internal/errs"
)

// maxChannelURL is the longest channel URL that is read, in bytes.
const maxChannelURL = 2048

// ChannelURL is a URL below a channel, as clients write it, in its parts.
// Parts are decoded, without slashes at their ends, and empty if absent.
type ChannelURL struct {
	Scheme string // in lower case: https, http, file, s3, oci …
	Auth   string // USER or USER:PASSWORD, as written; a secret
	Host   string // in lower case, with the port if there is one
	Token  string // what followed /t/; a secret
	Path   string // of the channel: "conda-forge", "conda/owner/dev"
	Label  string // what followed /label/
	Subdir string
	File   string // below the subdir, or below the channel without one
}

// ParseChannelURL takes a URL apart. A token is found as conda finds it, behind
// the first path segment "t", and only there. A label, which may hold slashes,
// ends before the subdir: the last segment that is a known subdir, or that fits
// the pattern of one and has a package file right behind it. A file without a
// subdir is a package file, or one of those that lie beside the subdirs
// (channeldata.json, notices.json …). It returns errs.Invalid.
func ParseChannelURL(s string) (ChannelURL, error) {
	bad := func(why string) (ChannelURL, error) {
		// The text itself may hold a token or a password, so it is not repeated.
		return ChannelURL{}, errs.New(errs.Invalid, "The channel address cannot be read: %s.", why).On("channel")
	}
	s = strings.TrimSpace(s)
	if len(s) > maxChannelURL {
		return bad("it is longer than 2048 characters")
	}
	parsed, err := url.Parse(s)
	if err != nil {
		return bad("it is not a URL")
	}
	if parsed.Scheme == "" || parsed.Opaque != "" {
		return bad("it must begin with a scheme, such as https://")
	}
	if parsed.Host == "" && parsed.Scheme != "file" {
		return bad("it names no host")
	}
	out := ChannelURL{Scheme: parsed.Scheme, Host: lower(parsed.Host)}
	if parsed.User != nil {
		out.Auth = parsed.User.String()
	}
	segments, err := pathSegments(parsed.EscapedPath())
	if err != nil {
		return ChannelURL{}, err
	}
	for i, segment := range segments {
		if segment == "t" && i+1 < len(segments) && tokenText(segments[i+1]) {
			out.Token = segments[i+1]
			segments = append(segments[:i:i], segments[i+2:]...)
			break
		}
	}

	channel := segments
	last := len(segments) - 1
	subdir := last
	for subdir >= 0 && !KnownSubdir(segments[subdir]) {
		subdir--
	}
	if subdir < 0 && last >= 1 && packageFile(segments[last]) && CheckSubdir(segments[last-1]) == nil {
		subdir = last - 1
	}
	switch {
	case subdir >= 0:
		channel = segments[:subdir]
		out.Subdir = segments[subdir]
		out.File = strings.Join(segments[subdir+1:], "/")
	case last >= 0 && (packageFile(segments[last]) || channelFile(segments[last])):
		channel = segments[:last]
		out.File = segments[last]
	}
	// An owner stands before /label/, so a channel may itself be called label.
	for i := 1; i+1 < len(channel); i++ {
		if channel[i] == "label" {
			out.Label = strings.Join(channel[i+1:], "/")
			channel = channel[:i]
			break
		}
	}
	out.Path = strings.Join(channel, "/")
	return out, nil
}

// Base is the URL of the channel, label included, without anything secret and
// without a slash at the end.
func (u ChannelURL) Base() string {
	base := u.Scheme + "://" + u.Host
	if u.Path != "" {
		base += "/" + escapePath(u.Path)
	}
	if u.Label != "" {
		base += "/label/" + escapePath(u.Label)
	}
	return base
}

// String is the whole URL without anything secret.
func (u ChannelURL) String() string {
	s := u.Base()
	if u.Subdir != "" {
		s += "/" + escapePath(u.Subdir)
	}
	if u.File != "" {
		s += "/" + escapePath(u.File)
	}
	return s
}

// TrimToken takes the token off a decoded request path. Clients put it at the
// root (/t/TOKEN/conda/…) or behind a mount point (/conda/t/TOKEN/…,
// /repo/t/TOKEN/…), and some at both places: then the first counts, and neither
// is left in rest. Whatever stands at its place is taken for the token, also
// what can be none, so that it does not reach logs. Without a token rest is
// path.
func TrimToken(path string) (token, rest string) {
	token, rest = cutTokens(path)
	for _, mount := range []string{"/conda", "/repo"} {
		after, ok := strings.CutPrefix(rest, mount)
		if !ok || !strings.HasPrefix(after, "/t/") {
			continue
		}
		second, after := cutTokens(after)
		if token == "" {
			token = second
		}
		return token, mount + after
	}
	return token, rest
}

// cutTokens cuts every /t/TOKEN off the front of a path and gives the first.
// What is left begins with a slash.
func cutTokens(path string) (first, rest string) {
	for {
		after, ok := strings.CutPrefix(path, "/t/")
		if !ok {
			return first, path
		}
		token, behind, _ := strings.Cut(after, "/")
		if token == "" {
			return first, path
		}
		if first == "" {
			first = token
		}
		path = "/" + behind
	}
}

// tokenText reports whether s may be a token in somebody's URL. Ours have no
// underscore; libmamba allows others to.
func tokenText(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && !isUpper(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// pathSegments splits an escaped path at its slashes and then decodes each
// segment, so that an escaped slash cannot make two of one.
func pathSegments(escaped string) ([]string, error) {
	var out []string
	for raw := range strings.SplitSeq(escaped, "/") {
		if raw == "" {
			continue
		}
		segment, err := url.PathUnescape(raw)
		if err != nil || segment == "." || segment == ".." || strings.ContainsAny(segment, "/\\\x00") {
			return nil, errs.New(errs.Invalid, "The channel address cannot be read: a part of its path is not allowed there.").On("channel")
		}
		out = append(out, segment)
	}
	return out, nil
}

// escapePath escapes each segment of a decoded path. The plus sign and the
// exclamation mark of versions stay readable; both are legal in a path.
func escapePath(path string) string {
	return (&url.URL{Path: path}).EscapedPath()
}

// packageFile reports whether a name ends like a package archive.
func packageFile(name string) bool {
	return strings.HasSuffix(name, "."+string(FormatConda)) || strings.HasSuffix(name, "."+string(FormatTarBz2))
}

// channelFile reports whether a name is one of the files beside the subdirs.
func channelFile(name string) bool {
	switch name {
	case "channeldata.json", "notices.json", "terms.json", "rss.xml", "index.html":
		return true
	}
	return false
}
