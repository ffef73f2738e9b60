//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/repodata"
)

// What the issue sets for 700,000 records: with derived data and without. There is none
// on the disk, so that one figure stands beside both.
const (
	restartWith, restartWithout = 3 * time.Second, 10 * time.Second
	restarts                    = 3
)

// TestBenchRestart kills the server in the midst of uploads and starts it again: row 19.
// The first right answer is a shard index, and the shard of it, that have the upload which
// was acknowledged last; then every other one that was acknowledged is looked for, with
// its bytes.
func TestBenchRestart(t *testing.T) {
	limited(t)
	for _, n := range sizes(t) {
		at := fmt.Sprintf("%d records", n)
		store, m := channels.copyOf(t, n)
		p, r := newPublisher(m), rand.New(rand.NewPCG(seed, 19))
		var took []time.Duration
		var acknowledged []upload
		lost := 0
		server := store.Serve(t)
		for range restarts {
			now := killed(t, newClient(server, channelName, m.token), p.uploads(t, 400), 50+r.IntN(200))
			begun := time.Now()
			server = store.Serve(t)
			c := newClient(server, channelName, m.token)
			if _, err := c.indexed(now[len(now)-1]); err != nil {
				t.Errorf("after a kill at %s: %v", at, err)
			}
			took = append(took, time.Since(begun))
			acknowledged = append(acknowledged, now...)
			lost += c.missing(t, acknowledged)
		}
		server.Stop()
		worst := slices.Max(took)
		for _, limit := range []struct {
			name string
			of   time.Duration
		}{{"restart, with derived data", restartWith}, {"restart, without", restartWithout}} {
			figures.atMost(t, figure{
				row: 19, name: limit.name, at: at, ours: short(worst), peer: short(limit.of), besides: "the limit at 700,000", ratio: float64(worst) / float64(limit.of),
			}, 1, limitJudged)
		}
		figures.add(t, figure{row: 19, name: "restart, acknowledged uploads lost", at: at, ours: fmt.Sprintf("%d of %d in %d kills", lost, len(acknowledged), restarts), better: "0"})
		if lost > 0 {
			t.Errorf("%d of %d acknowledged uploads are lost at %s", lost, len(acknowledged), at)
		}
	}
}

// killed uploads over many connections, kills the server once so many are
// acknowledged, and gives those, in the order in which they were.
func killed(t testing.TB, c *client, list []upload, after int) []upload {
	t.Helper()
	var mu sync.Mutex
	var acknowledged []upload
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if _, err := c.publish(list[i]); err != nil {
					return // the server is gone
				}
				mu.Lock()
				if acknowledged = append(acknowledged, list[i]); len(acknowledged) == after {
					go c.server.Kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(acknowledged) < after || len(acknowledged) == len(list) {
		t.Fatalf("%d of %d uploads were acknowledged, which is not the midst", len(acknowledged), len(list))
	}
	c.server.Kill() // and waits
	return acknowledged
}

// missing counts the uploads that the index does not have, or whose bytes are not those
// that were sent.
func (c *client) missing(t testing.TB, list []upload) (missing int) {
	t.Helper()
	var took time.Duration
	b, err := c.get("repodata_shards.msgpack.zst", "", &took)
	if err != nil {
		t.Fatal(err)
	}
	index, err := repodata.DecodeShardIndex(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list {
		if err := c.holds(index, u); err != nil {
			t.Error(err)
			missing++
		}
	}
	return missing
}

// holds looks for one upload.
func (c *client) holds(index repodata.ShardIndex, u upload) error {
	var took time.Duration
	if err := c.listed(index, u, &took); err != nil {
		return err
	}
	b, err := c.get(u.fileName, "", &took)
	if err == nil && !bytes.Equal(b, u.body) {
		err = fmt.Errorf("%s has other bytes than were sent", u.fileName)
	}
	return err
}
