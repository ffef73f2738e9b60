package job_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/errs"
	"terrarium/internal/job"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

type greet struct {
	Name string    `json:"name"`
	At   time.Time `json:"at,omitzero"`
}

type tick struct{}

func start(t *testing.T, c *job.Client) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// receive waits for one value, and for none where want is false.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestJobsFollowTheirTransaction(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := job.New(db, job.Options{})
		got := make(chan greet, 10)
		job.Register(c, "greet", func(_ context.Context, args greet) error { got <- args; return nil })

		stop := errors.New("stop")
		err := db.Tx(ctx, func(tx *sqldb.DB) error {
			if err := c.Enqueue(ctx, tx, greet{Name: "rolled back"}); err != nil {
				t.Error(err)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		want := greet{Name: "committed", At: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)}
		err = db.Tx(ctx, func(tx *sqldb.DB) error { return c.Enqueue(ctx, tx, want) })
		if err != nil {
			t.Fatal(err)
		}
		if waiting := list(t, c, job.Waiting); len(waiting) != 1 {
			t.Errorf("%d jobs wait, want 1", len(waiting))
		}
		start(t, c)
		if diff := cmp.Diff(want, receive(t, got)); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
		// Outside a transaction, while the workers run.
		if err := c.Enqueue(ctx, db, greet{Name: "later"}); err != nil {
			t.Fatal(err)
		}
		if later := receive(t, got); later.Name != "later" {
			t.Errorf("got %v, want later", later)
		}
	})
}

func list(t *testing.T, c *job.Client, state job.State) []job.Job {
	t.Helper()
	jobs, err := c.List(t.Context(), state, 100)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func TestUnique(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := job.New(db, job.Options{})
		running, end := make(chan string), make(chan struct{})
		job.Register(c, "greet", func(ctx context.Context, args greet) error {
			running <- args.Name
			select {
			case <-end:
			case <-ctx.Done():
			}
			return nil
		})
		enqueue := func(name string) {
			t.Helper()
			if err := c.Enqueue(ctx, db, greet{Name: name}, job.Unique()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			enqueue("a")
		}
		enqueue("b")
		if waiting := list(t, c, job.Waiting); len(waiting) != 2 {
			t.Errorf("%d jobs wait, want 2", len(waiting))
		}
		start(t, c)
		receive(t, running)
		receive(t, running)
		// Both run now; what has changed since they began needs another run.
		enqueue("a")
		enqueue("a")
		if again := receive(t, running); again != "a" {
			t.Errorf("%q ran, want a again", again)
		}
		close(end)
	})
}

func TestFailuresAreVisible(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := job.New(db, job.Options{})
		var mu sync.Mutex
		var attempts []string
		job.Register(c, "greet", func(_ context.Context, args greet) error {
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, args.Name)
			switch args.Name {
			case "hopeless":
				return job.GiveUp(errors.New("it will never do"))
			case "panics":
				panic("help")
			}
			return fmt.Errorf("not yet for %s", args.Name)
		})
		start(t, c)
		for _, name := range []string{"hopeless", "once"} {
			if err := c.Enqueue(ctx, db, greet{Name: name}, job.MaxAttempts(1)); err != nil {
				t.Fatal(err)
			}
		}
		// River's first pause lasts about a second, so this one is seen between attempts.
		if err := c.Enqueue(ctx, db, greet{Name: "panics"}); err != nil {
			t.Fatal(err)
		}
		type seen struct {
			Name, State, Error string
		}
		want := map[string]seen{
			"hopeless": {"hopeless", "failed", "it will never do"},
			"once":     {"once", "failed", "not yet for once"},
			"panics":   {"panics", "failing", "help"},
		}
		got := map[string]seen{}
		var failed int64
		eventually(t, func() bool {
			for _, j := range list(t, c, "") {
				for name := range want {
					if strings.Contains(string(j.Args), name) && len(j.Errors) > 0 {
						if j.State == job.Running || j.State == job.Waiting {
							continue // its next attempt has begun
						}
						message := j.Errors[0]
						if strings.Contains(message, want[name].Error) {
							message = want[name].Error
						}
						got[name] = seen{name, string(j.State), message}
						if name == "once" {
							failed = j.ID
						}
					}
				}
			}
			return len(got) == len(want)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}

		if err := c.Retry(ctx, failed); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			n := 0
			for _, name := range attempts {
				if name == "once" {
					n++
				}
			}
			return n == 2
		})
		if err := c.Retry(ctx, 1<<40); !errs.Is(err, errs.NotFound) {
			t.Errorf("retry of nothing: %v, want not found", err)
		}
		if _, err := c.List(ctx, "odd", 1); !errs.Is(err, errs.Invalid) {
			t.Errorf("list of an odd state: %v, want invalid", err)
		}
	})
}

// eventually asks until the answer is yes. What it waits for is written by
// River after the handler has returned, of which nothing tells.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatal("it never came to that")
		case <-again.C:
		}
	}
}

