package registry_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// onceOpened is a folder that does something when a file is first opened.
type onceOpened struct {
	fs.FS
	name string
	do   func()
	once *sync.Once
}

// Open implements fs.FS.
func (o onceOpened) Open(name string) (fs.File, error) {
	if name == o.name {
		o.once.Do(o.do)
	}
	return o.FS.Open(name)
}

// Stat keeps fs.Stat from opening the file.
func (o onceOpened) Stat(name string) (fs.FileInfo, error) { return fs.Stat(o.FS, name) }

// TestImportPackageDeleted: where a package or a release is deleted while an import
// brings a file of it, the file that is listed afterwards has both.
func TestImportPackageDeleted(t *testing.T) {
	const file = "noarch/demo-1.0-1.conda"
	wholePackage := func(w *world) error { return w.DeletePackage(w.ctx, w.alice, "acme", "demo") }
	release := func(w *world) error { return w.DeleteRelease(w.ctx, w.alice, "acme", "demo", "1.0") }
	// there is what acme has before, and source what is imported.
	there := func(w *world) { w.must(w.alice, "acme", condatest.Spec{}, into("dev")) }
	source := func(w *world) fs.FS {
		w.must(w.alice, "alice", condatest.Spec{Build: "1", BuildNumber: 1})
		return w.channelFolder(nil)
	}
	reachable := func(w *world) {
		w.t.Helper()
		w.wantListed("acme", "copy", -1, file)
		if _, err := w.File(w.ctx, w.alice, "acme", "demo", "1.0", file); err != nil {
			w.t.Errorf("%s is listed: %v", file, err)
		}
		if _, err := w.Release(w.ctx, w.alice, "acme", "demo", "1.0"); err != nil {
			w.t.Error(err)
		}
		w.clean()
	}
	for name, remove := range map[string]func(w *world) error{"package": wholePackage, "release": release} {
		t.Run(name+" whose file is written", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				there(w)
				_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: source(w), Name: "a folder"}, func(string, int) {
					wantKind(t, remove(w), errs.Unavailable)
				})
				if err != nil {
					t.Fatal(err)
				}
				reachable(w)
			})
		})
		t.Run(name+" whose file is fetched", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				there(w)
				folder := onceOpened{source(w), file, func() {
					if err := remove(w); err != nil {
						t.Error(err)
					}
				}, &sync.Once{}}
				_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: folder, Name: "a folder"}, nil)
				if err != nil {
					t.Fatal(err)
				}
				reachable(w)
			})
		})
		t.Run(name+" of an import that was broken off", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				there(w)
				src := registry.ImportSource{Files: source(w), Name: "a folder"}
				ctx, cancel := context.WithCancel(w.ctx)
				defer cancel()
				if _, err := w.Import(ctx, w.alice, "acme", "copy", src, func(string, int) { cancel() }); !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if err := remove(w); err != nil { // nobody waits for what may never go on
					t.Fatal(err)
				}
				if n := w.count("SELECT count(*) FROM file_rows WHERE name = 'demo-1.0-1.conda' AND owner_id = 'id-acme'"); n != 0 {
					t.Errorf("%d files are left of a deleted %s", n, name)
				}
				if _, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil); err != nil {
					t.Fatal(err)
				}
				reachable(w)
			})
		})
	}
	t.Run("package of a subdir before", func(t *testing.T) {
		each(t, func(t *testing.T, w *world) {
			w.must(w.alice, "alice", condatest.Spec{Subdir: "linux-64"})
			folder := onceOpened{source(w), file, func() {
				if err := wholePackage(w); err != nil {
					t.Error(err)
				}
			}, &sync.Once{}}
			_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: folder, Name: "a folder"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			reachable(w)
		})
	})
}
