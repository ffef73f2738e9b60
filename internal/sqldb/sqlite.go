package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"

	"terrarium/internal/errs"
)

func (e *engine) openSQLite(ctx context.Context, path string, opts Options) error {
	if path == "" {
		return errs.New(errs.Invalid, "The database address names no file. Use sqlite:PATH.").On("database")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find the database file: %w", err)
	}
	// A folder is not made: a path with a slip in it would start an empty
	// database beside the one that was meant.
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
		return errs.Wrap(errs.Unavailable, err, "There is no folder %s for the database. Make it, or mend the address of the database.", filepath.Dir(path)).On("database")
	}
	// SQLite would make the file readable by everybody, and WAL and SHM get
	// the permissions of the file.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The database file cannot be opened.")
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close the database file: %w", err)
	}
	e.path = path
	if e.writer, err = openPool(sqliteDSN(path, false), 1); err != nil {
		return err
	}
	// The writer goes first: it makes the file a WAL database, which the
	// readers, being barred from writing, could not.
	if err := e.writer.PingContext(ctx); err != nil {
		e.writer.Close()
		return classify(fmt.Errorf("open the database: %w", err))
	}
	readers := opts.Readers
	if readers <= 0 {
		readers = 8
	}
	if e.reader, err = openPool(sqliteDSN(path, true), readers); err != nil {
		e.writer.Close()
		return err
	}
	if err := e.reader.PingContext(ctx); err != nil {
		return errors.Join(classify(fmt.Errorf("open the database for reading: %w", err)), e.reader.Close(), e.writer.Close())
	}
	if e.gate, err = openGate(path + "-gate"); err != nil {
		return errors.Join(err, e.reader.Close(), e.writer.Close())
	}
	return nil
}

// sqliteDSN builds the address for the driver. synchronous FULL: with NORMAL a
// power cut may take back an acknowledged upload. _time_format: without it the
// driver writes Go's debugging form of times.
func sqliteDSN(path string, readOnly bool) string {
	q := url.Values{
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_pragma":      {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "temp_store(memory)"},
	}
	if readOnly {
		q["_pragma"] = append(q["_pragma"], "query_only(1)")
	} else {
		q.Set("_txlock", "immediate")
		// Room for large imports without growing the file for ever, and 64 MiB
		// of pages: the indexes of a large channel are read by every insert.
		// Pages that are written again and again reach the file once in 8,000
		// pages of the log, 32 MiB.
		q["_pragma"] = append(q["_pragma"], "journal_size_limit(67108864)", "cache_size(-65536)", "wal_autocheckpoint(8000)")
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

func openPool(dsn string, size int) (*sql.DB, error) {
	base, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", err)
	}
	pool := sql.OpenDB(cachingConnector{base})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// cachingConnector makes connections that keep their statements prepared.
// database/sql could do it only outside transactions, and there is one place
// here that every statement passes, those of the job queue too.
type cachingConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(sqliteConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("sqldb: the SQLite driver's %T lacks a method", conn)
	}
	return newCachingConn(inner), nil
}
