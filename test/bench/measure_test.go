//go:build bench

package bench

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	rounds       = 30 // rounds of one client, taking turns between the sizes
	perRound     = 10 // uploads of a round; the last one is looked for in every form
	connections  = 16 // of the clients that are judged
	bandRounds   = 4  // turns in which many clients together upload
	bandUploads  = 40 // of a turn, or three for each client
	warmUploads  = 10 // not counted
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

	imported time.Duration
	ready    time.Duration // from the start of the server
	loaded   int64         // peak RSS after the first load, in bytes

	own     []time.Duration // request to answer, one client
	indexed []time.Duration // the same, and shard index and shard read
	visible []time.Duration // the same and every form read, the last of each round
	cpu     time.Duration   // of the server for all of them, reading included
	static  []time.Duration // the .zst alone, read by the same client from nginx

	bands   []*band // by the number of clients: 1, 4, 16, 64
	classic []*band // the same packages by the five calls of anaconda upload: 1, 16
	peak    int64   // RSS at the end
}

// band is what uploads cost that many clients send together.
type band struct {
	clients int
	took    []time.Duration // request to answer
	wall    time.Duration
	cpu     time.Duration // of the server
}

// rate is uploads a second.
func (b *band) rate() float64 { return float64(len(b.took)) / b.wall.Seconds() }

// each is the CPU of one upload.
func (b *band) each() time.Duration { return b.cpu / time.Duration(len(b.took)) }

func (b *band) String() string {
	return fmt.Sprintf("%.0f uploads/s, p99 %s", b.rate(), short(quantile(b.took, 0.99)))
}

// subject is one loaded channel under measurement.
type subject struct {
	measured
	*publisher
	from   *imported
	client *client
}

// load serves a channel of n records.
func load(t testing.TB, n int) *subject {
	t.Helper()
	store, m := channels.copyOf(t, n)
	s := &subject{publisher: newPublisher(m), from: m}
	s.records, s.names, s.text, s.imported = m.channel.records, len(m.channel.names), m.Text, seconds(m.Took)
	server := store.Serve(t)
	s.ready, s.loaded = server.Ready, server.Usage().PeakRSS
	s.client = newClient(server, channelName, m.Token)
	for _, clients := range []int{1, 4, connections, 64} {
		s.bands = append(s.bands, &band{clients: clients})
	}
	for _, clients := range []int{1, connections} {
		s.classic = append(s.classic, &band{clients: clients})
	}
	return s
}

// of gives the band of so many clients.
func of(bands []*band, clients int) *band {
	for _, b := range bands {
		if b.clients == clients {
			return b
		}
	}
	return &band{clients: clients}
}

// warm uploads a little that does not count.
func (s *subject) warm(t testing.TB) {
	t.Helper()
	list := s.uploads(t, warmUploads)
	if _, err := sendAll(list, 1, s.client.publish); err != nil {
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
	s.cpu += s.client.server.Usage().CPU - before.CPU
}

// together publishes over many connections, by one request or by the five calls.
func (s *subject) together(t testing.TB, b *band, send func(upload) (time.Duration, error)) {
	t.Helper()
	list := s.uploads(t, max(bandUploads, 3*b.clients))
	before, begun := s.client.server.Usage(), time.Now()
	took, err := sendAll(list, b.clients, send)
	if err != nil {
		t.Fatal(err)
	}
	b.wall += time.Since(begun)
	b.cpu += s.client.server.Usage().CPU - before.CPU
	b.took = append(b.took, took...)
	if _, err := s.client.visible(list[len(list)-1]); err != nil {
		t.Fatal(err)
	}
}

// tenth are the times of all uploads, with every form read after the last of each round.
func (m *measured) tenth() []time.Duration {
	list := slices.Clone(m.own)
	for i, took := range m.visible {
		list[(i+1)*perRound-1] = took
	}
	return list
}

// beside lets nginx give the client the .zst that it read last, as often as it was read.
func (s *subject) beside(t testing.TB) {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "repodata.json.zst"), s.client.kept.document, 0o644); err != nil { //nolint:gosec // nginx reads it as another user
		t.Fatal(err)
	}
	n, installed := startNginx(t, &generator{}, root, "")
	for i := -1; installed && i < len(s.visible); i++ {
		var took time.Duration
		if _, err := s.client.download(n.url+"/repodata.json.zst", s.client.kept.document, &took); err != nil {
			t.Fatal(err)
		}
		if i >= 0 { // the first one opens the connection and reads the file
			s.static = append(s.static, took)
		}
	}
}

// few is how often something is done with a channel of n records that is done often
// times with one of more than 10,000: what CI runs is to end soon.
func few(n, often int) int {
	if n <= 10_000 {
		return (often + 1) / 2
	}
	return often
}

// quantile gives the p-th part of a list, 0.5 its median.
func quantile(list []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// unpack decodes one zstd frame into a buffer; what follows it would be an error for
// clients too.
func unpack(b, into []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, into[:0])
}
