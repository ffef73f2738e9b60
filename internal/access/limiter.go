package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Limiter counts how often something happened within a window of time and
// refuses what comes too often. The counters are rows, so they survive a restart
// and hold across replicas. A window slides in steps of a twentieth.
type Limiter struct {
	db  *sqldb.DB
	now func() time.Time
}

// steps is into how many counters a window is cut.
const steps = 20

// NewLimiter makes a Limiter over a database with a clock.
func NewLimiter(db *sqldb.DB, now func() time.Time) *Limiter {
	return &Limiter{db: db, now: now}
}

// Bucket names the counter of a kind of event for one subject. What people typed
// is hashed: a password that landed in the wrong field must not stay readable.
func Bucket(kind, subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return kind + ":" + hex.EncodeToString(sum[:16])
}

// Allow counts one event and refuses it as errs.TooMany where more than limit
// would have happened within the window. Refused events do not count.
func (l *Limiter) Allow(ctx context.Context, bucket string, limit int, window time.Duration) error {
	return l.db.Tx(ctx, func(tx *sqldb.DB) error {
		if err := l.add(ctx, tx, bucket, window); err != nil {
			return err
		}
		return l.within(ctx, tx, bucket, limit+1, window)
	})
}

// Check refuses as errs.TooMany where limit events were counted within the
// window. It counts nothing.
func (l *Limiter) Check(ctx context.Context, bucket string, limit int, window time.Duration) error {
	return l.within(ctx, l.db, bucket, limit, window)
}

// Fail counts one event.
func (l *Limiter) Fail(ctx context.Context, bucket string, window time.Duration) error {
	return l.db.Tx(ctx, func(tx *sqldb.DB) error { return l.add(ctx, tx, bucket, window) })
}

// Forgive takes back the newest event that was counted.
func (l *Limiter) Forgive(ctx context.Context, bucket string) error {
	_, err := l.db.Exec(ctx, `
		UPDATE limits SET count = count - 1
		WHERE bucket = $1 AND count > 0 AND window_start = (
			SELECT window_start FROM limits WHERE bucket = $1 AND count > 0 ORDER BY window_start DESC LIMIT 1)`, bucket)
	if err != nil {
		return fmt.Errorf("take back an event: %w", err)
	}
	return nil
}

// Reset forgets all events of a bucket.
func (l *Limiter) Reset(ctx context.Context, bucket string) error {
	if _, err := l.db.Exec(ctx, "DELETE FROM limits WHERE bucket = $1", bucket); err != nil {
		return fmt.Errorf("reset a limit: %w", err)
	}
	return nil
}

// Sweep deletes counters older than a day, the longest window.
func (l *Limiter) Sweep(ctx context.Context) error {
	if _, err := l.db.Exec(ctx, "DELETE FROM limits WHERE window_start < $1", l.now().Add(-25*time.Hour)); err != nil {
		return fmt.Errorf("sweep the limits: %w", err)
	}
	return nil
}

func (l *Limiter) add(ctx context.Context, tx *sqldb.DB, bucket string, window time.Duration) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO limits (bucket, window_start, count) VALUES ($1, $2, 1)
		ON CONFLICT (bucket, window_start) DO UPDATE SET count = limits.count + 1`,
		bucket, l.now().Truncate(window/steps))
	if err != nil {
		return fmt.Errorf("count an event: %w", err)
	}
	return nil
}

// within refuses where limit or more events lie in the window. A counter that
// began before the window but reaches into it counts whole: the limit is never
// looser than it says.
func (l *Limiter) within(ctx context.Context, db *sqldb.DB, bucket string, limit int, window time.Duration) error {
	type counter struct {
		start time.Time
		count int
	}
	now := l.now()
	counters, err := sqldb.All(ctx, db, func(r *sqldb.Rows, c *counter) error { return r.Scan(&c.start, &c.count) }, `
		SELECT window_start, count FROM limits
		WHERE bucket = $1 AND window_start > $2 ORDER BY window_start DESC`,
		bucket, now.Add(-window-window/steps))
	if err != nil {
		return fmt.Errorf("read a limit: %w", err)
	}
	// The newest limit-1 events may stay; when the one before them leaves the
	// window, there is room again.
	sum := 0
	for _, c := range counters {
		if sum += c.count; sum >= limit {
			wait := max(c.start.Add(window+window/steps).Sub(now), time.Second).Round(time.Second)
			return errs.Wrap(errs.TooMany, retryError{wait}, "Too many attempts. Try again in %s.", inWords(wait))
		}
	}
	return nil
}

// retryError carries the waiting time of a refusal behind its sentence.
type retryError struct{ wait time.Duration }

// Error says the waiting time.
func (e retryError) Error() string { return "retry after " + e.wait.String() }

// RetryAfter gives how long to wait after a refusal of a Limiter, or 0 where err
// is something else.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[retryError](err); ok {
		return e.wait
	}
	return 0
}

func inWords(d time.Duration) string {
	if d > 90*time.Second {
		return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
	}
	return fmt.Sprintf("%d seconds", int(d/time.Second))
}
