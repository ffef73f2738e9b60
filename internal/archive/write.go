package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zstd"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// Package is what Write puts into an archive.
type Package struct {
	// Record becomes info/index.json. Its hashes, size, indexed timestamp and
	// run exports do not: the file does not know them, or has them elsewhere.
	Record conda.Record

	// About becomes info/about.json; nil is an empty object.
	About map[string]any

	// RunExports becomes info/run_exports.json, if it is not nil.
	RunExports *conda.RunExports

	// Files are what the package installs, by path inside the prefix. They
	// become info/paths.json and info/files too.
	Files map[string]File

	// Info are further members of info/ by their name without "info/", such
	// as "README.md" or "link.json". A name that Write makes itself is
	// replaced.
	Info map[string][]byte
}

// File is a file or symbolic link of a package.
type File struct {
	Content []byte
	Mode    fs.FileMode // permissions; 0 means 0644
	Link    string      // the target of a symbolic link, which has no content

	// Prefix is the placeholder in the content, FileMode "text" or "binary".
	Prefix, FileMode string
	NoLink           bool
}

// indexJSON is info/index.json in the order in which it is written.
type indexJSON struct {
	Build                  string                    `json:"build"`
	BuildNumber            int64                     `json:"build_number"`
	Constrains             []string                  `json:"constrains,omitempty"`
	Depends                []string                  `json:"depends"`
	ExtraDepends           map[string][]string       `json:"extra_depends,omitempty"`
	Features               string                    `json:"features,omitempty"`
	Flags                  []string                  `json:"flags,omitempty"`
	License                string                    `json:"license,omitempty"`
	LicenseFamily          string                    `json:"license_family,omitempty"`
	Name                   string                    `json:"name"`
	Noarch                 string                    `json:"noarch,omitempty"`
	PythonSitePackagesPath string                    `json:"python_site_packages_path,omitempty"`
	SchemaVersion          int                       `json:"schema_version,omitzero"`
	Subdir                 string                    `json:"subdir,omitempty"`
	Timestamp              int64                     `json:"timestamp,omitzero"`
	TrackFeatures          string                    `json:"track_features,omitempty"`
	Version                string                    `json:"version"`
	Extra                  map[string]jsontext.Value `json:",embed"`
}

// runExportsJSON is info/run_exports.json.
type runExportsJSON struct {
	Noarch           []string `json:"noarch,omitempty"`
	Strong           []string `json:"strong,omitempty"`
	StrongConstrains []string `json:"strong_constrains,omitempty"`
	Weak             []string `json:"weak,omitempty"`
	WeakConstrains   []string `json:"weak_constrains,omitempty"`
}

