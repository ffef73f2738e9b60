// Package sqldb gives the rest of Terrarium one database, whichever of the two
// engines holds it: SQLite in a file or PostgreSQL on a server. It opens and
// migrates, runs statements and transactions, and hides the few points in which
// the engines differ. It knows no table; every SQL text stands in the function
// of the domain that runs it, with $1 placeholders and in the subset that both
// engines understand.
//
// On SQLite all writes go through one connection and reads through a pool of
// others, which see the last commit. A *DB is the pool outside a transaction
// and the transaction inside one, so that a function that takes a *DB need not
// care which it got.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
)

// ErrNoRows is what Row.Scan gives where a query found nothing.
var ErrNoRows = sql.ErrNoRows

// DB is a database or, inside Tx and ReadTx, one transaction of it. It is safe
// for concurrent use outside a transaction; inside, it belongs to one goroutine.
type DB struct {
	*engine
	tx       *sql.Tx   // nil outside a transaction
	conn     *sql.Conn // the connection that tx runs on
	readOnly bool      // tx is a snapshot
}

// engine is what all values of one opened database share.
type engine struct {
	postgres   bool
	path       string        // SQLite: the file
	writer     *sql.DB       // SQLite: one connection; PostgreSQL: the pool
	reader     *sql.DB       // SQLite: many connections that cannot write; PostgreSQL: the pool
	pgx        *pgxpool.Pool // PostgreSQL only
	log        *slog.Logger
	migrations fs.FS
	writerWait time.Duration
	observe    func(ctx context.Context, query string)
	gate       *gate // SQLite: whose turn it is to write

	version dataVersion               // SQLite only
	silent  atomic.Pointer[time.Time] // PostgreSQL only: until when Point does not wait
}

// Options are the choices of Open. The zero value is right for production.
type Options struct {
	// Readers bounds the connections: the readers of SQLite, all of
	// PostgreSQL (where pool_max_conns in the URL beats it). 0 means 8 and 16.
	Readers int
	// Log takes what migrations have to say; nil discards it.
	Log *slog.Logger
	// Migrations replaces the schema of Terrarium, for tests: files
	// NNNN_name.sql in its root.
	Migrations fs.FS
	// WriterWait is how long a write waits for the one writer of SQLite
	// before it is given up; 0 means 30 s.
	WriterWait time.Duration
	// Observe is told of each statement before it runs, with the context that
	// it runs under, for tests that count; nil tells nobody. Those of migrations
	// and of the job queue do not pass here.
	Observe func(ctx context.Context, query string)
}

// Open opens the database that url names: "sqlite:PATH" (made if it is not
// there) or "postgres://…". It does not migrate. A url of another kind is
// errs.Invalid, a server that does not answer errs.Unavailable.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	e := &engine{log: opts.Log, migrations: opts.Migrations, writerWait: opts.WriterWait, observe: opts.Observe}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.migrations == nil {
		e.migrations = schema()
	}
	if e.observe == nil {
		e.observe = func(context.Context, string) {}
	}
	if e.writerWait <= 0 {
		e.writerWait = 30 * time.Second
	}
	var err error
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		err = e.openSQLite(ctx, strings.TrimPrefix(url, "sqlite:"), opts)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		err = e.openPostgres(ctx, url, opts)
	default:
		scheme, _, _ := strings.Cut(url, ":")
		err = errs.New(errs.Invalid, "The database address begins with %q. Use sqlite:PATH or postgres://USER@HOST/NAME.", scheme+":").On("database")
	}
	if err != nil {
		return nil, err
	}
	return &DB{engine: e}, nil
}

// Postgres reports whether the engine is PostgreSQL. A query that must differ
// keeps both texts beside each other under it.
func (db *DB) Postgres() bool { return db.postgres }

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.Point(ctx, "SELECT 1", nil, &one)
}

// Close gives up all connections. Transactions under way are rolled back.
func (db *DB) Close() error {
	db.version.close()
	err := db.reader.Close()
	if db.writer != db.reader {
		err = errors.Join(err, db.writer.Close())
	}
	if db.pgx != nil {
		db.pgx.Close()
	}
	return errors.Join(err, db.gate.close())
}

