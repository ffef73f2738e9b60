//go:build bench

package bench

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"net/http"
	"testing"
	"time"

	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// pastUploads is how many generations a channel has after its import.
const pastUploads = 5

// TestBenchPast looks at a channel as it was after its import, which no reader has asked
// for yet, and at its history: row 22. A stranger is told nothing of a package that is
// hidden, so that what the import brought is counted for them.
func TestBenchPast(t *testing.T) {
	limited(t)
	var least time.Duration
	for i, n := range sizes(t) {
		at := fmt.Sprintf("%d records", n)
		store, m := channels.copyOf(t, n)
		server := store.Serve(t)
		c := newClient(server, channelName, m.Token)
		uploads := newPublisher(m).uploads(t, pastUploads)
		for _, u := range uploads {
			if _, err := c.publish(u); err != nil {
				t.Fatal(err)
			}
		}
		imported := c.oldest(t)
		memory := server.Usage().PeakRSS
		path := fmt.Sprintf("/conda/%s/at/%d/%s/repodata_shards.msgpack.zst", channelName, imported, subdir)
		first, b := c.look(t, server, path, c.token)
		again, _ := c.look(t, server, path, c.token)
		index, err := repodata.DecodeShardIndex(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(index.Names) != len(m.channel.names) {
			t.Fatalf("generation %d has %d names, %d were imported", imported, len(index.Names), len(m.channel.names))
		}
		figures.add(t, figure{
			row: 22, name: "the past, first look at the shard index", at: at, ours: fmt.Sprintf("%s, memory so far %s, before %s", first, megabytes(server.Usage().PeakRSS), megabytes(memory)),
			peer: again.String(), besides: "again", ratio: first.ran.Seconds() / again.ran.Seconds(), better: "told",
		})
		if i == 0 {
			least = first.ran
		} else if got, allowed := first.ran.Seconds()/least.Seconds(), grown(startGrowth, n, sizes(t)[0]); got > allowed {
			t.Errorf("a first look at the past of %s takes %.1f times the CPU of one at %d, at most %.0f is right", at, got, sizes(t)[0], allowed)
		}
		history := "/" + ownerName + "/-/history/forge"
		open, page := c.look(t, server, history, "")
		if !bytes.Contains(page, []byte(uploads[0].name)) {
			t.Fatalf("the history does not speak of %s", uploads[0].name)
		}
		if _, err := c.call(http.MethodPatch, "/api/v1/packages/"+ownerName+"/"+uploads[0].name, []byte(`{"visibility":"private"}`)); err != nil {
			t.Fatal(err)
		}
		closed, page := c.look(t, server, history, "")
		if bytes.Contains(page, []byte(uploads[0].name)) {
			t.Fatalf("the history tells a stranger of %s", uploads[0].name)
		}
		figures.add(t, figure{
			row: 22, name: "the past, the history page where a package is hidden", at: at, ours: closed.String(), peer: open.String(), besides: "where none is",
			ratio: closed.ran.Seconds() / open.ran.Seconds(), better: "told",
		})
		server.Stop()
	}
}

// looked is what a request took.
type looked struct{ took, ran time.Duration }

func (l looked) String() string { return fmt.Sprintf("%s, %s CPU", short(l.took), short(l.ran)) }

// look makes a request that must be answered with 200.
func (c *client) look(t testing.TB, server *program.Server, path, token string) (l looked, body []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	before, begun := server.Ran(), time.Now()
	status, body, err := c.do(req)
	l = looked{time.Since(begun), server.Ran() - before}
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d, %v\n%s", path, status, err, body)
	}
	return l, body
}

// oldest is the first generation of the channel.
func (c *client) oldest(t testing.TB) int64 {
	t.Helper()
	b, err := c.call(http.MethodGet, "/api/v1/generations/"+channelName, nil)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []struct {
			Generation int64 `json:"generation"`
		} `json:"items"`
	}
	if err := json.Unmarshal(b, &list); err != nil || len(list.Items) < pastUploads+1 {
		t.Fatalf("the generations are %s: %v", b, err)
	}
	return list.Items[len(list.Items)-1].Generation
}
