package sqldb_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"terrarium/internal/sqldb"
)

// TestWritersTakeTurns: of two programs that write to one SQLite file, the one that
// writes without a pause does not keep the other out.
func TestWritersTakeTurns(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "shared.db")
	open := func() *sqldb.DB {
		db, err := sqldb.Open(t.Context(), url, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	greedy, modest := open(), open()
	if _, err := greedy.Exec(t.Context(), "CREATE TABLE turns (who TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	var turns atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = greedy.Tx(t.Context(), func(tx *sqldb.DB) error {
				for range 500 {
					if _, err := tx.Exec(t.Context(), "INSERT INTO turns VALUES ('greedy')"); err != nil {
						return err
					}
				}
				return nil
			})
			turns.Add(1)
		}
		ended <- err
	}()
	const writes = 20
	begun := turns.Load()
	for range writes {
		if err := modest.Tx(t.Context(), func(tx *sqldb.DB) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO turns VALUES ('modest')")
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	got := turns.Load() - begun
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// One turn is under way when the other begins to wait, and one may slip
	// through between its steps.
	if got > 4*writes {
		t.Errorf("%d writes waited for %d turns of the other, want at most %d", writes, got, 4*writes)
	}
}
