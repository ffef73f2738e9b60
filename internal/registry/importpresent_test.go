package registry_test

import (
	"bytes"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// madeUp is a source of made-up records alone.
func madeUp(document []byte) registry.ImportSource {
	return registry.ImportSource{
		Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "many",
	}
}

// onOpen is a folder that does something when a file is first opened.
type onOpen struct {
	fs.FS
	name string
	do   func()
	once *sync.Once
}

// Open implements fs.FS.
func (o onOpen) Open(name string) (fs.File, error) {
	if name == o.name {
		o.once.Do(o.do)
	}
	return o.FS.Open(name)
}

// TestImportKeepsRefusals: an archive that is missing stays left out where somebody
// else makes the same package while the batch is fetched.
func TestImportKeepsRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		missing := w.must(w.alice, "alice", condatest.Spec{Name: "missing"})
		folder := w.channelFolder(nil)
		delete(folder, missing.Basename)
		if err := w.blobs.Delete(w.ctx, w.key(missing)); err != nil {
			t.Fatal(err)
		}
		src := registry.ImportSource{Name: "a folder", Files: onOpen{folder, "noarch/a-1.0-0.conda", func() {
			w.must(w.alice, "acme", condatest.Spec{Name: "a", Version: "9"}, into("dev"))
		}, &sync.Once{}}}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 1 || n.LeftOut != 1 {
			t.Errorf("got %+v, %v", n, err)
		}
		w.wantListed("acme", "copy", -1, "noarch/a-1.0-0.conda")
	})
}

// TestImportFetchesLate: a file of the owner that goes away while the batch is fetched
// comes with the bytes of the source.
func TestImportFetchesLate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		w.must(w.alice, "alice", condatest.Spec{Name: "b"})
		old := w.must(w.alice, "acme", condatest.Spec{Name: "a"}, into("dev"))
		src := registry.ImportSource{Name: "a folder", Files: onOpen{w.channelFolder(nil), "noarch/b-1.0-0.conda", func() {
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "a", "1.0", old.Basename); err != nil {
				t.Error(err)
			}
			if err := w.blobs.Delete(w.ctx, w.key(old)); err != nil {
				t.Error(err)
			}
		}, &sync.Once{}}}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 2 {
			t.Fatalf("got %+v, %v", n, err)
		}
		f, err := w.File(w.ctx, w.nobody, "acme", "a", "1.0", old.Basename)
		if err != nil || f.ID == old.ID || len(w.read(f)) == 0 {
			t.Errorf("got %+v, %v", f, err)
		}
	})
}

// TestImportHotfixBesideLabel: a file whose record an import changes is not lost where
// somebody puts the label of the channel on all files of its package meanwhile.
func TestImportHotfixBesideLabel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 100)
		before := w.listed("acme", "copy", -1)
		w.must(w.alice, "acme", condatest.Spec{Name: "package00000", Version: "9"}, into("dev"))
		fixed := bytes.Replace(manyRecords(100), []byte("numpy >=1.20"), []byte("numpy >=1.21"), 7)
		pkg := "package00000"
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", madeUp(fixed), func(string, int) {
			if n, err := w.AddLabel(w.ctx, w.alice, "acme", "copy", registry.Selector{Package: &pkg}); err != nil || n != 1 {
				t.Errorf("%d files came, %v", n, err)
			}
		})
		if err != nil || report.Subdirs["noarch"].Changed != 7 {
			t.Fatalf("got %+v, %v", report, err)
		}
		want := append(slices.Clone(before), "noarch/package00000-9-0.conda")
		slices.Sort(want)
		w.wantListed("acme", "copy", -1, want...)
		w.clean()
	})
}
