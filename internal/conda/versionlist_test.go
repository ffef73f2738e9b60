package conda_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"terrarium/internal/conda"
)

// TestKeysCompareAsVersions holds the keys, by which specs compare, against the
// order of versions.
func TestKeysCompareAsVersions(t *testing.T) {
	compare := func(t interface{ Fatalf(string, ...any) }, a, b conda.Version) {
		if got, want := strings.Compare(a.Key(), b.Key()), a.Compare(b); got != want {
			t.Fatalf("the keys of %s and %s compare as %d, the versions as %d (%q, %q)", a, b, got, want, a.Key(), b.Key())
		}
		if a.Compare(b) != 0 && (strings.HasPrefix(a.Key(), b.Key()) || strings.HasPrefix(b.Key(), a.Key())) {
			t.Fatalf("the key of one of %s and %s begins the other's", a, b)
		}
	}
	// All short versions of what makes zeros, ends and signs meet.
	var all []conda.Version
	texts := []string{""}
	for range 5 {
		var longer []string
		for _, text := range texts {
			for _, piece := range []string{"0", "1", "a", ".", "+", "dev", "post"} {
				longer = append(longer, text+piece)
			}
		}
		for _, text := range longer {
			if v, err := conda.ParseVersion(text); err == nil && len(all) < 4000 {
				all = append(all, v)
			}
		}
		texts = longer
	}
	for _, a := range all {
		for i := 0; i < len(all); i += 7 {
			compare(t, a, all[i])
		}
	}
	rapid.Check(t, func(t *rapid.T) { compare(t, version().Draw(t, "a"), version().Draw(t, "b")) })
}

// TestVersionListMatchesOneByOne holds specs against lists, whole and one version
// after the other.
func TestVersionListMatchesOneByOne(t *testing.T) {
	clause := rapid.Custom(func(t *rapid.T) string {
		operator := rapid.SampledFrom([]string{"", "=", "==", "!=", "<", "<=", ">", ">=", "~="}).Draw(t, "operator")
		return operator + versionText().Draw(t, "version") + rapid.SampledFrom([]string{"", "", "", ".*", "*", "*.1"}).Draw(t, "end")
	})
	spec := rapid.Custom(func(t *rapid.T) conda.VersionSpec {
		text := clause.Draw(t, "clause")
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			text += rapid.SampledFrom([]string{",", "|"}).Draw(t, "joint") + clause.Draw(t, "clause")
		}
		s, err := conda.ParseVersionSpec(text)
		if err != nil {
			if s, err = conda.ParseVersionSpec(specText().Draw(t, "spec")); err != nil {
				s, _ = conda.ParseVersionSpec("^1.*$|!=2.*,<3")
			}
		}
		return s
	})
	kinds := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(versionText(), rapid.SampledFrom([]string{"1.7", "1.7.0", "1.7.1", "1.7a", "1.8", "2.0", "3"})), 0, 100).Draw(t, "texts")
		at := func(i int) string { return texts[i] }
		list := conda.NewVersionList(len(texts), at)
		for range 5 {
			s := spec.Draw(t, "spec")
			taken := make([]uint64, (len(texts)+63)/64)
			list.Match(s.Matcher(), at, taken)
			for i, text := range texts {
				v, _ := conda.ParseVersion(text) // zero if it cannot be read, as in the list
				got := taken[i/64]&(1<<(i%64)) != 0
				if want := s.Match(v); got != want {
					t.Fatalf("%q takes %q of %d: %t, want %t", s, text, len(texts), got, want)
				}
				kinds[got]++
			}
		}
	})
	if kinds[true] < 100 || kinds[false] < 100 {
		t.Errorf("taken and not: %v", kinds)
	}
}

// TestRelationsAsVersionsCompare holds the operators against Compare, since
// Match and lists both go by keys.
func TestRelationsAsVersionsCompare(t *testing.T) {
	holds := map[string][]int{"<": {-1}, "<=": {-1, 0}, "==": {0}, "!=": {-1, 1}, ">=": {0, 1}, ">": {1}}
	rapid.Check(t, func(t *rapid.T) {
		v, w := version().Draw(t, "v"), version().Draw(t, "w")
		for operator, outcomes := range holds {
			s, err := conda.ParseVersionSpec(operator + w.String())
			if err != nil {
				t.Fatalf("%s%s: %v", operator, w, err)
			}
			if got, want := s.Match(v), slices.Contains(outcomes, v.Compare(w)); got != want {
				t.Fatalf("%s takes %s: %t, want %t", s, v, got, want)
			}
		}
	})
}
