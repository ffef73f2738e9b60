// Package job runs work that need not be done before an answer: in the
// background, again after a failure, and on a schedule. The queue lives in the
// database, so a job enqueued in a transaction exists exactly if that commits.
// A job runs at least once; handlers must bear running twice. What the jobs do
// is registered by others.
package job

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"terrarium/internal/sqldb"
	"terrarium/internal/trace"
)

// Client is the queue of one database. Kinds and schedules are registered before
// the first job is enqueued or worked. It is safe for concurrent use after that.
type Client struct {
	db      *sqldb.DB
	opts    Options
	workers *river.Workers
	kinds   map[reflect.Type]string
	every   []schedule

	stopping atomic.Bool // so that what Stop cancels is no error in the log

	build sync.Once
	queue queue
	err   error // of build
}

// Options are the choices of New. The zero value is right for production.
type Options struct {
	// Workers is how many jobs run at once in this process; 0 means 4.
	Workers int
	// Poll is how often the queue is asked for new jobs, at least 500 ms on
	// SQLite, where each look takes the one writer for a moment; 0 means 500 ms
	// there and 1 s on PostgreSQL, which tells of new jobs besides.
	Poll time.Duration
	// Timeout is how long a job may take whose kind says nothing else; 0 means
	// 15 minutes.
	Timeout time.Duration
	// Log takes warnings and worse; nil discards them.
	Log *slog.Logger
	// Tracer records each run; nil records none.
	Tracer *trace.Tracer
}

