package conda

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"math"
	"strings"

	"terrarium/internal/errs"
)

// The longest documents that are read, in bytes.
const (
	maxIndexJSON = 1 << 20
	maxRecord    = 4 << 20 // of an upstream record, which may carry run exports
)

// ParseIndexJSON reads info/index.json of a package (CEP 34): at most 1 MiB of
// valid UTF-8, one object without duplicate keys, each known key of its type.
// It normalises what old packages hold (noarch true, track_features as a list,
// timestamps in seconds) and ignores what only a server may say (md5, sha256,
// size, url, indexed_timestamp …). It returns errs.Invalid, or errs.TooLarge,
// with every wrong key in the details; whether the values make sense is left
// to Validate.
func ParseIndexJSON(b []byte) (Record, error) {
	if len(b) > maxIndexJSON {
		return Record{}, errs.New(errs.TooLarge, "info/index.json has %d bytes; the limit is %d.", len(b), maxIndexJSON)
	}
	return parseRecord(b, recordReader{noun: indexJSONNoun})
}

// ReadIndexJSON is ParseIndexJSON for whoever wants to tell everything that is
// wrong: where the document is an object, it gives the record as far as it could
// be read beside the faults, each errs.Invalid with its key as the field. Keys
// with a fault are empty in the record.
func ReadIndexJSON(b []byte) (Record, []*errs.Error, error) {
	if len(b) > maxIndexJSON {
		return Record{}, nil, errs.New(errs.TooLarge, "info/index.json has %d bytes; the limit is %d.", len(b), maxIndexJSON)
	}
	return readRecord(b, recordReader{noun: indexJSONNoun})
}

// indexJSONNoun names info/index.json in messages.
const indexJSONNoun = "info/index.json"

// reasonMetadata is the machine word of what is wrong with metadata.
const reasonMetadata = "invalid-metadata"

// ParseRecord reads one record of an upstream repodata document. It is lenient
// about spelling (whole numbers written as text or with a fraction of zero) and
// keeps unknown keys in Extra; hashes must be hex and are lower-cased. It
// returns errs.Invalid or, above 4 MiB, errs.TooLarge.
func ParseRecord(b []byte) (Record, error) {
	if len(b) > maxRecord {
		return Record{}, errs.New(errs.TooLarge, "The record has %d bytes; the limit is %d.", len(b), maxRecord)
	}
	return parseRecord(b, recordReader{noun: "the record", upstream: true})
}

// ParseRunExports reads info/run_exports.json, or the value of run_exports
// anywhere else: an object of five lists, or one list, which means weak. Null
// and absent lists are empty. It returns errs.Invalid.
func ParseRunExports(b []byte) (RunExports, error) {
	if len(b) > maxIndexJSON {
		return RunExports{}, errs.New(errs.TooLarge, "run_exports.json has %d bytes; the limit is %d.", len(b), maxIndexJSON)
	}
	var out RunExports
	value := jsontext.Value(b)
	if !value.IsValid() {
		return out, errs.New(errs.Invalid, "run_exports.json is not valid JSON.").Because(reasonMetadata)
	}
	var err error
	switch value.Kind() {
	case 'n':
		return out, nil
	case '[':
		out.Weak, err = textList(value)
	case '{':
		err = eachMember(value, func(key string, v jsontext.Value) (err error) {
			switch key {
			case "weak":
				out.Weak, err = textList(v)
			case "strong":
				out.Strong, err = textList(v)
			case "weak_constrains":
				out.WeakConstrains, err = textList(v)
			case "strong_constrains":
				out.StrongConstrains, err = textList(v)
			case "noarch":
				out.Noarch, err = textList(v)
			}
			if err != nil {
				return fmt.Errorf("%s %w", key, err)
			}
			return nil
		})
	default:
		err = errors.New("must be an object or a list")
	}
	if err != nil {
		return RunExports{}, errs.New(errs.Invalid, "run_exports.json cannot be read: %s.", err).Because(reasonMetadata)
	}
	return out, nil
}

// recordReader says how strictly a document is read.
type recordReader struct {
	noun     string // what the document is called in messages
	upstream bool   // a record of repodata rather than a package's own word
}

// parseRecord reads one object and refuses it for all its faults at once.
func parseRecord(b []byte, how recordReader) (Record, error) {
	r, faults, err := readRecord(b, how)
	if err != nil {
		return Record{}, err
	}
	if all := errs.All(sentenceCase(how.noun)+" cannot be read", faults); all != nil {
		return Record{}, all
	}
	return r, nil
}

