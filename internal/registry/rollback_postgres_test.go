//go:build postgres

package registry_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// Of a roll-back on one replica and a withdrawal on another that meet, the later one
// sees the earlier: what was withdrawn is not listed.
func TestRollBackMeetsWithdrawal(t *testing.T) {
	address := sqldbtest.Postgres(t)
	ctx := context.Background()
	var between atomic.Pointer[func()]
	first, err := sqldb.Open(ctx, address, sqldb.Options{Observe: func(_ context.Context, query string) {
		// What comes back is listed by now, and not committed.
		if strings.HasPrefix(query, "DELETE FROM file_channels WHERE channel_id = $1") {
			if f := between.Swap(nil); f != nil {
				(*f)()
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close() })
	if err := first.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := sqldb.Open(ctx, address, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	w := newWorld(t, first, registry.Options{})
	blobs, err := blob.Open(ctx, "file:"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	other := registry.New(second, blobs, registry.Options{Now: w.now, Gen: access.NewGeneration(second)})
	f := w.must(w.alice, "alice", condatest.Spec{Name: "bad"})
	if _, err := w.RemoveLabel(ctx, w.alice, "alice", "main", registry.Selector{Basename: ptr(f.Basename)}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	meet := func() {
		go func() {
			_, err := other.Withdraw(ctx, w.alice, "alice", "bad", "1.0", f.Basename, "it is malware")
			done <- err
		}()
		for { // until it is through, or waits for the roll-back
			select {
			case err := <-done:
				done <- err
				return
			default:
			}
			var waiting int
			if err := second.Row(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil || waiting > 0 {
				return
			}
		}
	}
	between.Store(&meet)
	if _, err := w.RollBack(ctx, w.alice, "alice", "main", "1"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.wantListed("alice", "main", -1)
	w.clean()
}
