package index

import (
	"cmp"
	"context"
	"slices"

	"terrarium/internal/errs"
)

// columned is what is known of the columns of a snapshot's entries. It is
// immutable; the next snapshot begins with what this one had, so that a change
// costs what changed.
type columned struct {
	lacking []*entry // the only ones that may have no columns
	gone    []*entry // those of ages that the snapshot has no more
	ages    *ages    // of all entries but those that are lacking; nil until a rule on age asks
}

// ages are the times of indexing from some time on, in order, each with the entry
// that has records of that time. What comes of age lies next to the cut.
type ages struct {
	from int64
	list []aged
}

type aged struct {
	at int64
	e  *entry
}

// mostFollowed bounds the entries that columned remembers from one snapshot to
// the next while no predicate asks.
const mostFollowed = 2_000

// follow takes over what is known of the snapshot before; a nil entry of changed
// means that the name is gone.
func (s *snapshot) follow(old *snapshot, changed map[string]*entry) {
	k := old.columned.Load()
	if k == nil || len(k.lacking)+len(k.gone)+2*len(changed) > mostFollowed {
		return
	}
	next := &columned{gone: slices.Clip(k.gone), ages: k.ages}
	for _, e := range k.lacking {
		if _, again := changed[e.name]; !again {
			next.lacking = append(next.lacking, e)
		}
	}
	for name, e := range changed {
		if i, ok := find(old.entries, name); ok && !slices.Contains(k.lacking, old.entries[i]) {
			next.gone = append(next.gone, old.entries[i])
		}
		if e != nil {
			next.lacking = append(next.lacking, e)
		}
	}
	s.columned.Store(next)
}

// manyNames is the number of names from which one pass over all rows is cheaper
// than a question for each name.
const manyNames = 500

// fillColumns sees to it that every entry of a snapshot has its columns.
func (x *Index) fillColumns(ctx context.Context, s *snapshot) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	k, lacking := s.columned.Load(), s.entries
	if k != nil {
		if lacking = k.lacking; len(lacking)+len(k.gone) == 0 {
			return nil
		}
	}
	if err := x.fillEntries(ctx, s, lacking); err != nil {
		return err
	}
	next := &columned{}
	if k != nil && k.ages != nil {
		next.ages = k.ages.next(k.gone, k.lacking)
	}
	s.columned.Store(next)
	return nil
}

// fillEntries makes the columns of those of some entries that have none.
func (x *Index) fillEntries(ctx context.Context, s *snapshot, some []*entry) error {
	var missing []*entry
	for _, e := range some {
		if e.columns.Load() == nil {
			missing = append(missing, e)
		}
	}
	if len(missing) > manyNames {
		if err := x.eachColumns(ctx, s.channel, s.subdir, s.generation, "", func(name string, c *columns) {
			if i, ok := find(s.entries, name); ok {
				s.entries[i].columns.CompareAndSwap(nil, c)
			}
		}); err != nil {
			return err
		}
	} else {
		for _, e := range missing {
			if err := x.eachColumns(ctx, s.channel, s.subdir, s.generation, e.name, func(_ string, c *columns) {
				e.columns.CompareAndSwap(nil, c)
			}); err != nil {
				return err
			}
		}
	}
	for _, e := range missing {
		if e.columns.Load() == nil {
			return errs.New(errs.Internal, "The rows of %s are gone.", e.name)
		}
	}
	return nil
}

// agesFrom gives the ages of a snapshot, which has its columns, from a time on or
// from an earlier one. They are made for twice as long ago as is asked for, so
// that rules of different ages share them.
func (s *snapshot) agesFrom(from, now int64) *ages {
	s.filling.Lock()
	defer s.filling.Unlock()
	k := s.columned.Load()
	if k.ages != nil && k.ages.from <= from {
		return k.ages
	}
	made := &ages{from: from - max(0, now-from)}
	made = made.next(nil, s.entries)
	s.columned.Store(&columned{ages: made})
	return made
}

// next gives the ages without some entries and with others.
func (a *ages) next(gone, fresh []*entry) *ages {
	var more []aged
	for _, e := range fresh {
		c := e.columns.Load()
		if c.newest < a.from {
			continue
		}
		own := len(more)
		for i := range c.cells {
			if at := c.cells[i].indexed; at >= a.from && (len(more) == own || more[len(more)-1].at != at) {
				more = append(more, aged{at, e})
			}
		}
	}
	slices.SortFunc(more, func(a, b aged) int { return cmp.Compare(a.at, b.at) })
	without := make(map[*entry]bool, len(gone))
	for _, e := range gone {
		without[e] = true
	}
	list := make([]aged, 0, len(a.list)+len(more))
	for _, one := range a.list {
		for len(more) > 0 && more[0].at < one.at {
			list, more = append(list, more[0]), more[1:]
		}
		if !without[one.e] {
			list = append(list, one)
		}
	}
	return &ages{from: a.from, list: append(list, more...)}
}

// place gives the place of the first time that is not before the given one.
func (a *ages) place(at int64) int {
	i, _ := slices.BinarySearchFunc(a.list, at, func(one aged, at int64) int { return cmp.Compare(one.at, at) })
	return i
}

// between gives the entries that have a record from one time up to another, each at
// least once.
func (a *ages) between(from, to int64) []aged { return a.list[a.place(from):a.place(to)] }

// line finds, among the records of a snapshot, the newest time of indexing
// before the cut, and the oldest from the cut on, 0 where there is none. What a
// predicate with an age leaves depends on the moment through the first alone.
func (s *snapshot) line(a *ages, cut int64) (line, next int64) {
	i := a.place(cut)
	if i < len(a.list) {
		next = a.list[i].at
	}
	if i > 0 {
		return a.list[i-1].at, next
	}
	for _, e := range s.entries { // all is older than the ages go back
		c := e.columns.Load()
		if c.newest < cut {
			line = max(line, c.newest)
			continue
		}
		for i := range c.cells {
			if t := c.cells[i].indexed; t < cut {
				line = max(line, t)
			}
		}
	}
	return line, next
}
