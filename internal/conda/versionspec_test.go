package conda_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// specText draws what is often a version spec.
func specText() *rapid.Generator[string] {
	piece := rapid.OneOf(versionText(), rapid.SampledFrom([]string{
		"=", "==", "!=", "<", "<=", ">", ">=", "~=", ",", "|", "(", ")", "*", ".*", "1.7", "2.0", "^1.*$", " ",
	}))
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 1, 7).Draw(t, "pieces"), "")
	})
}

func TestVersionSpecText(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"1.7*", "1.7.*"},
		{"1.7.*", "1.7.*"},
		{"**", "*"},
		{" >= 1.7 , < 2 ", ">=1.7,<2"},
		{"(1.5|1.7.1),<2", "(1.5|1.7.1),<2"},
		{"((>=1,<2)|((3)))", ">=1,<2|3"},
		{"1.5|(1.6|1.7*),!=1.7.1|2.0", "1.5|(1.6|1.7.*),!=1.7.1|2.0"},
		{"^1\\.(7|8),?$|>3", "^1\\.(7|8),?$|>3"},
		{"1.*.1", "1.*.1"},
	} {
		spec, err := conda.ParseVersionSpec(row.in)
		if err != nil {
			t.Errorf("ParseVersionSpec(%q): %v", row.in, err)
			continue
		}
		if got := spec.String(); got != row.want {
			t.Errorf("%q prints %q, want %q", row.in, got, row.want)
		}
	}
}

func TestVersionSpecRefuses(t *testing.T) {
	for _, s := range []string{
		"", " ", "1.7,", ",1.7", "1|", "|1", "()", "(1", "1)", "1(2)", "=", ">=", "~=", "~=1", "~=1.7.*", "=!1", "<>1", "=<1", "!1",
		"^1", "1$", "^(?=1)$", "^(1$", "^[$", "1.7 1.8", "1.0@2", ".*", "a?*b", "=1.7.1=",
		"^" + strings.Repeat("a", 300) + "$", strings.Repeat("1,", 2000) + "1",
		strings.Repeat("(", 50) + "1" + strings.Repeat(")", 50),
	} {
		if spec, err := conda.ParseVersionSpec(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersionSpec(%.20q) = %s, %v; want errs.Invalid", s, spec, err)
		}
	}
}

// Where conda would look for an asterisk inside a version, and so never or
// always match, the spec means what people mean by it.
func TestVersionSpecStarWithoutDot(t *testing.T) {
	for _, row := range []struct {
		spec, version string
		want          bool
	}{
		{">1,=1.7*", "1.7.3", true},
		{">1,=1.7*", "1.8", false},
		{">1,!=1.7*", "1.7.3", false},
		{">1,!=1.7*", "1.8", true},
		{"**", "3", true},
	} {
		spec, err := conda.ParseVersionSpec(row.spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Match(mustVersion(t, row.version)); got != row.want {
			t.Errorf("%s takes %s: %t, want %t", row.spec, row.version, got, row.want)
		}
	}
}

func TestVersionSpecAndUnknownVersion(t *testing.T) {
	for text, want := range map[string]bool{"*": true, ">=0": false, "!=1": false, "!=1.*": false, "^.*$": false, "*a*": false} {
		spec, err := conda.ParseVersionSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Match(conda.Version{}); got != want {
			t.Errorf("%s takes an unknown version: %t, want %t", text, got, want)
		}
	}
	if !(conda.VersionSpec{}).Match(conda.Version{}) {
		t.Error("the absent spec does not take everything")
	}
}

// What is printed reads as the same spec: same text, same answers.
func TestVersionSpecReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, err := conda.ParseVersionSpec(specText().Draw(t, "spec"))
		if err != nil {
			t.Skip("not a spec")
		}
		again, err := conda.ParseVersionSpec(spec.String())
		if err != nil {
			t.Fatalf("%q: %v", spec, err)
		}
		if again.String() != spec.String() {
			t.Fatalf("%q prints %q when read again", spec, again)
		}
		v := version().Draw(t, "version")
		if again.Match(v) != spec.Match(v) {
			t.Fatalf("%q takes %s: %t, but %t when read again", spec, v, spec.Match(v), again.Match(v))
		}
	})
}

// The operators agree with the order.
func TestVersionSpecFollowsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, w := version().Draw(t, "v"), version().Draw(t, "w")
		c := v.Compare(w)
		for operator, want := range map[string]bool{
			"==": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0,
		} {
			spec, err := conda.ParseVersionSpec(operator + w.String())
			if err != nil {
				t.Fatalf("%s%s: %v", operator, w, err)
			}
			if got := spec.Match(v); got != want {
				t.Fatalf("%s takes %s: %t, want %t", spec, v, got, want)
			}
		}
	})
}

func FuzzParseVersionSpec(f *testing.F) {
	for _, s := range []string{">=1.7,<2", "(1.5|1.7.1),<2", "~=1.7.1", "!=1.7.*", "^1\\.7.*$", "1.*.1", "1.7*|*", "=1!2.0+3"} {
		f.Add(s, "1.7.1")
	}
	f.Fuzz(func(t *testing.T, s, version string) {
		spec, err := conda.ParseVersionSpec(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("ParseVersionSpec(%q): %v is not errs.Invalid", s, err)
			}
			return
		}
		again, err := conda.ParseVersionSpec(spec.String())
		if err != nil || again.String() != spec.String() {
			t.Fatalf("%q prints %q and reads as %q, %v", s, spec, again, err)
		}
		if v, err := conda.ParseVersion(version); err == nil && spec.Match(v) != again.Match(v) {
			t.Fatalf("%q takes %s: %t, but %t when read again", spec, v, spec.Match(v), again.Match(v))
		}
	})
}
