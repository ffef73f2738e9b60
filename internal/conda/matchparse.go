package conda

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"terrarium/internal/errs"
)

// maxMatchSpec is the longest match spec that is read, in bytes.
const maxMatchSpec = 4096

// ParseMatchSpec reads a match spec in any of conda's spellings:
//
//	name   name=1.7   name 1.7.* py27_0   name>=1,<2   name==1.7=py27_0
//	channel/subdir::name[version='>=1',build=py*,license=mit]
//	https://host/channel/subdir/name-1.7-py27_0.conda
//
// A comment behind "#" is dropped. It follows conda's default parser where that
// parts from CEP 29, so extras and flags take one word each, no lists;
// ParseDependency takes those. It returns errs.Invalid.
func ParseMatchSpec(s string) (MatchSpec, error) { return parseMatchSpec(s, false) }

// ParseDependency reads an entry of depends, constrains or extra_depends: a
// match spec that may also use the lists of CEP 44 and CEP 45 (extras=[a,b],
// flags=[cuda,"blas:*"]) and whose condition (when) must be readable. It
// returns errs.Invalid.
func ParseDependency(s string) (MatchSpec, error) { return parseMatchSpec(s, true) }

// matchSpecParser holds what the steps of the parse share.
type matchSpecParser struct {
	whole string // as given, for messages
	lists bool   // whether values may be lists in brackets (repodata v3)
	spec  MatchSpec
}

func (p *matchSpecParser) bad(why string) error {
	return errs.New(errs.Invalid, "The match spec %q cannot be read: %s.", clip(p.whole), why).On("spec")
}

func parseMatchSpec(s string, lists bool) (MatchSpec, error) {
	p := matchSpecParser{whole: strings.TrimSpace(s), lists: lists}
	if len(s) > maxMatchSpec {
		return MatchSpec{}, p.bad("it is longer than 4096 characters")
	}
	if err := p.parse(); err != nil {
		return MatchSpec{}, err
	}
	if !bracketsPair(p.spec.Name.String()) {
		return MatchSpec{}, p.bad("its name holds a square bracket without its fellow")
	}
	// The canonical text of an odd spelling may be longer than what was given.
	if len(s) > maxMatchSpec/8 && len(p.spec.String()) > maxMatchSpec {
		return MatchSpec{}, p.bad("its canonical text is longer than 4096 characters")
	}
	return p.spec, nil
}

// bracketsPair reports whether each opening square bracket of s is followed by
// its closing one before the next: only then is a section behind s found.
func bracketsPair(s string) bool {
	open := false
	for _, c := range []byte(s) {
		if c == '[' && open || c == ']' && !open {
			return false
		}
		open = open != (c == '[' || c == ']')
	}
	return !open
}

