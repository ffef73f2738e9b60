package index

import (
	"context"

	"terrarium/internal/sqldb"
)

// prepared are entries of a generation that is still to come: what a large change has
// written is read before it is made the current one, so that those who change the
// channel meanwhile wait for the names alone that somebody else has changed, too.
type prepared struct {
	generation int64
	from       int64 // the generation of the state that it was made of
	subdirs    map[string]map[string]*entry
}

// Prepare makes the entries of a generation whose records are all written, and which
// is not the current one yet. It gives nothing for a channel that nobody has asked
// for.
func (x *Index) Prepare(ctx context.Context, channelID string, generation int64) (any, error) {
	cur := x.channel(channelID).current.Load()
	if cur == nil {
		return nil, nil //nolint:nilnil // nothing is prepared
	}
	names := map[string][]string{}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var subdir, name string
		if err := r.Scan(&subdir, &name); err != nil {
			return err
		}
		names[subdir] = append(names[subdir], name)
		return nil
	}, "SELECT subdir, name FROM generation_names WHERE channel_id = $1 AND number = $2 ORDER BY subdir, name", channelID, generation)
	if err != nil {
		return nil, err
	}
	p := &prepared{generation: generation, from: cur.generation, subdirs: map[string]map[string]*entry{}}
	for subdir, touched := range names {
		old := cur.subdirs[subdir]
		if mostly(old, len(touched)) {
			continue // it will be read in one pass
		}
		if p.subdirs[subdir], err = x.renew(ctx, channelID, old, span{from: cur.generation, to: generation}, touched); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// forget leaves out names that were written again since.
func (p *prepared) forget(names map[string][]string) {
	if p == nil {
		return
	}
	for subdir, list := range names {
		for _, name := range list {
			delete(p.subdirs[subdir], name)
		}
	}
}

// stillPrepared gives the entries of a subdir that are prepared and hold at a
// generation: those of names that nobody else has changed.
func (x *Index) stillPrepared(ctx context.Context, channel, subdir string, generation int64, ahead *prepared) (map[string]*entry, error) {
	if ahead == nil || ahead.generation > generation || ahead.subdirs[subdir] == nil {
		return nil, nil
	}
	others, err := sqldb.All(ctx, x.db, sqldb.Scalar[string],
		"SELECT DISTINCT name FROM generation_names WHERE channel_id = $1 AND number > $2 AND number <= $3 AND number <> $4 AND subdir = $5",
		channel, ahead.from, generation, ahead.generation, subdir)
	if err != nil {
		return nil, err
	}
	known := ahead.subdirs[subdir]
	for _, name := range others {
		delete(known, name)
	}
	return known, nil
}
