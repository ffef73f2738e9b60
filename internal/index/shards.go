package index

import (
	"context"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// pastBytes bounds the bytes of superseded shards that are held for each
// channel, for clients in the midst of a solve; older ones are made again.
const pastBytes = 16 << 20

// shardMemory finds the shards of a channel by subdir and hash: those of the
// current state, and those in whose place another stood less than Keep ago. The
// latter are known by name and generation, from which their bytes can be made
// again, since rows are never overwritten.
type shardMemory struct {
	mu      sync.RWMutex
	current map[string]map[hashKey]*shard     // by subdir
	past    map[string]map[hashKey]*pastShard // by subdir
	ends    map[shardEnd]time.Time            // the ends of shards that past knows of
	holding []*pastShard                      // those with bytes, oldest first
	held    int                               // bytes of these
	pruned  time.Time

	recalling sync.Mutex
	recalled  map[string]int64 // by subdir: the generation up to which recall has read the log
}

// pastShard is a shard in whose place another stands.
type pastShard struct {
	shard *shard // without data while nobody asks for it
	since time.Time
}

// shardEnd is the generation that put another shard in the place of a name's.
type shardEnd struct {
	subdir, name string
	generation   int64
}

// get gives a shard of the current state, or one of the past whose bytes are at
// hand.
func (m *shardMemory) get(subdir string, hash hashKey) (*shard, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s, ok := m.current[subdir][hash]; ok {
		return s, true
	}
	if p, ok := m.past[subdir][hash]; ok && p.shard.bytes() != nil {
		return p.shard, true
	}
	return nil, false
}

// superseded gives what is known of a shard of the past.
func (m *shardMemory) superseded(subdir string, hash hashKey) (*shard, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p, ok := m.past[subdir][hash]
	if !ok {
		return nil, false
	}
	return p.shard, true
}

// add takes the shards of a state that is to be the current one.
func (m *shardMemory) add(subdir string, entries []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		m.current = map[string]map[hashKey]*shard{}
	}
	in := m.current[subdir]
	if in == nil {
		in = make(map[hashKey]*shard, len(entries))
		m.current[subdir] = in
	}
	for _, e := range entries {
		in[e.shard.hash] = e.shard
	}
}

// forget drops all that is known.
func (m *shardMemory) forget() {
	m.recalling.Lock()
	defer m.recalling.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current, m.past, m.ends, m.holding, m.held, m.recalled = nil, nil, nil, nil, 0, nil
}

// supersede moves a shard to the past: a generation put another in its place,
// or none.
func (m *shardMemory) supersede(end shardEnd, s *shard, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.current[end.subdir], s.hash)
	m.note(end, s, since)
}

// note keeps a shard of the past; m is locked.
func (m *shardMemory) note(end shardEnd, s *shard, since time.Time) {
	if m.past == nil {
		m.past, m.ends = map[string]map[hashKey]*pastShard{}, map[shardEnd]time.Time{}
	}
	m.ends[end] = since
	in := m.past[end.subdir]
	if in == nil {
		in = map[hashKey]*pastShard{}
		m.past[end.subdir] = in
	}
	if p := in[s.hash]; p != nil { // it was there before and has come again
		p.since = since
		return
	}
	p := &pastShard{shard: s, since: since}
	in[s.hash] = p
	if s.bytes() != nil {
		m.hold(p)
	}
}

// hold counts the bytes of a shard and lets go of the oldest ones above the
// bound; m is locked.
func (m *shardMemory) hold(p *pastShard) {
	m.holding = append(m.holding, p)
	m.held += len(p.shard.bytes())
	for m.held > pastBytes && len(m.holding) > 1 {
		old := m.holding[0]
		m.holding[0] = nil
		m.holding = m.holding[1:]
		m.held -= len(old.shard.bytes())
		old.shard = old.shard.bare() // others may hold the whole one
	}
}

// ended reports whether the past knows of an end.
func (m *shardMemory) ended(end shardEnd) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.ends[end]
	return ok
}

// remade keeps the bytes of a shard of the past that was made again.
func (m *shardMemory) remade(subdir string, s *shard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.past[subdir][s.hash]; p != nil && p.shard.bytes() == nil {
		p.shard = s
		m.hold(p)
	}
}

// prune forgets what was superseded before a time. It looks at most once an
// hour.
func (m *shardMemory) prune(now, before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.pruned) < time.Hour {
		return
	}
	m.pruned = now
	for _, in := range m.past {
		for hash, p := range in {
			if p.since.Before(before) {
				delete(in, hash)
			}
		}
	}
	for end, since := range m.ends {
		if since.Before(before) {
			delete(m.ends, end)
		}
	}
}

