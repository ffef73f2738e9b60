// Package index derives every form of a channel's metadata from its records
// and keeps them true: repodata.json, its zst, shards and their index,
// current_repodata, run_exports, channeldata, the feed.
//
// The rows of package registry are the truth. Held in memory is, for each
// channel, one immutable state behind an atomic pointer: for each subdir a
// snapshot of its names, shards and pieces at one generation. A change costs
// what changed: the shards of the changed names are made anew from rows, and
// everything else is shared with the state before. The pieces of a document's text
// are made when somebody asks for it, of the names that changed since it was made
// last (lay).
//
// A request asks the database which generation is current and brings the state
// up to it before it is answered; so replicas agree, and what one answered the
// others list on their next request. A start makes the state from rows again, or
// begins with the hashes that a process before it has saved and reads the rows
// behind its first answers (Fill); the shards of the last week are made from rows.
//
// What a caller may not see is left out by names: those of packages that are
// private now, and those under which a state lists files of private packages
// that were deleted since (registry.Opened, sight). Who opened the channel before
// rights changed that a state knows of is judged anew (inTime). A view shares everything
// with the snapshot but the pieces that lose a name.
//
// Who may read a channel is decided by registry; headers and addresses belong
// to condahttp.
package index

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/trace"
)

// Options of an Index.
type Options struct {
	URL string           // public address, for the feed
	Now func() time.Time // nil = time.Now
	Log *slog.Logger     // nil = nowhere
	// Keep is how long a shard stays answered for after another took its
	// place; 0 = 7 days (CEP 16).
	Keep time.Duration
	// ViewBytes bounds what the views of predicates may take in memory;
	// 0 = 512 MiB. The least lately asked for go first.
	ViewBytes int64
	// PastBytes bounds what the states of the past that are asked for by their addresses
	// may take in memory, 0 = 256 MiB; FrozenBytes is for those that frozen channels and
	// snapshots serve, 0 = 1 GiB. The least lately asked for go first, and one of each
	// kind is kept whatever it takes.
	PastBytes, FrozenBytes int64
	// SaveFrom is how many bytes of text a channel has at least whose state is
	// saved for the next start; 0 = 4 MiB. A smaller one is read in the time of a
	// few requests.
	SaveFrom int
	// SaveAfter is how many names of such a channel change at least before its state is
	// saved again; 0 = 500. It is that many that a start reads at worst, and saving costs an
	// upload a few kilobytes.
	SaveAfter int
	// KeepEvery is how often Run looks what is to be let go of and what to be saved;
	// 0 = a minute.
	KeepEvery time.Duration
}

// Index makes and holds the metadata of channels. It is safe for concurrent use.
type Index struct {
	db  *sqldb.DB
	reg *registry.Registry
	opt Options

	mu       sync.Mutex
	channels map[string]*channel // by id

	past    pastStates // asked for by their addresses
	frozen  pastStates // served by frozen channels and snapshots
	filters filters
	loads   loads
}

// New makes an Index over the records that reg writes into db.
func New(db *sqldb.DB, reg *registry.Registry, opt Options) *Index {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Keep == 0 {
		opt.Keep = 7 * 24 * time.Hour
	}
	if opt.ViewBytes == 0 {
		opt.ViewBytes = 512 << 20
	}
	if opt.PastBytes == 0 {
		opt.PastBytes = 256 << 20
	}
	if opt.FrozenBytes == 0 {
		opt.FrozenBytes = 1 << 30
	}
	if opt.SaveFrom == 0 {
		opt.SaveFrom = 4 << 20
	}
	if opt.SaveAfter == 0 {
		opt.SaveAfter = 500
	}
	if opt.KeepEvery == 0 {
		opt.KeepEvery = time.Minute
	}
	return &Index{
		db: db, reg: reg, opt: opt, channels: map[string]*channel{}, filters: filters{budget: opt.ViewBytes},
		past: newPastStates(opt.PastBytes), frozen: newPastStates(opt.FrozenBytes),
	}
}

