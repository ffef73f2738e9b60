package registry_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// TestReadPatches: hotfixes come as a document for one subdir or as a package of
// either format for many.
func TestReadPatches(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const text = `{"patch_instructions_version":1,"packages.conda":{"a-1.0-0.conda":{"depends":["x"]}}}`
		w.must(w.alice, "acme", condatest.Spec{Name: "a"})
		read := func(b []byte, name, subdir string) ([]string, error) {
			patches, err := w.ReadPatches(bytes.NewReader(b), int64(len(b)), name, subdir)
			return slices.Sorted(maps.Keys(patches)), err
		}
		for _, format := range []conda.Format{conda.FormatConda, conda.FormatTarBz2} {
			spec := condatest.Spec{Name: "fixes", Format: format, Files: map[string]string{
				"noarch/patch_instructions.json": text, "linux-64/patch_instructions.json": text, "other/patch_instructions.json": "no subdir",
			}}
			b := condatest.Make(t, spec)
			if got, err := read(b, spec.FileName(), ""); err != nil || !slices.Equal(got, []string{"linux-64", "noarch"}) {
				t.Errorf("%s: %v, %v", format, got, err)
			}
			if got, err := read(b, spec.FileName(), "noarch"); err != nil || !slices.Equal(got, []string{"noarch"}) {
				t.Errorf("%s, noarch: %v, %v", format, got, err)
			}
			_, err := read(b, spec.FileName(), "osx-64")
			wantKind(t, err, errs.Invalid)
			patches, err := w.ReadPatches(bytes.NewReader(b), int64(len(b)), spec.FileName(), "")
			if err != nil {
				t.Fatal(err)
			}
			report, err := w.Patch(w.ctx, w.alice, "acme", "main", patches)
			if n := report.Subdirs["noarch"]; err != nil || n.Changed+n.Kept != 1 || report.Subdirs["linux-64"].Absent != 1 {
				t.Errorf("got %+v, %v", report, err)
			}
		}
		if got, err := read([]byte(text), "patch_instructions.json", "noarch"); err != nil || !slices.Equal(got, []string{"noarch"}) {
			t.Errorf("%v, %v", got, err)
		}
		for _, bad := range []struct{ text, name, subdir string }{
			{text, "patch_instructions.json", ""}, {text, "patch_instructions.json", "nowhere"}, {"{", "a.json", "noarch"}, {text, "a-1.0-0.conda", ""},
		} {
			_, err := read([]byte(bad.text), bad.name, bad.subdir)
			wantKind(t, err, errs.Invalid)
		}
	})
}
