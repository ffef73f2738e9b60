package condatest_test

import (
	"bytes"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
)

// TestMake reads what Make makes.
func TestMake(t *testing.T) {
	for _, s := range []condatest.Spec{
		{},
		{Format: conda.FormatTarBz2},
		{Name: "other", Version: "2.1", Build: "py313_1", BuildNumber: 1, Subdir: "linux-64", Depends: []string{"python"}},
		{Noarch: "python", License: "MIT", Summary: "short", README: "# long", RunExports: &conda.RunExports{Weak: []string{"demo"}}},
	} {
		b := condatest.Make(t, s)
		info, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{})
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		want := s.Package().Record
		if r := info.Record; r.Name != want.Name || r.Subdir != want.Subdir || r.Noarch != want.Noarch || info.README != s.README {
			t.Errorf("got %+v, want %+v", r, want)
		}
		if err := archive.Check(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{}); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
		if !bytes.Equal(b, condatest.Make(t, s)) {
			t.Errorf("%+v gives other bytes the second time", s)
		}
	}
}

// TestPadTo measures padded packages.
func TestPadTo(t *testing.T) {
	for _, f := range []conda.Format{conda.FormatConda, conda.FormatTarBz2} {
		const want = 500_000
		if got := len(condatest.Make(t, condatest.Spec{Format: f, PadTo: want})); got < want*98/100 || got > want*102/100 {
			t.Errorf("%s: %d bytes, want about %d", f, got, want)
		}
	}
}
