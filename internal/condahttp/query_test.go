package condahttp_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/repodata"
)

// TestNoQueryForAShard counts the statements of requests that were made before:
// a shard needs none, nor does an index or a package that did not change, whoever asks. On
// PostgreSQL, where others may change rights, a shard is up to two point reads, the others
// up to three.
func TestNoQueryForAShard(t *testing.T) {
	var statements atomic.Int64
	w := newWorld(t, apptest.Statements(func(string) { statements.Add(1) }))
	const base = "/conda/acme/secret/noarch/"
	list, err := repodata.DecodeShardIndex(w.get(t, w.alice.Token, base+"repodata_shards.msgpack.zst").Body)
	if err != nil || len(list.Hashes) == 0 {
		t.Fatalf("%d shards: %v", len(list.Hashes), err)
	}
	shard := base + "shards/" + repodata.ShardFileName(list.Hashes[0])
	w.get(t, w.alice.Token, shard)
	file := base + "in-secret-1.0-0.conda"
	w.get(t, w.alice.Token, file)
	for path, most := range map[string]int64{shard: 2, base + "repodata_shards.msgpack.zst": 3, file: 3} {
		if !w.DB.Postgres() {
			most = 0
		}
		// Something of the background may commit in between, after which it is looked at anew.
		least := int64(1 << 30)
		for range 5 {
			statements.Store(0)
			if got := w.get(t, w.alice.Token, path); got.Status != http.StatusOK {
				t.Fatalf("%s: %d", path, got.Status)
			}
			least = min(least, statements.Load())
		}
		if least > most {
			t.Errorf("%s ran %d statements, at most %d are needed", path, least, most)
		}
	}
}
