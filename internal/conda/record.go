package conda

import (
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"

	"terrarium/internal/errs"
)

// Record is what repodata says of one package file: the file's info/index.json
// and what a server adds. Its fields are those of CEP 34 and CEP 36; a field
// that a package does not have is empty.
type Record struct {
	Name, Version, Build string
	BuildNumber          int64

	// Subdir is the subdir that the package names; "" if it names none, as old
	// packages do.
	Subdir string

	Depends, Constrains []string

	// Noarch is "", "generic" or "python".
	Noarch string

	License, LicenseFamily string

	// Timestamp is when the package was built, in Unix milliseconds; 0 if
	// unknown. It is the builder's claim.
	Timestamp int64

	// TrackFeatures and Features are lists joined by spaces.
	TrackFeatures, Features string

	// PythonSitePackagesPath is set by python itself only (CEP 17).
	PythonSitePackagesPath string

	// MD5 and SHA256 are of the whole archive, lower-case hex; Size is its
	// length in bytes. ParseIndexJSON leaves them empty: a package cannot know.
	MD5, SHA256 string
	Size        int64

	// IndexedTimestamp is when a server first saw the file, in Unix
	// milliseconds (CEP 47).
	IndexedTimestamp int64

	// SchemaVersion is that of info/index.json; 0 if absent, which means 1.
	// From 3 on a record may stand only under "v3" (CEP 43, CEP 48).
	SchemaVersion int

	// Flags and ExtraDepends need SchemaVersion 3 (CEP 45, CEP 44).
	Flags        []string
	ExtraDepends map[string][]string

	// RunExports is nil while nobody has looked; a package without any has an
	// empty one (CEP 21).
	RunExports *RunExports

	// Extra holds the other keys of the document with their values as written,
	// without those that a server must not repeat.
	Extra map[string]jsontext.Value
}

// RunExports are the dependencies that a package gives to whatever is built
// against it (CEP 12), as match specs.
type RunExports struct {
	Weak, Strong, WeakConstrains, StrongConstrains, Noarch []string
}

// FileName is the name of the record's archive in a format.
func (r Record) FileName(format Format) string {
	return FileName{Name: r.Name, Version: r.Version, Build: r.Build, Format: format}.String()
}

// V3 reports whether the record may be listed only where old clients do not
// look, under "v3" (CEP 48).
func (r Record) V3() bool { return r.SchemaVersion >= 3 }

// Validate checks a record that is about to be published. It returns nil or one
// errs.Invalid that has every fault in its details.
func (r Record) Validate() error {
	if all := errs.All("The metadata of "+clip(r.Name+"-"+r.Version+"-"+r.Build)+" cannot be published", r.Faults()); all != nil {
		return all
	}
	return nil
}

// Faults gives all that keeps a record from being published: its name, version,
// build and subdir must be ones that a new file may have, its dependencies must
// be match specs, its numbers in range, its hashes hashes. Each is errs.Invalid
// with the key of info/index.json as its field.
func (r Record) Faults() []*errs.Error {
	var faults []*errs.Error
	add := func(key, message string) {
		faults = append(faults, errs.New(errs.Invalid, "%s", message).Because(reasonMetadata).On(key))
	}
	check := func(key string, err error) {
		if err != nil {
			add(key, errs.Message(err))
		}
	}
	refuse := func(key, format string, args ...any) { add(key, fmt.Sprintf(format, args...)) }

	check("name", CheckPackageName(r.Name))
	check("version", CheckVersionText(r.Version))
	check("build", CheckBuild(r.Build))
	if r.BuildNumber < 0 {
		refuse("build_number", "The build number %d must not be negative.", r.BuildNumber)
	}
	if r.Subdir != "" {
		check("subdir", CheckSubdir(r.Subdir))
	}
	switch r.Noarch {
	case "", noarchGeneric, noarchPython:
	default:
		refuse("noarch", "noarch is %q; it may be generic or python.", clip(r.Noarch))
	}
	dependencies := func(key string, specs []string) {
		for _, s := range specs {
			if _, err := ParseDependency(s); err != nil {
				refuse(key, "In %s: %s", key, errs.Message(err))
			}
		}
	}
	dependencies("depends", r.Depends)
	dependencies("constrains", r.Constrains)
	for group, specs := range sorted(r.ExtraDepends) {
		if !extraName(group) {
			refuse("extra_depends", "The group %q in extra_depends must be 1 to 64 lower-case letters, digits, dots, underscores, plus signs and dashes.", clip(group))
		}
		dependencies("extra_depends", specs)
	}
	if slices.Contains(r.Flags, "") {
		refuse("flags", "A flag must not be empty.")
	}
	if !sitePackagesPath(r.PythonSitePackagesPath) {
		refuse("python_site_packages_path", "python_site_packages_path %q must be a path below the environment, with slashes and without dot dot.", clip(r.PythonSitePackagesPath))
	}
	if r.Timestamp < 0 || r.IndexedTimestamp < 0 {
		refuse("timestamp", "A timestamp must not be negative.")
	}
	if r.Size < 0 {
		refuse("size", "The size %d must not be negative.", r.Size)
	}
	if r.MD5 != "" && !isHex(r.MD5, md5Length) {
		refuse("md5", "md5 %q must be 32 lower-case hexadecimal digits.", clip(r.MD5))
	}
	if r.SHA256 != "" && !isHex(r.SHA256, sha256Length) {
		refuse("sha256", "sha256 %q must be 64 lower-case hexadecimal digits.", clip(r.SHA256))
	}
	if r.SchemaVersion < 0 {
		refuse("schema_version", "schema_version %d must not be negative.", r.SchemaVersion)
	}
	return faults
}

// The values of Record.Noarch.
const (
	noarchGeneric = "generic"
	noarchPython  = "python"
)

// The lengths of hashes in hexadecimal digits.
const (
	md5Length    = 32
	sha256Length = 64
)

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// extraName reports whether s may name an optional group (CEP 44).
func extraName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && c != '_' && c != '.' && c != '+' && c != '-' {
			return false
		}
	}
	return true
}

// sitePackagesPath reports whether s is empty or a path that stays inside the
// environment into which a client joins it.
func sitePackagesPath(s string) bool {
	if s == "" {
		return true
	}
	if strings.ContainsAny(s, "\\:\x00") {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(s, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
