package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"terrarium/internal/errs"
)

func (e *engine) openPostgres(ctx context.Context, url string, opts Options) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The cause repeats the URL, but pgx takes the password out of it.
		return errs.Wrap(errs.Invalid, err, "The database address is no PostgreSQL URL such as postgres://USER@HOST/NAME.").On("database")
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = 16
		if opts.Readers > 0 {
			config.MaxConns = int32(opts.Readers)
		}
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "terrarium"
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if config.ConnConfig.ValidateConnect == nil && !strings.Contains(url, "target_session_attrs") {
		// Of several hosts the primary: a standby lags behind, and what it says would pass
		// for what is now. A primary that only reads, since its disk is full, is still it.
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the pool of connections: %w", err)
	}
	// Both engines must sort by bytes. 'B' is before 'a' exactly then; the
	// name of the collation would not tell (C, POSIX, C.UTF-8, ucs_basic).
	var bytewise bool
	if err := pool.QueryRow(ctx, "SELECT 'B' < 'a'").Scan(&bytewise); err != nil {
		pool.Close()
		return classify(fmt.Errorf("ask the database for its collation: %w", err))
	}
	if !bytewise {
		pool.Close()
		return errs.New(errs.Invalid, "The database %q sorts by a language. Terrarium needs one that sorts by bytes: "+
			"CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'.",
			config.ConnConfig.Database, pgx.Identifier{config.ConnConfig.Database}.Sanitize()).On("database")
	}
	e.postgres = true
	e.pgx = pool
	e.writer = stdlib.OpenDBFromPool(pool)
	e.reader = e.writer
	return nil
}

// Pool is the pool of connections beneath a PostgreSQL database, for the job
// queue alone; nil on SQLite.
func (db *DB) Pool() *pgxpool.Pool { return db.pgx }

// Writer is the one connection of a SQLite database that writes, as a pool of
// one, for the job queue alone.
func (db *DB) Writer() *sql.DB { return db.writer }

// SQLTx is the transaction that db stands for, for the job queue alone; nil
// outside a transaction.
func (db *DB) SQLTx() *sql.Tx { return db.tx }

// PgxTx calls f with the transaction that db stands for in pgx's own terms, for
// the job queue alone. What f does is part of the transaction; f cannot end it.
func (db *DB) PgxTx(f func(tx pgx.Tx) error) error {
	if db.tx == nil || !db.postgres {
		return errors.New("sqldb: PgxTx outside a PostgreSQL transaction")
	}
	err := db.conn.Raw(func(driverConn any) error {
		return f(connTx{driverConn.(*stdlib.Conn).Conn()})
	})
	return classify(err)
}

// connTx shows a connection on which database/sql has begun a transaction as a
// pgx.Tx. Beginning and ending it stays with database/sql.
type connTx struct{ conn *pgx.Conn }

var errNotOurs = errors.New("sqldb: the transaction is begun and ended by Tx")

func (t connTx) Begin(context.Context) (pgx.Tx, error) { return nil, errNotOurs }
func (t connTx) Commit(context.Context) error          { return errNotOurs }
func (t connTx) Rollback(context.Context) error        { return errNotOurs }
func (t connTx) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }
func (t connTx) Conn() *pgx.Conn                       { return t.conn }

func (t connTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

func (t connTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.conn.SendBatch(ctx, b)
}

func (t connTx) Prepare(ctx context.Context, name, query string) (*pgconn.StatementDescription, error) {
	return t.conn.Prepare(ctx, name, query)
}

func (t connTx) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, query, args...)
}

func (t connTx) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, query, args...)
}

func (t connTx) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return t.conn.QueryRow(ctx, query, args...)
}
