package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// shutting is a folder that refuses names: refuse gives why, or nil.
type shutting struct {
	fs.FS
	refuse func(name string) error
}

// Open implements fs.FS.
func (s shutting) Open(name string) (fs.File, error) {
	if err := s.refuse(name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return s.FS.Open(name)
}

// Stat implements fs.StatFS.
func (s shutting) Stat(name string) (fs.FileInfo, error) {
	if err := s.refuse(name); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return fs.Stat(s.FS, name)
}

// TestImportAwayForAMoment: a subdir of which nobody can say whether it is there is
// not left out in silence; a form of its document that cannot be had does not matter.
func TestImportAwayForAMoment(t *testing.T) {
	away := errs.New(errs.Unavailable, "The source answers 503.")
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		w.must(w.alice, "alice", condatest.Spec{Name: "b", Subdir: "linux-64"})
		folder := w.channelFolder(nil)
		load := func(refused string) (registry.ImportReport, error) {
			files := shutting{folder, func(name string) error {
				if strings.HasPrefix(name, refused) {
					return away
				}
				return nil
			}}
			return w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: files, Name: "a folder"}, nil)
		}
		_, err := load("linux-64/repodata")
		wantKind(t, err, errs.Unavailable)
		report, err := load("linux-64/repodata.json.zst")
		if err != nil || report.Subdirs["linux-64"].Added != 1 || report.Subdirs["noarch"].Added != 1 {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}

// TestImportShut: a source that refuses one file is loaded without it. One that is shut
// while its files are fetched ends the import, which can be gone on with.
func TestImportShut(t *testing.T) {
	shut := errs.New(errs.Invalid, "The source answers 403 Forbidden.")
	const n = 5
	each(t, func(t *testing.T, w *world) {
		for i := range n {
			w.must(w.alice, "alice", condatest.Spec{Name: fmt.Sprint("p", i)})
		}
		folder := w.channelFolder(nil)
		load := func(channel string, refuse func(name string) error) (registry.ImportCount, error) {
			report, err := w.Import(w.ctx, w.alice, "acme", channel, registry.ImportSource{Files: shutting{folder, refuse}, Name: "a folder"}, nil)
			return report.Subdirs["noarch"], err
		}
		var opened atomic.Int64
		_, err := load("copy", func(name string) error {
			if strings.HasSuffix(name, ".conda") {
				opened.Add(1)
			}
			if opened.Load() > 2 { // also its documents, from then on
				return shut
			}
			return nil
		})
		wantKind(t, err, errs.Unavailable)
		if dead := w.count("SELECT count(*) FROM stagings"); dead != 1 {
			t.Errorf("%d imports can be gone on with, want 1", dead)
		}
		w.wantListed("acme", "copy", -1)
		if count, err := load("copy", func(string) error { return nil }); err != nil || count.Added != n {
			t.Errorf("again: %+v, %v", count, err)
		}
		count, err := load("other", func(name string) error {
			if name == "noarch/p3-1.0-0.conda" {
				return shut
			}
			return nil
		})
		if err != nil || count.Added != n { // they are here, so nothing was fetched
			t.Errorf("here already: %+v, %v", count, err)
		}
		report, err := w.Import(w.ctx, w.bob, "bob", "copy", registry.ImportSource{Name: "a folder", Files: shutting{folder, func(name string) error {
			if name == "noarch/p3-1.0-0.conda" {
				return shut
			}
			return nil
		}}}, nil)
		if count := report.Subdirs["noarch"]; err != nil || count.Added != n-1 || count.LeftOut != 1 {
			t.Errorf("one file: %+v, %v", count, err)
		}
		w.clean()
	})
}

// TestImportOtherwise: an import goes on with no try that was asked for in another way.
func TestImportOtherwise(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		src := registry.ImportSource{Files: w.channelFolder(nil), MetadataOnly: true, BaseURL: "https://wrong.test", Name: "a folder"}
		breakOff := func() {
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			if _, err := w.Import(ctx, w.alice, "acme", "copy", src, func(string, int) { cancel() }); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		load := func() registry.File {
			t.Helper()
			report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
			if err != nil || report.Subdirs["noarch"].Added != 1 {
				t.Fatalf("got %+v, %v", report, err)
			}
			f, err := w.File(w.ctx, w.alice, "acme", "demo", "1.0", demo)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		breakOff()
		src.BaseURL = "https://right.test"
		if f := load(); f.SourceURL != "https://right.test/"+demo {
			t.Errorf("it is fetched from %s", f.SourceURL)
		}
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "demo"); err != nil {
			t.Fatal(err)
		}
		breakOff()
		src.MetadataOnly = false
		if f := load(); !f.Stored || f.SourceURL != "" {
			t.Errorf("stored %v, fetched from %q", f.Stored, f.SourceURL)
		}
		w.clean()
	})
}
