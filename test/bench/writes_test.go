//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"terrarium/internal/repodata"
)

// What an upload may write beyond its archive, and what is judged; and how much less
// that is to be than writing every document anew at 700,000 records.
const (
	writtenAllowed, writtenJudged = 150_000, 2.0
	rewriteAtLeast                = 2000.0
	rewriteFrom                   = 700_000
	writesGrowth                  = 1.5
)

// TestBenchWrites counts what uploads write, the checkpoint of the database included,
// beside a full rewrite of all documents: row 3. The server is ended in order, which
// moves what is left in SQLite's log into the database, and all bytes that the process
// handed to write calls from the moment it was ready count, its answers included.
func TestBenchWrites(t *testing.T) {
	limited(t)
	var least float64
	for i, n := range sizes(t) {
		at := fmt.Sprintf("%d records", n)
		uploads := 1000
		if n <= 10_000 {
			uploads = 200
		}
		store, m := channels.copyOf(t, n)
		server := store.Serve(t)
		c := newClient(server, channelName, m.Token)
		before := server.Usage().Written
		var archives int64
		for _, u := range newPublisher(m).uploads(t, uploads) {
			if _, err := c.publish(u); err != nil {
				t.Fatal(err)
			}
			archives += int64(len(u.body))
		}
		running := server.Usage().Written - before
		all := server.StopWritten() - before
		emptied(t, store)
		each := float64(all-archives) / float64(uploads)
		t.Logf("%d uploads, %s: %.1f kB each beyond the archive, of which %.1f kB as the server ended", uploads, at, each/1000, float64(all-running)/float64(uploads)/1000)
		server = store.Serve(t)
		full := newClient(server, channelName, m.Token).everything(t)
		server.Stop()

		ours := fmt.Sprintf("%.0f kB", each/1000)
		l := figure{row: 3, name: "write-amplification, beyond the archive", at: at, ours: ours, peer: megabytes(full), besides: "all documents written anew", ratio: float64(full) / each}
		if n >= rewriteFrom {
			figures.atLeast(t, l, rewriteAtLeast, rewriteAtLeast/4)
		} else {
			figures.add(t, l)
		}
		figures.atMost(t, figure{
			row: 3, name: "write-amplification, of what is allowed", at: at, ours: ours, peer: "150 kB", besides: "the limit", ratio: each / writtenAllowed,
		}, 1, writtenJudged)
		if i == 0 {
			least = each
			continue
		}
		figures.atMost(t, figure{
			row: 3, name: "write-amplification, growth", at: at, ours: ours, peer: fmt.Sprintf("%.0f kB", least/1000), besides: fmt.Sprintf("%d records", sizes(t)[0]), ratio: each / least,
		}, writesGrowth, 2*writesGrowth)
	}
}

// forms are the documents of a channel that are no shards, by their paths.
var forms = []string{
	subdir + "/repodata_shards.msgpack.zst", subdir + "/repodata.json.zst", subdir + "/repodata.json", subdir + "/run_exports.json",
	"channeldata.json", subdir + "/current_repodata.json",
}

// readForms reads every document that is no shard and gives their bytes together, the
// shard index, and the time.
func (c *client) readForms(t testing.TB) (bytes int64, index []byte, took time.Duration) {
	t.Helper()
	for i, form := range forms {
		b := c.readForm(t, form, &took)
		if i == 0 {
			index = b
		}
		bytes += int64(len(b))
	}
	return bytes, index, took
}

// readForm reads one of forms, and adds the time.
func (c *client) readForm(t testing.TB, form string, took *time.Duration) []byte {
	t.Helper()
	b, err := c.getAt(form, "", took)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everything reads every document of the channel, shards included, and gives their bytes
// together.
func (c *client) everything(t testing.TB) int64 {
	t.Helper()
	bytes, index, took := c.readForms(t)
	shards, err := repodata.DecodeShardIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range shards.Hashes {
		b, err := c.get("shards/"+repodata.ShardFileName(hash), "", &took)
		if err != nil {
			t.Fatal(err)
		}
		bytes += int64(len(b))
	}
	return bytes
}
