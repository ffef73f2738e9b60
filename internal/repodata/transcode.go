package repodata

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// TranscodeRecord reads one record of an upstream repodata.json and encodes it
// anew. The meaning of a record is that of conda.ParseRecord; records that are
// written the usual way take a shorter path to the same result. It returns
// errs.Invalid for a record that cannot be read or that describes another file
// than fileName, and errs.TooLarge above the limit of ParseRecord.
//
// A record without subdir stays without; the caller, who knows the document,
// sets it and uses EncodeRecord.
func TranscodeRecord(fileName string, raw []byte) (conda.Record, Encoded, error) {
	r, err := parseRecord(raw)
	if err != nil {
		return conda.Record{}, Encoded{}, err
	}
	return encodeFor(fileName, r)
}

// parseRecord is conda.ParseRecord with the shorter path.
func parseRecord(raw []byte) (conda.Record, error) {
	if r, ok := readUsual(raw); ok {
		return r, nil
	}
	return conda.ParseRecord(raw)
}

// recordOfMsgpack reads a record of a shard of ours.
func recordOfMsgpack(raw []byte) (conda.Record, error) {
	text, _, err := appendMsgpackAsJSON(make([]byte, 0, 2*len(raw)), raw, 0)
	if err != nil {
		return conda.Record{}, fmt.Errorf("reading a record in a shard: %w", err)
	}
	return parseRecord(text)
}

// TranscodeMsgpack is TranscodeRecord for the msgpack map of a record in a
// shard (CEP 16). Hashes may be bin, as the standard has it, or hex text.
func TranscodeMsgpack(fileName string, raw []byte) (conda.Record, Encoded, error) {
	text, rest, err := appendMsgpackAsJSON(make([]byte, 0, 2*len(raw)), raw, 0)
	if err != nil {
		return conda.Record{}, Encoded{}, errs.Wrap(errs.Invalid, err, "The record of %s in the shard cannot be read.", shorten(fileName))
	}
	if len(rest) > 0 {
		return conda.Record{}, Encoded{}, errs.New(errs.Invalid, "The record of %s in the shard has %d bytes too many.", shorten(fileName), len(rest))
	}
	return TranscodeRecord(fileName, text)
}

// encodeFor encodes a record that must describe fileName: rattler's readers
// take name, version and build from there.
func encodeFor(fileName string, r conda.Record) (conda.Record, Encoded, error) {
	if !describes(r, fileName) {
		return conda.Record{}, Encoded{}, errs.New(errs.Invalid, "The record of %s describes another file: %s %s %s.",
			shorten(fileName), shorten(r.Name), shorten(r.Version), shorten(r.Build))
	}
	e, err := EncodeRecord(r)
	if err != nil {
		return conda.Record{}, Encoded{}, err
	}
	return r, e, nil
}

// describes reports whether fileName is NAME-VERSION-BUILD of the record with
// one of the two extensions.
func describes(r conda.Record, fileName string) bool {
	rest, ok := strings.CutPrefix(fileName, r.Name)
	if !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, "-"); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, r.Version); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, "-"); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, r.Build); !ok {
		return false
	}
	if rest != ".conda" && rest != ".tar.bz2" {
		return false
	}
	_, err := conda.SplitFileName(fileName)
	return err == nil
}

// shorten cuts hostile text down to what fits a sentence.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
}

