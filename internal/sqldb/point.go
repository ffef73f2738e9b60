package sqldb

import (
	"context"
	"time"

	"terrarium/internal/errs"
)

// A PostgreSQL that says nothing for pointWithin, stopped or behind a network that
// loses everything, is away like one that refuses connections; for silentFor after
// that nobody waits for it anew but who is Patient.
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
	if !db.postgres || isPatient(ctx) {
		return read(ctx)
	}
	if err := db.awaited(ctx); err != nil {
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
func (db *DB) awaited(ctx context.Context) error {
	if isPatient(ctx) {
		return nil
	}
	if until := db.silent.Load(); until != nil && time.Now().Before(*until) {
		return silent(context.DeadlineExceeded)
	}
	return nil
}

// Patient gives a context for work that nobody waits for: what it reads waits for a
// PostgreSQL that says nothing. A job that has run for an hour must not end with a
// stall of seconds.
func Patient(ctx context.Context) context.Context { return context.WithValue(ctx, patient{}, true) }

type patient struct{}

func isPatient(ctx context.Context) bool { return ctx.Value(patient{}) != nil }

func silent(cause error) error {
	return errs.Wrap(errs.Unavailable, cause, "The database is away. Try again in a moment.")
}
