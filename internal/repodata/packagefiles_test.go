package repodata_test

import (
	"cmp"
	"encoding/json/jsontext"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

// shardOf makes a shard of files of one name.
func shardOf(t testing.TB, files []repodata.FileRecord) []byte {
	t.Helper()
	list := make([]repodata.ShardFile, len(files))
	for i, f := range files {
		enc, err := repodata.EncodeRecord(f.Record)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = repodata.ShardFile{FileName: f.FileName, Msgpack: enc.Msgpack}
	}
	data, _ := repodata.EncodeShard(list, nil)
	return data
}

// drawFile makes one of a few builds of a name, which may differ in little.
func drawFile(rnd *rand.Rand, subdir string, i int) repodata.ChannelFile {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	f := repodata.ChannelFile{Subdir: subdir, Record: conda.Record{
		Name: pick("foo", "foo", "foo", "Foo"), Version: pick("1.0", "1", "1.0.0", "1.10", "1.9", "1.10rc1", "not a version", "2!0"), Build: pick("0", "1", "a"),
		BuildNumber: rnd.Int64N(3), Timestamp: []int64{0, 170000023, 1700000000000, 1700000001234}[rnd.IntN(4)], License: pick("", "MIT", "π \"quoted\""),
		SHA256: fmt.Sprintf("%064x", i), Subdir: subdir,
	}}
	if rnd.IntN(4) == 0 {
		f.Record.Extra = map[string]jsontext.Value{pick("a_first", "zz"): jsontext.Value(`{"b":[1.50,"x"]}`)}
	}
	switch rnd.IntN(4) {
	case 0:
		f.Record.RunExports = &conda.RunExports{}
	case 1:
		f.Record.RunExports = &conda.RunExports{Weak: []string{fmt.Sprint("foo >=", i)}, Strong: []string{"é"}}
	}
	f.Flags = repodata.ChannelFlags{ActivateD: rnd.IntN(40) == 0, TextPrefix: rnd.IntN(40) == 0}
	if rnd.IntN(2) == 0 {
		f.About = fmt.Appendf(nil, `{"summary":"of %d","license":"about's"}`, i)
	}
	return f
}

// wholePackage says what channeldata.json has of files of one name by its rule alone: all
// are sorted.
func wholePackage(files []repodata.ChannelFile) repodata.ChannelPackage {
	slices.SortFunc(files, func(a, b repodata.ChannelFile) int {
		r, s := a.Record, b.Record
		return cmp.Or(conda.CompareVersions(s.Version, r.Version), cmp.Compare(s.BuildNumber, r.BuildNumber), cmp.Compare(s.Timestamp, r.Timestamp),
			cmp.Compare(a.Subdir, b.Subdir), cmp.Compare(r.Build, s.Build), cmp.Compare(r.SHA256, s.SHA256))
	})
	p := repodata.ChannelPackage{Version: files[0].Record.Version, RunExports: map[string]jsontext.Value{}, Texts: map[string]jsontext.Value{}}
	for _, f := range files {
		p.ActivateD, p.TextPrefix = p.ActivateD || f.Flags.ActivateD, p.TextPrefix || f.Flags.TextPrefix
		p.Timestamp = max(p.Timestamp, f.Record.Timestamp/1000)
		if !slices.Contains(p.Subdirs, f.Subdir) {
			p.Subdirs = append(p.Subdirs, f.Subdir)
		}
		if e := f.Record.RunExports; e != nil && len(e.Weak) > 0 && p.RunExports[f.Record.Version] == nil {
			p.RunExports[f.Record.Version] = jsontext.Value(`{"strong":["é"],"weak":["` + e.Weak[0] + `"]}`)
		}
	}
	slices.Sort(p.Subdirs)
	if files[0].About != nil {
		p.Texts["summary"] = jsontext.Value(fmt.Sprintf(`"of %s"`, string(files[0].About[len(`{"summary":"of `):len(files[0].About)-len(`","license":"about's"}`)])))
		p.Texts["license"] = jsontext.Value(`"about's"`)
	}
	if l := files[0].Record.License; l != "" {
		quoted, _ := jsontext.AppendQuote(nil, l)
		p.Texts["license"] = quoted
	}
	return p
}

// TestPackageFiles compares what is gathered from shards of several subdirs, and from the
// files in any order, with what the sorted files say.
func TestPackageFiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 9))
	var reader repodata.ShardReader
	for round := range 300 {
		var all []repodata.ChannelFile
		names := map[string]string{} // of files, by hash
		var packages []repodata.PackageFiles
		var err error
		for _, subdir := range []string{"linux-64", "noarch"} {
			var files []repodata.FileRecord
			byName := map[string]repodata.ChannelFile{}
			for range rnd.IntN(12) {
				f := drawFile(rnd, subdir, len(all))
				file := fmt.Sprintf("foo-%d%s", len(all), []string{".conda", ".tar.bz2"}[rnd.IntN(2)])
				all, files = append(all, f), append(files, repodata.FileRecord{FileName: file, Record: f.Record})
				byName[file], names[f.Record.SHA256] = f, file
			}
			rows, err := reader.Read(shardOf(t, files), nil)
			if err != nil {
				t.Fatal(err)
			}
			packages, err = repodata.GatherRows(packages, subdir, rows, func(file []byte) repodata.ChannelFlags { return byName[string(file)].Flags })
			if err != nil {
				t.Fatal(err)
			}
		}
		data := repodata.NewChannelData(nil, all)
		named := map[string][]repodata.ChannelFile{}
		for _, f := range all {
			named[f.Record.Name] = append(named[f.Record.Name], f)
		}
		if len(packages) != len(named) || len(data.Packages) != len(named) {
			t.Fatalf("round %d: %d packages from shards and %d from files, want %d", round, len(packages), len(data.Packages), len(named))
		}
		for _, p := range packages {
			files := named[p.Name]
			var want, got, fromFiles jsontext.Value
			if want, err = wholePackage(files).Encode(); err != nil {
				t.Fatal(err)
			}
			if got, err = p.Package(files[0].About).Encode(); err != nil { // sorted: the newest first
				t.Fatal(err)
			}
			if fromFiles, err = data.Packages[p.Name].Encode(); err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) || string(fromFiles) != string(want) {
				t.Fatalf("round %d: %s is\n%s from shards,\n%s from files, want\n%s", round, p.Name, got, fromFiles, want)
			}
			if subdir, file := p.Newest(); subdir != files[0].Subdir || file != names[files[0].Record.SHA256] {
				t.Fatalf("round %d: the newest file is %s in %s, want %s", round, file, subdir, names[files[0].Record.SHA256])
			}
		}
	}
}

