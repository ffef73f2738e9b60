package access

import (
	"maps"
	"slices"
	"strings"

	"terrarium/internal/errs"
)

// Scopes are what a credential may be used for, in the names of anaconda.org.
// No scopes mean all: that is what clients send for a token without limits.
type Scopes []string

// Allow reports whether the scopes cover want, such as "conda:download". "all"
// covers everything, a scope without a colon covers its children, and "repos"
// covers the downloads of every kind of repository.
func (s Scopes) Allow(want string) bool {
	if len(s) == 0 {
		return true
	}
	family, action, _ := strings.Cut(want, ":")
	for _, have := range s {
		switch {
		case have == "all", have == want, have == family:
			return true
		case have == "repos" && action == "download":
			return true
		}
	}
	return false
}

// Within reports whether everything that s allows is allowed by wider too, so
// that a credential with the scopes wider may make one with the scopes s.
func (s Scopes) Within(wider Scopes) bool {
	if len(wider) == 0 || wider.Allow("all") {
		return true
	}
	if len(s) == 0 {
		return false
	}
	for _, scope := range s {
		if !wider.Allow(scope) {
			return false
		}
	}
	return true
}

// KnownScopes gives every scope that a token may carry, with what it allows.
func KnownScopes() map[string]string {
	return map[string]string{
		"all":              "Everything that you may do.",
		"api":              "Everything through the API.",
		"api:read":         "Read private packages and settings through the API.",
		"api:write":        "Upload, change and delete through the API.",
		"api:modify-group": "Make and change groups of organisations.",
		"repos":            "Download private files from every repository.",
		"conda":            "Everything on conda channels.",
		"conda:download":   "Download private files from conda channels.",
		"pypi":             "Everything on Python repositories.",
		"pypi:upload":      "Upload to Python repositories.",
		"pypi:download":    "Download private files from Python repositories.",
	}
}

// CheckScopes refuses scopes that nobody knows, as errs.Invalid. Empty is right.
func CheckScopes(scopes []string) error {
	known := KnownScopes()
	for _, s := range scopes {
		if _, ok := known[s]; !ok {
			return errs.New(errs.Invalid, "There is no scope %q. Use some of: %s.", clip(s),
				strings.Join(slices.Sorted(maps.Keys(known)), ", ")).On("scopes")
		}
	}
	return nil
}

// wanted names the scope that a verb needs on an object behind the door that
// the object names.
func wanted(v Verb, o Object) string {
	family, _, whole := strings.Cut(o.Scope, ":")
	switch {
	case v == Read && (family == "conda" || family == "pypi"):
		return family + ":download"
	case v == Read:
		return "api:read"
	case whole:
		return o.Scope
	case family == "pypi":
		return "pypi:upload"
	default:
		return "api:write"
	}
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
