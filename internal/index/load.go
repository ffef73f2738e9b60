package index

import (
	"context"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// loads counts what reads all records at the moment. What passes through is many times
// what stays: the collector comes round more often meanwhile, so that it does not set
// the size of the process.
type loads struct {
	mu      sync.Mutex
	running int
	before  int // percentage of the heap, when none runs
}

// loadingGC is the percentage of the heap that loads may add before the collector
// comes round.
const loadingGC = 25

// begin counts a load, until what it gives is called.
func (l *loads) begin() (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running++; l.running == 1 {
		l.before = debug.SetGCPercent(loadingGC)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running--; l.running == 0 {
			debug.SetGCPercent(l.before)
		}
	}
}

// head is the last generation that changed a subdir.
type head struct {
	subdir     string
	generation int64
	at         time.Time
}

// heads gives, for each subdir of a channel, its last generation that is not
// above the given one and is above since. It goes over the log of these once: asked
// for the last one row after row, each row of a subdir at rest goes over all later ones
// of the others.
func (x *Index) heads(ctx context.Context, channel string, since, generation int64) ([]head, error) {
	return sqldb.All(ctx, x.db, func(r *sqldb.Rows, h *head) error { return r.Scan(&h.subdir, &h.generation, &h.at) }, `
		SELECT g.subdir, g.number, g.at FROM (
			SELECT subdir, max(number) AS number FROM generations
			WHERE channel_id = $1 AND number > $2 AND number <= $3 GROUP BY subdir) newest
		JOIN generations g ON g.channel_id = $1 AND g.number = newest.number AND g.subdir = newest.subdir
		ORDER BY g.subdir`, channel, since, generation)
}

// load makes the state of a channel at a generation from all its rows; take is that of
// scan, for all subdirs.
func (x *Index) load(ctx context.Context, channel string, generation int64, take func(subdir string, e *entry) *entry) (*state, error) {
	heads, err := x.heads(ctx, channel, 0, generation)
	if err != nil {
		return nil, err
	}
	st := &state{generation: generation, subdirs: make(map[string]*snapshot, len(heads))}
	for _, h := range heads {
		s, err := x.scan(ctx, channel, h, generation, func(e *entry) *entry { return take(h.subdir, e) })
		if err != nil {
			return nil, err
		}
		st.subdirs[h.subdir] = s
	}
	return st, nil
}

// loadCurrent is load for a state that is to be served as the current one, which
// remembers its shards; one of the past is asked for by its own address and finds
// them in itself.
func (x *Index) loadCurrent(ctx context.Context, ch *channel, generation int64) (*state, error) {
	st, err := x.load(ctx, ch.id, generation, func(_ string, e *entry) *entry { return e })
	if err != nil {
		return nil, err
	}
	for subdir, s := range st.subdirs {
		s.picker = &picker{}
		ch.shards.add(subdir, s.entries)
		ch.unsaved += len(s.entries)
	}
	return st, nil
}

// sameAs gives the take of scan that puts an entry of known which turns out to be the
// same in place of a new one, and gives it the bytes of that.
func sameAs(known []*entry) func(*entry) *entry {
	return func(e *entry) *entry {
		i, ok := find(known, e.name)
		if !ok || known[i].shard.hash != e.shard.hash || known[i].sizes != e.sizes {
			return e
		}
		known[i].shard.hold(e.shard.bytes())
		return known[i]
	}
}

// scan makes one snapshot in one pass over the rows, holding the text of one
// segment of names at a time. take is given each entry and gives the one that is to
// stand in the snapshot.
func (x *Index) scan(ctx context.Context, channel string, h head, generation int64, take func(*entry) *entry) (*snapshot, error) {
	s := &snapshot{channel: channel, subdir: h.subdir, generation: h.generation, modified: h.at}
	var segment [groups]segmentBuffer
	laid := &runs{}
	var name string
	var rows []row
	finish := func() error { // of one name
		e := makeEntry(name, rows, generation)
		if e == nil {
			return nil
		}
		e = take(e)
		s.entries = append(s.entries, e)
		for g := range segment {
			if e.sizes[g] == 0 {
				continue
			}
			if repodata.Segment(name) {
				if err := segment[g].flush(laid, g); err != nil {
					return err
				}
			}
			segment[g].add(e, rows, g)
		}
		return nil
	}
	err := x.each(ctx, channel, h.subdir, generation, "", "", func(r row) error {
		if r.name != name {
			if err := finish(); err != nil {
				return err
			}
			name, rows = r.name, nil
		}
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := finish(); err != nil {
		return nil, err
	}
	for g := range segment {
		if err := segment[g].flush(laid, g); err != nil {
			return nil, err
		}
	}
	s.text.set(laid)
	return s, nil
}

// segmentBuffer holds the rows of the names since the last segment start.
type segmentBuffer struct {
	entries []*entry
	rows    map[string][]row
}

func (b *segmentBuffer) add(e *entry, rows []row, group int) {
	if b.rows == nil {
		b.rows = map[string][]row{}
	}
	b.entries = append(b.entries, e)
	for _, r := range rows {
		if groupOf(r.fileName) == group {
			r.msgpack = nil // the shard is made: a segment of text alone is held
			b.rows[e.name] = append(b.rows[e.name], r)
		}
	}
}

// flush makes the runs of the segment. Segments do not influence each other
// (repodata.Segment), so laying them one by one equals laying them all.
func (b *segmentBuffer) flush(laid *runs, group int) error {
	if len(b.entries) == 0 {
		return nil
	}
	runs, err := layRuns(b.entries, func(e *entry) int { return e.sizes[group] }, nil, func(r, _ *run) error {
		var rows []row
		for _, e := range r.of {
			rows = append(rows, b.rows[e.name]...)
		}
		return r.fill(rows)
	})
	if err != nil {
		return err
	}
	laid[group] = append(laid[group], runs...)
	*b = segmentBuffer{}
	return nil
}

// touchedName is a name that the log has, and the first of the generations that
// changed it.
type touchedName struct {
	name  string
	first int64
}

// supersede takes over the shards of a snapshot that is to stand in the place of
// another, which may be nil, and keeps those that it does not name any more.
func (ch *channel) supersede(old, s *snapshot, touched []touchedName) {
	entries := make([]*entry, 0, len(touched))
	for _, t := range touched {
		var fresh *shard
		if i, ok := find(s.entries, t.name); ok {
			entries = append(entries, s.entries[i])
			fresh = s.entries[i].shard
		}
		if old == nil {
			continue
		}
		if i, ok := find(old.entries, t.name); ok && (fresh == nil || fresh.hash != old.entries[i].shard.hash) {
			ch.shards.supersede(shardEnd{s.subdir, t.name, t.first}, old.entries[i].shard, s.modified)
		}
	}
	ch.shards.add(s.subdir, entries)
}

// advance brings a state to a later generation by what the log says changed, as far
// as that is not prepared.
func (x *Index) advance(ctx context.Context, ch *channel, cur *state, generation int64, ahead *prepared) (*state, error) {
	heads, err := x.heads(ctx, ch.id, cur.generation, generation)
	if err != nil {
		return nil, err
	}
	next := &state{generation: generation, subdirs: make(map[string]*snapshot, len(cur.subdirs)+len(heads))}
	for k, v := range cur.subdirs {
		next.subdirs[k] = v
	}
	next.data.before.Store(cur.data.known())
	for _, h := range heads {
		touched, err := sqldb.All(ctx, x.db, func(r *sqldb.Rows, t *touchedName) error { return r.Scan(&t.name, &t.first) }, `
			SELECT name, min(number) FROM generation_names
			WHERE channel_id = $1 AND number > $2 AND number <= $3 AND subdir = $4
			GROUP BY name ORDER BY name`, ch.id, cur.generation, generation, h.subdir)
		if err != nil {
			return nil, err
		}
		old := cur.subdirs[h.subdir]
		var s *snapshot
		if mostly(old, len(touched)) {
			s, err = x.scan(ctx, ch.id, h, generation, sameAs(untouched(old, touched))) // one pass is cheaper
		} else {
			s, err = x.update(ctx, ch, old, h, cur.generation, generation, touched, ahead)
		}
		if err != nil {
			return nil, err
		}
		ch.unsaved += len(touched)
		s.picker = &picker{}
		if old != nil {
			s.picker = old.picker
		}
		ch.supersede(old, s, touched)
		ch.changes.note(old, s, touched)
		ch.shards.prune(x.opt.Now(), x.opt.Now().Add(-x.opt.Keep))
		next.subdirs[h.subdir] = s
	}
	return next, nil
}

// namesAtOnce is how many changed names one query reads.
const namesAtOnce = 200

// mostly reports whether so many names are most of what a snapshot, which may be nil,
// will be.
func mostly(old *snapshot, touched int) bool {
	return old == nil || touched > 100 && touched > len(old.entries)/4
}

// update makes the next snapshot of a subdir from the one before, which was so at a
// generation, and the rows of the names that changed.
func (x *Index) update(ctx context.Context, ch *channel, old *snapshot, h head, from, generation int64, touched []touchedName, ahead *prepared) (*snapshot, error) {
	known, err := x.stillPrepared(ctx, ch.id, h.subdir, generation, ahead)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(touched))
	for _, t := range touched {
		if _, there := known[t.name]; !there {
			names = append(names, t.name)
		}
	}
	changed, err := x.renew(ctx, ch.id, old, span{from: from, to: generation, logged: true}, names)
	if err != nil {
		return nil, err
	}
	for _, t := range touched {
		if e, there := known[t.name]; there {
			changed[t.name] = e
		}
	}
	s := &snapshot{channel: ch.id, subdir: h.subdir, generation: h.generation, modified: h.at, entries: merge(old.entries, changed), list: old.listParts()}
	s.follow(old, changed)
	s.text.before.Store(old.text.known())
	if old.text.known() == nil {
		s.text.filling = old.text.filling
	}
	s.exports.before.Store(old.exports.known())
	s.current.before.Store(old.current.known())
	return s, nil
}

// renew makes the entries of some names at the end of a span anew, those of a snapshot
// being what they were at its beginning; nil for a name without records.
func (x *Index) renew(ctx context.Context, channel string, old *snapshot, over span, names []string) (map[string]*entry, error) {
	changed := make(map[string]*entry, len(names))
	known := make(map[string][]row, len(names))
	small := make([]string, 0, len(names))
	for _, name := range names {
		i, ok := find(old.entries, name)
		if !ok || !old.entries[i].large() {
			small = append(small, name)
			continue
		}
		var err error
		if changed[name], err = x.updateEntry(ctx, channel, old.subdir, old.entries[i], over); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(small, namesAtOnce) {
		if err := x.eachOf(ctx, channel, old.subdir, over.to, some, func(r row) error {
			known[r.name] = append(known[r.name], r)
			return nil
		}); err != nil {
			return nil, err
		}
		for _, n := range some {
			changed[n] = makeEntry(n, known[n], over.to)
			delete(known, n)
		}
	}
	return changed, nil
}

// untouched gives the entries of a snapshot, which may be nil, that keep their records.
func untouched(old *snapshot, touched []touchedName) []*entry {
	if old == nil {
		return nil
	}
	changed := make(map[string]*entry, len(touched))
	for _, t := range touched {
		changed[t.name] = nil
	}
	return merge(old.entries, changed)
}
