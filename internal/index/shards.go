package index

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// shardMemory holds the shards of a channel by subdir and hash: those of the
// current state and those that were made again for older clients.
type shardMemory struct {
	mu     sync.RWMutex
	shards map[string]map[hashKey]*shard // by subdir
}

func (m *shardMemory) get(subdir string, hash hashKey) (*shard, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.shards[subdir][hash]
	return s, ok
}

func (m *shardMemory) add(subdir string, list ...*shard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shards == nil {
		m.shards = map[string]map[hashKey]*shard{}
	}
	in := m.shards[subdir]
	if in == nil {
		in = make(map[hashKey]*shard, len(list))
		m.shards[subdir] = in
	}
	for _, s := range list {
		in[s.hash] = s
	}
}

// keepOnly drops what keep refuses.
func (m *shardMemory) keepOnly(keep func(subdir string, s *shard) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for subdir, in := range m.shards {
		for h, s := range in {
			if !keep(subdir, s) {
				delete(in, h)
			}
		}
	}
}

// rememberBatch bounds the rows of one transaction.
const rememberBatch = 2000

// owedShard is a shard that an index names and no row does.
type owedShard struct {
	subdir     string
	generation int64
	*shard
}

// remember writes down hash → name and generation of shards before any index
// names them, so that every replica can make them again for older clients. The
// shards must be those of the rows at the generation.
//
// Where rows can be read and not written, as on a full disk, the index is shown
// all the same: its readers need not know of it, and only clients that come with
// an older index would. What could not be written is owed, and written with the
// next that can be.
func (x *Index) remember(ctx context.Context, ch *channel, subdir string, generation int64, entries []*entry) error {
	known, err := x.knownShards(ctx, ch.id, subdir, len(entries))
	if err != nil {
		return err
	}
	all := make([]*shard, len(entries))
	missing := ch.owed
	for i, e := range entries {
		all[i] = e.shard
		if !known[e.shard.hash] {
			missing = append(missing, owedShard{subdir, generation, e.shard})
		}
	}
	for batch := range slices.Chunk(missing, rememberBatch) {
		now := x.opt.Now()
		err := x.db.Tx(ctx, func(tx *sqldb.DB) error {
			for _, s := range batch {
				if _, err := tx.Exec(ctx, `
					INSERT INTO shards (channel_id, subdir, hash, name, generation, made_at)
					VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
					ch.id, s.subdir, s.hash[:], s.name, s.generation, now); err != nil {
					return err
				}
			}
			return nil
		})
		if errs.Is(err, errs.Unavailable) {
			x.opt.Log.WarnContext(ctx, "shards are shown and not written down", "err", err, "channel", ch.id, "shards", len(missing))
			ch.owed = missing
			ch.shards.add(subdir, all...)
			return nil
		}
		if err != nil {
			return err
		}
	}
	ch.owed = nil
	ch.shards.add(subdir, all...)
	return nil
}

// knownShards gives the hashes that are written down already. For a few new
// ones it is cheaper not to look: the insert tolerates them.
func (x *Index) knownShards(ctx context.Context, channel, subdir string, n int) (map[hashKey]bool, error) {
	known := map[hashKey]bool{}
	if n < 50 {
		return known, nil
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var b []byte
		if err := r.Scan(&b); err != nil {
			return err
		}
		if len(b) == len(hashKey{}) {
			known[hashKey(b)] = true
		}
		return nil
	}, `SELECT hash FROM shards WHERE channel_id = $1 AND subdir = $2`, channel, subdir)
	return known, err
}

// Shard gives the bytes of a shard that an index of the channel names now or
// has named in the last week, by its hash in lower-case hex. Which index the
// caller may see was decided with the channel; here only what is closed to the
// caller is left out, as if the hash were unknown: names, and shards with files
// of private packages that were deleted. at is "" or what At takes.
func (x *Index) Shard(ctx context.Context, open registry.Opened, at, subdir, hexHash string) ([]byte, error) {
	missing := errs.New(errs.NotFound, "%s/%s has no such shard of %s.", open.Channel.OwnerName, open.Channel.Name, subdir)
	b, err := hex.DecodeString(hexHash)
	if err != nil || len(b) != len(hashKey{}) || hex.EncodeToString(b) != hexHash {
		return nil, missing
	}
	hash := hashKey(b)
	ch := x.channel(open.Channel.ID)
	st := ch.current.Load()
	var s *shard
	ok := false
	if at != "" || open.Channel.FrozenAt != nil {
		if st, err = x.stateAt(ctx, open, at); err != nil {
			return nil, err
		}
		s, ok = st.subdirs[subdir].shard(hash)
	}
	if !ok {
		s, ok = ch.shards.get(subdir, hash)
	}
	if !ok {
		// Another replica may have published it: look at the rows first.
		if _, _, err := x.stateFor(ctx, open); err != nil {
			return nil, err
		}
		if s, ok = ch.shards.get(subdir, hash); !ok {
			if s, err = x.remake(ctx, ch, subdir, hash); err != nil {
				return nil, err
			}
		}
	}
	if s == nil {
		return nil, missing
	}
	hidden, err := x.shardHidden(ctx, open, st, subdir, s)
	if err != nil {
		return nil, err
	}
	if hidden {
		return nil, missing
	}
	return s.data, nil
}

// remake encodes a superseded shard again from the rows of its generation. It
// gives nil for a hash that was never named or is kept no longer.
func (x *Index) remake(ctx context.Context, ch *channel, subdir string, hash hashKey) (*shard, error) {
	var name string
	var generation int64
	err := x.db.Row(ctx, `
		SELECT name, generation FROM shards
		WHERE channel_id = $1 AND subdir = $2 AND hash = $3`, ch.id, subdir, hash[:]).Scan(&name, &generation)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil //nolint:nilnil // the caller answers for what is absent
	}
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := x.each(ctx, ch.id, subdir, generation, name, name, func(r row) error {
		rows = append(rows, r)
		return nil
	}); err != nil {
		return nil, err
	}
	e := makeEntry(name, rows)
	if e == nil || e.shard.hash != hash {
		return nil, nil //nolint:nilnil // written by another encoder, gone with it
	}
	ch.shards.add(subdir, e.shard)
	return e.shard, nil
}

// Sweep forgets shards in whose place another stood a week ago already. It
// gives their number. They are looked for by a reader and removed in batches, so
// that publishing does not wait for it.
func (x *Index) Sweep(ctx context.Context) (int64, error) {
	type key struct {
		channel, subdir string
		hash            []byte
	}
	old, err := sqldb.All(ctx, x.db, func(r *sqldb.Rows, k *key) error { return r.Scan(&k.channel, &k.subdir, &k.hash) }, `
		SELECT o.channel_id, o.subdir, o.hash FROM shards o JOIN (
			SELECT channel_id, subdir, name, max(generation) AS generation FROM shards
			WHERE made_at < $1 GROUP BY channel_id, subdir, name) n
		ON n.channel_id = o.channel_id AND n.subdir = o.subdir AND n.name = o.name
		WHERE o.generation < n.generation`, x.opt.Now().Add(-x.opt.Keep))
	if err != nil {
		return 0, err
	}
	var n int64
	for batch := range slices.Chunk(old, rememberBatch) {
		err := x.db.Tx(ctx, func(tx *sqldb.DB) error {
			for _, k := range batch {
				if _, err := tx.Exec(ctx, `DELETE FROM shards WHERE channel_id = $1 AND subdir = $2 AND hash = $3`, k.channel, k.subdir, k.hash); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += int64(len(batch))
	}
	x.mu.Lock()
	list := make([]*channel, 0, len(x.channels))
	for _, ch := range x.channels {
		list = append(list, ch)
	}
	x.mu.Unlock()
	for _, ch := range list {
		st := ch.current.Load()
		if st == nil {
			continue
		}
		ch.shards.keepOnly(func(subdir string, s *shard) bool {
			snap := st.subdirs[subdir]
			if snap == nil {
				return false
			}
			i, ok := find(snap.entries, s.name)
			return ok && snap.entries[i].shard.hash == s.hash // older ones are remade when asked for
		})
	}
	return n, nil
}
