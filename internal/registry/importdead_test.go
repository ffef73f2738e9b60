package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// breakOff begins an import into acme/copy, does something while it goes on, and
// breaks it off.
func (w *world) breakOff(src registry.ImportSource, meanwhile func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	_, err := w.Import(ctx, w.alice, "acme", "copy", src, func(string, int) {
		if ctx.Err() == nil {
			meanwhile()
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
}

// TestRollBackAfterDeath: a channel goes back without waiting for an import that was
// broken off, whose changes of records go with it.
func TestRollBackAfterDeath(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 10)
		first := w.generation("copy")
		before := w.listed("acme", "copy", -1)
		w.must(w.alice, "acme", condatest.Spec{Name: "new"}, into("copy"))
		w.breakOff(recordsOf("hotfix", replaced(manyRecords(1300), "numpy >=1.20", "numpy >=1.21")), func() {
			_, err := w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(first))
			wantKind(t, err, errs.Unavailable)
		})
		done, err := w.RollBack(w.ctx, w.alice, "acme", "copy", fmt.Sprint(first))
		if err != nil || done.To != first || done.Removed != 1 || done.Added != 0 {
			t.Fatalf("got %+v after %d, %v", done, first, err)
		}
		w.wantListed("acme", "copy", -1, before...)
		if n := w.count("SELECT count(*) FROM stagings") + w.count("SELECT count(*) FROM file_rows WHERE staging IN (SELECT id FROM stagings)"); n != 0 {
			t.Errorf("%d rows are left of the import", n)
		}
		w.clean()
	})
}

// TestRestoreWhatIsLoaded: a file whose name is being imported is restored and copied
// when the import was broken off, and until then the answer says why not.
func TestRestoreWhatIsLoaded(t *testing.T) {
	// trash leaves demo in the trash of acme, more or less of what it was of beside it.
	for name, trash := range map[string]func(w *world) error{
		"file": func(w *world) error {
			_, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", demo)
			return err
		},
		"release": func(w *world) error { return w.DeleteRelease(w.ctx, w.alice, "acme", "demo", "1.0") },
		"package": func(w *world) error { return w.DeletePackage(w.ctx, w.alice, "acme", "demo") },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.must(w.alice, "alice", condatest.Spec{})
				f := w.must(w.alice, "acme", condatest.Spec{}, into("dev"))
				if err := trash(w); err != nil {
					t.Fatal(err)
				}
				copied := func() error {
					_, err := w.Copy(w.ctx, w.alice, registry.CopyRequest{Owner: "alice", Package: "demo", Version: "1.0", ToOwner: "acme", ToLabel: "dev"})
					return err
				}
				restored := func() error {
					_, err := w.RestoreFile(w.ctx, w.alice, f.ID)
					return err
				}
				src := registry.ImportSource{Files: w.channelFolder(nil), Name: "a folder"}
				w.breakOff(src, func() {
					wantKind(t, restored(), errs.Unavailable)
					wantKind(t, copied(), errs.Unavailable)
				})
				if err := restored(); err != nil {
					t.Fatal(err)
				}
				w.wantListed("acme", "dev", -1, demo)
				if _, err := w.File(w.ctx, w.alice, "acme", "demo", "1.0", demo); err != nil {
					t.Error(err)
				}
				w.clean()
				if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", demo); err != nil {
					t.Fatal(err)
				}
				w.breakOff(src, func() {})
				if err := copied(); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil); err != nil {
					t.Fatal(err)
				}
				w.wantListed("acme", "copy", -1, demo)
				w.clean()
			})
		})
	}
}

// TestRestorePrivately: a file of a private package is restored into no public one that
// an import has made.
func TestRestorePrivately(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Build: "1", BuildNumber: 1})
		f := w.must(w.alice, "acme", condatest.Spec{}, into("dev"))
		if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "demo", true); err != nil {
			t.Fatal(err)
		}
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "demo"); err != nil {
			t.Fatal(err)
		}
		var folder fs.FS = w.channelFolder(nil)
		w.breakOff(registry.ImportSource{Files: folder, Name: "a folder"}, func() {
			if _, err := w.RestoreFile(w.ctx, w.alice, f.ID); err != nil {
				t.Error(err)
			}
		})
		_, err := w.Package(w.ctx, w.nobody, "acme", "demo")
		wantKind(t, err, errs.NotFound)
		if p, err := w.Package(w.ctx, w.alice, "acme", "demo"); err != nil || !p.Private {
			t.Errorf("got %+v, %v", p, err)
		}
		w.clean()
	})
}
