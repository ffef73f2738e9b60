package conda

import (
	"strings"

	"terrarium/internal/errs"
)

// maxFileName is the longest file name in bytes (CEP 26): three parts of 64,
// an extension of 16 and what joins them.
const maxFileName = 211

// Format is the format of a package archive, written as its extension without
// the leading dot.
type Format string

// The formats of CEP 35.
const (
	FormatConda  Format = "conda"
	FormatTarBz2 Format = "tar.bz2"
)

// FileName is the name of a package archive in its parts.
type FileName struct {
	Name, Version, Build string
	Format               Format
}

// String joins the parts again: NAME-VERSION-BUILD.FORMAT.
func (f FileName) String() string { return f.Stem() + "." + string(f.Format) }

// Stem is the file name without its extension: NAME-VERSION-BUILD. The .conda
// and the .tar.bz2 of one build share it.
func (f FileName) Stem() string { return f.Name + "-" + f.Version + "-" + f.Build }

// ParseFileName splits a new archive's file name and checks each part by the
// rules of CEP 26 (CheckPackageName, CheckVersionText, CheckBuild); the name is
// at most 211 bytes. It returns errs.Invalid.
func ParseFileName(s string) (FileName, error) {
	f, err := SplitFileName(s)
	if err != nil {
		return FileName{}, err
	}
	for _, err := range []error{CheckPackageName(f.Name), CheckVersionText(f.Version), CheckBuild(f.Build)} {
		if err != nil {
			return FileName{}, errs.New(errs.Invalid, "The file name %q is not one that a package may have. %s", clip(s), errs.Message(err)).On("filename")
		}
	}
	return f, nil
}

// SplitFileName splits the file name of an archive that exists already, as
// found in a mirrored channel: from the right, the build after the last dash,
// the version before it, the rest is the name. It tolerates legacy spelling
// (capitals, odd versions) and refuses as errs.Invalid only what is not a safe
// file name: an unknown extension, an empty part, more than 211 bytes, a
// leading dot, a slash, space, control or non-ASCII character.
func SplitFileName(s string) (FileName, error) {
	bad := func(format string, args ...any) (FileName, error) {
		return FileName{}, errs.New(errs.Invalid, format, args...).On("filename")
	}
	if len(s) > maxFileName {
		return bad("The file name %q has %d characters; the limit is %d.", clip(s), len(s), maxFileName)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:*?"<>|`, c) >= 0 {
			return bad("The file name %q holds a character that no package file may have.", s)
		}
	}
	var f FileName
	stem, ok := strings.CutSuffix(s, "."+string(FormatConda))
	if ok {
		f.Format = FormatConda
	} else if stem, ok = strings.CutSuffix(s, "."+string(FormatTarBz2)); ok {
		f.Format = FormatTarBz2
	} else {
		return bad("The file name %q must end with .conda or .tar.bz2.", s)
	}
	build := strings.LastIndexByte(stem, '-')
	if build < 0 {
		return bad("The file name %q must be NAME-VERSION-BUILD and the extension.", s)
	}
	version := strings.LastIndexByte(stem[:build], '-')
	if version < 0 {
		return bad("The file name %q must be NAME-VERSION-BUILD and the extension.", s)
	}
	f.Name, f.Version, f.Build = stem[:version], stem[version+1:build], stem[build+1:]
	if f.Name == "" || f.Version == "" || f.Build == "" || f.Name[0] == '.' {
		return bad("The file name %q must be NAME-VERSION-BUILD and the extension.", s)
	}
	return f, nil
}
