package index

import (
	"context"
	"slices"
	"sync"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// part is what a view has of a name that loses some of its records there. Its
// shard is known by its hash only; the bytes are made again when asked for.
type part struct {
	of   *shard // the base's, without bytes
	kept bits
	cols *columns
}

// ownEntry is an entry of a view with all that hangs on it, made at one go: a thousand
// views have millions.
type ownEntry struct {
	entry entry
	part  part
	shard shard
	few   [1]uint64 // kept, of up to 64 records
}

// newPart makes the entry of a name that keeps some records; its hash is to come.
func newPart(of *entry, kept bits) *entry {
	own := &ownEntry{
		entry: entry{name: of.name},
		part:  part{of: of.shard.bare(), cols: of.columns.Load()},
		shard: shard{name: of.name, generation: of.shard.generation},
	}
	own.part.kept = append(own.few[:0], kept...) // a longer list gets a place of its own
	own.entry.part, own.entry.shard = &own.part, &own.shard
	return &own.entry
}

// filteredKey names what is kept of one predicate over one subdir.
type filteredKey struct {
	channel, subdir, predicate string
	frozen                     int64 // generation, or 0 for the current one
}

// filtered is a predicate over one subdir, as it was asked for last: hot with a
// snapshot, cold with no more than the hashes of the shards that are its own.
type filtered struct {
	key filteredKey
	p   *Predicate

	mu         sync.Mutex
	snap       *snapshot
	marks      []mark // of a cold one, sorted by name
	generation int64
	cut, next  int64 // of the rule on age: the cut that was judged by, and the oldest record beyond it
	line       int64
	past       map[hashKey]pastPart
	recalled   string // the view key up to which recallParts has looked

	cost int64 // bytes; belongs to filters
}

// mark remembers a part of a cold view.
type mark struct {
	name     string
	of, hash hashKey
	kept     bits
}

// Filtered gives the subdir as View does, less the records that the predicate
// takes out. It is kept under the predicate's key and brought up when somebody
// asks next: only names that changed since, and those with a record that has come
// of age, are judged again, and all else is shared with the view before. Names
// that keep all their records share shard and pieces with the channel itself.
func (x *Index) Filtered(ctx context.Context, open registry.Opened, p *Predicate, subdir string) (*View, error) {
	f := x.filters.get(filteredKeyOf(open, p, subdir), p)
	f.mu.Lock()
	defer f.mu.Unlock()
	st, stale, err := x.stateFor(ctx, &open)
	if err != nil {
		return nil, err
	}
	if cur := x.channel(open.Records().ID).current.Load(); open.Channel.FrozenAt == nil && cur != nil && cur.generation > st.generation {
		st = cur // whoever had the view before may have been later
		if err := x.inTime(ctx, &open, st); err != nil {
			return nil, err
		}
	}
	return x.filteredOf(ctx, open, st, f, stale)
}

// filteredAt is Filtered for a state that the caller has, who wants the views of several
// subdirs to be of the same one. Where somebody has brought the kept view up to a later
// state already, one is made beside it.
func (x *Index) filteredAt(ctx context.Context, open registry.Opened, st *state, p *Predicate, subdir string) (*View, error) {
	f := x.filters.get(filteredKeyOf(open, p, subdir), p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if base := st.subdirs[subdir]; base != nil && f.generation > base.generation {
		f = &filtered{key: f.key, p: p, cut: f.cut}
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	return x.filteredOf(ctx, open, st, f, false)
}

// filteredOf brings a view up to a state and gives it as the caller sees it; f is locked.
func (x *Index) filteredOf(ctx context.Context, open registry.Opened, st *state, f *filtered, stale bool) (*View, error) {
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	base := st.subdirs[f.key.subdir]
	if base == nil || hidden.subdirs[f.key.subdir] {
		if f.key.subdir != noarch {
			return nil, errs.New(errs.NotFound, "%s/%s has nothing for %s.", open.Channel.OwnerName, open.Channel.Name, f.key.subdir)
		}
		base = &snapshot{channel: open.Records().ID, subdir: noarch, modified: open.Channel.CreatedAt}
		return &View{x: x, snap: base, stale: stale}, nil
	}
	if err := x.bringUp(ctx, f, base); err != nil {
		return nil, err
	}
	x.filters.account(f)
	return &View{x: x, snap: f.seenBy(hidden), stale: stale, base: base, filtered: f}, nil
}

func filteredKeyOf(open registry.Opened, p *Predicate, subdir string) filteredKey {
	key := filteredKey{channel: open.Records().ID, subdir: subdir, predicate: p.key}
	if g := open.Channel.FrozenAt; g != nil {
		key.frozen = *g
	}
	return key
}

// bringUp makes the snapshot of f that belongs to the base and to now; f is
// locked.
func (x *Index) bringUp(ctx context.Context, f *filtered, base *snapshot) error {
	now, cut := x.opt.Now().UnixMilli(), int64(0)
	if f.p.minAge > 0 {
		cut = max(now-f.p.minAge, f.cut) // a clock that goes back takes nothing away
	}
	aged := f.next != 0 && f.next < cut
	if f.snap != nil && f.generation == base.generation && !aged {
		return nil
	}
	if err := x.fillColumns(ctx, base); err != nil {
		return err
	}
	var times *ages
	if f.p.minAge > 0 {
		from := cut
		if f.snap != nil {
			from = min(cut, f.cut)
		}
		times = base.agesFrom(from, now)
	}
	touched, known := x.channel(base.channel).changes.since(base.subdir, f.generation)
	var shared *sharing
	var changed map[string]*entry // nil = any
	var err error
	if f.snap != nil && (known || f.generation == base.generation) {
		if f.generation == base.generation {
			touched = nil
		}
		if changed, err = x.rejudge(ctx, f, base, times, cut, touched); err == nil {
			shared = f.snap.shared.next(base.entries, changed)
		}
	} else {
		shared, err = x.judgeAll(ctx, f, base, cut)
	}
	if err != nil {
		return err
	}
	shared.list = base.cutList()
	line, next := int64(0), int64(0)
	if f.p.minAge > 0 {
		line, next = base.line(times, cut)
	}
	s := &snapshot{
		channel: base.channel, subdir: base.subdir, generation: base.generation, modified: base.modified,
		viewKey: f.p.viewKey(line, nil), shared: shared, lay: &laying{},
	}
	if at := time.UnixMilli(line + f.p.minAge).UTC(); line > 0 && at.After(s.modified) {
		s.modified = at // that is when the last record came of age
	}
	if f.snap != nil {
		s.lay.inherit = f.snap.lay.handOver(f.snap)
		f.supersede(f.snap, s, changed, x.opt.Now(), x.opt.Keep)
	}
	f.snap, f.marks, f.generation, f.cut, f.line, f.next = s, nil, base.generation, cut, line, next
	return nil
}

// judgeAll judges every name of the base. Parts that f has already, hot or
// cold, are taken over.
func (x *Index) judgeAll(ctx context.Context, f *filtered, base *snapshot, cut int64) (*sharing, error) {
	shared, place := newSharing(base.entries), 0
	j := judge{Predicate: f.p, subdir: base.subdir, cut: cut}
	err := j.each(ctx, base.entries, func(e *entry, v verdict, kept bits) error {
		own, err := x.judged(ctx, f, e, v, kept)
		shared.add(place, own)
		place++
		return err
	})
	return shared.close(), err
}

// rejudge judges the names that changed and those that have a record between
// the cut before and this one, and gives what the view has of them now.
func (x *Index) rejudge(ctx context.Context, f *filtered, base *snapshot, all *ages, cut int64, touched []string) (map[string]*entry, error) {
	changed := make(map[string]*entry, len(touched))
	j := judge{Predicate: f.p, subdir: base.subdir, cut: cut}
	again := func(e *entry) error {
		v, kept := j.name(e.name, e.columns.Load(), f.p.rules(e.name))
		own, err := x.judged(ctx, f, e, v, kept)
		changed[e.name] = own
		return err
	}
	for _, n := range touched {
		changed[n] = nil
		if i, ok := find(base.entries, n); ok {
			if err := again(base.entries[i]); err != nil {
				return nil, err
			}
		}
	}
	if cut > f.cut {
		for _, one := range all.between(f.cut, cut) {
			if _, done := changed[one.e.name]; done {
				continue
			}
			if err := again(one.e); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

// judged gives the entry of a view for one of the base: the same, one of its
// own, or nil.
func (x *Index) judged(ctx context.Context, f *filtered, e *entry, v verdict, kept bits) (*entry, error) {
	switch v {
	case whole:
		return e, nil
	case gone:
		return nil, nil //nolint:nilnil // the name is not in the view
	}
	if f.snap != nil {
		if old := f.snap.entry(e.name); old != nil && old.part != nil && old.part.of.hash == e.shard.hash && slices.Equal(old.part.kept, kept) {
			return old, nil
		}
	}
	own := newPart(e, kept)
	if i, ok := slices.BinarySearchFunc(f.marks, e.name, func(m mark, name string) int { return compareNames(m.name, name) }); ok {
		if m := f.marks[i]; m.of == e.shard.hash && slices.Equal(m.kept, kept) {
			own.shard.hash = m.hash
			return own, nil
		}
	}
	data, err := x.baseShard(ctx, f.key.channel, f.key.subdir, e.shard)
	if err != nil {
		return nil, err
	}
	if _, own.shard.hash, err = repodata.FilterShard(data, kept.has); err != nil {
		return nil, err
	}
	return own, nil
}

// seenBy gives the snapshot of f less names that are hidden from a caller; f is
// locked.
func (f *filtered) seenBy(hidden sight) *snapshot {
	s := f.snap
	names := slices.DeleteFunc(slices.Clone(hidden.names), func(n string) bool { return !s.has(n) })
	if len(names) == 0 {
		return s
	}
	key := f.p.viewKey(f.line, names)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[key]; v != nil {
		return v
	}
	v := &snapshot{
		channel: s.channel, subdir: s.subdir, generation: s.generation, modified: s.modified,
		viewKey: key, shared: s.shared.without(hidden.hides), lay: &laying{},
	}
	if s.views == nil {
		s.views = map[string]*snapshot{}
	}
	s.views[key] = v
	return v
}

// lists reports whether the snapshot has a file.
func (s *snapshot) lists(name, fileName string) bool {
	e := s.entry(name)
	return e != nil && e.lists(fileName)
}

// lists reports whether an entry has a file of its name.
func (e *entry) lists(fileName string) bool {
	if e.part == nil {
		return true
	}
	place, ok := e.part.cols.place(e.name, fileName)
	return ok && e.part.kept.has(place)
}
