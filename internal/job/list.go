package job

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"terrarium/internal/errs"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	Waiting   State = "waiting"   // for a free worker
	Scheduled State = "scheduled" // for its time
	Running   State = "running"
	Failing   State = "failing" // its last attempt failed, there will be another
	Failed    State = "failed"  // for good; kept for 30 days
	Done      State = "done"    // kept for a day
	Cancelled State = "cancelled"
)

var states = map[State]rivertype.JobState{
	Waiting:   rivertype.JobStateAvailable,
	Scheduled: rivertype.JobStateScheduled,
	Running:   rivertype.JobStateRunning,
	Failing:   rivertype.JobStateRetryable,
	Failed:    rivertype.JobStateDiscarded,
	Done:      rivertype.JobStateCompleted,
	Cancelled: rivertype.JobStateCancelled,
}

// Job is what there is to see of a job.
type Job struct {
	ID          int64
	Kind        string
	State       State
	Args        jsontext.Value
	Attempt     int // attempts so far
	MaxAttempts int
	Errors      []string       // one for each failed attempt, oldest first
	Report      jsontext.Value // what its handler reported last; nil is nothing
	CreatedAt   time.Time
	ScheduledAt time.Time  // of the next attempt
	AttemptedAt *time.Time // of the last attempt
	EndedAt     *time.Time
}

// List gives up to limit jobs of a state, newest first; "" means of all states.
// kinds narrows it; none = all.
func (c *Client) List(ctx context.Context, state State, limit int, kinds ...string) ([]Job, error) {
	q, err := c.open()
	if err != nil {
		return nil, err
	}
	params := river.NewJobListParams().First(limit).OrderBy(river.JobListOrderByID, river.SortOrderDesc)
	if len(kinds) > 0 {
		params = params.Kinds(kinds...)
	}
	if state != "" {
		inner, ok := states[state]
		if !ok {
			return nil, errs.New(errs.Invalid, "There is no state %q of a job.", string(state)).On("state")
		}
		params = params.States(inner)
	}
	rows, err := q.list(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	jobs := make([]Job, len(rows))
	for i, row := range rows {
		jobs[i] = fromRow(row)
	}
	return jobs, nil
}

// Get gives one job.
func (c *Client) Get(ctx context.Context, id int64) (Job, error) {
	q, err := c.open()
	if err != nil {
		return Job{}, err
	}
	row, err := q.get(ctx, id)
	if errors.Is(err, river.ErrNotFound) {
		return Job{}, errs.Wrap(errs.NotFound, err, "There is no job %d.", id)
	}
	if err != nil {
		return Job{}, fmt.Errorf("look up the job %d: %w", id, err)
	}
	return fromRow(row), nil
}

func fromRow(row *rivertype.JobRow) Job {
	j := Job{
		ID: row.ID, Kind: row.Kind, State: Waiting, Args: jsontext.Value(row.EncodedArgs),
		Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		CreatedAt: row.CreatedAt, ScheduledAt: row.ScheduledAt, AttemptedAt: row.AttemptedAt, EndedAt: row.FinalizedAt,
	}
	for state, inner := range states {
		if inner == row.State {
			j.State = state
		}
	}
	if report := row.Output(); report != nil {
		j.Report = jsontext.Value(report)
	}
	for _, failure := range row.Errors {
		j.Errors = append(j.Errors, failure.Error)
	}
	// GiveUp cancels in River's words; to us a job that failed has failed.
	if j.State == Cancelled && len(j.Errors) > 0 {
		j.State = Failed
	}
	return j
}

// Retry has a job run again at once, whatever became of it.
func (c *Client) Retry(ctx context.Context, id int64) error {
	return c.change(id, func(q queue) error { return q.retry(ctx, id) })
}

// Cancel has a job not run any more; the context of a running one ends.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	return c.change(id, func(q queue) error { return q.cancel(ctx, id) })
}

func (c *Client) change(id int64, f func(queue) error) error {
	q, err := c.open()
	if err != nil {
		return err
	}
	if err := f(q); errors.Is(err, river.ErrNotFound) {
		return errs.Wrap(errs.NotFound, err, "There is no job %d.", id)
	} else if err != nil {
		return fmt.Errorf("change the job %d: %w", id, err)
	}
	return nil
}
