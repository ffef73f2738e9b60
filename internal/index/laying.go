package index

import (
	"context"
	"slices"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// laying makes the runs of a filtered snapshot, once a form asks for them. It
// belongs to the lock of the snapshot's text.
type laying struct {
	done    bool
	own     [groups][]ownRun
	inherit [groups][]ownRun // of the view before
}

// ownRun is a run that a view does not share with the base, with the entries
// that it is made of.
type ownRun struct {
	run *run
	of  []*entry
}

// handOver gives the runs that a later snapshot of the view may share.
func (l *laying) handOver(s *snapshot) [groups][]ownRun {
	s.text.mu.Lock()
	defer s.text.mu.Unlock()
	if l.done {
		return l.own
	}
	return l.inherit
}

// layFiltered lays the runs of a filtered snapshot. Where a
// stretch holds the names of a run of the base, all whole, the run is shared; the
// others are put together from the base's text. Where runs begin depends on the
// records that are left alone, as in a channel that has no others.
func (x *Index) layFiltered(ctx context.Context, s, base *snapshot) error {
	s.text.mu.Lock()
	defer s.text.mu.Unlock()
	if s.lay.done {
		return nil
	}
	if err := x.fillColumns(ctx, base); err != nil {
		return err
	}
	theirs, err := x.lay(ctx, base)
	if err != nil {
		return err
	}
	laid := &runs{}
	texts := &baseTexts{}
	for g := range texts {
		texts[g] = &baseText{base: base, runs: theirs[g], group: g}
	}
	for g := range laid {
		if laid[g], s.lay.own[g], err = layOwn(s, theirs[g], texts, g); err != nil {
			return err
		}
	}
	s.text.set(laid)
	s.lay.done, s.lay.inherit = true, [groups][]ownRun{}
	return nil
}

func layOwn(s *snapshot, theirs []*run, texts *baseTexts, group int) (runs []*run, own []ownRun, err error) {
	var list []repodata.NameSize
	var entries []*entry // of list
	for _, e := range s.all() {
		size := e.sizes[group]
		if e.part != nil {
			if size, err = texts.size(e, group); err != nil {
				return nil, nil, err
			}
		}
		if size > 0 {
			list, entries = append(list, repodata.NameSize{Name: e.name, Size: size}), append(entries, e)
		}
	}
	before := s.lay.inherit[group]
	isPart := func(e *entry) bool { return e.part != nil }
	for _, rg := range repodata.Chunk(list) {
		stretch := entries[rg.From:rg.To]
		first, last := stretch[0].name, stretch[len(stretch)-1].name
		for len(theirs) > 0 && theirs[0].first < first {
			theirs = theirs[1:]
		}
		for len(before) > 0 && before[0].run.first < first {
			before = before[1:]
		}
		switch {
		case len(theirs) > 0 && theirs[0].first == first && theirs[0].last == last && len(theirs[0].of) == len(stretch) && !slices.ContainsFunc(stretch, isPart):
			runs = append(runs, theirs[0])
			continue
		case len(before) > 0 && slices.Equal(before[0].of, stretch):
			runs, own = append(runs, before[0].run), append(own, before[0])
			continue
		}
		var rows []row
		for _, e := range stretch {
			if rows, err = texts[group].appendRows(rows, e); err != nil {
				return nil, nil, err
			}
		}
		r := newRun(stretch)
		if err := r.fill(rows); err != nil {
			return nil, nil, err
		}
		runs, own = append(runs, r), append(own, ownRun{run: r, of: r.of})
	}
	return runs, own, nil
}

// baseText reads the base's pieces of one group, name after name. It holds the
// text of one run.
type baseText struct {
	base  *snapshot
	runs  []*run // of the base
	group int
	run   *run
	text  []byte
	rows  map[string][]row // of the run
}

// baseTexts has one of each group.
type baseTexts [groups]*baseText

// of gives all rows of a name in the group, valid until the next run is read.
func (t *baseText) of(name string) ([]row, error) {
	if t.run == nil || name < t.run.first || name > t.run.last {
		if err := t.read(name); err != nil {
			return nil, err
		}
	}
	return t.rows[name], nil
}

func (t *baseText) read(name string) error {
	i, ok := slices.BinarySearchFunc(t.runs, name, func(r *run, name string) int {
		switch {
		case r.last < name:
			return -1
		case r.first > name:
			return 1
		}
		return 0
	})
	if !ok {
		return errs.New(errs.Internal, "No piece of the index has %s.", name)
	}
	t.run, t.rows = t.runs[i], map[string][]row{}
	var records [][]byte
	t.text = nil // rows of the run before may be in use
	for _, p := range t.run.pieces {
		from := len(t.text)
		var err error
		if t.text, err = p.Text(slices.Grow(t.text, p.Raw)); err != nil {
			return err
		}
		if err := repodata.EachEntry(t.text[from:], func(_, record []byte) error {
			records = append(records, record)
			return nil
		}); err != nil {
			return err
		}
	}
	from, _ := find(t.base.entries, t.run.first)
	for _, e := range t.base.entries[from:] {
		if e.name > t.run.last {
			break
		}
		c := e.columns.Load()
		if e.sizes[t.group] == 0 {
			continue
		}
		list := make([]row, 0, len(c.cells))
		for i := range c.cells {
			if c.group(e.name, i) != t.group {
				continue
			}
			if len(records) == 0 {
				return errs.New(errs.Internal, "The piece of %s has fewer records than its rows.", e.name)
			}
			list = append(list, row{name: e.name, fileName: c.fileName(e.name, i), json: records[0]})
			records = records[1:]
		}
		t.rows[e.name] = list
	}
	if len(records) > 0 {
		return errs.New(errs.Internal, "The piece of %s has more records than its rows.", t.run.last)
	}
	return nil
}

// size gives the bytes of text that are left of a name in the group. The sizes
// of its records are kept with the columns, for other views.
func (t *baseTexts) size(e *entry, group int) (int, error) {
	c := e.part.cols
	sizes := c.sizes.Load()
	if sizes == nil {
		list := make([]int32, len(c.cells))
		for g, text := range t {
			if i, ok := find(text.base.entries, e.name); !ok || text.base.entries[i].sizes[g] == 0 {
				continue
			}
			rows, err := text.of(e.name)
			if err != nil {
				return 0, err
			}
			for i := range c.cells {
				if c.group(e.name, i) == g && len(rows) > 0 {
					list[i] = int32(repodata.EntrySize(rows[0].fileName, rows[0].json))
					rows = rows[1:]
				}
			}
		}
		sizes = &list
		c.sizes.Store(sizes)
	}
	n := 0
	for i, size := range *sizes {
		if e.part.kept.has(i) && c.group(e.name, i) == group {
			n += int(size)
		}
	}
	return n, nil
}

// appendRows appends the rows of an entry that are left in the group.
func (t *baseText) appendRows(to []row, e *entry) ([]row, error) {
	rows, err := t.of(e.name)
	if err != nil || e.part == nil {
		return append(to, rows...), err
	}
	c := e.part.cols
	for i := range c.cells {
		if c.group(e.name, i) != t.group {
			continue
		}
		if e.part.kept.has(i) {
			to = append(to, rows[0])
		}
		rows = rows[1:]
	}
	return to, nil
}