// Tx runs f in a write transaction and commits it if f gives no error. Inside a
// transaction it joins the one that there is. On PostgreSQL f runs again after
// a deadlock or a serialization failure, hence it must have no effect but
// through tx. On SQLite f must not use the outer DB for writing: it holds the
// only connection that can.
func (db *DB) Tx(ctx context.Context, f func(tx *DB) error) error {
	if db.tx != nil {
		if db.readOnly {
			return errors.New("sqldb: a write transaction inside a read transaction")
		}
		return f(db)
	}
	const attempts = 8
	for try := 1; ; try++ {
		err := db.runTx(ctx, "sqldb.Tx", db.writer, &sql.TxOptions{}, f)
		if err == nil || !db.retryable(err) || try == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		// By chance, and longer each time: two that wait alike would meet again.
		case <-time.After(rand.N(time.Duration(10<<try) * time.Millisecond)):
		}
	}
}

// ReadTx runs f over one consistent snapshot that cannot be written to. Inside a
// transaction it joins the one that there is.
func (db *DB) ReadTx(ctx context.Context, f func(tx *DB) error) error {
	if db.tx != nil {
		return f(db)
	}
	opts := &sql.TxOptions{ReadOnly: true}
	if db.postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return db.runTx(ctx, "sqldb.ReadTx", db.reader, opts, f)
}

func (db *DB) runTx(ctx context.Context, name string, pool *sql.DB, opts *sql.TxOptions, f func(tx *DB) error) (err error) {
	ctx, span := trace.Child(ctx, name) // the wait for a connection included
	defer func() { span.End(err) }()
	conn, err := db.connect(ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Close()
	leave := func() {}
	if pool == db.writer {
		if leave, err = db.gate.enter(ctx); err != nil {
			return err
		}
	}
	tx, err := conn.BeginTx(ctx, opts)
	leave()
	if err != nil {
		return classify(fmt.Errorf("begin transaction: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing; it is for errors and panics
	if err := f(&DB{engine: db.engine, tx: tx, conn: conn, readOnly: opts.ReadOnly}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		// A context that ends rolls back on its own; say what ended it.
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			return ctx.Err()
		}
		return classify(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// connect takes a connection from a pool. The wait for the writer is bounded:
// otherwise a transaction that wrote through the outer DB would wait for itself.
func (db *DB) connect(ctx context.Context, pool *sql.DB) (*sql.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, db.writerWait)
	defer cancel()
	conn, err := pool.Conn(wait)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return nil, errs.Wrap(errs.Unavailable, err, "The database is busy. Try again in a moment.")
		}
		return nil, classify(fmt.Errorf("connect to the database: %w", err))
	}
	return conn, nil
}

// querier is what a connection and a transaction have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Exec runs a statement and says how many rows it changed. Outside a transaction
// it is one of its own.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	db.observe(ctx, query)
	var q querier = db.tx
	if db.tx == nil {
		conn, err := db.connect(ctx, db.writer)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		leave, err := db.gate.enter(ctx)
		if err != nil {
			return 0, err
		}
		defer leave()
		q = conn
	}
	result, err := q.ExecContext(ctx, query, values(args)...)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// query runs a statement that gives rows. Outside a transaction SELECT and WITH
// go to the readers and everything else, such as INSERT … RETURNING, to the
// writer; a WITH that writes belongs into Tx.
func (db *DB) query(ctx context.Context, query string, args []any) (*Rows, error) {
	db.observe(ctx, query)
	if db.tx != nil {
		rows, err := db.tx.QueryContext(ctx, query, values(args)...)
		if err != nil {
			return nil, classify(err)
		}
		return &Rows{rows: rows}, nil
	}
	if reads(query) {
		if err := db.awaited(ctx); err != nil {
			return nil, err
		}
		rows, err := db.reader.QueryContext(ctx, query, values(args)...)
		if err != nil {
			return nil, classify(err)
		}
		return &Rows{rows: rows}, nil
	}
	conn, err := db.connect(ctx, db.writer)
	if err != nil {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, query, values(args)...)
	if err != nil {
		conn.Close()
		return nil, classify(err)
	}
	return &Rows{rows: rows, conn: conn}, nil
}

// reads reports whether a statement only reads, by its first word.
func reads(query string) bool {
	query = strings.TrimLeft(query, " \t\r\n(")
	return firstWordIs(query, "select") || firstWordIs(query, "with")
}

func firstWordIs(query, word string) bool {
	return len(query) > len(word) && strings.EqualFold(query[:len(word)], word) && query[len(word)] <= ' '
}
