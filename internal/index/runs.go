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
		if laid[g], err = layRuns(s.entries, func(e *entry) int { return e.sizes[g] }, before[g], func(of []*entry) ([]repodata.Piece, error) { return x.piecesOf(ctx, s, g, of) }); err != nil {
			return nil, err
		}
	}
	s.text.set(laid)
	return laid, nil
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
// entries are shared; encode gives the pieces of the others. Where runs begin
// depends on the sorted names and sizes alone, so replicas agree, whatever their
// history.
func layRuns(entries []*entry, size func(*entry) int, before []*run, encode func(of []*entry) ([]repodata.Piece, error)) ([]*run, error) {
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
		making.Go(func() (err error) {
			r.pieces, err = encode(stretch)
			return err
		})
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

// piecesOf makes the pieces of names that are neighbours in a snapshot, but for
// hidden ones between them, from their rows.
func (x *Index) piecesOf(ctx context.Context, s *snapshot, group int, of []*entry) ([]repodata.Piece, error) {
	var rows []row
	next := 0
	err := x.eachText(ctx, s.channel, s.subdir, s.generation, of[0].name, of[len(of)-1].name, group, func(r row) error {
		for next < len(of) && of[next].name < r.name {
			next++
		}
		if next < len(of) && of[next].name == r.name {
			rows = append(rows, r)
		}
		return nil
	})
	if errs.Is(err, errs.Unavailable) {
		// What is known is served while the database is away.
		rows, err = rowsOfShards(of, group)
	}
	if err != nil {
		return nil, err
	}
	return makePieces(rows, len(of) == 1)
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
