package conda_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// versionText draws what is mostly a version, with the words that matter.
func versionText() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"0", "1", "2", "10", "007", "99999999999999999999", "20240101123456789012",
		"a", "b", "rc", "alpha", "dev", "post", "_", ".", ".", ".", "-", "+", "!", "A", " ",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
	})
}

// version draws a version that can be read.
func version() *rapid.Generator[conda.Version] {
	return rapid.Custom(func(t *rapid.T) conda.Version {
		v, err := conda.ParseVersion(versionText().Draw(t, "text"))
		if err != nil {
			t.Skip("not a version")
		}
		return v
	})
}

func TestVersionsAreTotallyOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := version().Draw(t, "a"), version().Draw(t, "b"), version().Draw(t, "c")
		if a.Compare(a) != 0 {
			t.Fatalf("%s is not equal to itself", a)
		}
		if a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%s and %s compare as %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Equal(b) != (a.Compare(b) == 0) {
			t.Fatalf("%s and %s: Equal is %t, Compare %d", a, b, a.Equal(b), a.Compare(b))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%s <= %s <= %s, but not %s <= %s", a, b, c, a, c)
		}
		if a.Compare(b) == 0 && a.Compare(c) != b.Compare(c) {
			t.Fatalf("%s equals %s, but they compare with %s as %d and %d", a, b, c, a.Compare(c), b.Compare(c))
		}
		again, err := conda.ParseVersion(a.String())
		if err != nil || !again.Equal(a) {
			t.Fatalf("%s read again is %s, %v", a, again, err)
		}
	})
}

func TestCompareVersionsOrdersAnyText(t *testing.T) {
	list := []string{"1.10", "1.9", "", "not a version!", "1.0", "1.0.0", "1!0.1", "@", "1.0rc1"}
	slices.SortFunc(list, conda.CompareVersions)
	want := []string{"", "@", "not a version!", "1.0rc1", "1.0", "1.0.0", "1.9", "1.10", "1!0.1"}
	if !slices.Equal(list, want) {
		t.Errorf("sorted: %q, want %q", list, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(versionText(), rapid.String())
		a, b, c := text.Draw(t, "a"), text.Draw(t, "b"), text.Draw(t, "c")
		if (conda.CompareVersions(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q compare as %d", a, b, conda.CompareVersions(a, b))
		}
		if conda.CompareVersions(a, b) != -conda.CompareVersions(b, a) {
			t.Fatalf("%q and %q compare as %d and %d", a, b, conda.CompareVersions(a, b), conda.CompareVersions(b, a))
		}
		if conda.CompareVersions(a, b) < 0 && conda.CompareVersions(b, c) < 0 && conda.CompareVersions(a, c) >= 0 {
			t.Fatalf("%q < %q < %q, but not %q < %q", a, b, c, a, c)
		}
	})
}

func TestHugeNumbersInVersions(t *testing.T) {
	increasing := []string{
		"9999999999999999999",                           // 19 digits
		"18446744073709551615",                          // the largest of 64 bits
		"18446744073709551616",                          // one more
		"99999999999999999999", "100000000000000000000", // 20 and 21 digits
		strings.Repeat("9", 200),
		strings.Repeat("9", 200) + "post",
	}
	for i := range len(increasing) - 1 {
		a, b := mustVersion(t, increasing[i]), mustVersion(t, increasing[i+1])
		if a.Compare(b) != -1 || b.Compare(a) != 1 {
			t.Errorf("%s is not below %s", a, b)
		}
	}
	if a, b := mustVersion(t, "00018446744073709551616"), mustVersion(t, "18446744073709551616"); !a.Equal(b) {
		t.Errorf("%s does not equal %s", a, b)
	}
}

func TestVersionKeepsItsSpelling(t *testing.T) {
	if got := mustVersion(t, " 1.0RC1 ").String(); got != "1.0RC1" {
		t.Errorf("String is %q, want 1.0RC1", got)
	}
	if _, err := conda.ParseVersion(strings.Repeat("1.", 300) + "1"); !errs.Is(err, errs.Invalid) {
		t.Errorf("601 characters: %v, want errs.Invalid", err)
	}
}

func TestZeroVersion(t *testing.T) {
	var zero conda.Version
	if !zero.IsZero() || mustVersion(t, "0").IsZero() {
		t.Error("IsZero is true for more or less than the zero value")
	}
	if zero.Compare(mustVersion(t, "0.dev")) != -1 || mustVersion(t, "0.dev").Compare(zero) != 1 || !zero.Equal(zero) {
		t.Error("the zero value is not below every version")
	}
}

func TestPrerelease(t *testing.T) {
	for text, want := range map[string]bool{
		"1.0": false, "1.0rc1": true, "1.0.dev3": true, "1.0.post1": false, "1.1_": true, "1.0+local.a": false, "2!1.0": false,
	} {
		if got := mustVersion(t, text).Prerelease(); got != want {
			t.Errorf("Prerelease of %s is %t, want %t", text, got, want)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "1!2.0rc1.post_4+local.1", "1__", "1.0-1", "20240101123456789012", "1..2", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := conda.ParseVersion(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("ParseVersion(%q): %v is not errs.Invalid", s, err)
			}
			return
		}
		again, err := conda.ParseVersion(v.String())
		if err != nil || again.Compare(v) != 0 {
			t.Fatalf("%q read again is %v, %v", v, again, err)
		}
	})
}

func BenchmarkParseVersion(b *testing.B) {
	for _, s := range []string{"1.7.1", "2024.1.0rc1.post3+g9d75ca2"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conda.ParseVersion(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompareVersion(b *testing.B) {
	v, w := mustVersion(b, "1.26.4"), mustVersion(b, "1.26.4.post1")
	b.ReportAllocs()
	for b.Loop() {
		if v.Compare(w) != -1 {
			b.Fatal("wrong order")
		}
	}
}

// TestCompareVersionsAsParsed looks that the shorter way for numbers gives the order of
// the parsed versions.
func TestCompareVersionsAsParsed(t *testing.T) {
	numbers := rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,2}){0,3}`)
	near := rapid.SampledFrom([]string{"1", "1.0", "1.0.0", "01.0", "1.", ".1", "1..0", "1.a", "1.0 ", "1_0", "1!0", "1.0+2", "999999999999999999", "1000000000000000000", "99999999999999999999"})
	parsed := func(a, b string) int {
		v, errA := conda.ParseVersion(a)
		w, errB := conda.ParseVersion(b)
		switch {
		case errA == nil && errB == nil:
			return cmp.Or(v.Compare(w), strings.Compare(a, b))
		case errA != nil && errB != nil:
			return strings.Compare(a, b)
		case errA != nil:
			return -1
		}
		return 1
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(numbers, near, versionText())
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if got, want := conda.CompareVersions(a, b), parsed(a, b); got != want {
			t.Fatalf("%q and %q compare as %d, want %d", a, b, got, want)
		}
	})
	if n := testing.AllocsPerRun(100, func() { conda.CompareVersions("1.26.4", "1.26.10") }); n > 0 {
		t.Errorf("comparing two numbers allocates %g times", n)
	}
}
