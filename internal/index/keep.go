package index

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/sqldb"
)

// Run reads what a start has left in the rows (Fill), and then, from time to time
// until ctx ends, lets go of what nobody can ask for any more and saves the states of
// large channels.
func (x *Index) Run(ctx context.Context) {
	tick := time.NewTicker(x.opt.KeepEvery)
	defer tick.Stop()
	for {
		if err := x.Fill(ctx); err != nil && ctx.Err() == nil {
			x.opt.Log.ErrorContext(ctx, "the records behind a saved state were not read; its shards are made when they are asked for", "error", err)
		}
		if _, err := x.Forget(ctx); err != nil && ctx.Err() == nil {
			x.opt.Log.ErrorContext(ctx, "letting go of deleted channels", "error", err)
		}
		if err := x.Save(ctx, false); err != nil && ctx.Err() == nil {
			x.opt.Log.ErrorContext(ctx, "saving the state of an index; the next start reads more rows", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Forget lets go of what is held of channels that are gone or whose owner is deleted,
// and gives how many there were. One that comes back is loaded by its first reader. It
// also lets go of states that no channel is frozen at any more.
func (x *Index) Forget(ctx context.Context) (int, error) {
	x.mu.Lock()
	held := make([]string, 0, len(x.channels))
	for id := range x.channels {
		held = append(held, id)
	}
	x.mu.Unlock()
	there, err := sqldb.All(ctx, x.db, sqldb.Scalar[string], `SELECT c.id FROM channels c JOIN owners o ON o.id = c.owner_id
		WHERE o.deleted_at IS NULL AND c.id IN (SELECT value FROM `+x.db.EachText("$1")+" AS held)", held)
	if err != nil {
		return 0, fmt.Errorf("look which channels are there: %w", err)
	}
	frozen, err := sqldb.All(ctx, x.db, func(r *sqldb.Rows, k *pastKey) error { return r.Scan(&k.channel, &k.generation) },
		"SELECT CASE WHEN kind = 'snapshot' THEN source ELSE id END, frozen_at FROM channels WHERE frozen_at IS NOT NULL")
	if err != nil {
		return 0, fmt.Errorf("look which channels are frozen: %w", err)
	}
	x.frozen.only(frozen)
	keep := make(map[string]bool, len(there))
	for _, id := range there {
		keep[id] = true
	}
	n := 0
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range held {
		if !keep[id] {
			delete(x.channels, id)
			x.past.forget(id)
			x.frozen.forget(id)
			x.filters.forget(id)
			n++
		}
	}
	return n, nil
}
