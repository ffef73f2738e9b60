package sqldb

import (
	"context"
	"time"

	"terrarium/internal/errs"
)

// A PostgreSQL that says nothing for pointWithin, stopped or behind a network that
// loses everything, is away like one that refuses connections; for silentFor after
// that nobody waits for it anew.
const (
	pointWithin = 3 * time.Second
	silentFor   = time.Second
)

// Point reads one row of a table by its key into dest, as Row and Scan do, for a
// caller who has something to say without the database (Within).
func (db *DB) Point(ctx context.Context, query string, args []any, dest ...any) error {
	return db.Within(ctx, func(ctx context.Context) error { return db.Row(ctx, query, args...).Scan(dest...) })
}

// Within runs a short read for somebody who waits: on PostgreSQL it is
// errs.Unavailable where that does not answer in time.
func (db *DB) Within(ctx context.Context, read func(context.Context) error) error {
	if !db.postgres {
		return read(ctx)
	}
	if err := db.awaited(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, pointWithin)
	defer cancel()
	err := read(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		until := time.Now().Add(silentFor)
		db.silent.Store(&until)
		return silent(err)
	}
	return err
}

// awaited is errs.Unavailable while a PostgreSQL is away that somebody has just waited
// for: what a request reads after its first point shall not wait again, or for ever.
func (db *DB) awaited() error {
	if until := db.silent.Load(); until != nil && time.Now().Before(*until) {
		return silent(context.DeadlineExceeded)
	}
	return nil
}

func silent(cause error) error {
	return errs.Wrap(errs.Unavailable, cause, "The database is away. Try again in a moment.")
}
