package sqldb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"terrarium/internal/errs"
)

// Checkpoint moves what SQLite has in its write-ahead log into the database
// file, so that the file alone is whole. On PostgreSQL it does nothing.
func (db *DB) Checkpoint(ctx context.Context) error {
	if db.postgres {
		return nil
	}
	conn, err := db.connect(ctx, db.writer)
	if err != nil {
		return err
	}
	defer conn.Close()
	var busy, inLog, moved int64
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &moved); err != nil {
		return classify(fmt.Errorf("checkpoint: %w", err))
	}
	if busy != 0 {
		return errs.New(errs.Unavailable, "The database is busy. Try again in a moment.")
	}
	return nil
}

// Backup writes a copy of a SQLite database into the file path, which must not
// exist, while everything goes on. The copy is one consistent state and is on
// the disk when Backup answers. PostgreSQL has its own tools for this; Dump
// works on both.
func (db *DB) Backup(ctx context.Context, path string) error {
	if db.postgres {
		return errs.New(errs.Invalid, "A PostgreSQL database cannot be copied as a file. Use terrarium backup or pg_dump.")
	}
	// A connection of its own: the readers are barred from everything that
	// writes, and the writer must stay free.
	pool, err := openPool(sqliteDSN(db.path, false), 1)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return classify(fmt.Errorf("copy the database: %w", err))
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		if err := syncPath(name); err != nil {
			return err
		}
	}
	return nil
}

func syncPath(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("sync the copy: %w", err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The copy of the database could not be written to the disk.")
	}
	return nil
}

// Size is how many bytes the database takes on its disk, without the log.
func (db *DB) Size(ctx context.Context) (int64, error) {
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if db.postgres {
		query = "SELECT pg_database_size(current_database())"
	}
	var n int64
	err := db.Row(ctx, query).Scan(&n)
	return n, err
}

// Relieve carries what SQLite's log holds over into the database, as far as it can
// while others write. Who writes much calls it now and then, outside its transactions:
// else the log is carried over by whoever happens to fill it, and while that goes on
// nobody else can write.
func (db *DB) Relieve(ctx context.Context) error {
	if db.postgres {
		return nil
	}
	var busy, inLog, moved int
	if err := db.reader.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &inLog, &moved); err != nil {
		return classify(fmt.Errorf("relieve the log: %w", err))
	}
	return nil
}

// CopyIn loads many rows into the columns of a table, the fastest way that the
// engine has, and says how many. next gives one row after the other and false
// after the last; an error of it undoes everything. Outside a transaction CopyIn
// is one of its own.
func (db *DB) CopyIn(ctx context.Context, table string, columns []string, next func() ([]any, bool, error)) (int64, error) {
	var copied int64
	err := db.Tx(ctx, func(tx *DB) error {
		copied = 0
		if tx.postgres {
			return tx.PgxTx(func(pg pgx.Tx) error {
				var err error
				copied, err = pg.CopyFrom(ctx, pgx.Identifier{table}, columns, &copySource{next: next})
				return err
			})
		}
		n, err := tx.insertRows(ctx, table, columns, next)
		copied = n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("copy rows into %s: %w", table, err)
	}
	return copied, nil
}

// rowsAtOnce is how many rows one INSERT takes on SQLite: a statement costs as much
// as a row or two.
const rowsAtOnce = 16

// insertRows is CopyIn on SQLite.
func (db *DB) insertRows(ctx context.Context, table string, columns []string, next func() ([]any, bool, error)) (int64, error) {
	var n int64
	many := insertText(table, columns, rowsAtOnce)
	args := make([]any, 0, rowsAtOnce*len(columns))
	for more := true; more; {
		var row []any
		var err error
		if row, more, err = next(); err != nil {
			return n, err
		}
		if args = append(args, row...); more && len(args) < cap(args) || len(args) == 0 {
			continue
		}
		query := many
		rows := len(args) / len(columns)
		if rows < rowsAtOnce {
			query = insertText(table, columns, rows)
		}
		if _, err := db.Exec(ctx, query, args...); err != nil {
			return n, err
		}
		n += int64(rows)
		args = args[:0]
	}
	return n, nil
}

func insertText(table string, columns []string, rows int) string {
	text := []byte("INSERT INTO " + pgx.Identifier{table}.Sanitize() + " (")
	for i, column := range columns {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(text, pgx.Identifier{column}.Sanitize()...)
	}
	text = append(text, ") VALUES "...)
	for row := range rows {
		if row > 0 {
			text = append(text, ", "...)
		}
		// Not $1, $2 …: SQLite looks each name up in the list of all before it.
		text = append(text, "(?"+strings.Repeat(", ?", len(columns)-1)+")"...)
	}
	return string(text)
}

// copySource is next as pgx wants it.
type copySource struct {
	next func() ([]any, bool, error)
	row  []any
	err  error
}

// Next implements pgx.CopyFromSource.
func (s *copySource) Next() bool {
	var more bool
	s.row, more, s.err = s.next()
	return more && s.err == nil
}

// Values implements pgx.CopyFromSource.
func (s *copySource) Values() ([]any, error) { return values(s.row), nil }

// Err implements pgx.CopyFromSource.
func (s *copySource) Err() error { return s.err }
