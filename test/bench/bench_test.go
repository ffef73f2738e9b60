//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// What is judged. Everything else is only reported.
const (
	// The median upload may take this much longer in the largest channel than in the
	// smallest, and its CPU grow so much with each tenfold.
	growthAllowed = 2.0
	// Waiting uploads share a transaction, so clients together are faster. The
	// clients of this test share the machine with the server, hence no more.
	togetherWanted, togetherAtLeast = 3.0, 1.2
	// How many times faster than indexing the folder anew, where that is there
	// to be compared.
	fasterAtLeast = 20.0
)

// TestBenchPublish measures start, one client and many, at each size: rows 1 and 2.
// The sizes take turns, so that other work on the machine falls on all.
func TestBenchPublish(t *testing.T) {
	limited(t)
	var all []*subject
	for _, n := range sizes(t) {
		all = append(all, load(t, n))
	}
	for _, s := range all {
		s.warm(t)
	}
	largest := all[len(all)-1].records
	for range few(largest, rounds) {
		for _, s := range all {
			s.round(t)
		}
	}
	for _, s := range all {
		s.beside(t)
	}
	for range few(largest, bandRounds) {
		for _, s := range all {
			for _, b := range s.bands {
				s.together(t, b, s.client.publish)
			}
			for _, b := range s.classic {
				s.together(t, b, s.client.classic)
			}
		}
	}
	for _, s := range all {
		s.peak = s.client.server.Usage().PeakRSS
		s.client.server.Stop()
	}
	t.Logf("\n%s", table(all))
	for _, s := range all {
		s.tell(t, all[0])
	}
	for _, s := range all[1:] {
		judgeGrowth(t, s, all[0])
	}
}

// tell adds the rows of one size to the table.
func (s *subject) tell(t *testing.T, least *subject) {
	t.Helper()
	at := fmt.Sprintf("%d records", s.records)
	p50 := quantile(s.indexed, 0.5)
	peers := channels.peersOf(t, s.from)
	for _, p := range peers {
		if p.more.wall == 0 {
			continue
		}
		figures.atLeast(t, figure{
			row: 1, name: "publish-visible, p50", at: at, ours: short(p50), peer: short(p.more.wall), besides: p.name + ", one package more",
			ratio: float64(p.more.wall) / float64(p50),
		}, fasterAtLeast, fasterAtLeast)
	}
	if len(peers) == 0 {
		figures.add(t, figure{row: 1, name: "publish-visible, p50", at: at, ours: short(p50), peer: unmeasured, besides: "py-rattler index_fs", better: fmt.Sprintf("≥ %g", fasterAtLeast)})
	}
	own, _ := s.growth(least)
	figures.add(t, figure{
		row: 1, name: "publish-visible, growth of its p50", at: at, ours: fmt.Sprintf("%s (p99 %s)", short(p50), short(quantile(s.indexed, 0.99))), peer: short(quantile(least.indexed, 0.5)),
		besides: fmt.Sprintf("%d records", least.records), ratio: own, better: fmt.Sprintf("≤ %g", growthAllowed),
	})
	l := figure{
		row: 1, name: "publish-visible, to every form, p50", at: at, peer: unmeasured, besides: "nginx, the .zst alone",
		ours: fmt.Sprintf("%s (p99 %s)", short(quantile(s.visible, 0.5)), short(quantile(s.visible, 0.99))),
	}
	if len(s.static) > 0 {
		l.peer = fmt.Sprintf("%s (p90 %s)", short(quantile(s.static, 0.5)), short(quantile(s.static, 0.9)))
	}
	figures.add(t, l)
	figures.add(t, figure{
		row: 1, name: "publish-visible, the last of each ten to every form, p50", at: at, peer: short(quantile(least.tenth(), 0.5)),
		ours:    fmt.Sprintf("%s (p99 %s)", short(quantile(s.tenth(), 0.5)), short(quantile(s.tenth(), 0.99))),
		besides: fmt.Sprintf("%d records", least.records), ratio: float64(quantile(s.tenth(), 0.5)) / float64(quantile(least.tenth(), 0.5)),
	})
	alone := of(s.bands, 1)
	for _, b := range s.bands[1:] {
		l := figure{
			row: 2, name: fmt.Sprintf("publish-throughput, clients: %d", b.clients), at: at, ours: b.String(),
			peer: alone.String(), besides: "one client", ratio: b.rate() / alone.rate(),
		}
		if b.clients == connections {
			figures.atLeast(t, l, togetherWanted, togetherAtLeast)
		} else {
			figures.add(t, l)
		}
	}
	for _, b := range s.classic {
		one := of(s.bands, b.clients)
		figures.add(t, figure{
			row: 2, name: fmt.Sprintf("publish-throughput, the five calls of anaconda upload, clients: %d", b.clients), at: at, ours: b.String(),
			peer: one.String(), besides: "one request", ratio: b.rate() / one.rate(),
		})
	}
}

