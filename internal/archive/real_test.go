package archive_test

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/bzip2"
	"terrarium/internal/errs"
)

// realPackages gives the folder of packages that other projects publish.
func realPackages(t testing.TB) string {
	t.Helper()
	root := os.Getenv("TERRARIUM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("../shared/testdata is not here")
	}
	return filepath.Join(root, "packages")
}

// refusedReal are the real files that an upload may not have, by path below the
// folder of their project, with a part of the reason.
var refusedReal = map[string]string{
	"conda-index/tests/archives/a.tar.bz2":                                                               "must be NAME-VERSION-BUILD",
	"conda-index/tests/archives/b.tar.bz2":                                                               "must be NAME-VERSION-BUILD",
	"conda-index/tests/archives/subfolder.tar.bz2":                                                       "must be NAME-VERSION-BUILD",
	"conda-index/tests/archives/subfolder2.tar.bz2":                                                      "must be NAME-VERSION-BUILD",
	"conda-index/tests/index_data/corrupt/noarch/another_bad_package.conda":                              "must be NAME-VERSION-BUILD",
	"conda-index/tests/index_data/corrupt/noarch/bad_package.tar.bz2":                                    "must be NAME-VERSION-BUILD",
	"rattler/crates/rattler_package_streaming/tests/resources/ca-certificates-2024.7.4-hbcca054_0.conda": "4 ZIP members",
}

// lenientReal are refused too, because they lack metadata.json, but may be
// imported from an upstream channel.
var lenientReal = map[string]bool{
	"rattler/test-data/sparse/dotslash-test-1.0.0-0.conda": true,
	"rattler/test-data/sparse/info-only-1.0.0-0.conda":     true,
	"rattler/test-data/sparse/sparse-test-1.0.0-0.conda":   true,
	"rattler/test-data/sparse/symlink-test-1.0.0-0.conda":  true,
	"rattler/test-data/sparse/zip64-test-1.0.0-0.conda":    true,
}

func TestRealPackages(t *testing.T) {
	root := realPackages(t)
	count := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		_, rel, _ = strings.Cut(filepath.ToSlash(rel), "+")
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.Run(rel, func(t *testing.T) {
			name, lim := filepath.Base(path), archive.Limits{}
			why, refuse := refusedReal[rel]
			if lenientReal[rel] {
				why, refuse = "no metadata.json", true
			}
			info, err := archive.Read(bytes.NewReader(b), int64(len(b)), name, lim)
			if refuse {
				if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), why) {
					t.Fatalf("got %v, want a refusal that says %q", err, why)
				}
				if !lenientReal[rel] {
					return
				}
				lim.Lenient = true
				info, err = archive.Read(bytes.NewReader(b), int64(len(b)), name, lim)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := archive.Check(bytes.NewReader(b), int64(len(b)), name, lim); err != nil {
				t.Error(err)
			}
			if len(info.Members) == 0 || len(info.Omitted) > 0 {
				t.Errorf("%d members, omitted %q", len(info.Members), info.Omitted)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 100 {
		t.Errorf("only %d packages in %s", count, root)
	}
}

// TestRealBzip2: what others compressed becomes what the standard library makes of it.
func TestRealBzip2(t *testing.T) {
	count := 0
	err := filepath.WalkDir(filepath.Dir(realPackages(t)), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".bz2" {
			return err
		}
		count++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		want, wantErr := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(b)))
		got, gotErr := io.ReadAll(bzip2.NewReader(bytes.NewReader(b)))
		if !bytes.Equal(got, want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: %d bytes, %v; the standard library: %d, %v", path, len(got), gotErr, len(want), wantErr)
		}
		return nil
	})
	if err != nil || count < 30 {
		t.Errorf("%d files, %v", count, err)
	}
}
