package access

import (
	"regexp"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// reservedNames cannot be names of owners, because addresses begin with them.
var reservedNames = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(`
		- add admin api app apps assets at auth account authentication
		authentication-type authentications channels commit conda copy
		dashboard device dist docs download environments errors favicon.ico
		forgot free group groups healthz help iam install installers invite
		label license login logout main metrics mro-archive msys2 notices
		notifications oauth oauth2 oidc organization organizations orgs package
		package_listing packages privacy pro pypi r readyz release repo reset
		robots.txt scim scopes search settings setup signup stage static status
		t terms user users v1 verify why`) {
		set[name] = true
	}
	return set
}()

// reservedKeys are the keys of all reserved names and of the subdirs.
var reservedKeys = func() map[string]bool {
	set := map[string]bool{}
	for name := range reservedNames {
		set[NameKey(name)] = true
	}
	for _, subdir := range conda.KnownSubdirs() {
		set[NameKey(subdir)] = true
	}
	return set
}()

var ownerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,38}$`)

// ReservedName reports whether no owner may have the name, because it means
// something else in an address. Case does not matter.
func ReservedName(name string) bool {
	name = strings.ToLower(name)
	return name == "" || name[0] == '.' || name[0] == '_' || reservedNames[name] || conda.KnownSubdir(name)
}

// MirrorName reports whether the name is one of the reserved names that the
// operator's own mirrors have.
func MirrorName(name string) bool { return name == "main" || name == "r" || name == "msys2" }

// CheckOwnerName reports as errs.Invalid why name may not be that of an owner:
// 1 to 39 lower-case letters, digits, dashes and underscores, the first a letter
// or a digit, neither reserved nor to be taken for a reserved one.
func CheckOwnerName(name string) error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).On("name")
	}
	switch {
	case name == "":
		return bad("Type a name.")
	case len(name) > 39:
		return bad("This name has %d characters; the limit is 39.", len([]rune(name)))
	case ReservedName(name), reservedKeys[NameKey(name)]:
		return errs.New(errs.Invalid, "The name %s is reserved. Choose another.", clip(name)).On("name").Because("name-reserved")
	case !ownerName.MatchString(name):
		return bad("A name may hold only lower-case letters, digits, - and _, and begins with a letter or a digit.")
	}
	return nil
}

// NameKey gives what two names share when people could take one for the other:
// names that differ only in case, - and _ have the same key.
func NameKey(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}
