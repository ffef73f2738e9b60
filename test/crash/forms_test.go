package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// consistent reads every form of a subdir of a channel, which must say the same, and gives
// its records by the names of their files.
func (w *world) consistent(t *testing.T, server *program.Server, channel, subdir string) map[string]conda.Record {
	t.Helper()
	status, text := fetch(t, server, channel+"/"+subdir+"/repodata.json")
	if status == http.StatusNotFound && subdir != "noarch" {
		if status, _ := fetch(t, server, channel+"/"+subdir+"/repodata_shards.msgpack.zst"); status != http.StatusNotFound {
			t.Errorf("%s has a shard index (%d) and no repodata.json", subdir, status)
		}
		return nil
	}
	if status != http.StatusOK {
		t.Fatalf("repodata.json of %s: %d %s", subdir, status, text)
	}
	if unpacked := unzstd(t, get(t, server, channel+"/"+subdir+"/repodata.json.zst")); !bytes.Equal(unpacked, text) {
		t.Errorf("%s: repodata.json.zst does not unpack to repodata.json", subdir)
	}
	whole := map[string]string{} // file name → canonical record
	records := map[string]conda.Record{}
	_, err := repodata.ReadRecords(bytes.NewReader(text), func(name string, raw jsontext.Value) error {
		rec, enc, err := repodata.TranscodeRecord(name, raw)
		if err != nil {
			return err
		}
		whole[name], records[name] = string(enc.JSON), rec
		return nil
	})
	if err != nil {
		t.Fatalf("%s: repodata.json: %v", subdir, err)
	}
	if diff := cmp.Diff(whole, shards(t, server, channel, subdir)); diff != "" {
		t.Errorf("%s: repodata.json (-) and the shards (+) differ:\n%s", subdir, diff)
	}
	w.sameRunExports(t, server, channel, subdir, records)
	sameCurrent(t, server, channel, subdir, records, whole)
	return records
}