func TestEvery(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		c := job.New(db, job.Options{})
		ticks := make(chan struct{}, 100)
		job.Register(c, "tick", func(context.Context, tick) error { ticks <- struct{}{}; return nil })
		job.Register(c, "greet", func(context.Context, greet) error { ticks <- struct{}{}; return nil })
		c.Every(time.Hour, greet{Name: "hourly"})
		c.Every(200*time.Millisecond, tick{})
		start(t, c)
		for range 4 {
			receive(t, ticks)
		}
		hourly := 0
		for _, j := range list(t, c, "") {
			if j.Kind == "greet" {
				hourly++
			}
		}
		if hourly != 1 {
			t.Errorf("the hourly job was enqueued %d times, want once", hourly)
		}
	})
}

// TestQueueLeavesTheWriterFree writes while jobs run that take long.
func TestQueueLeavesTheWriterFree(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		if _, err := db.Exec(ctx, `CREATE TABLE things (n BIGINT PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		c := job.New(db, job.Options{Workers: 2})
		running, end := make(chan struct{}), make(chan struct{})
		job.Register(c, "greet", func(ctx context.Context, _ greet) error {
			running <- struct{}{}
			<-end
			return db.Tx(ctx, func(tx *sqldb.DB) error {
				_, err := tx.Exec(ctx, `INSERT INTO things (n) VALUES (-1) ON CONFLICT DO NOTHING`)
				return err
			})
		})
		start(t, c)
		for i := range 2 {
			if err := c.Enqueue(ctx, db, greet{Name: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		receive(t, running)
		receive(t, running)
		for i := range 50 {
			err := db.Tx(ctx, func(tx *sqldb.DB) error {
				_, err := tx.Exec(ctx, `INSERT INTO things (n) VALUES ($1)`, i)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		close(end)
		eventually(t, func() bool { return len(list(t, c, job.Done)) == 2 })
	})
}

// TestJobsOfADeadProcessRunAgain stops a client in the middle of a job.
func TestJobsOfADeadProcessRunAgain(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		first := job.New(db, job.Options{})
		running := make(chan struct{})
		job.Register(first, "greet", func(ctx context.Context, _ greet) error {
			running <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
		if err := first.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := first.Enqueue(ctx, db, greet{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		receive(t, running)
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := first.Stop(over); err != nil {
			t.Fatal(err)
		}

		second := job.New(db, job.Options{})
		got := make(chan greet, 1)
		job.Register(second, "greet", func(_ context.Context, args greet) error { got <- args; return nil })
		start(t, second)
		if args := receive(t, got); args.Name != "x" {
			t.Errorf("ran %v, want x", args)
		}
	})
}

func TestSQLiteTakesUpWhatWasRunning(t *testing.T) {
	ctx := t.Context()
	db, err := sqldb.Open(ctx, sqldbtest.SQLite(t), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	c := job.New(db, job.Options{})
	got := make(chan greet, 1)
	job.Register(c, "greet", func(_ context.Context, args greet) error { got <- args; return nil })
	if err := c.Enqueue(ctx, db, greet{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	// What a process that is killed leaves behind.
	if _, err := db.Exec(ctx, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = CURRENT_TIMESTAMP`); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	receive(t, got)
}

func TestUnregisteredArguments(t *testing.T) {
	db := sqldbtest.Open(t)
	c := job.New(db, job.Options{})
	if err := c.Enqueue(t.Context(), db, tick{}); err == nil || !strings.Contains(err.Error(), "job_test.tick") {
		t.Errorf("got %v, want the type that nobody registered", err)
	}
}

// TestReports: what a handler told last is there while it works, after it has
// ended and after it has failed.
func TestReports(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := job.New(db, job.Options{})
		told, end := make(chan struct{}), make(chan struct{})
		job.RegisterReporting(c, "greet", func(ctx context.Context, args greet, report job.Report) error {
			for i := range 2 {
				if err := report(ctx, map[string]any{args.Name: i}); err != nil {
					return err
				}
			}
			told <- struct{}{}
			<-end
			if args.Name == "fails" {
				return job.GiveUp(errors.New("no"))
			}
			return nil
		})
		job.Register(c, "tick", func(context.Context, tick) error { return nil })
		start(t, c)
		if err := c.Enqueue(ctx, db, tick{}); err != nil {
			t.Fatal(err)
		}
		for name, state := range map[string]job.State{"works": job.Done, "fails": job.Failed} {
			var id int64
			if err := c.Enqueue(ctx, db, greet{Name: name}, job.ID(&id)); err != nil {
				t.Fatal(err)
			}
			got := func() job.Job {
				j, err := c.Get(ctx, id)
				if err != nil {
					t.Fatal(err)
				}
				return j
			}
			want := fmt.Sprintf(`{"%s":1}`, name)
			receive(t, told)
			if j := got(); j.State != job.Running || strings.ReplaceAll(string(j.Report), " ", "") != want {
				t.Errorf("at work: %+v, want the report %s", j, want)
			}
			end <- struct{}{}
			eventually(t, func() bool { return got().State == state })
			if j := got(); strings.ReplaceAll(string(j.Report), " ", "") != want || j.Kind != "greet" || j.EndedAt == nil {
				t.Errorf("at the end: %+v, want the report %s", j, want)
			}
		}
		if jobs, err := c.List(ctx, "", 10, "greet"); err != nil || len(jobs) != 2 {
			t.Errorf("of one kind there are %+v, %v", jobs, err)
		}
		if _, err := c.Get(ctx, 1<<40); !errs.Is(err, errs.NotFound) {
			t.Errorf("a job that is none: %v", err)
		}
	})
}
