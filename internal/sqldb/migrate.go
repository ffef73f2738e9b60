package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"terrarium/internal/errs"
)

//go:embed migrations/*.sql
var migrations embed.FS

func schema() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the path is a constant
	}
	return sub
}

// migrationLock is the key of the advisory lock that keeps replicas from
// migrating at the same time: "terrarium" in ASCII, cut to eight bytes.
const migrationLock int64 = 0x7465727261726975

// Migrate brings the schema up to the newest version that this program knows,
// and the job queue's tables with it. Any number of processes may call it at
// once. A database of a newer program is refused with errs.Conflict.
func (db *DB) Migrate(ctx context.Context) error {
	unlock, err := db.lockMigration(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	provider, err := db.provider()
	if err != nil {
		return err
	}
	have, known, err := provider.GetVersions(ctx)
	if err != nil {
		return classify(fmt.Errorf("read the schema's version: %w", err))
	}
	if have > known {
		return errs.New(errs.Conflict, "This data was written by a newer Terrarium (schema %d, this one knows %d). Start the newer version.", have, known).Because("schema-newer")
	}
	if _, err := provider.Up(ctx); err != nil {
		return classify(fmt.Errorf("migrate the schema: %w", err))
	}
	return db.migrateQueue(ctx)
}

// SchemaVersion gives the version that the database has, 0 before the first
// migration, and the newest one that this program knows.
func (db *DB) SchemaVersion(ctx context.Context) (have, known int64, err error) {
	provider, err := db.provider()
	if err != nil {
		return 0, 0, err
	}
	for _, source := range provider.ListSources() {
		known = max(known, source.Version)
	}
	there, err := db.hasTable(ctx, "goose_db_version")
	if err != nil || !there {
		return 0, known, err
	}
	err = db.Row(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&have)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, known, nil
}

func (db *DB) hasTable(ctx context.Context, name string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if db.postgres {
		query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
	}
	var n int64
	if err := db.Row(ctx, query, name).Scan(&n); err != nil {
		return false, fmt.Errorf("look for the table %s: %w", name, err)
	}
	return n > 0, nil
}

func (db *DB) provider() (*goose.Provider, error) {
	dialect, other := goose.DialectSQLite3, ".postgres.sql"
	if db.postgres {
		dialect, other = goose.DialectPostgres, ".sqlite.sql"
	}
	provider, err := goose.NewProvider(dialect, db.writer, withoutSuffix{db.migrations, other},
		goose.WithSlog(db.log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// migrateQueue makes River's own tables.
func (db *DB) migrateQueue(ctx context.Context) error {
	config := &rivermigrate.Config{Logger: db.log}
	var err error
	if db.postgres {
		var m *rivermigrate.Migrator[pgx.Tx]
		if m, err = rivermigrate.New(riverpgxv5.New(db.pgx), config); err == nil {
			_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
	} else {
		var m *rivermigrate.Migrator[*sql.Tx]
		if m, err = rivermigrate.New(riversqlite.New(db.writer), config); err == nil {
			_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
	}
	if err != nil {
		return classify(fmt.Errorf("migrate the job queue: %w", err))
	}
	return nil
}

// lockMigration keeps other processes from migrating until the answer is called.
func (db *DB) lockMigration(ctx context.Context) (unlock func(), err error) {
	if db.postgres {
		conn, err := db.writer.Conn(ctx)
		if err != nil {
			return nil, classify(err)
		}
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
			conn.Close()
			return nil, classify(fmt.Errorf("wait for the migration lock: %w", err))
		}
		return func() {
			// A context that has ended must not leave the lock on a pooled connection; where
			// the unlocking fails, the connection is lost, and the lock with it.
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
			conn.Close()
		}, nil
	}
	// The folder is locked rather than a file of its own, which would be litter.
	dir, err := os.Open(filepath.Dir(db.path))
	if err != nil {
		return nil, fmt.Errorf("lock the database's folder: %w", err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil && !errors.Is(err, syscall.ENOTSUP) {
		dir.Close()
		return nil, fmt.Errorf("lock the database's folder: %w", err)
	}
	return func() { dir.Close() }, nil
}

// withoutSuffix hides the migrations of the other engine: goose refuses two
// files of one version.
type withoutSuffix struct {
	fs.FS
	suffix string
}

// Glob implements fs.GlobFS, which is how goose finds its files.
func (w withoutSuffix) Glob(pattern string) ([]string, error) {
	all, err := fs.Glob(w.FS, pattern)
	if err != nil {
		return nil, err
	}
	var mine []string
	for _, name := range all {
		if !strings.HasSuffix(name, w.suffix) {
			mine = append(mine, name)
		}
	}
	return mine, nil
}
