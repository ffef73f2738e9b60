//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"terrarium/test/program"
)

// What is judged. Everything else is only reported.
const (
	// A channel ten times as large may cost one upload this much more.
	growthAllowed = 2.0
	// Waiting uploads share a transaction, so clients together are faster. The
	// clients of this test share the machine with the server, hence no more.
	togetherAtLeast = 1.2
	// How many times faster than indexing the folder anew, where that is there
	// to be compared.
	fasterAtLeast = 20.0
)

// TestBenchPublish measures import, start, one client and many, at each size.
// The sizes take turns, so that other work on the machine falls on all.
func TestBenchPublish(t *testing.T) {
	binary := program.Build(t)
	var all []*subject
	for _, n := range sizes(t) {
		all = append(all, load(t, binary, n))
	}
	for _, s := range all {
		s.warm(t)
	}
	for range rounds {
		for _, s := range all {
			s.round(t)
		}
	}
	for range bandRounds {
		for _, s := range all {
			s.together(t)
		}
	}
	for _, s := range all {
		s.peak = s.client.server.Usage().PeakRSS
		s.client.server.Stop()
	}
	t.Logf("\n%s", table(all))
	peers := make([]peer, len(all))
	for i, s := range all {
		if peers[i] = indexFolder(t, s); peers[i].there {
			t.Logf("index_fs at %d records: %s for one package, %s of CPU, peak RSS %s, %.0f times upload to visible p50",
				s.records, short(peers[i].wall), short(peers[i].cpu), megabytes(peers[i].rss), peers[i].ratio(s))
		}
	}
	for i, s := range all {
		at := fmt.Sprintf("%d records", s.records)
		l := figure{row: 1, name: "publish-visible, p50", at: at, ours: short(quantile(s.indexed, 0.5)), peer: unmeasured, besides: "py-rattler index_fs"}
		if peers[i].there {
			l.peer, l.ratio, l.better = short(peers[i].wall), peers[i].ratio(s), fmt.Sprintf("≥ %g", fasterAtLeast)
		}
		figures.add(t, l)
		own, _ := s.growth(all[0])
		figures.add(t, figure{
			row: 1, name: "publish-visible, growth of its p50", at: at, ours: short(quantile(s.indexed, 0.5)), peer: short(quantile(all[0].indexed, 0.5)),
			besides: fmt.Sprintf("%d records", all[0].records), ratio: own, better: fmt.Sprintf("≤ %g", growthAllowed),
		})
		figures.add(t, figure{
			row: 2, name: fmt.Sprintf("publish-throughput, %d clients", connections), at: at, ours: fmt.Sprintf("%.0f uploads/s", s.rateTogether()),
			peer: fmt.Sprintf("%.0f uploads/s", s.rateAlone()), besides: "one client", ratio: s.rateTogether() / s.rateAlone(), better: fmt.Sprintf("≥ %g", togetherAtLeast),
		})
	}
	judge(t, all, peers)
}

// judge compares each size with the least one and with the peer.
func judge(t *testing.T, all []*subject, peers []peer) {
	t.Helper()
	least := all[0]
	for i, s := range all {
		own, cpu := s.growth(least)
		allowed := growthAllowed
		for n := least.records * 10; n < s.records; n *= 10 {
			allowed *= growthAllowed
		}
		if own > allowed {
			t.Errorf("an upload at %d records takes %.2f times that at %d, at most %.1f is right", s.records, own, least.records, allowed)
		}
		if cpu > allowed {
			t.Errorf("an upload at %d records takes %.2f times the CPU of that at %d, at most %.1f is right", s.records, cpu, least.records, allowed)
		}
		if got := s.rateTogether() / s.rateAlone(); got < togetherAtLeast {
			t.Errorf("at %d records %d clients are %.2f times as fast as one, want %.1f", s.records, connections, got, togetherAtLeast)
		}
		if peers[i].there && peers[i].ratio(s) < fasterAtLeast {
			t.Errorf("at %d records an upload is only %.1f times faster than index_fs, want %.0f", s.records, peers[i].ratio(s), fasterAtLeast)
		}
	}
}

// growth gives time and CPU of one upload as multiples of those of another size.
func (m *measured) growth(least *subject) (own, cpu float64) {
	return float64(quantile(m.indexed, 0.5)) / float64(quantile(least.indexed, 0.5)), float64(m.cpu) / float64(least.cpu)
}

func (m *measured) rateAlone() float64    { return float64(len(m.own)) / sum(m.own).Seconds() }
func (m *measured) rateTogether() float64 { return float64(len(m.band)) / m.bandTook.Seconds() }

// table writes the figures, a column for each size.
func table(all []*subject) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	row := func(what string, cell func(s *subject) string) {
		fmt.Fprint(w, what)
		for _, s := range all {
			fmt.Fprint(w, "\t", cell(s))
		}
		fmt.Fprintln(w)
	}
	row("records", func(s *subject) string { return fmt.Sprint(s.records) })
	row("names", func(s *subject) string { return fmt.Sprint(s.names) })
	row("repodata.json", func(s *subject) string { return megabytes(s.text) })
	row("import: time", func(s *subject) string { return short(s.imported.Took) })
	row("start to ready", func(s *subject) string { return short(s.ready) })
	row("start: peak RSS", func(s *subject) string { return megabytes(s.loaded) })
	row("1 client: upload p50", func(s *subject) string { return short(quantile(s.own, 0.5)) })
	row("1 client: upload p99", func(s *subject) string { return short(quantile(s.own, 0.99)) })
	row("1 client: upload to index and shard p50", func(s *subject) string { return short(quantile(s.indexed, 0.5)) })
	row("1 client: upload to index and shard p99", func(s *subject) string { return short(quantile(s.indexed, 0.99)) })
	row("1 client: upload to every form p50", func(s *subject) string { return short(quantile(s.visible, 0.5)) })
	row("1 client: upload to every form p99", func(s *subject) string { return short(quantile(s.visible, 0.99)) })
	row("1 client: CPU an upload, with reading", func(s *subject) string { return short(s.cpu / time.Duration(len(s.own))) })
	row("1 client: bytes written an upload", func(s *subject) string { return fmt.Sprintf("%d kB", s.written/int64(len(s.own))/1000) })
	row("1 client: uploads a second", func(s *subject) string { return fmt.Sprintf("%.0f", s.rateAlone()) })
	row(fmt.Sprintf("%d clients: uploads a second", connections), func(s *subject) string { return fmt.Sprintf("%.0f", s.rateTogether()) })
	row(fmt.Sprintf("%d clients: upload p50", connections), func(s *subject) string { return short(quantile(s.band, 0.5)) })
	row(fmt.Sprintf("%d clients: upload p99", connections), func(s *subject) string { return short(quantile(s.band, 0.99)) })
	row(fmt.Sprintf("%d clients: CPU an upload", connections), func(s *subject) string { return short(s.bandCPU / time.Duration(len(s.band))) })
	row("peak RSS", func(s *subject) string { return megabytes(s.peak) })
	row("growth: upload p50", func(s *subject) string { own, _ := s.growth(all[0]); return fmt.Sprintf("%.2f", own) })
	row("growth: CPU", func(s *subject) string { _, cpu := s.growth(all[0]); return fmt.Sprintf("%.2f", cpu) })
	if err := w.Flush(); err != nil {
		return err.Error()
	}
	return b.String()
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func short(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
