package job

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"terrarium/internal/sqldb"
)

// queue is River's client over either kind of transaction.
type queue interface {
	insert(ctx context.Context, tx *sqldb.DB, p payload, opts *river.InsertOpts) (int64, error)
	waiting(ctx context.Context, tx *sqldb.DB, tag string) (bool, error)
	list(ctx context.Context, params *river.JobListParams) ([]*rivertype.JobRow, error)
	get(ctx context.Context, id int64) (*rivertype.JobRow, error)
	report(ctx context.Context, id int64, v any) error
	retry(ctx context.Context, id int64) error
	cancel(ctx context.Context, id int64) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	stopAndCancel(ctx context.Context) error
}

func newQueue(c *Client) (queue, error) {
	config := &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.opts.Workers}},
		Workers:           c.workers,
		Logger:            slog.New(narrator{c.opts.Log.Handler(), &c.stopping}),
		MaxAttempts:       12,
		JobTimeout:        c.opts.Timeout,
		FetchCooldown:     min(c.opts.Poll, river.FetchCooldownDefault),
		FetchPollInterval: c.opts.Poll,
		// A job longer than that was lost with its process, unless its kind
		// may take longer.
		RescueStuckJobsAfter:        c.opts.Timeout + 5*time.Minute,
		DiscardedJobRetentionPeriod: 30 * 24 * time.Hour,
	}
	for _, s := range c.every {
		p, err := c.payload(s.args)
		if err != nil {
			return nil, err
		}
		opts := &river.InsertOpts{}
		if s.interval >= time.Second {
			opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByPeriod: s.interval}
		}
		config.PeriodicJobs = append(config.PeriodicJobs, river.NewPeriodicJob(river.PeriodicInterval(s.interval),
			func() (river.JobArgs, *river.InsertOpts) { return p, opts }, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	if c.db.Postgres() {
		client, err := river.NewClient(riverpgxv5.New(c.db.Pool()), config)
		if err != nil {
			return nil, fmt.Errorf("set up the job queue: %w", err)
		}
		return riverQueue[pgx.Tx]{client, func(tx *sqldb.DB, f func(pgx.Tx) error) error { return tx.PgxTx(f) }}, nil
	}
	// Without this River would look for news twenty times a second.
	config.PollOnly = true
	config.FetchCooldown = c.opts.Poll
	client, err := river.NewClient(riversqlite.New(c.db.Writer()), config)
	if err != nil {
		return nil, fmt.Errorf("set up the job queue: %w", err)
	}
	return riverQueue[*sql.Tx]{client, func(tx *sqldb.DB, f func(*sql.Tx) error) error { return f(tx.SQLTx()) }}, nil
}

type riverQueue[TTx any] struct {
	client *river.Client[TTx]
	in     func(tx *sqldb.DB, f func(TTx) error) error // shows a transaction in the driver's terms
}

func (q riverQueue[TTx]) insert(ctx context.Context, tx *sqldb.DB, p payload, opts *river.InsertOpts) (id int64, err error) {
	err = q.in(tx, func(tx TTx) error {
		result, err := q.client.InsertTx(ctx, tx, p, opts)
		if err == nil {
			id = result.Job.ID
		}
		return err
	})
	return id, err
}

func (q riverQueue[TTx]) waiting(ctx context.Context, tx *sqldb.DB, tag string) (found bool, err error) {
	err = q.in(tx, func(tx TTx) error {
		result, err := q.client.JobListTx(ctx, tx, river.NewJobListParams().TagsAll(tag).First(1).States(
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled))
		if err != nil {
			return err
		}
		found = len(result.Jobs) > 0
		return nil
	})
	return found, err
}

func (q riverQueue[TTx]) list(ctx context.Context, params *river.JobListParams) ([]*rivertype.JobRow, error) {
	result, err := q.client.JobList(ctx, params)
	if err != nil {
		return nil, err
	}
	return result.Jobs, nil
}

func (q riverQueue[TTx]) get(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	return q.client.JobGet(ctx, id)
}

func (q riverQueue[TTx]) report(ctx context.Context, id int64, v any) error {
	_, err := q.client.JobUpdate(ctx, id, &river.JobUpdateParams{Output: v})
	return err
}

func (q riverQueue[TTx]) retry(ctx context.Context, id int64) error {
	_, err := q.client.JobRetry(ctx, id)
	return err
}

func (q riverQueue[TTx]) cancel(ctx context.Context, id int64) error {
	_, err := q.client.JobCancel(ctx, id)
	return err
}

func (q riverQueue[TTx]) start(ctx context.Context) error         { return q.client.Start(ctx) }
func (q riverQueue[TTx]) stop(ctx context.Context) error          { return q.client.Stop(ctx) }
func (q riverQueue[TTx]) stopAndCancel(ctx context.Context) error { return q.client.StopAndCancel(ctx) }

// payload is the arguments of a job as they are stored. Its kind is a value, so
// that one Go type serves for all kinds.
type payload struct {
	kind string
	text jsontext.Value
}

// Kind implements river.JobArgs.
func (p payload) Kind() string { return p.kind }

// MarshalJSON gives the arguments.
func (p payload) MarshalJSON() ([]byte, error) {
	if p.text == nil {
		return nil, errors.New("job: no arguments")
	}
	return p.text, nil
}

// UnmarshalJSON keeps the arguments.
func (p *payload) UnmarshalJSON(text []byte) error {
	p.text = append(jsontext.Value(nil), text...)
	return nil
}

// tag marks jobs of one kind and with equal arguments.
func (p payload) tag() string {
	sum := sha256.Sum256([]byte(p.kind + "\x00" + string(p.text)))
	return "same-" + hex.EncodeToString(sum[:16])
}

// worker is a registered handler as River wants it.
type worker struct {
	river.WorkerDefaults[payload]
	timeout time.Duration
	run     func(ctx context.Context, id int64, text jsontext.Value) error
}

// Timeout implements river.Worker.
func (w *worker) Timeout(*river.Job[payload]) time.Duration { return w.timeout }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[payload]) error {
	return w.run(sqldb.Patient(ctx), job.ID, job.Args.text)
}
