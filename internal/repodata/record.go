package repodata

import (
	"encoding/hex"
	"encoding/json/jsontext"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// Encoded is a record in the forms that its row keeps. Equal records have
// equal bytes: keys are sorted, numbers and strings are written in one way.
type Encoded struct {
	// JSON is the record's object for repodata.json (CEP 36): compact, with
	// hashes in hex, without run_exports.
	JSON []byte
	// Msgpack is the record's map for a shard (CEP 16): md5 and sha256 as bin,
	// run_exports present whenever it is known, an empty map for none (CEP 21).
	Msgpack []byte
	// RunExports is the object of run_exports.json (CEP 12), `{}` for a
	// package without any; nil while nobody has looked.
	RunExports []byte
}

// EncodeRecord encodes a record. It fails only for what no parser of package
// conda returns (errs.Invalid): hashes that are not hex, text that is not
// UTF-8, a key of Extra that has a field of its own or is not valid JSON.
func EncodeRecord(r conda.Record) (Encoded, error) {
	w := newRecordWriter(r.Extra)
	w.text("build", r.Build, true)
	w.integer("build_number", r.BuildNumber, true)
	w.list("constrains", r.Constrains, false)
	w.list("depends", r.Depends, true)
	w.lists("extra_depends", r.ExtraDepends)
	w.text("features", r.Features, false)
	w.list("flags", r.Flags, false)
	w.integer("indexed_timestamp", r.IndexedTimestamp, false)
	w.text("license", r.License, false)
	w.text("license_family", r.LicenseFamily, false)
	w.hash("md5", r.MD5, 16)
	w.text("name", r.Name, true)
	w.text("noarch", r.Noarch, false)
	w.text("python_site_packages_path", r.PythonSitePackagesPath, false)
	w.runExports(r.RunExports)
	w.integer("schema_version", int64(r.SchemaVersion), false)
	w.hash("sha256", r.SHA256, 32)
	w.integer("size", r.Size, false)
	w.text("subdir", r.Subdir, false)
	w.integer("timestamp", r.Timestamp, false)
	w.text("track_features", r.TrackFeatures, false)
	w.text("version", r.Version, true)
	return w.finish()
}

// recordWriter writes the fields of a record, which come in the order of their
// keys, into both forms at once.
type recordWriter struct {
	json    []byte
	msgpack []byte // three bytes are left free for the map's header
	exports []byte
	fields  int // in msgpack

	extra     map[string]jsontext.Value
	extraKeys []string // those not yet written, sorted
	err       error
}

func newRecordWriter(extra map[string]jsontext.Value) *recordWriter {
	w := &recordWriter{
		json:    append(make([]byte, 0, 1024), '{'),
		msgpack: make([]byte, 3, 1024),
		extra:   extra,
	}
	if len(extra) > 0 {
		w.extraKeys = slices.Sorted(maps.Keys(extra))
	}
	return w
}

// key writes a key, and the members of Extra that come before it.
func (w *recordWriter) key(key string) {
	for len(w.extraKeys) > 0 && w.extraKeys[0] <= key {
		w.nextExtra(key)
	}
	w.rawKey(key)
}

func (w *recordWriter) rawKey(key string) {
	w.fields++
	w.msgpack = msgp.AppendString(w.msgpack, key)
	if len(w.json) > 1 {
		w.json = append(w.json, ',')
	}
	w.json = w.quote(w.json, key)
	w.json = append(w.json, ':')
}

// nextExtra writes the first member of Extra that is left.
func (w *recordWriter) nextExtra(next string) {
	key := w.extraKeys[0]
	w.extraKeys = w.extraKeys[1:]
	if key == next || slices.Contains(fieldKeys[:], key) {
		w.fail(errs.New(errs.Invalid, "The key %q of the record is given twice.", key))
		return
	}
	value, err := canonicalJSON(w.extra[key])
	if err != nil {
		w.fail(errs.Wrap(errs.Invalid, err, "The value of %q in the record is not valid JSON.", key))
		return
	}
	w.rawKey(key)
	w.json = append(w.json, value...)
	if w.msgpack, err = appendJSONAsMsgpack(w.msgpack, value); err != nil {
		w.fail(errs.Wrap(errs.Invalid, err, "The value of %q in the record cannot be indexed.", key))
	}
}

// fieldKeys are the keys that have a field in conda.Record.
var fieldKeys = [...]string{
	"build", "build_number", "constrains", "depends", "extra_depends", "features", "flags", "indexed_timestamp",
	"license", "license_family", "md5", "name", "noarch", "python_site_packages_path", "run_exports",
	"schema_version", "sha256", "size", "subdir", "timestamp", "track_features", "version",
}

func (w *recordWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// quote appends s as a JSON string.
func (w *recordWriter) quote(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		w.fail(errs.New(errs.Invalid, "A text of the record is not valid UTF-8."))
	}
	return out
}

func (w *recordWriter) text(key, s string, always bool) {
	if s == "" && !always {
		return
	}
	w.key(key)
	w.json = w.quote(w.json, s)
	w.msgpack = msgp.AppendString(w.msgpack, s)
}

func (w *recordWriter) integer(key string, n int64, always bool) {
	if n == 0 && !always {
		return
	}
	w.key(key)
	w.json = strconv.AppendInt(w.json, n, 10)
	w.msgpack = appendInt(w.msgpack, n)
}

func (w *recordWriter) hash(key, s string, size int) {
	if s == "" {
		return
	}
	w.key(key)
	var raw [32]byte
	if n, err := hex.Decode(raw[:], []byte(s)); err != nil || n != size {
		w.fail(errs.New(errs.Invalid, "The %s of the record is not %d hexadecimal digits.", key, 2*size))
		return
	}
	w.json = append(w.json, '"')
	w.json = hex.AppendEncode(w.json, raw[:size])
	w.json = append(w.json, '"')
	w.msgpack = msgp.AppendBytes(w.msgpack, raw[:size])
}

func (w *recordWriter) list(key string, list []string, always bool) {
	if len(list) == 0 && !always {
		return
	}
	w.key(key)
	w.json = w.jsonList(w.json, list)
	w.msgpack = appendList(w.msgpack, list)
}

func (w *recordWriter) jsonList(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.quote(dst, s)
	}
	return append(dst, ']')
}

