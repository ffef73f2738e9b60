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
// caller who has something to say without the database: on PostgreSQL it is
// errs.Unavailable where that does not answer in time.
func (db *DB) Point(ctx context.Context, query string, args []any, dest ...any) error {
	if !db.postgres {
		return db.Row(ctx, query, args...).Scan(dest...)
	}
	silent := func(cause error) error {
		return errs.Wrap(errs.Unavailable, cause, "The database is away. Try again in a moment.")
	}
	if until := db.silent.Load(); until != nil && time.Now().Before(*until) {
		return silent(context.DeadlineExceeded)
	}
	bounded, cancel := context.WithTimeout(ctx, pointWithin)
	defer cancel()
	err := db.Row(bounded, query, args...).Scan(dest...)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		until := time.Now().Add(silentFor)
		db.silent.Store(&until)
		return silent(err)
	}
	return err
}
