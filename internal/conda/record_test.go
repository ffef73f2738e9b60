package conda_test

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

const plainIndexJSON = `{"name":"foo","version":"1.0","build":"0","build_number":0`

func TestParseIndexJSON(t *testing.T) {
	got, err := conda.ParseIndexJSON([]byte(`{
		"name": "numpy", "version": "1.7.1", "build": "py27_0", "build_number": 2,
		"subdir": "linux-64", "depends": ["python 2.7*", "mkl"], "constrains": [],
		"noarch": "python", "license": "BSD", "license_family": null, "timestamp": 1508520039632,
		"track_features": ["a", "b"], "features": "c", "python_site_packages_path": "lib/python3.13t/site-packages",
		"schema_version": 3, "flags": ["cuda"], "extra_depends": {"docs": ["sphinx"]},
		"preferred_env": null, "app_entry": "x  y", "purls": [ "pkg:pypi/numpy" ],
		"md5": "claimed", "sha256": 1, "size": -4, "url": "https://evil", "fn": "x", "channel": "y", "indexed_timestamp": 4, "revoked": true,
		"arch": "x86_64", "platform": "linux", "has_prefix": true, "mtime": 1, "ucs": null, "requires_features": {}, "binstar": {},
		"target-triplet": "x", "machine": "y", "operatingsystem": "linux"
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := conda.Record{
		Name: "numpy", Version: "1.7.1", Build: "py27_0", BuildNumber: 2,
		Subdir: "linux-64", Depends: []string{"python 2.7*", "mkl"}, Noarch: "python", License: "BSD",
		Timestamp: 1508520039632, TrackFeatures: "a b", Features: "c", PythonSitePackagesPath: "lib/python3.13t/site-packages",
		SchemaVersion: 3, Flags: []string{"cuda"}, ExtraDepends: map[string][]string{"docs": {"sphinx"}},
		Extra: map[string]jsontext.Value{
			"preferred_env": jsontext.Value(`null`), "app_entry": jsontext.Value(`"x  y"`), "purls": jsontext.Value(`["pkg:pypi/numpy"]`),
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got.V3() || got.FileName(conda.FormatConda) != "numpy-1.7.1-py27_0.conda" {
		t.Errorf("V3 is %t, the file name %s", got.V3(), got.FileName(conda.FormatConda))
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseIndexJSONNormalises(t *testing.T) {
	for _, row := range []struct {
		in   string
		want func(*conda.Record)
	}{
		{``, func(*conda.Record) {}},
		{`,"noarch":true`, func(r *conda.Record) { r.Noarch = "generic" }},
		{`,"noarch":false`, func(*conda.Record) {}},
		{`,"noarch":null,"subdir":null,"depends":null`, func(*conda.Record) {}},
		{`,"timestamp":1508520039`, func(r *conda.Record) { r.Timestamp = 1508520039000 }},
		{`,"timestamp":1508520039.632`, func(r *conda.Record) { r.Timestamp = 1508520039632 }},
		{`,"timestamp":170000023`, func(r *conda.Record) { r.Timestamp = 170000023 }},
		{`,"timestamp":253402300800`, func(r *conda.Record) { r.Timestamp = 253402300800 }},
		{`,"track_features":""`, func(*conda.Record) {}},
		{`,"track_features":"mkl blas"`, func(r *conda.Record) { r.TrackFeatures = "mkl blas" }},
	} {
		got, err := conda.ParseIndexJSON([]byte(plainIndexJSON + row.in + "}"))
		if err != nil {
			t.Errorf("%s: %v", row.in, err)
			continue
		}
		want := conda.Record{Name: "foo", Version: "1.0", Build: "0"}
		row.want(&want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.in, diff)
		}
	}
}

func TestParseIndexJSONRefuses(t *testing.T) {
	for _, s := range []string{
		"", "null", "[]", `"x"`, "{", "{}", plainIndexJSON, plainIndexJSON + `} x`, plainIndexJSON + `}{}`, "\ufeff" + plainIndexJSON + "}",
		plainIndexJSON + `,"name":"bar"}`, plainIndexJSON + `,"x":{"a":1,"a":2}}`, plainIndexJSON + `,"license":"` + "\xff" + `"}`,
		plainIndexJSON + `,"license":"\ud800"}`, plainIndexJSON + `,"license":4}`, plainIndexJSON + `,"depends":"python"}`,
		plainIndexJSON + `,"depends":[1]}`, plainIndexJSON + `,"depends":{}}`, plainIndexJSON + `,"noarch":"java"}`, plainIndexJSON + `,"noarch":1}`,
		plainIndexJSON + `,"timestamp":"today"}`, plainIndexJSON + `,"timestamp":1e300}`, plainIndexJSON + `,"flags":{}}`,
		plainIndexJSON + `,"extra_depends":[]}`, plainIndexJSON + `,"extra_depends":{"a":1}}`, plainIndexJSON + `,"schema_version":99999999999}`,
		`{"name":"foo","version":1.0,"build":"0","build_number":0}`, `{"name":null,"version":"1","build":"0","build_number":0}`,
		`{"name":"foo","version":"1","build":"0","build_number":"0"}`, `{"name":"foo","version":"1","build":"0","build_number":0.5}`,
		`{"name":"foo","version":"1","build":"0","build_number":99999999999999999999}`, `{"name":"foo","version":"1","build":"0","build_number":null}`,
		`{"name":"foo","version":"1","build":"0"}`,
	} {
		if r, err := conda.ParseIndexJSON([]byte(s)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %+v, %v; want errs.Invalid", s, r, err)
		}
	}
	big := plainIndexJSON + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`
	if _, err := conda.ParseIndexJSON([]byte(big)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("more than 1 MiB: %v, want errs.TooLarge", err)
	}
}

