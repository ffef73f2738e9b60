package job_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"terrarium/internal/job"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// logged is a log that several goroutines write to.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// TestStopIsNoError: a client that is stopped while it starts says nothing, since
// nothing is wrong.
func TestStopIsNoError(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		var log logged
		for range 20 {
			c := job.New(db, job.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			job.Register(c, "tick", func(context.Context, tick) error { return nil })
			c.Every(time.Hour, tick{})
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			err := c.Stop(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
		}
		if log.b.Len() > 0 {
			t.Errorf("a clean stop is logged as\n%s", &log.b)
		}
	})
}
