package registry_test

import (
	"bytes"
	"encoding/json/jsontext"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// shardFolder makes a channel that has shards and nothing else, of a document that
// manyRecords writes.
func shardFolder(t *testing.T, document []byte) fstest.MapFS {
	t.Helper()
	byName := map[string][]repodata.ShardFile{}
	_, err := repodata.ReadRecords(bytes.NewReader(document), func(fileName string, raw jsontext.Value) error {
		rec, encoded, err := repodata.TranscodeRecord(fileName, raw)
		byName[rec.Name] = append(byName[rec.Name], repodata.ShardFile{FileName: fileName, Msgpack: encoded.Msgpack})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	var names []string
	var hashes [][32]byte
	for name, files := range byName {
		data, sum := repodata.EncodeShard(files, nil)
		folder["noarch/shards/"+repodata.ShardFileName(sum)] = &fstest.MapFile{Data: data}
		names, hashes = append(names, name), append(hashes, sum)
	}
	folder["noarch/repodata_shards.msgpack.zst"] = &fstest.MapFile{Data: repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch"}, names, hashes)}
	return folder
}

// counting is a folder that counts how often shards are opened.
type counting struct {
	fs.FS
	mu     *sync.Mutex
	opened map[string]int
}

// Open implements fs.FS.
func (c counting) Open(name string) (fs.File, error) {
	if len(name) > 60 {
		c.mu.Lock()
		c.opened[name]++
		c.mu.Unlock()
	}
	return c.FS.Open(name)
}

// Stat keeps fs.Stat from opening the file.
func (c counting) Stat(name string) (fs.FileInfo, error) { return fs.Stat(c.FS, name) }

// TestImportShards: a channel that has shards alone is loaded like one with a
// document, and of one that is loaded again only the shards are fetched that differ.
func TestImportShards(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		load := func(folder fstest.MapFS) (registry.ImportCount, int, error) {
			opened := map[string]int{}
			report, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{
				Files: counting{folder, &sync.Mutex{}, opened}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "shards",
			}, nil)
			count := report.Subdirs["noarch"]
			count.Location = ""
			return count, len(opened), err
		}
		for _, step := range []struct {
			what    string
			records int
			want    registry.ImportCount
			shards  int
		}{
			{"first", 2005, registry.ImportCount{Added: 2005}, 201},
			{"again", 2005, registry.ImportCount{Kept: 2005}, 0},
			{"more", 2011, registry.ImportCount{Added: 6, Kept: 2005}, 2},
		} {
			got, shards, err := load(shardFolder(t, manyRecords(step.records)))
			if err != nil || !cmp.Equal(got, step.want) || shards != step.shards {
				t.Errorf("%s: %+v from %d shards, %v; want %+v from %d", step.what, got, shards, err, step.want, step.shards)
			}
		}
		var listed []string
		for i := range 2011 {
			listed = append(listed, fmt.Sprintf("noarch/package%05d-1.%d-0.conda", i/10, i%10))
		}
		w.wantListed("acme", "copy", -1, listed...)
		w.clean()

		// Shards that are damaged, or lie elsewhere.
		broken := shardFolder(t, manyRecords(2030))
		for name, f := range broken {
			if len(name) > 60 {
				f.Data = append(f.Data[:len(f.Data):len(f.Data)], 0)
			}
		}
		if _, _, err := load(broken); !errs.Is(err, errs.Unavailable) {
			t.Errorf("other bytes: %v", err)
		}
		w.wantListed("acme", "copy", -1, listed...)
	})
}
