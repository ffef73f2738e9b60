//go:build bench

package bench

import (
	"encoding/json/v2"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"terrarium/test/program"
)

// The bounds that the issue sets, and those that CI judges: other work shares the
// machine.
const (
	refreshAtLeast, refreshJudged = 4.0, 1.5
	meanwhileAtMost               = 50.0 // times an upload's p50 at rest
)

// TestBenchImport loads a channel and then what differs, as a mirror does, beside
// the reading of the document by encoding/json; and uploads into the same channel
// while a tenth of it is loaded.
func TestBenchImport(t *testing.T) {
	limited(t)
	for _, n := range sizes(t) {
		at := fmt.Sprintf("%d records", n)
		root := t.TempDir()
		store, m := channels.copyOf(t, n)
		load := func(records int) program.Finished {
			t.Helper()
			newSynthetic(records).write(t, root)
			done := store.Command(t, "channel", "import", channelName, root, "--metadata-only", "--base-url", emptyAddress)
			if !done.State.Success() {
				t.Fatalf("import: %v\n%s%s", done.State, done.Stdout, done.Stderr)
			}
			return done
		}
		figures.add(t, figure{row: 18, name: "import", at: at, ours: short(seconds(m.Took))})
		added := 0
		refreshes := map[int]program.Finished{}
		for _, more := range []int{0, 10, 1000} {
			added += more
			refreshes[more] = load(n + added)
		}
		naive := readNaively(t, filepath.Join(root, subdir, "repodata.json.zst"))
		for _, more := range []int{0, 10, 1000} {
			got := refreshes[more]
			figures.atLeast(t, figure{
				row: 18, name: fmt.Sprintf("mirror-refresh, %d more", more), at: at, ours: short(got.Took),
				peer: short(naive), besides: "encoding/json into a map", ratio: float64(naive) / float64(got.Took),
			}, refreshAtLeast, judgedRefresh(n, more))
		}
		server := store.Serve(t)
		c := newClient(server, channelName, m.Token)
		s := newSynthetic(n + added + n/10)
		pick := rand.New(rand.NewPCG(seed, uint64(n)))
		number := 0
		publish := func() time.Duration {
			number++
			took, err := c.publish(newUpload(t, s.pick(pick), number))
			if err != nil {
				t.Fatal(err)
			}
			return took
		}
		var rest, meanwhile []time.Duration
		for range 100 {
			rest = append(rest, publish())
		}
		s.write(t, root)
		ended := make(chan program.Finished)
		go func() {
			ended <- store.Command(t, "channel", "import", channelName, root, "--metadata-only", "--base-url", emptyAddress)
		}()
		var done program.Finished
		for running := true; running; {
			select {
			case done = <-ended:
				running = false
			default:
				meanwhile = append(meanwhile, publish())
			}
		}
		server.Stop()
		if !done.State.Success() {
			t.Fatalf("import: %v\n%s%s", done.State, done.Stdout, done.Stderr)
		}
		figures.atMost(t, figure{
			row: 18, name: fmt.Sprintf("%d uploads while %d records are loaded, p99", len(meanwhile), n/10), at: at,
			ours: fmt.Sprintf("%s (p50 %s)", short(quantile(meanwhile, 0.99)), short(quantile(meanwhile, 0.5))), peer: short(quantile(rest, 0.5)), besides: "p50 at rest",
			ratio: float64(quantile(meanwhile, 0.99)) / float64(quantile(rest, 0.5)),
		}, 10, meanwhileAtMost)
	}
}

// judgedRefresh is the bound of CI: what starts a program costs more than to read a
// small document, and a thousand records are a good part of it.
func judgedRefresh(n, more int) float64 {
	if n < 100_000 || more > n/1000 {
		return 0
	}
	return refreshJudged
}

// readNaively decodes a document into maps, which is where a difference begins.
func readNaively(t *testing.T, path string) time.Duration {
	t.Helper()
	begun := time.Now()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}
