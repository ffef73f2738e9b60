package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"terrarium/internal/errs"
)

// IsUnique reports whether err says that a row with this key is there already.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// IsForeignKey reports whether err says that a row points to one that is not
// there, or that one that is pointed to would go.
func IsForeignKey(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23503"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return false
}

// IsUnavailable reports whether err says that the database is away, full or too
// busy, so that the same call may succeed later.
func IsUnavailable(err error) bool { return errs.Is(err, errs.Unavailable) }

// retryable reports whether a transaction lost against another one and may win
// when it is run again.
func (db *DB) retryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// classify gives the errors of a lost database their kind and sentence and
// leaves all others as they are.
func classify(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok || err == nil {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return errs.Wrap(errs.Unavailable, err, "The disk of the database is full. Nothing was changed; the operator must make room.")
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return errs.Wrap(errs.Unavailable, err, "The database is busy. Try again in a moment.")
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return errs.Wrap(errs.Unavailable, err, "The database cannot be read or written. The operator finds the cause in the log.")
		}
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(e.Code, "53"): // insufficient resources
			return errs.Wrap(errs.Unavailable, err, "The database is out of room or of connections. Try again later.")
		case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "57P"), e.Code == "25006":
			return errs.Wrap(errs.Unavailable, err, "The database is away. Try again in a moment.")
		}
		return err
	}
	if lostConnection(err) {
		return errs.Wrap(errs.Unavailable, err, "The database is away. Try again in a moment.")
	}
	return err
}

func lostConnection(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, lost := range []error{
		driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	// pgx gives these two no type.
	text := err.Error()
	return strings.Contains(text, "conn closed") || strings.Contains(text, "closed pool")
}