// channel is what is held of one channel.
type channel struct {
	id      string
	shards  shardMemory
	changes changeLog
	build   sync.Mutex // held while a state is made
	current atomic.Pointer[state]

	// Held by build.
	unsaved int         // names changed since the state was saved
	cold    []*snapshot // of a saved state, whose shards and text are not filled yet
	wrong   bool        // what is saved proved to be wrong, and is there perhaps
}

// state is a channel at one generation. It never changes once it is published.
type state struct {
	generation int64
	rights     int64 // the access generation after it was read: see inTime
	open       bool  // everybody might see all of it then
	subdirs    map[string]*snapshot
	whole      wholeDocuments
	data       dataParts // of channeldata.json
	sights     sights
	own        int64 // bytes of shards that a frozen state alone holds
}

func (x *Index) channel(id string) *channel {
	x.mu.Lock()
	defer x.mu.Unlock()
	ch := x.channels[id]
	if ch == nil {
		ch = &channel{id: id}
		x.channels[id] = ch
	}
	return ch
}

// Publish brings the channels that a committed batch changed up to it, so that
// the caller of the batch can be answered. A channel that nobody has asked for
// yet is left to its first reader.
func (x *Index) Publish(ctx context.Context, changed []registry.Changed) (err error) {
	ctx, span := trace.Child(ctx, "index.Publish")
	defer func() { span.End(err) }()
	for _, c := range changed {
		ch := x.channel(c.ChannelID)
		if ch.current.Load() == nil {
			continue
		}
		prepared, _ := c.Prepared.(*prepared)
		prepared.forget(c.Rewritten)
		if _, err := x.upToWith(ctx, ch, c.Generation, prepared); err != nil {
			return err
		}
	}
	return nil
}

// Warm loads every channel that has records and an owner, so that the first requests after
// a start need not wait. It stops at the first error.
func (x *Index) Warm(ctx context.Context) error {
	defer x.loads.begin()()
	type head struct {
		id         string
		generation int64
	}
	heads, err := sqldb.All(ctx, x.db, func(r *sqldb.Rows, h *head) error { return r.Scan(&h.id, &h.generation) },
		`SELECT c.id, c.generation FROM channels c JOIN owners o ON o.id = c.owner_id WHERE c.generation > 0 AND o.deleted_at IS NULL ORDER BY c.id`)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if _, err := x.upTo(ctx, x.channel(h.id), h.generation); err != nil {
			return err
		}
	}
	return nil
}

// upTo gives a state of the channel at the generation or a later one.
func (x *Index) upTo(ctx context.Context, ch *channel, generation int64) (*state, error) {
	return x.upToWith(ctx, ch, generation, nil)
}

// upToWith is upTo with what was prepared for the generation, or nil.
func (x *Index) upToWith(ctx context.Context, ch *channel, generation int64, ahead *prepared) (_ *state, err error) {
	if s := ch.current.Load(); s != nil && s.generation >= generation {
		return s, nil
	}
	ctx, span := trace.Child(ctx, "index.CatchUp") // the wait for somebody who is at it included
	defer func() { span.End(err) }()
	ch.build.Lock()
	defer ch.build.Unlock()
	cur := ch.current.Load()
	if cur != nil && cur.generation >= generation {
		return cur, nil
	}
	var next *state
	if cur == nil && !ch.wrong {
		if cur, err = x.saved(ctx, ch, generation); err != nil {
			return nil, err
		}
	}
	switch {
	case cur == nil:
		next, err = x.loadCurrent(ctx, ch, generation)
	case cur.generation == generation:
		next = cur
	default:
		next, err = x.advance(ctx, ch, cur, generation, ahead)
	}
	if err == nil {
		err = x.judgedUnder(ctx, ch.id, next, cur)
	}
	if err != nil {
		return nil, err
	}
	ch.current.Store(next)
	return next, nil
}