// pathJSON is an entry of info/paths.json.
type pathJSON struct {
	Path     string `json:"_path"`
	FileMode string `json:"file_mode,omitempty"`
	NoLink   bool   `json:"no_link,omitzero"`
	Type     string `json:"path_type"`
	Prefix   string `json:"prefix_placeholder,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Size     int64  `json:"size_in_bytes"`
}

// Write writes the archive of p in a format. The same Package gives the same
// bytes: members are sorted and bear the record's timestamp. A compressed
// .conda is held in memory, because its ZIP headers name sizes that are known
// only afterwards; clients cannot stream one that has them behind the bytes.
func Write(w io.Writer, f conda.Format, p Package) error {
	info, err := p.info()
	if err != nil {
		return fmt.Errorf("writing %s: %w", p.Record.FileName(f), err)
	}
	files := p.files()
	stem := conda.FileName{Name: p.Record.Name, Version: p.Record.Version, Build: p.Record.Build}.Stem()
	modified := time.UnixMilli(p.Record.Timestamp).UTC().Truncate(time.Second)
	switch f {
	case conda.FormatConda:
		err = writeConda(w, stem, info, files, modified)
	case conda.FormatTarBz2:
		err = writeTarBz2(w, slices.Concat(info, files), modified)
	default:
		err = errs.New(errs.Invalid, "The format %q is neither conda nor tar.bz2.", string(f))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", p.Record.FileName(f), err)
	}
	return nil
}

// entry is a member of a tar.
type entry struct {
	name string
	file File
}

// info gives the members of info/, index.json first.
func (p Package) info() ([]entry, error) {
	members := map[string][]byte{}
	r := p.Record
	for name, v := range map[string]any{
		"index.json": indexJSON{
			Build: r.Build, BuildNumber: r.BuildNumber, Constrains: r.Constrains, Depends: r.Depends,
			ExtraDepends: r.ExtraDepends, Features: r.Features, Flags: r.Flags, License: r.License,
			LicenseFamily: r.LicenseFamily, Name: r.Name, Noarch: r.Noarch,
			PythonSitePackagesPath: r.PythonSitePackagesPath, SchemaVersion: r.SchemaVersion, Subdir: r.Subdir,
			Timestamp: r.Timestamp, TrackFeatures: r.TrackFeatures, Version: r.Version, Extra: r.Extra,
		},
		"about.json": p.About,
		"paths.json": map[string]any{"paths": p.paths(), "paths_version": 1},
	} {
		b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			return nil, fmt.Errorf("encoding info/%s: %w", name, err)
		}
		members[name] = b
	}
	if e := p.RunExports; e != nil {
		b, err := json.Marshal(runExportsJSON{e.Noarch, e.Strong, e.StrongConstrains, e.Weak, e.WeakConstrains}, jsontext.WithIndent("  "))
		if err != nil {
			return nil, fmt.Errorf("encoding info/run_exports.json: %w", err)
		}
		members["run_exports.json"] = b
	}
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		list.WriteString(name + "\n")
	}
	members["files"] = []byte(list.String())
	maps.Copy(members, p.Info)

	entries := []entry{{indexName, File{Content: members["index.json"]}}}
	delete(members, "index.json")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		entries = append(entries, entry{infoDir + "/" + name, File{Content: members[name]}})
	}
	return entries, nil
}

// files gives what is installed, sorted.
func (p Package) files() []entry {
	var entries []entry
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		entries = append(entries, entry{name, p.Files[name]})
	}
	return entries
}

// paths gives the list of paths.json. A link has the hash and size of the file
// that it leads to, where that is in the package.
func (p Package) paths() []pathJSON {
	list := []pathJSON{}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		f := p.Files[name]
		e := pathJSON{Path: name, Type: "hardlink", FileMode: f.FileMode, Prefix: f.Prefix, NoLink: f.NoLink}
		content, known := f.Content, true
		if f.Link != "" {
			e.Type = "softlink"
			var target File
			target, known = p.Files[path.Join(path.Dir(name), f.Link)]
			known = known && target.Link == ""
			content = target.Content
		}
		if known {
			sum := sha256.Sum256(content)
			e.SHA256, e.Size = hex.EncodeToString(sum[:]), int64(len(content))
		}
		list = append(list, e)
	}
	return list
}

// writeConda writes the three members of a .conda, info- last: clients that
// fetch the end of a file get all of the metadata at once.
func writeConda(w io.Writer, stem string, info, files []entry, modified time.Time) error {
	z := zip.NewWriter(w)
	add := func(name string, content []byte) error {
		const firstDay = 1<<5 | 1 // 1980-01-01, the earliest that ZIP knows
		part, err := z.CreateRaw(&zip.FileHeader{
			Name:               name,
			Method:             zip.Store,
			CreatorVersion:     20,
			ReaderVersion:      20,
			ModifiedDate:       firstDay, //nolint:staticcheck // CreateRaw writes this field, and not Modified
			CRC32:              crc32.ChecksumIEEE(content),
			CompressedSize64:   uint64(len(content)),
			UncompressedSize64: uint64(len(content)),
		})
		if err != nil {
			return err
		}
		_, err = part.Write(content)
		return err
	}
	if err := add(metadataName, []byte(`{"conda_pkg_format_version": 2}`)); err != nil {
		return err
	}
	for _, part := range []struct {
		prefix  string
		entries []entry
	}{{pkgPrefix, files}, {infoPrefix, info}} {
		content, err := tarZstd(part.entries, modified)
		if err != nil {
			return err
		}
		if err := add(part.prefix+stem+tarZst, content); err != nil {
			return err
		}
	}
	return z.Close()
}

// tarZstd makes a tar of the entries as one zstd frame with a window of at most
// 8 MiB, which every client affords.
func tarZstd(entries []entry, modified time.Time) ([]byte, error) {
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(8<<20),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	if err := writeTar(enc, entries, modified); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeTarBz2 writes a .tar.bz2.
func writeTarBz2(w io.Writer, entries []entry, modified time.Time) error {
	enc, err := bzip2.NewWriter(w, &bzip2.WriterConfig{Level: bzip2.BestCompression})
	if err != nil {
		return err
	}
	if err := writeTar(enc, entries, modified); err != nil {
		return err
	}
	return enc.Close()
}

// writeTar writes the entries as they come.
func writeTar(w io.Writer, entries []entry, modified time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{
			Typeflag: tar.TypeReg,
			Name:     e.name,
			Size:     int64(len(e.file.Content)),
			Mode:     int64(e.file.Mode.Perm()),
			ModTime:  modified,
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if e.file.Link != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.file.Link, 0
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if h.Size > 0 {
			if _, err := t.Write(e.file.Content); err != nil {
				return err
			}
		}
	}
	return t.Close()
}