// readRecord reads one object, and all of it, to find every fault.
func readRecord(b []byte, how recordReader) (Record, []*errs.Error, error) {
	var (
		r      Record
		faults []*errs.Error
		seen   = map[string]bool{}
	)
	fault := func(key, format string, args ...any) {
		faults = append(faults, errs.New(errs.Invalid, format, args...).Because(reasonMetadata).On(key))
	}
	err := eachMember(b, func(key string, v jsontext.Value) error {
		seen[key] = true
		if err := how.set(&r, key, v); err != nil {
			fault(key, "%q in %s %s.", clip(key), how.noun, err)
		}
		return nil
	})
	if err != nil {
		what := "is not valid JSON: " + err.Error() // which says where and what, and quotes no input
		switch {
		case errors.Is(err, errNotObject):
			what = "is not a JSON object"
		case errors.Is(err, jsontext.ErrDuplicateName):
			what = "has a key twice: " + err.Error()
		}
		return Record{}, nil, errs.New(errs.Invalid, "%s %s.", sentenceCase(how.noun), what).Because(reasonMetadata)
	}
	for _, key := range []string{"name", "version", "build", "build_number"} {
		if !seen[key] && !(how.upstream && key == "build_number") {
			fault(key, "%q is missing from %s.", key, how.noun)
		}
	}
	return r, faults, nil
}

// sentenceCase begins a sentence with a noun; a file's name stays as it is.
func sentenceCase(noun string) string {
	if noun == indexJSONNoun {
		return noun
	}
	return strings.ToUpper(noun[:1]) + noun[1:]
}

// set puts the value of one key into its field. Its errors continue a sentence
// that begins with the key.
func (how recordReader) set(r *Record, key string, v jsontext.Value) (err error) {
	switch key {
	case "name":
		r.Name, err = requiredText(v)
	case "version":
		r.Version, err = requiredText(v)
	case "build":
		r.Build, err = requiredText(v)
	case "build_number":
		r.BuildNumber, err = how.wholeNumber(v)
	case "subdir":
		r.Subdir, err = text(v)
	case "depends":
		r.Depends, err = textList(v)
	case "constrains":
		r.Constrains, err = textList(v)
	case "noarch":
		r.Noarch, err = noarch(v)
	case "license":
		r.License, err = text(v)
	case "license_family":
		r.LicenseFamily, err = text(v)
	case "timestamp":
		r.Timestamp, err = timestamp(v)
	case "track_features":
		r.TrackFeatures, err = joinedText(v)
	case "features":
		r.Features, err = joinedText(v)
	case "python_site_packages_path":
		r.PythonSitePackagesPath, err = text(v)
	case "schema_version":
		var n int64
		n, err = how.wholeNumber(v)
		if err == nil && n > math.MaxInt32 {
			err = errors.New("is too large")
		}
		r.SchemaVersion = int(n)
	case "flags":
		r.Flags, err = textList(v)
	case "extra_depends":
		r.ExtraDepends, err = textLists(v)

	// Only a server may say the following; a package's own word is ignored.
	case "md5":
		if how.upstream {
			r.MD5, err = hash(v, md5Length)
		}
	case "sha256":
		if how.upstream {
			r.SHA256, err = hash(v, sha256Length)
		}
	case "size":
		if how.upstream {
			r.Size, err = how.wholeNumber(v)
		}
	case "indexed_timestamp":
		if how.upstream {
			r.IndexedTimestamp, err = timestamp(v)
		}
	case "run_exports":
		if how.upstream {
			var e RunExports
			if e, err = ParseRunExports(v); err != nil {
				return errors.New("is not an object of lists of match specs")
			}
			r.RunExports = &e
		}
	case "legacy_bz2_md5", "legacy_bz2_size", "revoked":
		if how.upstream {
			r.keep(key, v)
		}
	case "fn", "url", "channel", "schannel":
		// Where a file lies follows from who serves it; a client would believe
		// what another server wrote here.

	// conda-index drops these too: they describe the machine that built.
	case "arch", "platform", "has_prefix", "mtime", "ucs", "requires_features",
		"binstar", "target-triplet", "machine", "operatingsystem":
	default:
		r.keep(key, v)
	}
	return err
}

// keep puts a copy of the value of a key that has no field into Extra.
func (r *Record) keep(key string, v jsontext.Value) {
	if r.Extra == nil {
		r.Extra = map[string]jsontext.Value{}
	}
	v = v.Clone()
	if err := v.Compact(); err == nil { // the decoder has checked it
		r.Extra[key] = v
	}
}
