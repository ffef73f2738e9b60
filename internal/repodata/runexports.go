package repodata

import (
	"encoding/json/jsontext"
	"io"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// NewRunExports lays out run_exports.json of a subdir (CEP 12). An entry's
// JSON is Encoded.RunExports; files whose run exports nobody knows (nil) are
// left out, since absence means just that. The order of entries does not
// matter.
func NewRunExports(subdir string, entries []Entry) (*Layout, error) {
	wrapped := make([]Entry, 0, len(entries))
	for _, e := range entries {
		if e.JSON == nil {
			continue
		}
		wrapped = append(wrapped, Entry{FileName: e.FileName, JSON: WrapRunExports(e.JSON)})
	}
	tarBz2, conda, err := piecesOf(wrapped)
	if err != nil {
		return nil, err
	}
	return LayRunExports(subdir, tarBz2, conda)
}

// WrapRunExports gives what stands in run_exports.json under the name of a file:
// {"run_exports":{…}}.
func WrapRunExports(exports []byte) []byte {
	text := make([]byte, 0, len(`{"run_exports":}`)+len(exports))
	text = append(text, `{"run_exports":`...)
	text = append(text, exports...)
	return append(text, '}')
}

// LayRunExports is NewRunExports for text that was cut into pieces, of the values
// that WrapRunExports gives, for each of the two groups.
func LayRunExports(subdir string, tarBz2, conda []Piece) (*Layout, error) {
	head := []byte(`{"info":{`)
	if platform, arch, ok := platformOf(subdir); ok {
		head = append(head, `"arch":`...)
		head = appendJSONString(head, arch)
		head = append(head, `,"platform":`...)
		head = appendJSONString(head, platform)
		head = append(head, ',')
	}
	head = append(head, `"subdir":`...)
	head = appendJSONString(head, subdir)
	head = append(head, `,"version":1},"packages":{`...) // the CEP says 0, conda-index writes 1
	return NewLayout([]Part{
		{Before: head, Pieces: tarBz2},
		{Before: []byte(`},"packages.conda":{`), Pieces: conda},
	}, []byte(`}}`))
}

// platformOf splits a subdir the way conda names platform and architecture.
// noarch has neither.
func platformOf(subdir string) (platform, arch string, ok bool) {
	platform, arch, ok = strings.Cut(subdir, "-")
	switch arch {
	case "64":
		arch = "x86_64"
	case "32":
		arch = "x86"
	}
	return platform, arch, ok
}

// ReadRunExports reads a run_exports.json of any size, plain or compressed,
// under the terms of ReadRecords, and calls f for each file.
func ReadRunExports(r io.Reader, f func(fileName string, exports conda.RunExports) error) (Info, error) {
	return ReadRecords(r, func(fileName string, raw jsontext.Value) error {
		var members map[string]jsontext.Value
		if err := unmarshal(raw, &members); err != nil {
			return errs.Wrap(errs.Invalid, err, "The run exports of %s cannot be read.", shorten(fileName))
		}
		value, ok := members["run_exports"]
		if !ok {
			return nil // unknown, as a file that is not listed
		}
		exports, err := conda.ParseRunExports(value)
		if err != nil {
			return err
		}
		return f(fileName, exports)
	})
}
