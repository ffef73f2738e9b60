//go:build bench

package bench

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"terrarium/test/program"
)

const (
	rounds       = 30 // rounds of one client, taking turns between the sizes
	perRound     = 10 // uploads of a round; the last one is looked for in every form
	connections  = 16
	atOnce       = 320 // uploads over all connections together
	bandRounds   = 4   // turns in which those are sent
	warmUploads  = 10  // not counted
	ownerName    = "bench"
	channelName  = "bench/forge"
	emptyAddress = "http://127.0.0.1:9/forge" // files are never asked for
)

// sizes are the numbers of records to measure at, the least first. A single
// size is measured beside a tenth of it, so that there is growth to judge.
func sizes(t testing.TB) []int {
	t.Helper()
	var list []int
	for _, word := range strings.Split(cmp.Or(os.Getenv("TERRARIUM_BENCH"), "10000"), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1000 {
			t.Fatalf("TERRARIUM_BENCH has %q; it holds numbers of records, 1000 or more, with commas", word)
		}
		list = append(list, n)
	}
	if len(list) == 1 {
		list = append(list, list[0]/10)
	}
	slices.Sort(list)
	return list
}

// measured is what one size of channel cost.
type measured struct {
	records, names int
	text           int64 // bytes of repodata.json

	imported program.Finished
	ready    time.Duration // from the start of the server
	loaded   int64         // peak RSS after the first load, in bytes

	own     []time.Duration // request to answer, one client
	indexed []time.Duration // the same, and shard index and shard read
	visible []time.Duration // the same and every form read, the last of each round
	cpu     time.Duration   // of the server for all of them, reading included
	written int64           // bytes to the disk for all of them

	band     []time.Duration // request to answer, many clients
	bandTook time.Duration
	bandCPU  time.Duration
	peak     int64 // RSS at the end
}

// subject is one loaded channel under measurement.
type subject struct {
	measured
	channel *synthetic
	client  *client
	pick    *rand.Rand
	number  int
}

// load imports a channel of n records and serves it.
func load(t testing.TB, binary string, n int) *subject {
	t.Helper()
	s := &subject{channel: newSynthetic(n), pick: rand.New(rand.NewPCG(seed, uint64(n)))}
	s.records, s.names = s.channel.records, len(s.channel.names)
	source := t.TempDir()
	s.text = s.channel.write(t, source)
	store := &program.Store{Binary: binary, Data: filepath.Join(t.TempDir(), "data"), Env: []string{"TERRARIUM_LOG_LEVEL=warn"}}
	store.Do(t, "user", "create", ownerName, "--email", "bench@example.com")
	token := store.Do(t, "token", "create", "--user", ownerName, "--name", "bench")
	s.imported = store.Command(t, "channel", "import", channelName, source, "--metadata-only", "--base-url", emptyAddress)
	if !s.imported.State.Success() {
		t.Fatalf("import: %v\n%s%s", s.imported.State, s.imported.Stdout, s.imported.Stderr)
	}
	server := store.Serve(t)
	s.ready, s.loaded = server.Ready, server.Usage().PeakRSS
	s.client = newClient(server, channelName, token)
	return s
}

// uploads makes the next packages of the channel.
func (s *subject) uploads(t testing.TB, n int) []upload {
	t.Helper()
	list := make([]upload, n)
	for i := range list {
		s.number++
		list[i] = newUpload(t, s.channel.pick(s.pick), s.number)
	}
	return list
}

// warm uploads a little that does not count.
func (s *subject) warm(t testing.TB) {
	t.Helper()
	list := s.uploads(t, warmUploads)
	if _, err := s.client.publishAll(list, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.visible(list[len(list)-1]); err != nil {
		t.Fatal(err)
	}
}

// round publishes one after the other and looks for the last one everywhere.
func (s *subject) round(t testing.TB) {
	t.Helper()
	list := s.uploads(t, perRound)
	before := s.client.server.Usage()
	for i, u := range list {
		took, err := s.client.publish(u)
		if err != nil {
			t.Fatal(err)
		}
		s.own = append(s.own, took)
		read, err := s.client.indexed(u)
		if err != nil {
			t.Fatal(err)
		}
		s.indexed = append(s.indexed, took+read)
		if i == len(list)-1 {
			read, err := s.client.visible(u)
			if err != nil {
				t.Fatal(err)
			}
			s.visible = append(s.visible, took+read)
		}
	}
	after := s.client.server.Usage()
	s.cpu += after.CPU - before.CPU
	s.written += after.Written - before.Written
}

// together publishes over many connections.
func (s *subject) together(t testing.TB) {
	t.Helper()
	list := s.uploads(t, atOnce/bandRounds)
	before, begun := s.client.server.Usage(), time.Now()
	took, err := s.client.publishAll(list, connections)
	if err != nil {
		t.Fatal(err)
	}
	s.bandTook += time.Since(begun)
	s.bandCPU += s.client.server.Usage().CPU - before.CPU
	s.band = append(s.band, took...)
	if _, err := s.client.visible(list[len(list)-1]); err != nil {
		t.Fatal(err)
	}
}

// quantile gives the p-th part of a list, 0.5 its median.
func quantile(list []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

func sum(list []time.Duration) (all time.Duration) {
	for _, d := range list {
		all += d
	}
	return all
}

// unpack decodes one zstd frame; what follows it would be an error for clients
// too.
func unpack(b []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, nil)
}
