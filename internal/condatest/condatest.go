// Package condatest makes conda packages for tests, in memory and within
// milliseconds: small valid ones by Make, and by Hostile those that a registry
// has to refuse. No package is stored as a file in the project.
package condatest

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
)

// Spec says what a package should be. Every field may be zero.
type Spec struct {
	Name    string // default "demo"
	Version string // default "1.0"
	Build   string // default "0"

	// Subdir defaults to "noarch"; a noarch package is generic unless Noarch
	// says "python".
	Subdir, Noarch      string
	BuildNumber         int64
	Depends, Constrains []string

	// License, Summary and Description go to index.json and about.json.
	License, Summary, Description string
	README                        string // info/README.md

	RunExports *conda.RunExports
	Timestamp  int64        // Unix milliseconds
	Format     conda.Format // default .conda

	// Files are installed, by path. Without any, one text file is.
	Files map[string]string

	// Info are further members of info/, by their name without "info/".
	Info map[string]string

	// PadTo adds a file of bytes that do not compress, so that the package has
	// about as many bytes as PadTo.
	PadTo int
}

// filled gives the spec with its defaults.
func (s Spec) filled() Spec {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&s.Name, "demo")
	fill(&s.Version, "1.0")
	fill(&s.Build, "0")
	fill(&s.Subdir, "noarch")
	if s.Subdir == "noarch" {
		fill(&s.Noarch, "generic")
	}
	if s.Format == "" {
		s.Format = conda.FormatConda
	}
	return s
}

// FileName gives the name that belongs to the package.
func (s Spec) FileName() string {
	s = s.filled()
	return conda.FileName{Name: s.Name, Version: s.Version, Build: s.Build, Format: s.Format}.String()
}

// Package gives what archive.Write is told.
func (s Spec) Package() archive.Package {
	s = s.filled()
	p := archive.Package{
		Record: conda.Record{
			Name: s.Name, Version: s.Version, Build: s.Build, BuildNumber: s.BuildNumber,
			Subdir: s.Subdir, Noarch: s.Noarch, Depends: s.Depends, Constrains: s.Constrains,
			License: s.License, Timestamp: s.Timestamp,
		},
		About:      map[string]any{},
		RunExports: s.RunExports,
		Files:      map[string]archive.File{},
		Info:       map[string][]byte{},
	}
	for key, value := range map[string]string{"license": s.License, "summary": s.Summary, "description": s.Description} {
		if value != "" {
			p.About[key] = value
		}
	}
	for name, content := range s.Files {
		p.Files[name] = archive.File{Content: []byte(content)}
	}
	if len(s.Files) == 0 {
		p.Files["share/"+s.Name+"/hello.txt"] = archive.File{Content: []byte("hello from " + s.Name + "\n")}
	}
	for name, content := range s.Info {
		p.Info[name] = []byte(content)
	}
	if s.README != "" {
		p.Info["README.md"] = []byte(s.README)
	}
	const bare = 1500 // about what a package has without padding
	if n := s.PadTo - bare; n > 0 {
		p.Files["share/"+s.Name+"/padding"] = archive.File{Content: noise(n)}
	}
	return p
}

// Make gives the bytes of the package. The same spec gives the same bytes.
func Make(t testing.TB, s Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Write(&b, s.filled().Format, s.Package()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise gives n bytes that do not compress, always the same.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // it has no errors
	return b
}

// LateInfo gives the package as a .tar.bz2 in which info/ comes behind the
// files, as no builder writes it but the format allows.
func LateInfo(t testing.TB, s Spec) []byte {
	t.Helper()
	s.Format = conda.FormatTarBz2
	tr := tar.NewReader(bzip2.NewReader(bytes.NewReader(Make(t, s))))
	var info, files []tarPart
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return bz2(tarOf(append(files, info...)...))
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		part := tarPart{h, string(content)}
		if strings.HasPrefix(h.Name, "info/") {
			info = append(info, part)
		} else {
			files = append(files, part)
		}
	}
}
