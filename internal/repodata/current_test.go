package repodata_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

func TestCurrent(t *testing.T) {
	file := func(ext, name, version, build string, change func(*conda.Record)) repodata.FileRecord {
		r := conda.Record{Name: name, Version: version, Build: build, MD5: fmt.Sprintf("%032x", len(name+version+build+ext)), Size: 7}
		if change != nil {
			change(&r)
		}
		return repodata.FileRecord{FileName: name + "-" + version + "-" + build + ext, Record: r}
	}
	needs := func(deps ...string) func(*conda.Record) { return func(r *conda.Record) { r.Depends = deps } }
	files := []repodata.FileRecord{
		file(".conda", "python", "3.8.1", "0", nil), file(".conda", "python", "3.8.2", "0", nil),
		file(".conda", "python", "3.9.0", "0", nil), file(".conda", "python", "3.10.0", "0", nil), file(".conda", "python", "3.10.0", "1", nil),
		file(".conda", "lib", "1.0", "0", nil), file(".conda", "lib", "1.5", "0", nil), file(".conda", "lib", "2.0", "0", nil),
		file(".conda", "app", "1.0", "0", needs("lib <1.2", "nothing", "__glibc", "python >=3")), file(".conda", "app", "0.9", "0", needs("lib <1.7")),
		file(".conda", "twin", "1", "0", nil), file(".tar.bz2", "twin", "1", "0", nil), file(".tar.bz2", "old", "1", "0", nil),
		file(".conda", "feat", "2", "0", func(r *conda.Record) { r.Features = "mkl" }), file(".conda", "feat", "1", "1", nil), file(".conda", "feat", "1", "0", nil),
	}
	slices.Reverse(files)
	kept, err := repodata.Current(files, map[string][]string{"python": {"3.8", "3.10", "4"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range kept {
		got = append(got, f.FileName)
		if legacy := string(f.Record.Extra["legacy_bz2_md5"]); (legacy != "") != (f.Record.Name == "twin") {
			t.Errorf("%s: legacy_bz2_md5 %q", f.FileName, legacy)
		}
	}
	want := []string{ // of feat 1 the build that the fixed order puts first
		"app-1.0-0.conda", "feat-1-0.conda", "feat-2-0.conda", "lib-1.0-0.conda", "lib-2.0-0.conda", "old-1-0.tar.bz2",
		"python-3.10.0-0.conda", "python-3.10.0-1.conda", "python-3.8.2-0.conda", "twin-1-0.conda",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// drawCurrent draws records of a few names that need each other.
func drawCurrent(t *rapid.T) []repodata.FileRecord {
	name := rapid.SampledFrom([]string{"a", "a-b", "b", "c", "d"})
	text := rapid.Custom(func(t *rapid.T) string {
		return name.Draw(t, "of") + rapid.SampledFrom([]string{"", " <2", " >=1.5,<3", " 1.*", " 2|10", " 1.5 0", " * 1", "[features=mkl]", " ("}).Draw(t, "range")
	})
	byFile := map[string]repodata.FileRecord{}
	for range rapid.IntRange(0, 30).Draw(t, "records") {
		r := conda.Record{
			Name: name.Draw(t, "name"), Version: rapid.SampledFrom([]string{"1", "1.0", "1.5", "2", "10", "odd_version-"}).Draw(t, "version"), Build: rapid.SampledFrom([]string{"0", "1"}).Draw(t, "build"),
			Depends: rapid.SliceOfN(text, 0, 3).Draw(t, "depends"), MD5: strings.Repeat("0", 32), Size: 1,
		}
		if rapid.IntRange(0, 3).Draw(t, "featured") == 0 {
			r.Features = "mkl"
		}
		file := r.Name + "-" + r.Version + "-" + r.Build + rapid.SampledFrom([]string{".conda", ".tar.bz2"}).Draw(t, "format")
		byFile[file] = repodata.FileRecord{FileName: file, Record: r}
	}
	return slices.Collect(maps.Values(byFile))
}

// currentModel is the rule of Current, written down without a thought of cost: the
// least set that holds the newest and what dependencies of those in it keep.
func currentModel(files []repodata.FileRecord) map[string]bool {
	here := map[string]bool{}
	for _, f := range files {
		here[f.FileName] = true
	}
	version := func(r conda.Record) conda.Version { v, _ := conda.ParseVersion(r.Version); return v }
	of := func(name string, takes func(repodata.FileRecord) bool) (newest []repodata.FileRecord) {
		for _, f := range files {
			if stem, old := strings.CutSuffix(f.FileName, ".tar.bz2"); f.Record.Name != name || old && here[stem+".conda"] || !takes(f) {
				continue
			}
			if len(newest) > 0 {
				switch c := conda.CompareVersions(f.Record.Version, newest[0].Record.Version); {
				case c < 0:
					continue
				case c > 0:
					newest = nil
				}
			}
			newest = append(newest, f)
		}
		return newest
	}
	every := func(repodata.FileRecord) bool { return true }
	plain := func(f repodata.FileRecord) bool { return f.Record.Features == "" }
	kept := map[string]repodata.FileRecord{}
	satisfy := func() {
		for before := -1; before < len(kept); {
			before = len(kept)
			for _, f := range slices.Collect(maps.Values(kept)) {
				for _, text := range f.Record.Depends {
					spec, err := conda.ParseDependency(text)
					if err != nil {
						continue
					}
					takes := func(f repodata.FileRecord) bool {
						r := f.Record
						return spec.Match(conda.MatchTarget{Name: r.Name, Version: version(r), Build: r.Build, FileName: f.FileName, Features: r.Features, MD5: r.MD5})
					}
					name, _ := spec.PackageName()
					if !slices.ContainsFunc(of(name, every), takes) {
						for _, f := range of(name, takes) {
							kept[f.FileName] = f
						}
					}
				}
			}
		}
	}
	names := map[string]bool{}
	for _, f := range files {
		names[f.Record.Name] = true
	}
	for name := range names {
		for _, f := range of(name, every) {
			kept[f.FileName] = f
		}
	}
	satisfy()
	for name := range names {
		if !slices.ContainsFunc(slices.Collect(maps.Values(kept)), func(f repodata.FileRecord) bool { return f.Record.Name == name && plain(f) }) {
			list := of(name, plain)
			slices.SortFunc(list, func(a, b repodata.FileRecord) int { return strings.Compare(a.FileName, b.FileName) })
			if len(list) > 0 {
				kept[list[0].FileName] = list[0]
			}
		}
	}
	satisfy()
	out := map[string]bool{}
	for file := range kept {
		out[file] = true
	}
	return out
}

// TestCurrentModel holds Current against the model, whatever the order of files.
func TestCurrentModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := drawCurrent(t)
		want := currentModel(files)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		kept, err := repodata.Current(files, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range kept {
			got[f.FileName] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
