package conda_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

func TestParseFileName(t *testing.T) {
	for in, want := range map[string]conda.FileName{
		"numpy-1.7.1-py27_0.conda":             {Name: "numpy", Version: "1.7.1", Build: "py27_0", Format: conda.FormatConda},
		"r-base-4.3.1-h1_0.tar.bz2":            {Name: "r-base", Version: "4.3.1", Build: "h1_0", Format: conda.FormatTarBz2},
		"_libgcc_mutex-0.1-main.conda":         {Name: "_libgcc_mutex", Version: "0.1", Build: "main", Format: conda.FormatConda},
		"x-1!2.0+l.1-0.conda":                  {Name: "x", Version: "1!2.0+l.1", Build: "0", Format: conda.FormatConda},
		"a.conda-1-0.tar.bz2":                  {Name: "a.conda", Version: "1", Build: "0", Format: conda.FormatTarBz2},
		strings.Repeat("a", 64) + "-1-B.conda": {Name: strings.Repeat("a", 64), Version: "1", Build: "B", Format: conda.FormatConda},
	} {
		got, err := conda.ParseFileName(in)
		if err != nil {
			t.Errorf("ParseFileName(%q): %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
		if got.String() != in || got.Stem()+"."+string(got.Format) != in {
			t.Errorf("%s prints %s", in, got)
		}
	}
}

func TestParseFileNameRefuses(t *testing.T) {
	for _, s := range []string{
		"", ".conda", "numpy.conda", "numpy-1.conda", "numpy-1-0.zip", "numpy-1-0", "-1-0.conda", "numpy--0.conda", "numpy-1-.conda",
		"NumPy-1-0.conda", "__glibc-1-0.conda", ".numpy-1-0.conda", "../numpy-1-0.conda", `a\b-1-0.conda`, "a b-1-0.conda", "é-1-0.conda",
		"numpy-1..2-0.conda", "numpy-1RC-0.conda", "numpy-1-a*b.conda", "numpy-1-0.conda\x00", "numpy-1-0.CONDA",
		strings.Repeat("a", 64) + "-" + strings.Repeat("1", 64) + "-" + strings.Repeat("b", 80) + ".tar.bz2",
	} {
		if f, err := conda.ParseFileName(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseFileName(%q) = %v, %v; want errs.Invalid", s, f, err)
		}
	}
}

func TestSplitFileNameToleratesLegacy(t *testing.T) {
	f, err := conda.SplitFileName("PyYAML-3.10-Py27_0.tar.bz2")
	if err != nil || f.Name != "PyYAML" || f.Build != "Py27_0" {
		t.Errorf("got %v, %v", f, err)
	}
	for _, s := range []string{"a/b-1-0.conda", "..-1-0.conda", "a:b-1-0.conda", "a-1-0.exe"} {
		if f, err := conda.SplitFileName(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("SplitFileName(%q) = %v, %v; want errs.Invalid", s, f, err)
		}
	}
}

func FuzzParseFileName(f *testing.F) {
	for _, s := range []string{"numpy-1.7.1-py27_0.conda", "r-base-4.3.1-h1_0.tar.bz2", "a-b.conda", "../x-1-0.conda", "-1-0.conda"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		strict, strictErr := conda.ParseFileName(s)
		split, err := conda.SplitFileName(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || strictErr == nil {
				t.Fatalf("%q: split gives %v, strict %v", s, err, strictErr)
			}
			return
		}
		if split.String() != s || strings.ContainsAny(s, "/\\\x00") || s[0] == '.' {
			t.Fatalf("%q is split to %#v", s, split)
		}
		if strictErr == nil && strict != split {
			t.Fatalf("%q is %#v and %#v", s, strict, split)
		}
	})
}
