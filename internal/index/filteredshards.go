package index

import (
	"context"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

func compareNames(a, b string) int { return strings.Compare(a, b) }

// pastPart is a shard that the view has named and that another stands in the
// place of.
type pastPart struct {
	of    *shard // the base's, without bytes
	kept  bits   // nil = all of it
	since time.Time
}

// supersede keeps what a snapshot named and the next one does not; f is locked.
// changed has the names that may have changed, or is nil.
func (f *filtered) supersede(old, s *snapshot, changed map[string]*entry, now time.Time, keep time.Duration) {
	for hash, p := range f.past {
		if p.since.Before(now.Add(-keep)) {
			delete(f.past, hash)
		}
	}
	look := func(before, after *entry) {
		if before != nil && before != after && (after == nil || after.shard.hash != before.shard.hash) {
			f.notePast(before.shard.hash, pastOf(before, now))
		}
	}
	if changed != nil {
		for name, e := range changed {
			look(old.entry(name), e)
		}
		return
	}
	fresh := s.all()
	for _, e := range old.all() { // both are sorted
		for len(fresh) > 0 && fresh[0].name < e.name {
			fresh = fresh[1:]
		}
		if len(fresh) > 0 && fresh[0].name == e.name {
			look(e, fresh[0])
		} else {
			look(e, nil)
		}
	}
}

func pastOf(e *entry, since time.Time) pastPart {
	if e.part != nil {
		return pastPart{of: e.part.of, kept: e.part.kept, since: since}
	}
	return pastPart{of: e.shard.bare(), since: since}
}

func (f *filtered) notePast(hash hashKey, p pastPart) {
	if f.past == nil {
		f.past = map[hashKey]pastPart{}
	}
	f.past[hash] = p
}

// FilteredShard gives the bytes of a shard that the view of a predicate names
// now or has named in the last week, as Shard does for the channel as a whole.
func (x *Index) FilteredShard(ctx context.Context, open registry.Opened, p *Predicate, subdir, hexHash string) ([]byte, error) {
	missing := func() error {
		return errs.New(errs.NotFound, "%s/%s has no such shard of %s.", open.Channel.OwnerName, open.Channel.Name, subdir)
	}
	hash, err := parseHash(hexHash)
	if err != nil {
		return nil, missing()
	}
	f := x.filters.get(filteredKeyOf(open, p, subdir), p)
	found, ok := x.shardOf(f, hash)
	if !ok {
		// Another replica may have named it: bring the view up first.
		v, err := x.Filtered(ctx, open, p, subdir)
		if err != nil {
			return nil, err
		}
		if v.filtered != nil {
			f = v.filtered // the one before may have gone meanwhile
		}
		if found, ok = x.shardOf(f, hash); !ok && v.filtered != nil {
			if err := x.recallParts(ctx, f, v.base); err != nil {
				return nil, err
			}
			found, ok = x.shardOf(f, hash)
		}
		if !ok {
			return nil, missing()
		}
	}
	hidden, err := x.shardHidden(ctx, open, x.channel(open.Records().ID).current.Load(), subdir, found.of)
	if err != nil {
		return nil, err
	}
	if hidden {
		return nil, missing()
	}
	data, err := x.baseShard(ctx, open.Records().ID, subdir, found.of)
	if err != nil || found.kept == nil {
		return data, err
	}
	data, sum, err := repodata.FilterShard(data, found.kept.has)
	if err != nil {
		return nil, err
	}
	if sum != hash {
		return nil, errs.New(errs.Internal, "The shard of %s was made into other bytes.", found.of.name)
	}
	return data, nil
}

// shardOf finds a shard of the view, of now or of the last week.
func (x *Index) shardOf(f *filtered, hash hashKey) (pastPart, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.past[hash]; ok && !p.since.Before(x.opt.Now().Add(-x.opt.Keep)) {
		return p, true
	}
	if f.snap == nil {
		return pastPart{}, false
	}
	if s, ok := x.channel(f.key.channel).shards.get(f.key.subdir, hash); ok {
		if e := f.snap.entry(s.name); e != nil && e.shard.hash == hash {
			return pastOf(e, time.Time{}), true
		}
	}
	for _, e := range f.snap.shared.parts {
		if e.shard.hash == hash {
			return pastOf(e, time.Time{}), true
		}
	}
	if f.key.frozen != 0 {
		if s, ok := f.snap.shard(hash); ok {
			return pastPart{of: s.bare()}, true // no part, or it would be among those
		}
	}
	return pastPart{}, false
}

// recordsOf gives the bytes of the shard that holds the records of an entry, and which of
// them the entry has, by their places; nil = all.
func (x *Index) recordsOf(ctx context.Context, channel, subdir string, e *entry) (data []byte, keep func(place int) bool, err error) {
	of := e.shard
	if e.part != nil {
		of, keep = e.part.of, e.part.kept.has
	}
	data, err = x.baseShard(ctx, channel, subdir, of)
	return data, keep, err
}

// baseShard gives the bytes of a shard of the channel, of now or of the past.
func (x *Index) baseShard(ctx context.Context, channel, subdir string, s *shard) ([]byte, error) {
	if data := s.bytes(); data != nil {
		return data, nil
	}
	ch := x.channel(channel)
	if at, ok := ch.shards.get(subdir, s.hash); ok && at != s {
		if data := at.bytes(); data != nil {
			return data, nil
		}
	}
	e, err := x.entryAt(ctx, channel, subdir, s.name, s.generation)
	if err != nil {
		return nil, err
	}
	if e == nil || e.shard.hash != s.hash {
		return nil, errs.New(errs.NotFound, "The shard of %s is not there any more.", s.name)
	}
	return e.shard.bytes(), nil
}
