package access_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func TestLimiter(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		now := time.Date(2026, 11, 21, 10, 0, 59, 0, time.UTC)
		clock := func() time.Time { return now }
		l := access.NewLimiter(db, clock)
		bucket := access.Bucket("sign-in", "hunter2")
		if strings.Contains(bucket, "hunter2") {
			t.Errorf("the bucket %q holds what was typed", bucket)
		}
		allow := func() error { return l.Allow(ctx, bucket, 3, time.Minute) }
		for range 3 {
			if err := allow(); err != nil {
				t.Fatal(err)
			}
			now = now.Add(5 * time.Second) // across the full minute, where fixed windows would begin anew
		}
		err := allow()
		if errs.KindOf(err) != errs.TooMany {
			t.Fatalf("the fourth: got %v, want too many", err)
		}
		wait := access.RetryAfter(err)
		if wait <= 0 || wait > time.Minute+3*time.Second {
			t.Errorf("retry after %v", wait)
		}
		if err := l.Allow(ctx, access.Bucket("sign-in", "other"), 3, time.Minute); err != nil {
			t.Errorf("another bucket: %v", err)
		}

		// A restart changes nothing: the counters are rows.
		l = access.NewLimiter(db, clock)
		if err := l.Check(ctx, bucket, 3, time.Minute); errs.KindOf(err) != errs.TooMany {
			t.Errorf("after a restart: got %v, want too many", err)
		}
		// Refused attempts do not count: the promised time holds.
		now = now.Add(wait)
		if err := allow(); err != nil {
			t.Errorf("after the promised time: %v", err)
		}
		if err := l.Reset(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := l.Fail(ctx, bucket, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Check(ctx, bucket, 3, time.Minute); errs.KindOf(err) != errs.TooMany {
			t.Errorf("after three failures: got %v, want too many", err)
		}
		if err := l.Forgive(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		if err := l.Check(ctx, bucket, 3, time.Minute); err != nil {
			t.Errorf("after one was forgiven: %v", err)
		}
		now = now.Add(26 * time.Hour)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.Row(ctx, "SELECT COUNT(*) FROM limits").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d counters stay after sweeping (%v)", n, err)
		}
		if access.RetryAfter(errs.New(errs.TooMany, "Too many.")) != 0 {
			t.Error("a refusal of somebody else has a waiting time")
		}
	})
}

func TestLimiterAtOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := access.NewLimiter(db, time.Now)
		var mu sync.Mutex
		var wg sync.WaitGroup
		let := 0
		for range 20 {
			wg.Go(func() {
				err := l.Allow(t.Context(), "bucket", 5, time.Hour)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					let++
				case errs.KindOf(err) != errs.TooMany:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if let != 5 {
			t.Errorf("%d of 20 at once were let in, want 5", let)
		}
	})
}

func TestGeneration(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		g := access.NewGeneration(db)
		current := func() int64 {
			t.Helper()
			n, err := g.Current(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		first := current()
		if current() != first {
			t.Error("the generation changes by itself")
		}
		if err := db.Tx(ctx, func(tx *sqldb.DB) error { return access.Bump(ctx, tx) }); err != nil {
			t.Fatal(err)
		}
		if got := current(); got != first+1 {
			t.Errorf("after a change: got %d, want %d", got, first+1)
		}
		undone := errs.New(errs.Conflict, "undone")
		err := db.Tx(ctx, func(tx *sqldb.DB) error {
			if err := access.Bump(ctx, tx); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		if got := current(); got != first+1 {
			t.Errorf("after a change that was undone: got %d, want %d", got, first+1)
		}
	})
}
