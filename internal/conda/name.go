package conda

import (
	"strings"
	"unicode/utf8"

	"terrarium/internal/errs"
)

// The longest parts of a file name in bytes (CEP 26).
const (
	maxName        = 64
	maxVersionText = 64
	maxBuild       = 64
	maxChannelName = 128
)

// CheckPackageName reports as errs.Invalid why s may not name a new package
// (CEP 26): runs of lower-case letters and digits with a single dot, dash or
// underscore between them, optionally one underscore in front, at most 64
// bytes. Two underscores in front are reserved for virtual packages.
//
// It is narrower than what mirrored channels hold (a separator at the end,
// capital letters); mirrors use NormalizeName and SplitFileName instead.
func CheckPackageName(s string) error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).On("name")
	}
	switch {
	case s == "":
		return bad("A package needs a name.")
	case len(s) > maxName:
		return bad("The package name %q has %d characters; the limit is %d.", clip(s), len(s), maxName)
	case strings.HasPrefix(s, "__"):
		return bad("The package name %q begins with two underscores, which is reserved for virtual packages.", s)
	}
	separator := false // whether the character before was one
	for i := range len(s) {
		switch c := s[i]; {
		case isLowerAlnum(c):
			separator = false
		case isUpper(c):
			return bad("The package name %q must be in lower case.", s)
		case c != '.' && c != '-' && c != '_':
			return bad("The package name %q may hold only lower-case letters, digits, dots, dashes and underscores.", clip(s))
		case separator:
			return bad("The package name %q has two separators in a row.", s)
		case i == 0 && c != '_':
			return bad("The package name %q must begin with a letter, a digit or one underscore.", s)
		default:
			separator = true
		}
	}
	if separator {
		return bad("The package name %q must end with a letter or a digit.", s)
	}
	return nil
}

// NormalizeName gives the form in which package names are compared: lower
// case, with no space around it.
func NormalizeName(s string) string { return lower(strings.TrimSpace(s)) }

// CheckVersionText reports as errs.Invalid why s may not be the version of a
// new file: CEP 26 allows digits, lower-case letters, dot, underscore, plus and
// exclamation mark, at most 64 of them; and ParseVersion must read it.
func CheckVersionText(s string) error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).On("version")
	}
	if s == "" {
		return bad("A package needs a version.")
	}
	if len(s) > maxVersionText {
		return bad("The version %q has %d characters; the limit is %d.", clip(s), len(s), maxVersionText)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isLowerAlnum(c), c == '.', c == '_', c == '+', c == '!':
		case isUpper(c):
			return bad("The version %q must be in lower case.", s)
		case c == '-':
			return bad("The version %q holds a dash, which file names use to part version and build; use an underscore.", s)
		default:
			return bad("The version %q may hold only digits, lower-case letters, dots, underscores, plus signs and exclamation marks.", clip(s))
		}
	}
	_, err := ParseVersion(s)
	return err
}

// CheckBuild reports as errs.Invalid why s may not be a build string (CEP 26):
// letters of either case, digits, underscore, dot and plus, 1 to 64 of them.
func CheckBuild(s string) error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).On("build")
	}
	if s == "" {
		return bad("A package needs a build string; 0 will do.")
	}
	if len(s) > maxBuild {
		return bad("The build string %q has %d characters; the limit is %d.", clip(s), len(s), maxBuild)
	}
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && !isUpper(c) && c != '_' && c != '.' && c != '+' {
			return bad("The build string %q may hold only letters, digits, dots, underscores and plus signs.", clip(s))
		}
	}
	return nil
}

// CheckChannelName reports as errs.Invalid why s may not name a channel within
// its owner: one or more parts joined by "/", each a lower-case letter and then
// letters, digits, underscores, dots and dashes, at most 128 bytes together.
//
// Names that an address could not tell from something else are refused. Of any
// part: "label", "at", "t" (conda takes what follows "/t/" for a token wherever it
// stands), a subdir, and what ends like a file of a channel ("rss.xml",
// "v1.json"). In front: "nolabel". Later: "lock", "copy" and "upload", which are
// calls of the API.
func CheckChannelName(s string) error { return checkChannelName(s, "channel") }

// CheckLabel reports as errs.Invalid why s may not be a label. A label is a
// channel seen from the file, so the rule is that of CheckChannelName.
func CheckLabel(s string) error { return checkChannelName(s, "label") }

func checkChannelName(s, noun string) error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).On(noun)
	}
	if s == "" {
		return bad("The %s needs a name.", noun)
	}
	if len(s) > maxChannelName {
		return bad("The %s name %q has %d characters; the limit is %d.", noun, clip(s), len(s), maxChannelName)
	}
	first := true
	for part := range strings.SplitSeq(s, "/") {
		if !channelPart(part) {
			return bad("The %s name %q may hold lower-case letters, digits, underscores, dots and dashes, and each part between slashes must begin with a letter.",
				noun, clip(s))
		}
		reserved := part == "label" || part == "at" || part == "t" || KnownSubdir(part) || ChannelFile(part)
		if first {
			reserved = reserved || part == "nolabel"
		} else {
			reserved = reserved || part == "lock" || part == "copy" || part == "upload"
		}
		if reserved {
			return bad("The %s name %q cannot be used, because %q means something else in a channel's address.", noun, s, part)
		}
		first = false
	}
	return nil
}

// ChannelFile reports whether s ends like a file that a channel or one of its
// subdirs may have, whether it is made here or not: a package, or an index document
// in any form that a client asks for. No part of a channel's name ends so.
func ChannelFile(s string) bool {
	switch s[strings.LastIndexByte(s, '.')+1:] {
	case "conda", "bz2", "json", "zst", "jlap", "xml", "html", "gz", "sig":
		return strings.Contains(s, ".")
	}
	return false
}

// channelPart reports whether s is one part of a channel's name.
func channelPart(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool      { return '0' <= c && c <= '9' }
func isUpper(c byte) bool      { return 'A' <= c && c <= 'Z' }
func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) }

// lower turns ASCII capitals into small letters and leaves all else alone:
// names, versions and builds are ASCII, and what Unicode makes of a letter
// differs between clients.
func lower(s string) string {
	for i := range len(s) {
		if isUpper(s[i]) {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if isUpper(b[j]) {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