func (w *recordWriter) lists(key string, lists map[string][]string) {
	if len(lists) == 0 {
		return
	}
	w.key(key)
	w.json = append(w.json, '{')
	w.msgpack = msgp.AppendMapHeader(w.msgpack, uint32(len(lists)))
	for i, group := range slices.Sorted(maps.Keys(lists)) {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = append(w.quote(w.json, group), ':')
		w.json = w.jsonList(w.json, lists[group])
		w.msgpack = msgp.AppendString(w.msgpack, group)
		w.msgpack = appendList(w.msgpack, lists[group])
	}
	w.json = append(w.json, '}')
}

// runExports writes into msgpack and into a document of its own.
func (w *recordWriter) runExports(e *conda.RunExports) {
	if e == nil {
		return
	}
	key := "run_exports"
	for len(w.extraKeys) > 0 && w.extraKeys[0] <= key {
		w.nextExtra(key)
	}
	w.fields++
	w.msgpack = msgp.AppendString(w.msgpack, key)

	members := [...]struct {
		key  string
		list []string
	}{{"noarch", e.Noarch}, {"strong", e.Strong}, {"strong_constrains", e.StrongConstrains}, {"weak", e.Weak}, {"weak_constrains", e.WeakConstrains}}
	var n uint32
	for _, m := range members {
		if len(m.list) > 0 {
			n++
		}
	}
	w.msgpack = msgp.AppendMapHeader(w.msgpack, n)
	w.exports = append(w.exports, '{')
	for _, m := range members {
		if len(m.list) == 0 {
			continue
		}
		if len(w.exports) > 1 {
			w.exports = append(w.exports, ',')
		}
		w.exports = append(w.quote(w.exports, m.key), ':')
		w.exports = w.jsonList(w.exports, m.list)
		w.msgpack = msgp.AppendString(w.msgpack, m.key)
		w.msgpack = appendList(w.msgpack, m.list)
	}
	w.exports = append(w.exports, '}')
}

// finish writes what is left of Extra and closes both forms.
func (w *recordWriter) finish() (Encoded, error) {
	for len(w.extraKeys) > 0 {
		w.nextExtra("")
	}
	if w.err != nil {
		return Encoded{}, w.err
	}
	w.json = append(w.json, '}')
	var head [5]byte
	h := msgp.AppendMapHeader(head[:0], uint32(w.fields))
	if len(h) > 3 {
		return Encoded{}, errs.New(errs.TooLarge, "The record has %d keys; at most %d can be indexed.", w.fields, 1<<16-1)
	}
	start := 3 - len(h)
	copy(w.msgpack[start:], h)
	return Encoded{JSON: w.json, Msgpack: w.msgpack[start:], RunExports: w.exports}, nil
}

// canonicalJSON gives value compact, its members sorted and its strings in the
// shortest spelling; numbers keep their digits.
func canonicalJSON(value jsontext.Value) (jsontext.Value, error) {
	v := value.Clone()
	if err := v.Format(
		jsontext.ReorderRawObjects(true),
		jsontext.CanonicalizeRawInts(false),
		jsontext.CanonicalizeRawFloats(false),
		jsontext.PreserveRawStrings(false),
		jsontext.SpaceAfterColon(false),
		jsontext.SpaceAfterComma(false),
		jsontext.Multiline(false),
	); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return v, nil
}
