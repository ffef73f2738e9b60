//go:build clients

package archive_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
)

// extractors are programs that unpack the archive argv[1] into the new folder
// argv[2] with the code of a client.
var extractors = map[string]string{
	"conda-package-handling": `
import sys
from conda_package_handling.api import extract
extract(sys.argv[1], dest_dir=sys.argv[2])
`,
	"rattler": `
import asyncio, sys
from pathlib import Path
from rattler.package_streaming import extract
extract(Path(sys.argv[1]), Path(sys.argv[2]))
`,
}

// TestClientsExtract unpacks what Write writes with what users have.
func TestClientsExtract(t *testing.T) {
	python := os.Getenv("TERRARIUM_PYTHON")
	if python == "" {
		t.Fatal("set TERRARIUM_PYTHON to a Python that has conda-package-handling and py-rattler")
	}
	for client, script := range extractors {
		for _, f := range formats {
			t.Run(client+"/"+string(f), func(t *testing.T) {
				p := full()
				folder := t.TempDir()
				file := filepath.Join(folder, p.Record.FileName(f))
				if err := os.WriteFile(file, write(t, f, p), 0o644); err != nil {
					t.Fatal(err)
				}
				dest := filepath.Join(folder, "out")
				if out, err := exec.CommandContext(t.Context(), python, "-c", script, file, dest).CombinedOutput(); err != nil {
					t.Fatalf("%v:\n%s", err, out)
				}
				compare(t, dest, p)
			})
		}
	}
}

// compare holds the folder to the files of p.
func compare(t *testing.T, dest string, p archive.Package) {
	t.Helper()
	for name, f := range p.Files {
		path := filepath.Join(dest, name)
		if f.Link != "" {
			if got, err := os.Readlink(path); err != nil || got != f.Link {
				t.Errorf("%s: link to %q, %v", name, got, err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != string(f.Content) {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		if info, err := os.Stat(path); err != nil || f.Mode != 0 && info.Mode().Perm()&0o100 != f.Mode&0o100 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dest, "info", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := conda.ParseIndexJSON(got)
	if err != nil || r.Name != p.Record.Name || r.Version != p.Record.Version {
		t.Errorf("index.json: %+v, %v", r, err)
	}
}
