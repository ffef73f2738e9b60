//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/repodata"
)

// What the issue sets for 700,000 records: with derived data and without.
const (
	restartWith, restartWithout = 3 * time.Second, 10 * time.Second
	restarts                    = 3 // of each kind
	startGrowth                 = 15.0
)

// TestBenchRestart kills the server in the midst of uploads and starts it again, as it
// is and with what is derived from rows deleted: row 19. The first right answer is a
// shard index, and the shard of it, that have the upload which was acknowledged last;
// then every one that was acknowledged is looked for, with its bytes.
func TestBenchRestart(t *testing.T) {
	limited(t)
	var least time.Duration
	for i, n := range sizes(t) {
		at := fmt.Sprintf("%d records", n)
		store, m := channels.copyOf(t, n)
		p, r := newPublisher(m), rand.New(rand.NewPCG(seed, 19))
		var with, without started // the longest of each
		var acknowledged []upload
		lost, kept := 0, false
		store.Serve(t).Stop() // what is derived is there
		server := store.Serve(t)
		kills := 2 * few(n, restarts)
		for i := range kills {
			now := killed(t, newClient(server, channelName, m.Token), p.uploads(t, 200), 50+r.IntN(60))
			longest := &with
			if i >= kills/2 { // what is kept is written at an end in order, and lasts through the kills before
				kept = forget(t, store) || kept
				longest = &without
			}
			begun := time.Now()
			server = store.Serve(t)
			c := newClient(server, channelName, m.Token)
			if _, err := c.indexed(now[len(now)-1]); err != nil {
				t.Errorf("after a kill at %s: %v", at, err)
			}
			longest.wall, longest.cpu = max(longest.wall, time.Since(begun)), max(longest.cpu, server.Usage().CPU)
			acknowledged = append(acknowledged, now...)
			lost += c.missing(t, acknowledged)
		}
		server.Stop()
		if !kept {
			t.Logf("nothing derived is kept at %s: a start makes everything from rows", at)
		}
		for _, kind := range []struct {
			name string
			took started
			most time.Duration
		}{{"restart, with derived data", with, restartWith}, {"restart, without", without, restartWithout}} {
			figures.add(t, figure{
				row: 19, name: kind.name, at: at, ours: fmt.Sprintf("%s, %s CPU", short(kind.took.wall), short(kind.took.cpu)), peer: short(kind.most), besides: "the limit at 700,000",
				ratio: float64(kind.took.wall) / float64(kind.most), better: "≤ 1",
			})
		}
		figures.add(t, figure{row: 19, name: "restart, acknowledged uploads lost", at: at, ours: fmt.Sprintf("%d of %d in %d kills", lost, len(acknowledged), kills), better: "0"})
		if lost > 0 {
			t.Errorf("%d acknowledged uploads were not found at %s", lost, at)
		}
		if i == 0 {
			least = without.cpu
		} else if got, allowed := float64(without.cpu)/float64(least), grown(startGrowth, n, sizes(t)[0]); got > allowed {
			t.Errorf("a start at %s takes %.1f times the CPU of one at %d, at most %.0f is right", at, got, sizes(t)[0], allowed)
		}
	}
}

// started is what a start cost up to the first right answer.
type started struct{ wall, cpu time.Duration }

// grown is how much more something may cost at n records than at the least size, when
// each tenfold may cost it so much.
func grown(each float64, n, least int) float64 {
	return math.Pow(each, max(1, math.Log10(float64(n)/float64(least))))
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