func TestParseIndexJSONGivesEveryReason(t *testing.T) {
	_, err := conda.ParseIndexJSON([]byte(`{"name":"foo","version":1,"depends":"x","noarch":[]}`))
	want := []string{
		`"version" in info/index.json must be text, not a number.`,
		`"depends" in info/index.json must be a list of texts, not text.`,
		`"noarch" in info/index.json must be "generic" or "python".`,
		`"build" is missing from info/index.json.`,
		`"build_number" is missing from info/index.json.`,
	}
	if diff := cmp.Diff(want, errs.Details(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseRecord(t *testing.T) {
	got, err := conda.ParseRecord([]byte(`{"name":"Foo","version":"1.0","build":"0","build_number":"3","size":12.0,
		"md5":"D41D8CD98F00B204E9800998ECF8427E","sha256":null,"indexed_timestamp":1700000000000,"url":"https://elsewhere","namespace":"x",
		"run_exports":{"weak":["foo >=1"],"other":1},"legacy_bz2_size":4,"depends":["a"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := conda.Record{
		Name: "Foo", Version: "1.0", Build: "0", BuildNumber: 3, Size: 12, MD5: "d41d8cd98f00b204e9800998ecf8427e",
		IndexedTimestamp: 1700000000000, RunExports: &conda.RunExports{Weak: []string{"foo >=1"}}, Depends: []string{"a"},
		Extra: map[string]jsontext.Value{"namespace": jsontext.Value(`"x"`), "legacy_bz2_size": jsontext.Value(`4`)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range []string{
		`{"name":"foo","version":"1","build":"0","md5":"xyz"}`, `{"name":"foo","version":"1","build":"0","sha256":"ab"}`,
		`{"name":"foo","version":"1","build":"0","run_exports":1}`, `{"name":"foo","version":"1","build":"0","size":"many"}`, `{"name":"foo"}`,
	} {
		if r, err := conda.ParseRecord([]byte(s)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %+v, %v; want errs.Invalid", s, r, err)
		}
	}
}

func TestParseRunExports(t *testing.T) {
	for in, want := range map[string]conda.RunExports{
		`{}`:        {},
		`null`:      {},
		`["a >=1"]`: {Weak: []string{"a >=1"}},
		`{"strong":["a"],"noarch":["b"],"weak_constrains":["c"],"strong_constrains":["d"],"weak":null,"schema_version":2}`: {
			Strong: []string{"a"}, Noarch: []string{"b"}, WeakConstrains: []string{"c"}, StrongConstrains: []string{"d"},
		},
	} {
		got, err := conda.ParseRunExports([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
	for _, s := range []string{``, `{`, `1`, `"a"`, `[1]`, `{"weak":1}`, `{"weak":["a"],"weak":["b"]}`} {
		if e, err := conda.ParseRunExports([]byte(s)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %+v, %v; want errs.Invalid", s, e, err)
		}
	}
}

func TestValidateGivesEveryReason(t *testing.T) {
	r := conda.Record{
		Name: "Foo", Version: "1..0", Build: "a b", BuildNumber: -1, Subdir: "nowhere", Noarch: "java",
		Depends: []string{"python >=3", "=="}, Constrains: []string{"a[b=c]"}, ExtraDepends: map[string][]string{"Docs": {"x y z w"}},
		Flags: []string{""}, PythonSitePackagesPath: "../lib", Timestamp: -1, Size: -1, MD5: "x", SHA256: "y", SchemaVersion: -1,
	}
	err := r.Validate()
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}
	if details := errs.Details(err); len(details) != 17 {
		t.Errorf("%d reasons, want 17:\n%s", len(details), strings.Join(details, "\n"))
	}
	for _, path := range []string{"/lib", "lib//x", `lib\x`, "c:/x", "."} {
		ok := conda.Record{Name: "python", Version: "3", Build: "0", PythonSitePackagesPath: path}
		if err := ok.Validate(); !errs.Is(err, errs.Invalid) {
			t.Errorf("python_site_packages_path %s is accepted", path)
		}
	}
}

// testdata gives the folder of other projects' bytes.
func testdata(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TERRARIUM_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("../shared/testdata is not here")
	}
	return dir
}

// What real channels hold can be read: records, file names, versions and every
// dependency.
func TestRealRepodata(t *testing.T) {
	dir := testdata(t)
	files, err := filepath.Glob(filepath.Join(dir, "repodata", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no repodata in %s: %v", dir, err)
	}
	records := 0
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			TarBz2 map[string]jsontext.Value `json:"packages"`
			Conda  map[string]jsontext.Value `json:"packages.conda"`
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, group := range []map[string]jsontext.Value{doc.TarBz2, doc.Conda} {
			for name, raw := range group {
				records++
				file, err := conda.SplitFileName(name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				r, err := conda.ParseRecord(raw)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if got := r.FileName(file.Format); got != name {
					t.Errorf("%s has the name of %s", name, got)
				}
				if err := r.Validate(); err != nil {
					t.Errorf("%s: %v", name, errs.Details(err))
				}
				for _, d := range r.Depends {
					m, err := conda.ParseMatchSpec(d)
					if err != nil {
						t.Errorf("%s depends on %q: %v", name, d, err)
						continue
					}
					if again := mustSpec(t, m.String()); again.String() != m.String() {
						t.Errorf("%q prints %q and then %q", d, m, again)
					}
				}
			}
		}
	}
	if records < 4000 {
		t.Errorf("only %d records were found", records)
	}
}

func FuzzParseIndexJSON(f *testing.F) {
	for _, s := range []string{
		plainIndexJSON + "}", plainIndexJSON + `,"depends":["python >=3"],"noarch":true,"timestamp":1508520039,"x":{"y":[1]}}`,
		plainIndexJSON + `,"extra_depends":{"a":["b"]},"schema_version":3}`, "{", "null",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := conda.ParseIndexJSON(b)
		if err != nil {
			if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) {
				t.Fatalf("%q: %v has no kind", b, err)
			}
			return
		}
		if r.MD5 != "" || r.SHA256 != "" || r.Size != 0 || r.IndexedTimestamp != 0 || r.RunExports != nil {
			t.Fatalf("%q sets what only a server may say: %+v", b, r)
		}
		for key, v := range r.Extra {
			if !v.IsValid() {
				t.Fatalf("%q keeps %q as %q", b, key, v)
			}
		}
		if r.Validate() == nil {
			if f, err := conda.ParseFileName(r.FileName(conda.FormatConda)); err != nil || f.Name != r.Name {
				t.Fatalf("a valid record has the file name %s: %v", r.FileName(conda.FormatConda), err)
			}
		}
		// An upstream record may say all that a package may.
		if _, err := conda.ParseRecord(b); err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("%q: %v has no kind", b, err)
		}
	})
}
