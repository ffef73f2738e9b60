//go:build bench

package bench

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// uploadEvery is the pace of the uploads while the fleet is at work: five a second.
const uploadEvery = 200 * time.Millisecond

// TestBenchFleet lets many py-rattler clients solve and download from empty caches
// while uploads arrive, beside nginx with the tree as it was before: row 14. No
// client may fail, and each must see one generation: of two packages that are
// published one after the other and need the same version of each other, it gets the
// newest pair that it can know of, and that which was there before it began at least.
func TestBenchFleet(t *testing.T) {
	limited(t)
	python := os.Getenv("TERRARIUM_PYTHON")
	n := slices.Max(sizes(t))
	clients, packages := 24, 300
	if n <= 10_000 {
		clients, packages = 6, 60
	}
	l := figure{
		row: 14, name: "fleet-solve", at: fmt.Sprintf("%d records, %d clients, %d packages", n, clients, packages), ours: unmeasured, peer: unmeasured,
		besides: "nginx, frozen tree", better: "≤ 1.5",
	}
	if python == "" {
		figures.add(t, l)
		return
	}
	store, m := channels.copyOf(t, n)
	store.Env, store.Log = nil, filepath.Join(t.TempDir(), "log")
	c := newClient(store.Serve(t), channelName, m.Token)
	names := publishTree(t, c, packages)
	var clock atomic.Int64 // the last pair that was acknowledged
	tick := func() error {
		next := clock.Load() + 1
		for _, name := range [2][2]string{{"clock-a", "clock-b"}, {"clock-b", "clock-a"}} {
			spec := condatest.Spec{Name: name[0], Version: fmt.Sprint(next), Subdir: subdir, Depends: []string{fmt.Sprintf("%s ==%d", name[1], next)}, PadTo: archiveSize}
			if _, err := c.publish(upload{name[0], spec.FileName(), condatest.Make(t, spec)}); err != nil {
				return err
			}
		}
		clock.Store(next)
		return nil
	}
	if err := tick(); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	freeze(t, c, root, names)
	frozen, installed := startNginx(t, &generator{}, root, "")

	var ours, theirs []time.Duration
	for range 3 {
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			ticker := time.NewTicker(2 * uploadEvery) // of two uploads each
			defer ticker.Stop()
			for {
				select {
				case <-stop:
					stopped <- nil
					return
				case <-ticker.C:
					if err := tick(); err != nil {
						stopped <- err
						return
					}
				}
			}
		}()
		ours = append(ours, fleet(t, python, c.server.URL+"/conda/"+c.channel, clients, packages, clock.Load()))
		close(stop)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if installed {
			theirs = append(theirs, fleet(t, python, frozen.url+"/conda/"+c.channel, clients, packages, 1))
		}
	}
	l.ours = short(quantile(ours, 0.5))
	if !installed {
		figures.add(t, l)
		return
	}
	l.peer, l.ratio = short(quantile(theirs, 0.5)), float64(quantile(ours, 0.5))/float64(quantile(theirs, 0.5))
	figures.atMost(t, l, 1.5, 2.5)
	c.server.Stop()
}

// branches is how many further packages one of the tree needs.
const branches = 3

// publishTree uploads packages of which all but the last need some of the others, so that
// the first one, treeTop, needs all, and gives their names.
func publishTree(t testing.TB, c *client, packages int) []string {
	t.Helper()
	var names []string
	var uploads []upload
	for i := range packages {
		spec := condatest.Spec{Name: fmt.Sprint("fleet", i), Version: "1.0", Subdir: subdir, PadTo: archiveSize}
		for need := branches*i + 1; need <= branches*(i+1) && need < packages; need++ {
			spec.Depends = append(spec.Depends, fmt.Sprintf("fleet%d >=1.0,<2.0a0", need))
		}
		names = append(names, spec.Name)
		uploads = append(uploads, upload{spec.Name, spec.FileName(), condatest.Make(t, spec)})
	}
	if _, err := sendAll(uploads, connections, c.publish); err != nil {
		t.Fatal(err)
	}
	return names
}

// freeze copies what the clients need of the channel into a folder.
func freeze(t testing.TB, c *client, root string, names []string) {
	t.Helper()
	var took time.Duration
	copyTo := func(path string) []byte {
		t.Helper()
		b, err := c.get(path, "", &took)
		file := filepath.Join(root, "conda", c.channel, subdir, path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o755)
		}
		if err == nil {
			err = os.WriteFile(file, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	index, err := repodata.DecodeShardIndex(copyTo("repodata_shards.msgpack.zst"))
	if err != nil {
		t.Fatal(err)
	}
	wanted := append(slices.Clone(names), "clock-a", "clock-b")
	for i, name := range index.Names {
		if !slices.Contains(wanted, name) {
			continue
		}
		shard, err := repodata.DecodeShard(copyTo("shards/" + repodata.ShardFileName(index.Hashes[i])))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range shard.Files {
			copyTo(f.FileName)
		}
	}
	// An empty noarch, as every channel of ours has one.
	folder := filepath.Join(root, "conda", c.channel, "noarch")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	empty := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch", CreatedAt: time.Now()}, nil, nil)
	if err := os.WriteFile(filepath.Join(folder, "repodata_shards.msgpack.zst"), empty, 0o644); err != nil {
		t.Fatal(err)
	}
}

// treeTop is the package of the tree that needs all others.
const treeTop = "fleet0"

// fleet runs the clients at once and gives the time until the last has ended. Each is to
// get all packages of the tree and a pair of clocks no older than the one given.
func fleet(t testing.TB, python, channel string, clients, packages int, clock int64) time.Duration {
	t.Helper()
	caches := t.TempDir()
	failed := make(chan error, clients)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range clients {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), python, "testdata/fleet.py", channel, filepath.Join(caches, fmt.Sprint(i)), treeTop, "clock-a", "clock-b")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			var got struct {
				Packages     int
				A, B         int64 // versions of clock-a and clock-b that were solved and downloaded
				SeenA, SeenB int64 // the newest of what the client knew
			}
			switch {
			case err != nil:
				failed <- fmt.Errorf("client %d: %w\n%s", i, err, stderr.String())
			case json.Unmarshal(out, &got, json.MatchCaseInsensitiveNames(true)) != nil || got.Packages != packages+2:
				failed <- fmt.Errorf("client %d got %q, want %d packages", i, out, packages+2)
			case got.A != got.B || got.A != got.SeenB || got.SeenA < got.SeenB:
				failed <- fmt.Errorf("client %d got clock-a %d and clock-b %d of %d and %d: of the newest clock-b, the same clock-a was published before", i, got.A, got.B, got.SeenA, got.SeenB)
			case got.A < clock:
				failed <- fmt.Errorf("client %d got the clocks %d, and %d was there before it began", i, got.A, clock)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return took
}