// read gives the records of a repodata.json by the names of their files.
func read(t *testing.T, text []byte) map[string]conda.Record {
	t.Helper()
	records := map[string]conda.Record{}
	_, err := repodata.ReadRecords(bytes.NewReader(text), func(name string, raw jsontext.Value) (err error) {
		records[name], _, err = repodata.TranscodeRecord(name, raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// sameCurrent compares current_repodata.json with the records of repodata.json: it lists
// some of them as they are, of each name all builds of the newest version, and all in all
// what package repodata makes of them anew.
func sameCurrent(t *testing.T, server *program.Server, channel, subdir string, records map[string]conda.Record, whole map[string]string) {
	t.Helper()
	text := get(t, server, channel+"/"+subdir+"/current_repodata.json")
	if unpacked := unzstd(t, get(t, server, channel+"/"+subdir+"/current_repodata.json.zst")); !bytes.Equal(unpacked, text) {
		t.Errorf("%s: current_repodata.json.zst does not unpack to current_repodata.json", subdir)
	}
	current := map[string]string{}
	_, err := repodata.ReadRecords(bytes.NewReader(text), func(name string, raw jsontext.Value) error {
		_, enc, err := repodata.TranscodeRecord(name, raw)
		current[name] = string(enc.JSON)
		return err
	})
	if err != nil {
		t.Fatalf("%s: current_repodata.json: %v", subdir, err)
	}
	newest := map[string]string{} // by name
	var all []repodata.FileRecord
	for name, r := range records {
		all = append(all, repodata.FileRecord{FileName: name, Record: r})
		if v, found := newest[r.Name]; !found || conda.CompareVersions(v, r.Version) < 0 {
			newest[r.Name] = r.Version
		}
	}
	for name, record := range current {
		if whole[name] != record {
			t.Errorf("%s: current_repodata.json says of %s\n%s\nand repodata.json\n%s", subdir, name, record, whole[name])
		}
	}
	for name, r := range records {
		if newest[r.Name] == r.Version && current[name] == "" {
			t.Errorf("%s: current_repodata.json has %s not, which is of the newest version", subdir, name)
		}
	}
	kept, err := repodata.Current(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range kept {
		want[f.FileName] = whole[f.FileName]
	}
	if diff := cmp.Diff(want, current); diff != "" {
		t.Errorf("%s: the current records of repodata.json (-) and current_repodata.json (+) differ:\n%s", subdir, diff)
	}
}

// sameChannelData compares channeldata.json with the records of all subdirs of a channel.
func sameChannelData(t *testing.T, server *program.Server, channel string, lists ...map[string]conda.Record) {
	t.Helper()
	data, err := repodata.DecodeChannelData(get(t, server, channel+"/channeldata.json"))
	if err != nil {
		t.Fatalf("%s/channeldata.json: %v", channel, err)
	}
	type facts struct {
		Version string
		Subdirs []string
	}
	want, got := map[string]facts{}, map[string]facts{}
	for _, records := range lists {
		for _, r := range records {
			f := want[r.Name]
			if !slices.Contains(f.Subdirs, r.Subdir) {
				f.Subdirs = slices.Sorted(slices.Values(append(f.Subdirs, r.Subdir)))
			}
			if !slices.Contains(data.Subdirs, r.Subdir) {
				t.Errorf("%s/channeldata.json has the subdirs %v and not that of %s", channel, data.Subdirs, r.Name)
			}
			if f.Version == "" || conda.CompareVersions(f.Version, r.Version) < 0 {
				f.Version = r.Version
			}
			want[r.Name] = f
		}
	}
	for name, p := range data.Packages {
		got[name] = facts{p.Version, p.Subdirs}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: repodata.json of all subdirs (-) and channeldata.json (+) differ:\n%s", channel, diff)
	}
}

// shards reads the shard index and every shard that it names.
func shards(t *testing.T, server *program.Server, channel, subdir string) map[string]string {
	t.Helper()
	index, err := repodata.DecodeShardIndex(get(t, server, channel+"/"+subdir+"/repodata_shards.msgpack.zst"))
	if err != nil {
		t.Fatalf("%s: shard index: %v", subdir, err)
	}
	records := map[string]string{}
	for i, name := range index.Names {
		body := get(t, server, channel+"/"+subdir+"/shards/"+repodata.ShardFileName(index.Hashes[i]))
		if sum := sha256.Sum256(body); sum != index.Hashes[i] {
			t.Errorf("%s: the shard of %s has the SHA-256 %s, and the index says %s", subdir, name, hex.EncodeToString(sum[:]), hex.EncodeToString(index.Hashes[i][:]))
		}
		shard, err := repodata.DecodeShard(body)
		if err != nil {
			t.Fatalf("%s: the shard of %s: %v", subdir, name, err)
		}
		for _, f := range shard.Files {
			rec, enc, err := repodata.TranscodeMsgpack(f.FileName, f.Msgpack)
			if err != nil {
				t.Fatalf("%s: the record of %s: %v", subdir, f.FileName, err)
			}
			if rec.Name != name {
				t.Errorf("%s: the shard of %s lists %s", subdir, name, f.FileName)
			}
			records[f.FileName] = string(enc.JSON)
		}
	}
	return records
}

// sameRunExports compares run_exports.json with what the listed archives hold.
func (w *world) sameRunExports(t *testing.T, server *program.Server, channel, subdir string, records map[string]conda.Record) {
	t.Helper()
	want := map[string]conda.RunExports{}
	w.mu.Lock()
	for name := range records {
		if f := w.files[name]; f != nil && f.spec.RunExports != nil {
			want[name] = *f.spec.RunExports
		}
	}
	w.mu.Unlock()
	got := map[string]conda.RunExports{}
	text := get(t, server, channel+"/"+subdir+"/run_exports.json")
	if unpacked := unzstd(t, get(t, server, channel+"/"+subdir+"/run_exports.json.zst")); !bytes.Equal(unpacked, text) {
		t.Errorf("%s: run_exports.json.zst does not unpack to run_exports.json", subdir)
	}
	_, err := repodata.ReadRunExports(bytes.NewReader(text), func(name string, e conda.RunExports) error {
		if _, found := records[name]; !found {
			t.Errorf("%s: run_exports.json lists %s, which repodata.json does not", subdir, name)
		}
		if len(e.Weak) > 0 {
			got[name] = e
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: run_exports.json: %v", subdir, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: run exports of the archives (-) and run_exports.json (+) differ:\n%s", subdir, diff)
	}
}

func unzstd(t *testing.T, b []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