// readUsual reads a record whose keys have fields in conda.Record and whose
// values are spelt the usual way: text without escapes, whole numbers, lists
// of such text. It reports false for anything else, valid or not, and leaves
// that to conda.ParseRecord; where it reports true, the result is the same,
// which FuzzTranscodeRecord holds.
func readUsual(raw []byte) (r conda.Record, ok bool) {
	if len(raw) > maxUsual {
		return r, false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return r, false
	}
	var seen [fieldCount]bool
	for dec.PeekKind() == '"' { // ReadToken would copy each key
		key, err := dec.ReadValue()
		if err != nil {
			return r, false
		}
		f := fieldOf(key[1 : len(key)-1])
		v, err := dec.ReadValue()
		if err != nil || f == fieldUnusual || !f.set(&r, v) {
			return r, false
		}
		seen[f] = true
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '}' {
		return r, false
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return r, false
	}
	return r, seen[fieldName] && seen[fieldVersion] && seen[fieldBuild]
}

// maxUsual is the longest record of the short path; vim's have 2 kB.
const maxUsual = 64 << 10

// field is a key of a record that readUsual knows.
type field int

const (
	fieldUnusual field = iota
	fieldDropped       // what conda.ParseRecord leaves out
	fieldName
	fieldVersion
	fieldBuild
	fieldBuildNumber
	fieldSubdir
	fieldDepends
	fieldConstrains
	fieldNoarch
	fieldLicense
	fieldLicenseFamily
	fieldTimestamp
	fieldTrackFeatures
	fieldFeatures
	fieldPythonPath
	fieldMD5
	fieldSHA256
	fieldSize
	fieldIndexedTimestamp
	fieldRunExports
	fieldCount
)

// fieldOf finds the field of a key.
func fieldOf(key []byte) field {
	switch string(key) {
	case "name":
		return fieldName
	case "version":
		return fieldVersion
	case "build":
		return fieldBuild
	case "build_number":
		return fieldBuildNumber
	case "subdir":
		return fieldSubdir
	case "depends":
		return fieldDepends
	case "constrains":
		return fieldConstrains
	case "noarch":
		return fieldNoarch
	case "license":
		return fieldLicense
	case "license_family":
		return fieldLicenseFamily
	case "timestamp":
		return fieldTimestamp
	case "track_features":
		return fieldTrackFeatures
	case "features":
		return fieldFeatures
	case "python_site_packages_path":
		return fieldPythonPath
	case "md5":
		return fieldMD5
	case "sha256":
		return fieldSHA256
	case "size":
		return fieldSize
	case "indexed_timestamp":
		return fieldIndexedTimestamp
	case "run_exports":
		return fieldRunExports
	case "arch", "platform":
		return fieldDropped
	}
	return fieldUnusual
}

// set puts a value into its field, or reports false where it is unusual.
func (f field) set(r *conda.Record, v jsontext.Value) (ok bool) {
	switch f {
	case fieldName:
		r.Name, ok = usualText(v)
	case fieldVersion:
		r.Version, ok = usualText(v)
	case fieldBuild:
		r.Build, ok = usualText(v)
	case fieldBuildNumber:
		r.BuildNumber, ok = usualInt(v)
	case fieldSubdir:
		r.Subdir, ok = usualText(v)
	case fieldDepends:
		r.Depends, ok = usualList(v)
	case fieldConstrains:
		r.Constrains, ok = usualList(v)
	case fieldNoarch:
		r.Noarch, ok = usualText(v)
		ok = ok && (r.Noarch == "generic" || r.Noarch == "python")
	case fieldLicense:
		r.License, ok = usualText(v)
	case fieldLicenseFamily:
		r.LicenseFamily, ok = usualText(v)
	case fieldTimestamp:
		r.Timestamp, ok = usualMillis(v)
	case fieldTrackFeatures:
		r.TrackFeatures, ok = usualText(v)
	case fieldFeatures:
		r.Features, ok = usualText(v)
	case fieldPythonPath:
		r.PythonSitePackagesPath, ok = usualText(v)
	case fieldMD5:
		r.MD5, ok = usualHash(v, 32)
	case fieldSHA256:
		r.SHA256, ok = usualHash(v, 64)
	case fieldSize:
		r.Size, ok = usualInt(v)
	case fieldIndexedTimestamp:
		r.IndexedTimestamp, ok = usualMillis(v)
	case fieldRunExports:
		e, err := conda.ParseRunExports(v)
		r.RunExports, ok = &e, err == nil
	case fieldDropped:
		ok = true
	}
	return ok
}

// usualText reads a string that is spelt without escapes.
func usualText(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return "", false
	}
	return string(v[1 : len(v)-1]), true
}

// usualInt reads a number of at most 15 digits without sign, fraction or
// exponent: no way of reading it loses a digit.
func usualInt(v jsontext.Value) (int64, bool) {
	if len(v) == 0 || len(v) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// surelyMillis is a number of seconds that no package was built after: a time above it
// is in milliseconds.
const surelyMillis = 1e12

// usualMillis reads a time that can only be in milliseconds.
func usualMillis(v jsontext.Value) (int64, bool) {
	n, ok := usualInt(v)
	return n, ok && n > surelyMillis
}

// usualHash reads lower-case hex.
func usualHash(v jsontext.Value, n int) (string, bool) {
	s, ok := usualText(v)
	if !ok || len(s) != n {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false
		}
	}
	return s, true
}

// usualList reads a list of strings that are spelt without escapes. The
// decoder has checked v, so that a quote ends a string.
func usualList(v jsontext.Value) ([]string, bool) {
	if v.Kind() != '[' || bytes.IndexByte(v, '\\') >= 0 {
		return nil, false
	}
	list := make([]string, 0, bytes.Count(v, []byte{'"'})/2)
	for rest := v[1 : len(v)-1]; ; {
		i := 0
		for i < len(rest) && rest[i] != '"' {
			switch rest[i] {
			case ' ', '\t', '\r', '\n', ',':
			default: // not a string
				return nil, false
			}
			i++
		}
		if i == len(rest) {
			return list, true
		}
		end := bytes.IndexByte(rest[i+1:], '"')
		list = append(list, string(rest[i+1:i+1+end]))
		rest = rest[i+end+2:]
	}
}
