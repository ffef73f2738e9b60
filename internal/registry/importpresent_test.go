package registry_test

import (
	"bytes"
	"slices"
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
