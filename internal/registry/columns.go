package registry

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/errs"
)

// jsonList is a column that holds a JSON list of texts.
type jsonList []string

// Scan implements sql.Scanner. The list is never nil afterwards.
func (l *jsonList) Scan(src any) error {
	*l = jsonList{}
	var text []byte
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("registry: %T is no JSON text", src)
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// unixMilli is a moment kept as Unix milliseconds, in UTC.
func unixMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// maxAttrs is the largest JSON object that a client may keep here, in bytes: a
// release carries an icon and a long description.
const maxAttrs = 16 << 20

// attributes checks what a client sent as an object of attributes, which are
// kept as they came. Nothing and null are an empty object.
func attributes(v jsontext.Value, field string) (jsontext.Value, error) {
	if len(v) == 0 || string(v) == "null" {
		return jsontext.Value("{}"), nil
	}
	if len(v) > maxAttrs {
		return nil, errs.New(errs.TooLarge, "The attributes have %d bytes; at most %d are kept.", len(v), maxAttrs).On(field)
	}
	if v.Kind() != '{' || !v.IsValid() {
		return nil, errs.New(errs.Invalid, "%s must be a JSON object.", field).On(field)
	}
	return v, nil
}

// overlay gives the object base with the members of top laid over it. Both are
// valid objects.
func overlay(base, top jsontext.Value) (jsontext.Value, error) {
	members := map[string]jsontext.Value{}
	for _, v := range []jsontext.Value{base, top} {
		if len(v) == 0 {
			continue
		}
		if err := json.Unmarshal(v, &members); err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The attributes are not a JSON object.")
		}
	}
	out, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write attributes: %w", err)
	}
	return out, nil
}

// attrText reads a text member of an object of attributes; what is no text
// counts as empty.
func attrText(attrs jsontext.Value, key string) string {
	var members map[string]jsontext.Value
	if json.Unmarshal(attrs, &members) != nil {
		return ""
	}
	var s string
	if v := members[key]; v.Kind() == '"' && json.Unmarshal(v, &s) == nil {
		return s
	}
	return ""
}

// attrTexts reads a member that is a list of texts, or one text.
func attrTexts(attrs jsontext.Value, key string) []string {
	var members map[string]jsontext.Value
	if json.Unmarshal(attrs, &members) != nil {
		return nil
	}
	var list []string
	switch v := members[key]; v.Kind() {
	case '[':
		if json.Unmarshal(v, &list) != nil {
			return nil
		}
	case '"':
		return strings.Fields(attrText(attrs, key))
	}
	return list
}

// packageType gives the one name of a package type, aliases resolved; it is
// errs.Invalid for a type that nobody knows.
func packageType(s string) (string, error) {
	switch strings.ToLower(s) {
	case "conda", "pypi", "r", "ipynb", "env", "file":
		return strings.ToLower(s), nil
	case "standard_python":
		return "pypi", nil
	case "cran", "standard_r":
		return "r", nil
	}
	return "", errs.New(errs.Invalid, "There is no package type %q. Use conda, pypi, r, ipynb, env or file.", s).On("type")
}

// mixes reports whether files of a type may join a package that has types: conda
// and pypi may share a name, nothing else may.
func mixes(types []string, t string) bool {
	for _, have := range types {
		if have != t && !(pythonic(have) && pythonic(t)) {
			return false
		}
	}
	return true
}

func pythonic(t string) bool { return t == "conda" || t == "pypi" }

// sortedSet gives the distinct texts of a list, sorted and never nil.
func sortedSet(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}