func (p *matchSpecParser) parse() error {
	rest := p.whole
	for i := range len(rest) {
		if rest[i] < ' ' || rest[i] == 0x7f {
			return p.bad("it holds a control character")
		}
	}
	// The oldest spelling of a feature.
	if feature, ok := strings.CutSuffix(rest, "@"); ok {
		p.spec.Name, _ = newPattern("*", true)
		return p.set("track_features", feature)
	}
	rest, _, _ = strings.Cut(rest, "#")
	if !p.lists {
		// Conditions of an older proposal, which conda ignores.
		rest, _, _ = strings.Cut(rest, " if ")
	}
	rest = strings.TrimSpace(rest)
	// No file name holds two colons: with them it is a spec whose build ends so.
	if last := rest[strings.LastIndexByte(rest, '/')+1:]; packageFile(rest) && !strings.Contains(last, "::") &&
		(strings.Contains(rest, "://") || !strings.ContainsAny(rest, " =<>!~")) {
		return p.file(rest)
	}

	rest, pairs, err := p.brackets(rest)
	if err != nil {
		return err
	}
	rest = dropLegacyParens(rest)

	// CHANNEL:NAMESPACE:NAME…; the namespace was never given a meaning.
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		channel := ""
		if j := strings.LastIndexByte(rest[:i], ':'); j >= 0 {
			channel = strings.TrimSpace(rest[:j])
		}
		rest = rest[i+1:]
		if channel != "" {
			if err := p.set("channel", channel); err != nil {
				return err
			}
		}
	}

	rest = strings.TrimSpace(rest)
	end := strings.IndexAny(rest, " =<>!~")
	if strings.HasPrefix(rest, "^") {
		// A regular expression may hold these; it ends at its dollar.
		if end = strings.IndexByte(rest, '$'); end >= 0 {
			end++
		}
	}
	if end < 0 {
		end = len(rest)
	}
	name, rest := rest[:end], strings.TrimSpace(rest[end:])
	if name == "" {
		return p.bad("it names no package")
	}
	if !matchableName(name) {
		return p.bad("its package name is not one that a package may have")
	}
	if p.spec.Name, err = newPattern(name, true); err != nil {
		return err
	}
	if rest != "" && rest != "=" {
		version, build, err := p.versionAndBuild(rest)
		if err != nil {
			return err
		}
		if err := p.set("version", translateVersion(version, build != "")); err != nil {
			return err
		}
		if build != "" {
			if err := p.set("build", build); err != nil {
				return err
			}
		}
	}
	// What stands in brackets wins, except the name: tensorflow[name=…] must
	// not mean another package than it seems to. A channel comes first, because
	// its subdir counts less than one given by itself.
	slices.SortStableFunc(pairs, func(a, b bracketPair) int {
		return cmp.Compare(a.order(), b.order())
	})
	for _, pair := range pairs {
		value := pair.value
		if pair.key == "name" || pair.key == "optional" || pair.key == "target" {
			continue
		}
		if pair.key == "version" {
			value = translateVersion(strings.TrimSpace(value), false)
		}
		if pair.list {
			err = p.setList(pair.key, value)
		} else {
			err = p.set(pair.key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// set reads the value of one field.
func (p *matchSpecParser) set(key, value string) (err error) {
	if strings.Contains(value, "#") || strings.Contains(value, "'") && strings.Contains(value, `"`) {
		// Such a value could not be written down again.
		return p.bad("its " + clip(key) + " holds a number sign or both kinds of quotation marks")
	}
	m := &p.spec
	switch key {
	case "version":
		m.Version, err = ParseVersionSpec(value)
	case "build":
		m.Build, err = newPattern(value, false)
		if _, exact := m.Build.Exact(); err == nil && m.Build.kind != patternRegexp && !buildText(value, !exact) {
			return p.bad("its build string holds a character that none may have")
		}
	case "build_number":
		m.BuildNumber, err = parseBuildNumberSpec(value)
	case "channel":
		var subdir string
		if m.Channel, subdir, err = newChannelPattern(value); err == nil && subdir != "" {
			m.Subdir, err = newPattern(subdir, false)
		}
	case "subdir":
		m.Subdir, err = newPattern(value, false)
	case "fn":
		m.FileName, err = newPattern(value, false)
	case "url":
		m.URL, err = newPattern(value, false)
	case "md5":
		m.MD5 = value
	case "sha256":
		m.SHA256 = value
	case "license":
		m.License, err = newPattern(value, true)
	case "license_family":
		m.LicenseFamily, err = newPattern(value, true)
	case "track_features":
		if m.TrackFeatures = features(value); m.TrackFeatures == nil {
			return p.bad("it names no feature")
		}
	case "features":
		m.Features = features(value)
	case "when":
		if p.lists {
			err = checkCondition(value)
		}
		m.When = value
	case "extras", "flags":
		return p.setList(key, value)
	default:
		return p.bad("it has no field " + clip(key))
	}
	return err
}

// setList reads one word or, without its brackets, a list of them.
func (p *matchSpecParser) setList(key, value string) error {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		if n := len(item); n >= 2 && (item[0] == '\'' || item[0] == '"') && item[n-1] == item[0] {
			item = item[1 : n-1]
		}
		if item == "" || strings.ContainsAny(item, "'\"[] ") {
			return p.bad("its " + key + " must be words with commas between them")
		}
		items = append(items, item)
	}
	switch key {
	case "extras":
		if i := slices.IndexFunc(items, func(s string) bool { return !extraName(s) }); i >= 0 {
			return p.bad("the group " + clip(items[i]) + " must be 1 to 64 lower-case letters, digits, dots, underscores, plus signs and dashes")
		}
		p.spec.Extras = items
	case "flags":
		p.spec.Flags = items
	default:
		return p.bad("only extras and flags may be lists")
	}
	return nil
}

// file reads the URL or the name of a package file.
func (p *matchSpecParser) file(s string) error {
	base := s[strings.LastIndexByte(s, '/')+1:]
	fileName, splitErr := SplitFileName(base)
	if !strings.Contains(s, "://") {
		if splitErr != nil || base != s {
			return p.bad("it looks like a package file, but is neither its name nor its URL")
		}
	} else {
		u, err := ParseChannelURL(s)
		if err != nil {
			return err
		}
		base = u.File[strings.LastIndexByte(u.File, '/')+1:]
		if err := p.set("url", s); err != nil {
			return err
		}
		if u.Subdir == "" {
			// Not below a channel: conda knows the file only by its address.
			p.spec.Name, _ = newPattern("*", true)
			return p.set("fn", base)
		}
		if fileName, splitErr = SplitFileName(base); splitErr != nil {
			return splitErr
		}
		if channel, err := url.PathUnescape(u.Base()); err != nil || strings.ContainsAny(channel, notInChannel) {
			return p.bad("the address of its channel holds a character that the text of a spec gives another meaning")
		}
		if err := p.set("channel", u.Base()); err != nil {
			return err
		}
		if err := p.set("subdir", u.Subdir); err != nil {
			return err
		}
		p.spec.fromFile = true
	}
	if !matchableName(fileName.Name) {
		return p.bad("its package name is not one that a package may have")
	}
	var err error
	if p.spec.Name, err = newPattern(fileName.Name, true); err != nil {
		return err
	}
	for _, field := range [][2]string{{"version", fileName.Version}, {"build", fileName.Build}, {"fn", base}} {
		if err := p.set(field[0], field[1]); err != nil {
			return err
		}
	}
	return nil
}

// versionAndBuild parts what follows the name. The build begins at the first
// space or "=" that does not follow an operator and has no operator behind it.
func (p *matchSpecParser) versionAndBuild(s string) (version, build string, err error) {
	version = s
	for i := 1; i < len(s); i++ {
		if (s[i] == ' ' || s[i] == '=') && strings.IndexByte("=!|,<>~", s[i-1]) < 0 &&
			i+1 < len(s) && !strings.ContainsAny(s[i+1:], "-=,|<>~") {
			version, build = s[:i], strings.TrimSpace(s[i+1:])
			break
		}
	}
	if strings.Contains(build, " ") {
		return "", "", p.bad("it has more parts than name, version and build")
	}
	// Spaces may stand around operators only; 1.0 a-b is no version 1.0a-b.
	var joined strings.Builder
	for field := range strings.FieldsSeq(version) {
		if joined.Len() > 0 {
			before := joined.String()[joined.Len()-1]
			if strings.IndexByte("=!|,<>~(", before) < 0 && strings.IndexByte("=!|,<>~)", field[0]) < 0 {
				return "", "", p.bad("there is a space inside its version, or a character in its build string that none may have")
			}
		}
		joined.WriteString(field)
	}
	return joined.String(), build, nil
}

// translateVersion gives the version spec that conda makes of what stands in a
// match spec: ==1.7 is 1.7; =1.7 is 1.7.*, but exactly 1.7 where a build
// follows. Of several clauses only a leading == is dropped. Operators without a
// version, or before another one, are left, to be refused as such.
func translateVersion(version string, hasBuild bool) string {
	bare := strings.TrimLeft(version, "=")
	switch {
	case bare == version, bare == "", strings.IndexByte("(^<>!~", bare[0]) >= 0:
		return version
	case strings.HasPrefix(version, "=="):
		return bare
	case strings.ContainsAny(bare, "=,|"):
		return version
	case !hasBuild && !strings.HasSuffix(bare, "*"):
		return bare + "*"
	}
	return bare
}

// dropLegacyParens cuts off the parentheses of conda 4, which said "(optional)"
// or "(target=…)" of an installed package. Others belong to the version.
func dropLegacyParens(s string) string {
	open := strings.LastIndexByte(s, '(')
	if open < 0 || !strings.HasSuffix(s, ")") {
		return s
	}
	if inner := s[open+1 : len(s)-1]; strings.Contains(inner, "optional") || strings.Contains(inner, "target=") {
		return strings.TrimSpace(s[:open])
	}
	return s
}

// matchableName reports whether a spec may ask for a name: a glob, a regular
// expression, or what CEP 26 lets be a name in any case, of a virtual package
// too. Unlike a new name it may end with a separator. What ends like a package
// file is none, since conda would look for that file.
func matchableName(s string) bool {
	if strings.HasPrefix(s, "^") && strings.HasSuffix(s, "$") {
		return true
	}
	if packageFile(lower(s)) {
		return false
	}
	glob := strings.Contains(s, "*")
	rest := strings.TrimPrefix(s, "__") // of a virtual package
	virtual := rest != s
	before := false // whether the last character was a separator
	for i := range len(rest) {
		c := rest[i]
		separator := c == '.' || c == '-' || c == '_'
		switch {
		case !separator && !isLowerAlnum(c) && !isUpper(c) && c != '*':
			return false
		case glob:
		case separator && i == 0 && (virtual || c != '_'):
			return false
		case separator && before && (i != 1 || c == '_'):
			return false
		}
		before = separator
	}
	return rest != ""
}

// buildText reports whether s holds only what a build string may hold, and
// asterisks if it is a glob.
func buildText(s string, glob bool) bool {
	for i := range len(s) {
		c := s[i]
		if !isLowerAlnum(c) && !isUpper(c) && c != '_' && c != '.' && c != '+' && (c != '*' || !glob) {
			return false
		}
	}
	return s != ""
}
