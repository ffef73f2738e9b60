package index

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// run is a stretch of neighbouring names of one group with the pieces that
// hold their text: one piece, or several for a single large name.
type run struct {
	first, last string
	of          []*entry // what the pieces were made of
	pieces      []repodata.Piece
	heads       []string // of a single large name: the file name at which each piece begins
}

// runs are those of a snapshot, by group.
type runs [groups][]*run

// text holds the runs of a snapshot. They are made when somebody asks for a form
// that is made of them, and not when the snapshot is: most clients read shards, and
// several generations are then laid in one step.
type text struct {
	mu     sync.Mutex // held while the runs are made
	laid   atomic.Pointer[runs]
	before atomic.Pointer[runs] // of an earlier state, until they are made: what has not changed is shared

	laying sync.Mutex       // held while the document is laid out
	layout *repodata.Layout // of the runs: both forms are read from it

	// Of a saved state that is not filled yet, whose runs the filling will set: who
	// needs them waits for its lock instead of reading all rows a second time.
	filling *text
}

// known gives the runs that a later snapshot may share.
func (t *text) known() *runs {
	if r := t.laid.Load(); r != nil {
		return r
	}
	return t.before.Load()
}

// wait waits while the shards of the snapshot are being read: who needs all of them then
// need not ask for each.
func (t *text) wait() {
	if f := t.filling; f != nil {
		f.mu.Lock()
		f.mu.Unlock() //nolint:staticcheck // that was the wait
	}
}

// set takes runs that are made.
func (t *text) set(r *runs) {
	t.laid.Store(r)
	t.before.Store(nil)
}

// lay gives the runs of a snapshot, made if need be from its rows.
func (x *Index) lay(ctx context.Context, s *snapshot) (*runs, error) {
	if r := s.text.laid.Load(); r != nil {
		return r, nil
	}
	s.text.mu.Lock()
	defer s.text.mu.Unlock()
	if r := s.text.laid.Load(); r != nil {
		return r, nil
	}
	before := s.text.before.Load()
	if f := s.text.filling; before == nil && f != nil && f != &s.text {
		f.mu.Lock()
		before = f.laid.Load()
		f.mu.Unlock()
	}
	if before == nil {
		before = &runs{}
	}
	if s.whole != nil { // a view without some names: those of the whole are its own, too
		var err error
		if before, err = x.lay(ctx, s.whole); err != nil {
			return nil, err
		}
	}
	laid := &runs{}
	for g := range laid {
		var err error
		if laid[g], err = layRuns(s.entries, func(e *entry) int { return e.sizes[g] }, before[g], func(r, old *run) error { return x.fillRun(ctx, s, g, r, old) }); err != nil {
			return nil, err
		}
	}
	s.text.set(laid)
	return laid, nil
}

// document lays out the document of the text, once for both of its forms.
func (t *text) document(ctx context.Context, s *snapshot, lay func(context.Context, *snapshot) (*runs, error)) (*repodata.Layout, error) {
	t.laying.Lock()
	defer t.laying.Unlock()
	if t.layout != nil {
		return t.layout, nil
	}
	laid, err := lay(ctx, s)
	if err != nil {
		return nil, err
	}
	t.layout, err = repodata.NewRepodata(s.subdir, laid.pieces(groupTarBz2), laid.pieces(groupConda), nil)
	return t.layout, err
}

// pieces gives the pieces of a group in order.
func (r *runs) pieces(group int) []repodata.Piece {
	out := make([]repodata.Piece, 0, len(r[group]))
	for _, run := range r[group] {
		out = append(out, run.pieces...)
	}
	return out
}

// layRuns cuts names with text of some size into runs. Runs of before that are of the same
// entries are shared; encode makes the pieces of the others, and is given the run of
// before that has the same single name, if there is one. Where runs begin
// depends on the sorted names and sizes alone, so replicas agree, whatever their
// history.
func layRuns(entries []*entry, size func(*entry) int, before []*run, encode func(r, old *run) error) ([]*run, error) {
	list := make([]repodata.NameSize, 0, len(entries))
	with := make([]*entry, 0, len(entries))
	for _, e := range entries {
		if n := size(e); n > 0 {
			list, with = append(list, repodata.NameSize{Name: e.name, Size: n}), append(with, e)
		}
	}
	var out []*run
	var making errgroup.Group
	making.SetLimit(runtime.GOMAXPROCS(0))
	for _, rg := range repodata.Chunk(list) {
		stretch := with[rg.From:rg.To]
		for len(before) > 0 && before[0].first < stretch[0].name {
			before = before[1:]
		}
		if len(before) > 0 && slices.Equal(before[0].of, stretch) {
			out = append(out, before[0])
			continue
		}
		r := newRun(stretch)
		out = append(out, r)
		var old *run
		if len(before) > 0 && r.first == r.last && before[0].first == r.first && before[0].last == r.last {
			old = before[0]
		}
		making.Go(func() error { return encode(r, old) })
	}
	if err := making.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// newRun makes a run without its pieces; it keeps a list of its own, since that of a snapshot would hold
// all of its entries.
func newRun(of []*entry) *run {
	return &run{first: of[0].name, last: of[len(of)-1].name, of: slices.Clone(of)}
}

// fillRun makes the pieces of a run of names that are neighbours in a snapshot, but
// for hidden ones between them, from their rows.
func (x *Index) fillRun(ctx context.Context, s *snapshot, group int, r, old *run) error {
	done, err := x.updatePieces(ctx, s, group, r, old)
	if done || err != nil && !errs.Is(err, errs.Unavailable) {
		return err
	}
	var rows []row
	next := 0
	err = x.eachText(ctx, s.channel, s.subdir, s.generation, r.first, r.last, group, func(v row) error {
		for next < len(r.of) && r.of[next].name < v.name {
			next++
		}
		if next < len(r.of) && r.of[next].name == v.name {
			rows = append(rows, v)
		}
		return nil
	})
	if errs.Is(err, errs.Unavailable) {
		// What is known is served while the database is away.
		rows, err = rowsOfShards(r.of, group)
	}
	if err != nil {
		return err
	}
	return r.fill(rows)
}

// fill makes the pieces of a run of its rows.
func (r *run) fill(rows []row) error {
	if len(r.of) > 1 {
		p, err := makePiece(rows)
		r.pieces = []repodata.Piece{p}
		return err
	}
	pieces, err := repodata.NewNamePieces(entriesOf(rows))
	r.pieces, r.heads = pieces.Pieces, pieces.Heads
	return err
}

// rowsOfShards gives the rows of a group as the shards have them: a record is the
// same in both, and the database is not asked. It takes several times as long.
func rowsOfShards(of []*entry, group int) ([]row, error) {
	var rows []row
	for _, e := range of {
		data := e.shard.bytes()
		if data == nil {
			return nil, errs.New(errs.Unavailable, "The database is away, and the records of %s were not read yet.", e.name)
		}
		shard, err := repodata.DecodeShard(data)
		if err != nil {
			return nil, err
		}
		for _, f := range shard.Files {
			if groupOf(f.FileName) != group {
				continue
			}
			_, encoded, err := repodata.TranscodeMsgpack(f.FileName, f.Msgpack)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row{name: e.name, fileName: f.FileName, json: encoded.JSON})
		}
	}
	return rows, nil
}
