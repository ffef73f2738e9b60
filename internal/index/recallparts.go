package index

import (
	"context"
	"slices"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// recallParts finds shards that a view has named in the last week without this
// process knowing: before its start, on another replica, or while it was cold. Of
// each name that changed in that time, and of each that has records which came
// of age in it, it makes every shard that the view can have had. It does so once
// for each state of the view.
func (x *Index) recallParts(ctx context.Context, f *filtered, base *snapshot) error {
	if err := x.recall(ctx, x.channel(f.key.channel), f.key.subdir); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snap == nil || f.recalled == f.snap.etag("") {
		return nil
	}
	now := x.opt.Now()
	for _, p := range x.channel(f.key.channel).shards.allPast(f.key.subdir) {
		var c *columns
		err := x.eachColumns(ctx, f.key.channel, f.key.subdir, p.shard.generation, p.shard.name, func(_ string, found *columns) { c = found })
		if err != nil {
			return err
		}
		if c == nil {
			continue // a sweep took its rows
		}
		if err := x.recallName(ctx, f, p.shard, c, now, p.since); err != nil {
			return err
		}
	}
	if f.p.minAge > 0 {
		if err := x.fillColumns(ctx, base); err != nil {
			return err // the base may be another than the view was made of: a state that was loaded again
		}
		week := now.Add(-x.opt.Keep).UnixMilli() - f.p.minAge
		for _, e := range base.entries {
			if c := e.columns.Load(); c.newest >= week {
				if err := x.recallName(ctx, f, e.shard, c, now, now); err != nil {
					return err
				}
			}
		}
	}
	f.recalled = f.snap.etag("")
	return nil
}

// recallName makes the shards that a view can have had of a shard of the base
// which stood until a time: one, or with a rule on age one for each moment of the
// last week at which another record was old enough.
func (x *Index) recallName(ctx context.Context, f *filtered, s *shard, c *columns, now, until time.Time) error {
	cuts := []int64{0}
	if f.p.minAge > 0 {
		from, to := now.Add(-x.opt.Keep).UnixMilli()-f.p.minAge, until.UnixMilli()-f.p.minAge
		cuts = []int64{from, to}
		for i := range c.cells {
			if t := c.cells[i].indexed + 1; t > from && t < to {
				cuts = append(cuts, t)
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
	}
	var before bits
	rules := f.p.rules(s.name)
	for _, cut := range cuts {
		j := judge{Predicate: f.p, subdir: f.key.subdir, cut: cut} // its own room: the bits are kept
		v, kept := j.name(s.name, c, rules)
		switch {
		case v == gone, v == partial && slices.Equal(kept, before):
			continue
		case v == whole:
			f.notePast(s.hash, pastPart{of: s.bare(), since: until})
			continue
		}
		before = kept
		data, err := x.baseShard(ctx, f.key.channel, f.key.subdir, s)
		if errs.Is(err, errs.NotFound) {
			return nil // an encoder before this one made it
		}
		if err != nil {
			return err
		}
		_, hash, err := repodata.FilterShard(data, kept.has)
		if err != nil {
			return err
		}
		f.notePast(hash, pastPart{of: s.bare(), kept: kept, since: until})
	}
	return nil
}

// allPast gives the shards of a subdir that were superseded in the last week,
// as far as they are known.
func (m *shardMemory) allPast(subdir string) []pastShard {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]pastShard, 0, len(m.past[subdir]))
	for _, p := range m.past[subdir] {
		out = append(out, pastShard{shard: p.shard, since: p.since})
	}
	return out
}