// New gives the queue of a migrated database.
func New(db *sqldb.DB, opts Options) *Client {
	if opts.Workers <= 0 {
		opts.Workers = 4
	}
	if opts.Poll <= 0 {
		opts.Poll = time.Second
		if !db.Postgres() {
			opts.Poll = minPollSQLite
		}
	}
	if !db.Postgres() {
		opts.Poll = max(opts.Poll, minPollSQLite)
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 15 * time.Minute
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{db: db, opts: opts, workers: river.NewWorkers(), kinds: map[reflect.Type]string{}}
}

const minPollSQLite = 500 * time.Millisecond

// Register says what to do with jobs whose arguments are a T, a struct that JSON
// can hold. kind is the name of such jobs in the database and never changes
// after a release. The handler's context ends when the job takes too long or the
// client stops. It panics where kind or T is registered already.
func Register[T any](c *Client, kind string, handler func(ctx context.Context, args T) error, opts ...HandlerOption) {
	RegisterReporting(c, kind, func(ctx context.Context, args T, _ Report) error { return handler(ctx, args) }, opts...)
}

// Report stores how far a job is, as JSON, for Job.Report. Only the last one is
// kept, also when the job has ended.
type Report func(ctx context.Context, v any) error

// RegisterReporting is Register for a handler that tells how far it is.
func RegisterReporting[T any](c *Client, kind string, handler func(ctx context.Context, args T, report Report) error, opts ...HandlerOption) {
	w := &worker{timeout: c.opts.Timeout, run: func(ctx context.Context, id int64, text jsontext.Value) (err error) {
		ctx, span := c.opts.Tracer.Begin(ctx, "job "+kind)
		defer func() { span.End(err) }()
		var args T
		if err := json.Unmarshal(text, &args); err != nil {
			return GiveUp(fmt.Errorf("read the arguments of a job %s: %w", kind, err))
		}
		return handler(ctx, args, func(ctx context.Context, v any) error {
			if err := c.queue.report(ctx, id, v); err != nil {
				return fmt.Errorf("report on the job %d: %w", id, err)
			}
			return nil
		})
	}}
	for _, opt := range opts {
		opt(w)
	}
	t := reflect.TypeFor[T]()
	if other, ok := c.kinds[t]; ok {
		panic(fmt.Sprintf("job: %v is registered as %q and as %q", t, other, kind))
	}
	c.kinds[t] = kind
	river.AddWorkerArgs(c.workers, payload{kind: kind}, w)
}

// HandlerOption changes how jobs of a kind are run.
type HandlerOption func(*worker)

// Timeout is how long a job of the kind may take before its context ends.
func Timeout(d time.Duration) HandlerOption { return func(w *worker) { w.timeout = d } }

// GiveUp wraps the error of a handler that would be the same at every further
// attempt: the job has failed for good.
func GiveUp(err error) error { return river.JobCancel(err) }

// EnqueueOption changes how one job is enqueued.
type EnqueueOption func(*enqueue)

type enqueue struct {
	opts   river.InsertOpts
	unique bool
	id     *int64
}

// Unique enqueues nothing where a job of the same kind and arguments is waiting.
// One that is already running does not count, since it may have read what has
// changed since.
func Unique() EnqueueOption { return func(e *enqueue) { e.unique = true } }

// At is when the job is to run first; without it, at once.
func At(t time.Time) EnqueueOption { return func(e *enqueue) { e.opts.ScheduledAt = t.UTC() } }

// MaxAttempts is how often the job is tried before it has failed; without it 12
// times, over about half a day.
func MaxAttempts(n int) EnqueueOption { return func(e *enqueue) { e.opts.MaxAttempts = n } }

// ID gives the number of the job, for Get. Where Unique kept it from being
// enqueued, id stays as it is.
func ID(id *int64) EnqueueOption { return func(e *enqueue) { e.id = id } }

// Enqueue adds a job in the transaction tx, or in one of its own where tx is
// none. args is of a type that is registered.
func (c *Client) Enqueue(ctx context.Context, tx *sqldb.DB, args any, opts ...EnqueueOption) error {
	q, err := c.open()
	if err != nil {
		return err
	}
	p, err := c.payload(args)
	if err != nil {
		return err
	}
	var e enqueue
	for _, opt := range opts {
		opt(&e)
	}
	err = tx.Tx(ctx, func(tx *sqldb.DB) error {
		if e.unique {
			tag := p.tag()
			e.opts.Tags = []string{tag}
			waiting, err := q.waiting(ctx, tx, tag)
			if err != nil || waiting {
				return err
			}
		}
		id, err := q.insert(ctx, tx, p, &e.opts)
		if err == nil && e.id != nil {
			*e.id = id
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("enqueue a job %s: %w", p.kind, err)
	}
	return nil
}

// schedule is one call of Every.
type schedule struct {
	interval time.Duration
	args     any
}

// Every runs a job when the client starts and then at an interval, in one process
// of many. A job that has run within the interval is not run again by a restart.
func (c *Client) Every(interval time.Duration, args any) {
	c.every = append(c.every, schedule{interval, args})
}

// Start begins to work jobs, until Stop. On SQLite only one process may do so.
func (c *Client) Start(ctx context.Context) error {
	q, err := c.open()
	if err != nil {
		return err
	}
	if !c.db.Postgres() {
		// What ran when the last process died runs again now, and not only
		// when it has been stuck for long. There is no other process.
		_, err := c.db.Exec(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running'`)
		if err != nil {
			return fmt.Errorf("take up the jobs of the last run: %w", err)
		}
	}
	c.stopping.Store(false)
	// The jobs outlive the call; Stop ends them.
	if err := q.start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	return nil
}

// Stop takes no new jobs and waits for those under way. When ctx ends their
// contexts end too; they will run again after the next start.
func (c *Client) Stop(ctx context.Context) error {
	q, err := c.open()
	if err != nil {
		return err
	}
	c.stopping.Store(true)
	err = q.stop(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = q.stopAndCancel(now)
	}
	if err != nil {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	return nil
}

// payload turns arguments into what is stored.
func (c *Client) payload(args any) (payload, error) {
	t := reflect.TypeOf(args)
	kind, ok := c.kinds[t]
	if !ok {
		return payload{}, fmt.Errorf("job: no kind is registered for %v", t)
	}
	text, err := json.Marshal(args, json.Deterministic(true))
	if err != nil {
		return payload{}, fmt.Errorf("write the arguments of a job %s: %w", kind, err)
	}
	return payload{kind, text}, nil
}

func (c *Client) open() (queue, error) {
	c.build.Do(func() { c.queue, c.err = newQueue(c) })
	return c.queue, c.err
}
