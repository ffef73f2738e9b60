package model

import (
	"cmp"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"terrarium/internal/conda"
)

// target is what a spec is held against.
func (r *record) target(t testing.TB) conda.MatchTarget {
	t.Helper()
	v, err := conda.ParseVersion(r.Version)
	if err != nil {
		t.Fatal(err)
	}
	return conda.MatchTarget{
		Name: r.Name, Version: v, Build: r.Build, BuildNumber: r.BuildNumber, Subdir: r.file.subdir, FileName: r.file.name, MD5: r.MD5, SHA256: r.SHA256,
		License: r.License, LicenseFamily: r.LicenseFamily, TrackFeatures: r.TrackFeatures, Features: r.Features,
	}
}

// current picks what current_repodata.json has of the records of a subdir: all builds
// of the newest version of each name; for each dependency of these that none of them
// satisfies, all builds of the newest version that does, and so on; and for a name of
// which only builds with features are kept the newest without, and what that needs.
func current(t testing.TB, all []*record) []*record {
	t.Helper()
	files, byName := map[string]*record{}, map[string][]*record{}
	for _, r := range all {
		files[r.file.name] = r
	}
	for _, r := range all {
		stem, old := strings.CutSuffix(r.file.name, ".tar.bz2")
		if old && files[stem+".conda"] != nil {
			continue // a twin
		}
		if twin := files[strings.TrimSuffix(r.file.name, ".conda")+".tar.bz2"]; !old && twin != nil {
			with := &record{r.file, r.Record}
			with.Extra = map[string]jsontext.Value{}
			maps.Copy(with.Extra, r.Extra)
			with.Extra["legacy_bz2_md5"] = jsontext.Value(strconv.Quote(twin.MD5))
			with.Extra["legacy_bz2_size"] = jsontext.Value(strconv.FormatInt(twin.Size, 10))
			r = with
		}
		byName[r.Name] = append(byName[r.Name], r)
	}
	// newest are all builds of the newest version of a name that has any.
	newest := func(name string, takes func(*record) bool) (list []*record) {
		for _, r := range byName[name] {
			if !takes(r) {
				continue
			}
			if len(list) > 0 {
				switch newer := conda.CompareVersions(r.Version, list[0].Version); {
				case newer < 0:
					continue
				case newer > 0:
					list = nil
				}
			}
			list = append(list, r)
		}
		return list
	}
	every := func(*record) bool { return true }
	kept := map[*record]bool{}
	var keep func([]*record)
	keep = func(list []*record) {
		for _, r := range list {
			if kept[r] {
				continue
			}
			kept[r] = true
			for _, text := range r.Depends {
				spec, err := conda.ParseDependency(text)
				if err != nil {
					t.Fatal(err)
				}
				name, _ := spec.PackageName()
				takes := func(r *record) bool { return spec.Match(r.target(t)) }
				if !slices.ContainsFunc(newest(name, every), takes) {
					keep(newest(name, takes))
				}
			}
		}
	}
	for name := range byName {
		keep(newest(name, every))
	}
	plain := func(r *record) bool { return r.TrackFeatures == "" && r.Features == "" }
	var others []*record
	for name, list := range byName {
		if slices.ContainsFunc(list, func(r *record) bool { return kept[r] && plain(r) }) {
			continue
		}
		if older := newest(name, plain); len(older) > 0 {
			others = append(others, slices.MinFunc(older, func(a, b *record) int {
				return cmp.Or(cmp.Compare(b.BuildNumber, a.BuildNumber), cmp.Compare(b.Timestamp, a.Timestamp), cmp.Compare(a.file.name, b.file.name))
			}))
		}
	}
	keep(others)
	return slices.SortedFunc(maps.Keys(kept), order)
}

// channelData is what channeldata.json (CEP 38) says of the records of all subdirs, as
// encoding/json reads it: the words and the version of the newest build, its run
// exports for each version, what any build does, and when the last was made.
func channelData(t testing.TB, there []string, kept map[string][]*record) any {
	t.Helper()
	byName := map[string][]*record{}
	for _, list := range kept {
		for _, r := range list {
			byName[r.Name] = append(byName[r.Name], r)
		}
	}
	packages := map[string]any{}
	for name, list := range byName {
		slices.SortFunc(list, func(a, b *record) int { // the newest first
			return cmp.Or(conda.CompareVersions(b.Version, a.Version), cmp.Compare(b.BuildNumber, a.BuildNumber), cmp.Compare(b.Timestamp, a.Timestamp),
				cmp.Compare(a.file.subdir, b.file.subdir), cmp.Compare(a.Build, b.Build), cmp.Compare(a.SHA256, b.SHA256))
		})
		exports, built, in := map[string]any{}, map[string]bool{}, map[string]bool{}
		says := map[string]any{"text_prefix": false, "binary_prefix": false}
		var last int64
		for _, flag := range scripts {
			says[flag] = slices.ContainsFunc(list, func(r *record) bool { return r.file.flags[flag] })
		}
		for _, r := range list {
			in[r.file.subdir], last = true, max(last, r.Timestamp)
			if e := r.RunExports; e != nil && len(e.Weak) > 0 && !built[r.Version] {
				exports[r.Version], built[r.Version] = map[string]any{"weak": e.Weak}, true
			}
		}
		maps.Copy(says, list[0].file.about)
		if list[0].License != "" {
			says["license"] = list[0].License
		}
		says["run_exports"], says["subdirs"], says["timestamp"], says["version"] = exports, slices.Sorted(maps.Keys(in)), last/1000, list[0].Version
		packages[name] = says
	}
	b, err := json.Marshal(map[string]any{"channeldata_version": 1, "packages": packages, "subdirs": slices.Sorted(slices.Values(there))})
	if err != nil {
		t.Fatal(err)
	}
	var data any
	if err := json.Unmarshal(b, &data); err != nil {
		t.Fatal(err)
	}
	return data
}
