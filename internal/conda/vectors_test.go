package conda_test

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// vectors are what conda's own code answers (testdata/vectors.json).
type vectors struct {
	Order   [][]string          `json:"order"` // increasing groups, equal inside
	Invalid []string            `json:"invalid"`
	Less    [][2]string         `json:"lt"`
	Parse   map[string][2][]any `json:"parse"`

	Spec  [][2]jsontext.Value `json:"spec_vs_1.7.1"` // null: invalid
	Pairs [][3]any            `json:"pairs"`         // version, spec, whether it matches

	Canonical map[string]string `json:"canonical"`
	Record    struct {
		Name          string `json:"name"`
		Version       string `json:"version"`
		Build         string `json:"build"`
		BuildNumber   int64  `json:"build_number"`
		Subdir        string `json:"subdir"`
		Channel       string `json:"channel"`
		FileName      string `json:"fn"`
		License       string `json:"license"`
		LicenseFamily string `json:"license_family"`
		MD5           string `json:"md5"`
		SHA256        string `json:"sha256"`
		TrackFeatures string `json:"track_features"`
	} `json:"record"`
	Match [][2]any `json:"match"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func mustVersion(t testing.TB, s string) conda.Version {
	t.Helper()
	v, err := conda.ParseVersion(s)
	if err != nil {
		t.Fatalf("ParseVersion(%q): %v", s, err)
	}
	return v
}

func TestVersionOrderVectors(t *testing.T) {
	v := readVectors(t)
	for i, group := range v.Order {
		for _, a := range group {
			for j, other := range v.Order {
				for _, b := range other {
					want := 0
					if i < j {
						want = -1
					} else if i > j {
						want = 1
					}
					if got := mustVersion(t, a).Compare(mustVersion(t, b)); got != want {
						t.Errorf("%s compared with %s is %d, want %d", a, b, got, want)
					}
					if got := mustVersion(t, a).Equal(mustVersion(t, b)); got != (want == 0) {
						t.Errorf("%s equal to %s is %t", a, b, got)
					}
				}
			}
		}
	}
	for _, pair := range v.Less {
		if got := mustVersion(t, pair[0]).Compare(mustVersion(t, pair[1])); got != -1 {
			t.Errorf("%s compared with %s is %d, want -1", pair[0], pair[1], got)
		}
	}
}

func TestVersionInvalidVectors(t *testing.T) {
	for _, s := range readVectors(t).Invalid {
		if v, err := conda.ParseVersion(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersion(%q) = %v, %v; want errs.Invalid", s, v, err)
		}
	}
}

func TestVersionParseVectors(t *testing.T) {
	for s, want := range readVectors(t).Parse {
		main, local := conda.VersionParts(mustVersion(t, s))
		// Through text, so that JSON's numbers and ours compare.
		got, want := fmt.Sprint([]any{main, local}), fmt.Sprint([]any{want[0], want[1]})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parts of %s (-want +got):\n%s", s, diff)
		}
	}
}

func TestVersionSpecVectors(t *testing.T) {
	v := readVectors(t)
	for _, row := range v.Spec {
		var text string
		if err := json.Unmarshal(row[0], &text); err != nil {
			t.Fatal(err)
		}
		spec, err := conda.ParseVersionSpec(text)
		if string(row[1]) == "null" {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseVersionSpec(%q) gives %v, want errs.Invalid", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseVersionSpec(%q): %v", text, err)
			continue
		}
		if got := fmt.Sprint(spec.Match(mustVersion(t, "1.7.1"))); got != string(row[1]) {
			t.Errorf("%s takes 1.7.1: %s, want %s", text, got, row[1])
		}
	}
	for _, row := range v.Pairs {
		version, text, want := row[0].(string), row[1].(string), row[2].(bool)
		spec, err := conda.ParseVersionSpec(text)
		if err != nil {
			t.Errorf("ParseVersionSpec(%q): %v", text, err)
			continue
		}
		if got := spec.Match(mustVersion(t, version)); got != want {
			t.Errorf("%s takes %s: %t, want %t", text, version, got, want)
		}
	}
}

func TestMatchSpecCanonicalVectors(t *testing.T) {
	for s, want := range readVectors(t).Canonical {
		m, err := conda.ParseMatchSpec(s)
		if want == "ERROR" {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseMatchSpec(%q) = %s, %v; want errs.Invalid", s, m, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseMatchSpec(%q): %v", s, err)
			continue
		}
		if got := m.String(); got != want {
			t.Errorf("ParseMatchSpec(%q) prints %s, want %s", s, got, want)
		}
	}
}

func TestMatchSpecMatchVectors(t *testing.T) {
	v := readVectors(t)
	r := v.Record
	target := conda.MatchTarget{
		Name: r.Name, Version: mustVersion(t, r.Version), Build: r.Build, BuildNumber: r.BuildNumber,
		Channel: r.Channel, Subdir: r.Subdir, FileName: r.FileName, MD5: r.MD5, SHA256: r.SHA256,
		License: r.License, LicenseFamily: r.LicenseFamily, TrackFeatures: r.TrackFeatures,
	}
	for _, row := range v.Match {
		text, want := row[0].(string), row[1].(bool)
		m, err := conda.ParseMatchSpec(text)
		if err != nil {
			t.Errorf("ParseMatchSpec(%q): %v", text, err)
			continue
		}
		if got := m.Match(target); got != want {
			t.Errorf("%s matches: %t, want %t", text, got, want)
		}
	}
}

// Every vector was used: an emptied file must not pass.
func TestVectorsAreComplete(t *testing.T) {
	v := readVectors(t)
	got := []int{len(v.Order), len(v.Invalid), len(v.Less), len(v.Parse), len(v.Spec), len(v.Pairs), len(v.Canonical), len(v.Match)}
	if want := []int{65, 27, 4, 19, 50, 51, 70, 49}; !slices.Equal(got, want) {
		t.Errorf("numbers of vectors are %v, want %v", got, want)
	}
}
