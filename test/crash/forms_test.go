package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// consistent reads every form of a subdir of a channel, which must say the same, and gives
// its files with their SHA-256.
func (w *world) consistent(t *testing.T, server *program.Server, channel, subdir string) map[string]string {
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
	whole := map[string]string{}   // file name → canonical record
	digests := map[string]string{} // file name → SHA-256
	_, err := repodata.ReadRecords(bytes.NewReader(text), func(name string, raw jsontext.Value) error {
		rec, enc, err := repodata.TranscodeRecord(name, raw)
		if err != nil {
			return err
		}
		whole[name], digests[name] = string(enc.JSON), rec.SHA256
		return nil
	})
	if err != nil {
		t.Fatalf("%s: repodata.json: %v", subdir, err)
	}
	if diff := cmp.Diff(whole, shards(t, server, channel, subdir)); diff != "" {
		t.Errorf("%s: repodata.json (-) and the shards (+) differ:\n%s", subdir, diff)
	}
	w.sameRunExports(t, server, channel, subdir, digests)
	current := map[string]bool{}
	_, err = repodata.ReadRecords(bytes.NewReader(get(t, server, channel+"/"+subdir+"/current_repodata.json")), func(name string, _ jsontext.Value) error {
		current[name] = true
		return nil
	})
	if err != nil || (len(current) == 0) != (len(whole) == 0) {
		t.Errorf("%s: current_repodata.json lists %d of %d files: %v", subdir, len(current), len(whole), err)
	}
	for name := range current {
		if whole[name] == "" {
			t.Errorf("%s: current_repodata.json lists %s, which repodata.json does not", subdir, name)
		}
	}
	return digests
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
func (w *world) sameRunExports(t *testing.T, server *program.Server, channel, subdir string, digests map[string]string) {
	t.Helper()
	want := map[string]conda.RunExports{}
	w.mu.Lock()
	for name := range digests {
		if f := w.files[name]; f != nil && f.spec.RunExports != nil {
			want[name] = *f.spec.RunExports
		}
	}
	w.mu.Unlock()
	got := map[string]conda.RunExports{}
	_, err := repodata.ReadRunExports(bytes.NewReader(get(t, server, channel+"/"+subdir+"/run_exports.json")), func(name string, e conda.RunExports) error {
		if digests[name] == "" {
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