// judgeGrowth compares a size with the least one.
func judgeGrowth(t *testing.T, s, least *subject) {
	t.Helper()
	own, cpu := s.growth(least)
	if own > growthAllowed {
		t.Errorf("an upload at %d records takes %.2f times that at %d, at most %.1f is right", s.records, own, least.records, growthAllowed)
	}
	if allowed := grown(growthAllowed, s.records, least.records); cpu > allowed {
		t.Errorf("an upload at %d records takes %.2f times the CPU of that at %d, at most %.1f is right", s.records, cpu, least.records, allowed)
	}
}

// growth gives time and CPU of one upload as multiples of those of another size.
func (m *measured) growth(least *subject) (own, cpu float64) {
	return float64(quantile(m.indexed, 0.5)) / float64(quantile(least.indexed, 0.5)), float64(m.cpu) / float64(least.cpu)
}

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
	row("import: time", func(s *subject) string { return short(s.imported) })
	row("start to ready", func(s *subject) string { return short(s.ready) })
	row("start: peak RSS", func(s *subject) string { return megabytes(s.loaded) })
	row("1 client: upload p50", func(s *subject) string { return short(quantile(s.own, 0.5)) })
	row("1 client: upload p99", func(s *subject) string { return short(quantile(s.own, 0.99)) })
	row("1 client: upload to index and shard p50", func(s *subject) string { return short(quantile(s.indexed, 0.5)) })
	row("1 client: upload to index and shard p99", func(s *subject) string { return short(quantile(s.indexed, 0.99)) })
	row("1 client: upload to every form p50", func(s *subject) string { return short(quantile(s.visible, 0.5)) })
	row("1 client: upload to every form p99", func(s *subject) string { return short(quantile(s.visible, 0.99)) })
	row("the same of all uploads, but nine of ten read nothing p50", func(s *subject) string { return short(quantile(s.tenth(), 0.5)) })
	row("the same of all uploads, but nine of ten read nothing p99", func(s *subject) string { return short(quantile(s.tenth(), 0.99)) })
	row("nginx: the .zst alone p50", func(s *subject) string { return spread(s.static, 0.5) })
	row("nginx: the .zst alone p90", func(s *subject) string { return spread(s.static, 0.9) })
	row("1 client: CPU an upload, with reading", func(s *subject) string { return short(s.cpu / time.Duration(len(s.own))) })
	for i, b := range all[0].bands {
		row(fmt.Sprintf("%d clients", b.clients), func(s *subject) string { return s.bands[i].String() })
		row(fmt.Sprintf("%d clients: CPU an upload", b.clients), func(s *subject) string { return short(s.bands[i].each()) })
	}
	for i, b := range all[0].classic {
		row(fmt.Sprintf("%d clients, five calls", b.clients), func(s *subject) string { return s.classic[i].String() })
		row(fmt.Sprintf("%d clients, five calls: CPU an upload", b.clients), func(s *subject) string { return short(s.classic[i].each()) })
	}
	row("peak RSS", func(s *subject) string { return megabytes(s.peak) })
	row("growth: upload p50", func(s *subject) string { own, _ := s.growth(all[0]); return fmt.Sprintf("%.2f", own) })
	row("growth: CPU", func(s *subject) string { _, cpu := s.growth(all[0]); return fmt.Sprintf("%.2f", cpu) })
	if err := w.Flush(); err != nil {
		return err.Error()
	}
	return b.String()
}

// spread is a quantile of what may not be measured.
func spread(list []time.Duration, p float64) string {
	if len(list) == 0 {
		return "-"
	}
	return short(quantile(list, p))
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func short(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
