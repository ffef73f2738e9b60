package model

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json/jsontext"
	"net/http"
	"slices"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/apptest"
	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

var subdirs = []string{"noarch", "linux-64", "osx-arm64"}

// compare reads every form of a channel as somebody sees it, below a base such as
// "ana/main/at/7", and compares it with what the model lists.
func (w *world) compare(base string, c *channel, generation int64, token string) {
	w.Helper()
	hidden := map[string]bool{}
	if token == "" {
		hidden = w.hidden(c.owner)
	}
	lists := c.at(generation)
	for _, subdir := range subdirs {
		at := base + "/" + subdir
		if subdir != "noarch" && !c.had(subdir, generation, hidden) {
			for _, form := range []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "current_repodata.json", "run_exports.json"} {
				if got := w.Do(w, "GET", "/conda/"+at+"/"+form, apptest.Request{Token: token}); got.Status != http.StatusNotFound {
					w.Errorf("%s; want 404", got)
				}
			}
			continue
		}
		want := lists.visible(subdir, hidden)
		w.compareWhole(at, want, token)
		w.compareShards(at, want, token)
		w.compareCurrent(at, want, token)
		w.compareRunExports(at, want, token)
	}
	w.compareChannelData(base, lists, hidden, token)
	w.compared++
}

func (w *world) get(path, token string) []byte {
	w.Helper()
	return w.Want(w, http.StatusOK, "GET", "/conda/"+path, apptest.Request{Token: token}).Body
}

// entry is a file with the bytes of its record.
type entry struct{ name, record string }

// equal compares two lists and says where they first differ.
func equal(w *world, what string, got, want []entry) {
	w.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		var g, m entry
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			m = want[i]
		}
		if g != m {
			w.Fatalf("%s lists %d records, want %d; record %d is\n%q\nwant\n%q", what, len(got), len(want), i, g, m)
		}
	}
}

func (w *world) compareWhole(at string, want []*record, token string) {
	w.Helper()
	text := w.get(at+"/repodata.json", token)
	if got := w.unzstd(w.get(at+"/repodata.json.zst", token)); !bytes.Equal(got, text) {
		w.Fatalf("%s/repodata.json.zst does not unpack to repodata.json", at)
	}
	equal(w, at+"/repodata.json", w.entries(at, text), encodedJSON(want))
}

// entries are the records of a document in their order.
func (w *world) entries(at string, text []byte) (list []entry) {
	w.Helper()
	_, err := repodata.ReadRecords(bytes.NewReader(text), func(name string, raw jsontext.Value) error {
		list = append(list, entry{name, string(raw)})
		return nil
	})
	if err != nil {
		w.Fatalf("%s: %v", at, err)
	}
	return list
}

func encodedJSON(records []*record) (list []entry) {
	for _, r := range records {
		list = append(list, entry{r.file.name, string(r.encoded().JSON)})
	}
	return list
}

func (w *world) compareShards(at string, want []*record, token string) {
	w.Helper()
	index, err := repodata.DecodeShardIndex(w.get(at+"/repodata_shards.msgpack.zst", token))
	if err != nil {
		w.Fatalf("%s: %v", at, err)
	}
	if !slices.IsSorted(index.Names) {
		w.Fatalf("%s: the names of the shard index are not sorted: %v", at, index.Names)
	}
	var got, model []entry
	for i, name := range index.Names {
		body := w.get(at+"/shards/"+repodata.ShardFileName(index.Hashes[i]), token)
		if sha256.Sum256(body) != index.Hashes[i] {
			w.Fatalf("%s: the shard of %s is not what its name says", at, name)
		}
		shard, err := repodata.DecodeShard(body)
		if err != nil || len(shard.Files) == 0 {
			w.Fatalf("%s: the shard of %s has %d records: %v", at, name, len(shard.Files), err)
		}
		for _, f := range shard.Files {
			got = append(got, entry{name + " " + f.FileName, string(f.Msgpack)})
		}
	}
	sorted := slices.SortedFunc(slices.Values(want), func(a, b *record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.file.name, b.file.name))
	})
	for _, r := range sorted {
		model = append(model, entry{r.Name + " " + r.file.name, string(r.encoded().Msgpack)})
	}
	equal(w, "the shards of "+at, got, model)
}

// compareCurrent compares what the classic solver of conda reads. What it keeps is
// decided by package repodata, whose own tests look at that.
func (w *world) compareCurrent(at string, want []*record, token string) {
	w.Helper()
	var all []repodata.FileRecord
	for _, r := range want {
		all = append(all, repodata.FileRecord{FileName: r.file.name, Record: r.Record})
	}
	kept, err := repodata.Current(all, nil)
	if err != nil {
		w.Fatal(err)
	}
	var model []*record
	for _, f := range kept {
		model = append(model, &record{&file{name: f.FileName}, f.Record})
	}
	got := w.entries(at, w.get(at+"/current_repodata.json", token))
	slices.SortFunc(got, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	equal(w, at+"/current_repodata.json", got, encodedJSON(model))
}

func (w *world) compareRunExports(at string, want []*record, token string) {
	w.Helper()
	got, model := map[string]string{}, map[string]string{}
	_, err := repodata.ReadRunExports(bytes.NewReader(w.get(at+"/run_exports.json", token)), func(name string, e conda.RunExports) error {
		r := &record{&file{}, conda.Record{Name: "x", Version: "1", RunExports: &e}}
		got[name] = string(r.encoded().RunExports)
		return nil
	})
	if err != nil {
		w.Fatalf("%s: %v", at, err)
	}
	for _, r := range want {
		if r.RunExports != nil {
			model[r.file.name] = string(r.encoded().RunExports)
		}
	}
	if len(got) != len(model) {
		w.Fatalf("%s/run_exports.json lists %d files, want %d", at, len(got), len(model))
	}
	for name, e := range model {
		if got[name] != e {
			w.Fatalf("%s/run_exports.json says %s of %s, want %s", at, got[name], name, e)
		}
	}
}

// compareChannelData compares names, subdirs and versions.
func (w *world) compareChannelData(base string, lists listing, hidden map[string]bool, token string) {
	w.Helper()
	data, err := repodata.DecodeChannelData(w.get(base+"/channeldata.json", token))
	if err != nil {
		w.Fatalf("%s: %v", base, err)
	}
	type facts struct {
		subdirs []string
		version string
	}
	want := map[string]facts{}
	for _, subdir := range subdirs {
		for _, r := range lists.visible(subdir, hidden) {
			f := want[r.Name]
			if !slices.Contains(f.subdirs, subdir) {
				f.subdirs = append(f.subdirs, subdir)
			}
			if f.version == "" || conda.CompareVersions(f.version, r.Version) < 0 {
				f.version = r.Version
			}
			want[r.Name] = f
		}
	}
	if len(data.Packages) != len(want) {
		w.Fatalf("%s/channeldata.json has %d packages, want %d", base, len(data.Packages), len(want))
	}
	for name, f := range want {
		slices.Sort(f.subdirs)
		if got := data.Packages[name]; got.Version != f.version || !slices.Equal(got.Subdirs, f.subdirs) {
			w.Fatalf("%s/channeldata.json says of %s: %s in %v, want %s in %v", base, name, got.Version, got.Subdirs, f.version, f.subdirs)
		}
	}
}

func (w *world) unzstd(b []byte) []byte {
	w.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		w.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		w.Fatal(err)
	}
	return out
}