// Shard gives the bytes of a shard that an index of the channel names now or
// has named in the last week, by its hash in lower-case hex. Which index the
// caller may see was decided with the channel; here only what is closed to the
// caller is left out, as if the hash were unknown: names, and shards with files
// of private packages that were deleted. at is "" or what At takes.
func (x *Index) Shard(ctx context.Context, open registry.Opened, at, subdir, hexHash string) ([]byte, error) {
	missing := func() error {
		return errs.New(errs.NotFound, "%s/%s has no such shard of %s.", open.Channel.OwnerName, open.Channel.Name, subdir)
	}
	hash, err := parseHash(hexHash)
	if err != nil {
		return nil, missing()
	}
	ch := x.channel(open.Records().ID)
	st := ch.current.Load()
	var s *shard
	ok := false
	if at != "" || open.Channel.FrozenAt != nil {
		if st, _, err = x.stateAt(ctx, &open, at); err != nil {
			return nil, err
		}
		s, ok = st.subdirs[subdir].shard(hash)
	}
	if !ok {
		s, ok = ch.shards.get(subdir, hash)
	}
	if !ok {
		// Another replica may have published it: look at the rows first.
		if _, _, err := x.stateFor(ctx, &open); err != nil {
			return nil, err
		}
		if s, ok = ch.shards.get(subdir, hash); !ok {
			if s, err = x.remake(ctx, ch, subdir, hash); err != nil {
				return nil, err
			}
		}
	}
	if s == nil {
		return nil, missing()
	}
	hidden, err := x.shardHidden(ctx, open, st, subdir, s)
	if err != nil {
		return nil, err
	}
	if hidden {
		return nil, missing()
	}
	data := s.bytes()
	if data == nil { // of a saved state that is not filled yet, or of the past
		if data, err = x.baseShard(ctx, ch.id, subdir, s); err != nil {
			return nil, err
		}
		if at == "" {
			s.hold(data)
		}
	}
	return data, nil
}

// parseHash reads 64 lower-case hex digits.
func parseHash(text string) (hash hashKey, err error) {
	if len(text) != hex.EncodedLen(len(hash)) || strings.ContainsAny(text, "ABCDEF") {
		return hash, hex.ErrLength
	}
	_, err = hex.Decode(hash[:], []byte(text))
	return hash, err
}

// remake encodes a superseded shard again from the rows of its generation. It
// gives nil for a hash that no index named in the last week.
func (x *Index) remake(ctx context.Context, ch *channel, subdir string, hash hashKey) (*shard, error) {
	known, ok := ch.shards.superseded(subdir, hash)
	if !ok {
		if err := x.recall(ctx, ch, subdir); err != nil {
			return nil, err
		}
		if known, ok = ch.shards.superseded(subdir, hash); !ok {
			return nil, nil //nolint:nilnil // the caller answers for what is absent
		}
	}
	if known.bytes() != nil {
		return known, nil
	}
	e, err := x.entryAt(ctx, ch.id, subdir, known.name, known.generation)
	if err != nil {
		return nil, err
	}
	if e == nil || e.shard.hash != hash {
		return nil, nil //nolint:nilnil // a sweep took its rows
	}
	ch.shards.remade(subdir, e.shard)
	return e.shard, nil
}

// recall finds the shards that were superseded in the last week without this
// process seeing it: before its start, or by one of several generations that it
// took in one step. The log says when a name changed, and the rows what its
// shard was just before. Each stretch of the log is read once.
func (x *Index) recall(ctx context.Context, ch *channel, subdir string) error {
	st := ch.current.Load()
	if st == nil || st.subdirs[subdir] == nil {
		return nil
	}
	m := &ch.shards
	m.recalling.Lock()
	defer m.recalling.Unlock()
	from, to := m.recalled[subdir], st.subdirs[subdir].generation
	if from >= to {
		return nil
	}
	type change struct {
		end shardEnd
		at  time.Time
	}
	changes, err := sqldb.All(ctx, x.db, func(r *sqldb.Rows, c *change) error {
		c.end.subdir = subdir
		return r.Scan(&c.end.name, &c.end.generation, &c.at)
	}, `
		SELECT n.name, n.number, g.at FROM generation_names n
		JOIN generations g ON g.channel_id = n.channel_id AND g.number = n.number AND g.subdir = n.subdir
		WHERE n.channel_id = $1 AND n.subdir = $2 AND n.number > $3 AND n.number <= $4 AND g.at >= $5
		ORDER BY n.name, n.number`, ch.id, subdir, from, to, x.opt.Now().Add(-x.opt.Keep))
	if err != nil {
		return err
	}
	for _, c := range changes {
		if m.ended(c.end) {
			continue
		}
		e, err := x.entryAt(ctx, ch.id, subdir, c.end.name, c.end.generation-1)
		if err != nil {
			return err
		}
		if e == nil {
			continue // the name was new
		}
		m.mu.Lock()
		m.note(c.end, e.shard.bare(), c.at)
		m.mu.Unlock()
	}
	if m.recalled == nil {
		m.recalled = map[string]int64{}
	}
	m.recalled[subdir] = to
	return nil
}

// entryAt makes the entry of one name as it was at a generation; nil where it had
// no records.
func (x *Index) entryAt(ctx context.Context, channel, subdir, name string, generation int64) (*entry, error) {
	var rows []row
	err := x.each(ctx, channel, subdir, generation, name, name, func(r row) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return makeEntry(name, rows, generation), nil
}