// TestShardReader looks that a reader keeps the places that FilterShard keeps, and takes
// no memory for a further shard.
func TestShardReader(t *testing.T) {
	var files []repodata.FileRecord
	for i := range 200 {
		files = append(files, repodata.FileRecord{
			FileName: fmt.Sprintf("p-1.%d-0%s", i, []string{".conda", ".tar.bz2"}[i%2]),
			Record:   conda.Record{Name: "p", Version: fmt.Sprint("1.", i), Build: "0", BuildNumber: int64(i), Timestamp: 1700000000000 + int64(i)},
		})
	}
	data := shardOf(t, files)
	var reader repodata.ShardReader
	keep := func(place int) bool { return place%3 == 1 }
	rows, err := reader.Read(data, keep)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b repodata.FileRecord) int { return cmp.Compare(a.FileName, b.FileName) })
	n := 0
	for place, f := range files {
		if !keep(place) {
			continue
		}
		if r := rows[n]; string(r.FileName) != f.FileName || string(r.Version) != f.Record.Version || r.BuildNumber != f.Record.BuildNumber || r.Timestamp != f.Record.Timestamp {
			t.Fatalf("row %d is %s %s %d %d, want %v", n, r.FileName, r.Version, r.BuildNumber, r.Timestamp, f)
		}
		n++
	}
	if len(rows) != n {
		t.Errorf("%d rows are kept, want %d", len(rows), n)
	}
	if took := testing.AllocsPerRun(20, func() { _, err = reader.Read(data, nil) }); err != nil || took > 8 {
		t.Errorf("reading a shard again allocates %g times, %v", took, err)
	}
	for _, bad := range [][]byte{nil, []byte("no shard"), data[:len(data)-1]} {
		if _, err := reader.Read(bad, nil); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
