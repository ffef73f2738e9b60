// Package sample holds the small conda packages that `terrarium serve --sample`
// publishes, so that a newcomer has something to look at and to install. They
// are built by the project's own writer and hold nothing but a few texts and
// scripts; those for noarch need nothing from another channel.
package sample

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
)

// Owner and Description are those of the channel.
const (
	Owner       = "sample"
	Description = "Small packages to try Terrarium with. They install and do little."
)

// Package is one archive to be published.
type Package struct {
	FileName string
	Bytes    []byte
}

// spec is what a sample package is made of.
type spec struct {
	name, version string
	number        int64
	subdir        string
	format        conda.Format
	depends       []string
	summary       string
	readme        string
	files         map[string]string
}

// made is the time that the packages claim to be built at, so that the same
// program makes the same bytes: 2026-11-01T00:00:00Z in milliseconds.
const made = 1793491200000

func specs() []spec {
	plant := func(name, version string, number int64, format conda.Format, depends []string, summary, words string) spec {
		return spec{
			name: name, version: version, number: number, subdir: "noarch", format: format, depends: depends, summary: summary,
			readme: fmt.Sprintf("# %s\n\n%s\n\n## Try it\n\n```console\n$ cat $CONDA_PREFIX/share/%s/about.txt\n```\n", name, words, name),
			files:  map[string]string{"share/" + name + "/about.txt": words + "\n"},
		}
	}
	tool := func(subdir string, format conda.Format) spec {
		s := spec{
			name: "terrarium-hello", version: "1.0.0", subdir: subdir, format: format, depends: []string{"fern >=2"},
			summary: "Says hello from the environment that it is installed in",
			readme:  "# terrarium-hello\n\nA program of one line, built for several platforms.\n\n```console\n$ terrarium-hello\nhello from a terrarium\n```\n",
			files:   map[string]string{"bin/terrarium-hello": "#!/bin/sh\necho hello from a terrarium\n"},
		}
		if strings.HasPrefix(subdir, "win-") {
			s.files = map[string]string{"Scripts/terrarium-hello.bat": "@echo hello from a terrarium\r\n"}
		}
		return s
	}
	return []spec{
		plant("soil", "1.0.0", 0, conda.FormatTarBz2, nil, "What everything here grows on", "A package without dependencies, in the older archive format."),
		plant("soil", "1.1.0", 0, conda.FormatConda, nil, "What everything here grows on", "The same package a release later, in the newer archive format."),
		plant("moss", "0.4.2", 0, conda.FormatConda, []string{"soil >=1.0,<2"}, "Grows on soil and asks for little", "Depends on soil; a solver takes the newest one that fits."),
		plant("moss", "0.5.0rc1", 0, conda.FormatConda, []string{"soil >=1.1"}, "Grows on soil and asks for little", "A pre-release: it sorts before 0.5.0."),
		plant("fern", "2.1.0", 0, conda.FormatConda, []string{"moss", "soil"}, "Needs moss and soil", "Depends on two packages of this channel."),
		plant("fern", "2.1.0", 1, conda.FormatTarBz2, []string{"moss >=0.4", "soil"}, "Needs moss and soil", "The same release built again: build number 1 wins."),
		plant("glass-case", "3.0", 0, conda.FormatConda, []string{"fern >=2", "moss", "soil"}, "A whole terrarium: install this one to get all", "Pulls in everything else of this channel."),
		tool("linux-64", conda.FormatConda),
		tool("linux-aarch64", conda.FormatConda),
		tool("osx-arm64", conda.FormatConda),
		tool("win-64", conda.FormatTarBz2),
	}
}

// Packages builds the packages, in an order in which dependencies come first.
func Packages() ([]Package, error) {
	var out []Package
	for _, s := range specs() {
		p, err := s.build()
		if err != nil {
			return nil, fmt.Errorf("build the sample package %s: %w", s.name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (s spec) build() (Package, error) {
	r := conda.Record{
		Name: s.name, Version: s.version, Build: fmt.Sprintf("h0_%d", s.number), BuildNumber: s.number, Subdir: s.subdir,
		Depends: s.depends, License: "BSD-3-Clause", LicenseFamily: "BSD", Timestamp: made,
	}
	if s.subdir == "noarch" {
		r.Noarch = "generic"
	}
	files := map[string]archive.File{}
	for path, text := range s.files {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(path, "bin/") {
			mode = 0o755
		}
		files[path] = archive.File{Content: []byte(text), Mode: mode}
	}
	var b bytes.Buffer
	err := archive.Write(&b, s.format, archive.Package{
		Record: r, Files: files, RunExports: &conda.RunExports{},
		About: map[string]any{"summary": s.summary, "description": s.readme, "license": "BSD-3-Clause", "home": "https://example.com/terrarium/" + s.name},
		Info:  map[string][]byte{"README.md": []byte(s.readme)},
	})
	return Package{FileName: r.FileName(s.format), Bytes: b.Bytes()}, err
}
