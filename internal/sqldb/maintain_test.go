package sqldb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func TestBackup(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		things(t, db)
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ('a', 1)`); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "copy.db")
		if db.Postgres() {
			if err := db.Backup(ctx, path); !errs.Is(err, errs.Invalid) {
				t.Errorf("got %v, want a refusal that names another way", err)
			}
			return
		}
		// In the middle of a write, of which it must see nothing.
		err := db.Tx(ctx, func(tx *sqldb.DB) error {
			if _, err := tx.Exec(ctx, `INSERT INTO things (id, n) VALUES ('b', 2)`); err != nil {
				return err
			}
			return db.Backup(ctx, path)
		})
		if err != nil {
			t.Fatal(err)
		}
		restored, err := sqldb.Open(ctx, "sqlite:"+path, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer restored.Close()
		if err := restored.Migrate(ctx); err != nil {
			t.Error(err)
		}
		got, err := sqldb.All(ctx, restored, sqldb.Scalar[string], `SELECT id FROM things`)
		if err != nil || len(got) != 1 || got[0] != "a" {
			t.Errorf("the copy has %q, %v; want only a", got, err)
		}
		if err := db.Backup(ctx, path); err == nil {
			t.Error("a copy was overwritten")
		}
	})
}

func TestCheckpointAndSize(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		things(t, db)
		before, err := db.Size(ctx)
		if err != nil || before <= 0 {
			t.Fatalf("size %d, %v", before, err)
		}
		large := strings.Repeat("x", 1<<20)
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n, bytes) VALUES ('a', 1, $1)`, []byte(large)); err != nil {
			t.Fatal(err)
		}
		if err := db.Checkpoint(ctx); err != nil {
			t.Error(err)
		}
		// PostgreSQL squeezes a text like this to almost nothing.
		if after, err := db.Size(ctx); err != nil || !db.Postgres() && after < before+1<<19 {
			t.Errorf("size %d after %d, %v", after, before, err)
		}
	})
}

func TestCheckpointEmptiesTheLog(t *testing.T) {
	ctx := t.Context()
	url := sqldbtest.SQLite(t)
	db, err := sqldb.Open(ctx, url, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	things(t, db)
	if err := db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(url, "sqlite:")
	log, err := os.Stat(path + "-wal")
	if err != nil || log.Size() != 0 {
		t.Errorf("the log has %v bytes, %v", log.Size(), err)
	}
	if file, err := os.Stat(path); err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want one for the owner only", file.Mode(), err)
	}
}

func BenchmarkPointRead(b *testing.B) {
	db := sqldbtest.Open(b)
	ctx := b.Context()
	var n int64
	for b.Loop() {
		if err := db.Row(ctx, `SELECT generation FROM access_state WHERE id = $1`, 1).Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDataVersion(b *testing.B) {
	db := sqldbtest.Open(b)
	for b.Loop() {
		if _, err := db.DataVersion(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRelieve: what was committed is in the database's own file afterwards, while a
// write is under way, and what comes of that is not.
func TestRelieve(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		things(t, db)
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ('a', 1)`); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(ctx, func(tx *sqldb.DB) error {
			if _, err := tx.Exec(ctx, `INSERT INTO things (id, n) VALUES ('b', 2)`); err != nil {
				return err
			}
			return db.Relieve(ctx)
		})
		if err != nil || db.Postgres() {
			if err != nil {
				t.Error(err)
			}
			return
		}
		var path string
		if err := db.Row(ctx, `SELECT file FROM pragma_database_list() WHERE name = 'main'`).Scan(&path); err != nil {
			t.Fatal(err)
		}
		// Without its log, and by another process: whoever closes a descriptor of the
		// file loses the locks of his process on it.
		alone := filepath.Join(t.TempDir(), "alone.db")
		if out, err := exec.CommandContext(ctx, "cp", path, alone).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		copied, err := sqldb.Open(ctx, "sqlite:"+alone, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer copied.Close()
		got, err := sqldb.All(ctx, copied, sqldb.Scalar[string], `SELECT id FROM things ORDER BY id`)
		if err != nil || len(got) != 1 || got[0] != "a" {
			t.Errorf("the file has %q, %v; want only a", got, err)
		}
	})
}
