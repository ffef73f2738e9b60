package model

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"net/http"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"terrarium/internal/apptest"
	"terrarium/internal/conda"
	"terrarium/internal/repodata"
)

var subdirs = []string{"noarch", "linux-64", "osx-arm64"}

// door is where somebody reads the forms of a channel, as it is or as it was.
type door struct {
	at    string // for messages
	read  func(path string) (body []byte, there bool)
	keeps func(*record) bool // of what the channel lists
}

// public is the door for all: an address such as "ana/main/at/7".
func (w *world) public(at, token string) door {
	read := func(path string) ([]byte, bool) {
		w.Helper()
		got := w.Do(w, "GET", "/conda/"+at+"/"+path, apptest.Request{Token: token})
		if got.Status != http.StatusOK && got.Status != http.StatusNotFound {
			w.Fatalf("%s; want 200 or 404", got)
		}
		return got.Body, got.Status == http.StatusOK
	}
	return door{at, read, func(*record) bool { return true }}
}

// get reads a form that must be there.
func (w *world) get(d door, path string) []byte {
	w.Helper()
	body, there := d.read(path)
	if !there {
		w.Fatalf("%s/%s is not there", d.at, path)
	}
	return body
}

// compare reads every form of a channel as somebody sees it, at its address, and
// compares it with what the model lists.
func (w *world) compare(at string, c *channel, generation int64, token string) {
	w.Helper()
	w.compareForms(w.public(at, token), c, generation, w.hidden(c.owner, token))
	w.compared++
}

func (w *world) compareForms(d door, c *channel, generation int64, hidden map[string]bool) {
	w.Helper()
	lists := c.at(generation)
	var there []string
	kept := map[string][]*record{}
	for _, subdir := range subdirs {
		if subdir != "noarch" && !c.had(subdir, generation, hidden) {
			for _, form := range []string{
				"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "current_repodata.json", "current_repodata.json.zst",
				"run_exports.json", "run_exports.json.zst",
			} {
				if body, there := d.read(subdir + "/" + form); there {
					w.Errorf("%s/%s/%s is there: %.200q", d.at, subdir, form, body)
				}
			}
			continue
		}
		there = append(there, subdir)
		want := slices.DeleteFunc(lists.visible(subdir, hidden), func(r *record) bool { return !d.keeps(r) })
		kept[subdir] = want
		w.compareWhole(d, subdir, want)
		w.compareShards(d, subdir, want)
		w.compareCurrent(d, subdir, want)
		w.compareRunExports(d, subdir, want)
	}
	w.compareChannelData(d, there, kept)
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

// both reads a form that there is as it is and packed.
func (w *world) both(d door, path string) []byte {
	w.Helper()
	text := w.get(d, path)
	if got := w.unzstd(w.get(d, path+".zst")); !bytes.Equal(got, text) {
		w.Fatalf("%s/%s.zst does not unpack to what %s is", d.at, path, path)
	}
	return text
}

func (w *world) compareWhole(d door, subdir string, want []*record) {
	w.Helper()
	path := subdir + "/repodata.json"
	equal(w, d.at+"/"+path, w.entries(d.at, w.both(d, path)), encodedJSON(want))
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

// shard gives the records of a shard, whose name says its bytes. Of a channel with very
// many, one that was read before is read again now and then only.
func (w *world) shard(d door, subdir, name string, hash [32]byte, of int) []repodata.ShardFile {
	w.Helper()
	if known := w.shards[hash]; known != nil && of > 500 && w.IntN(20) > 0 {
		return known
	}
	body := w.get(d, subdir+"/shards/"+repodata.ShardFileName(hash))
	if sha256.Sum256(body) != hash {
		w.Fatalf("%s/%s: the shard of %s is not what its name says", d.at, subdir, name)
	}
	shard, err := repodata.DecodeShard(body)
	if err != nil || len(shard.Files) == 0 {
		w.Fatalf("%s/%s: the shard of %s has %d records: %v", d.at, subdir, name, len(shard.Files), err)
	}
	w.shards[hash] = shard.Files
	return shard.Files
}

func (w *world) compareShards(d door, subdir string, want []*record) {
	w.Helper()
	at := d.at + "/" + subdir
	index, err := repodata.DecodeShardIndex(w.get(d, subdir+"/repodata_shards.msgpack.zst"))
	if err != nil {
		w.Fatalf("%s: %v", at, err)
	}
	if !slices.IsSorted(index.Names) {
		w.Fatalf("%s: the names of the shard index are not sorted: %v", at, index.Names)
	}
	var got, model []entry
	for i, name := range index.Names {
		for _, f := range w.shard(d, subdir, name, index.Hashes[i], len(index.Names)) {
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

// compareCurrent compares what the classic solver of conda reads.
func (w *world) compareCurrent(d door, subdir string, want []*record) {
	w.Helper()
	path := subdir + "/current_repodata.json"
	equal(w, d.at+"/"+path, w.entries(d.at, w.both(d, path)), encodedJSON(current(w, want)))
}

func (w *world) compareRunExports(d door, subdir string, want []*record) {
	w.Helper()
	at := d.at + "/" + subdir
	got, model := map[string]string{}, map[string]string{}
	_, err := repodata.ReadRunExports(bytes.NewReader(w.both(d, subdir+"/run_exports.json")), func(name string, e conda.RunExports) error {
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

// compareChannelData compares all that is said of every package. Numbers and texts are
// compared, not how they are spelt.
func (w *world) compareChannelData(d door, there []string, kept map[string][]*record) {
	w.Helper()
	var got any
	if err := json.Unmarshal(w.get(d, "channeldata.json"), &got); err != nil {
		w.Fatalf("%s/channeldata.json: %v", d.at, err)
	}
	if diff := gocmp.Diff(channelData(w, there, kept), got); diff != "" {
		w.Fatalf("%s/channeldata.json (-want +got):\n%s", d.at, diff)
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
