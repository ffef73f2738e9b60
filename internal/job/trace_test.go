package job_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"terrarium/internal/job"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
	"terrarium/internal/trace"
	"terrarium/internal/trace/tracetest"
)

// TestRunsAreTraced: each run of a job is a span with its steps below it; of a
// failure the kind is told and not the text.
func TestRunsAreTraced(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		collector := tracetest.New(t)
		tracer, err := trace.Open(collector.URL, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := job.New(db, job.Options{Tracer: tracer})
		job.Register(c, "greet", func(ctx context.Context, args greet) error {
			err := db.Tx(ctx, func(tx *sqldb.DB) error { return nil })
			return errors.Join(err, job.GiveUp(fmt.Errorf("%s is not there", args.Name)))
		})
		if err := c.Enqueue(t.Context(), db, greet{Name: "hunter2"}); err != nil {
			t.Fatal(err)
		}
		start(t, c)
		var run, step tracetest.Span
		eventually(t, func() bool {
			if err := tracer.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, s := range collector.Spans() {
				switch s.Name {
				case "job greet":
					run = s
				case "sqldb.Tx":
					step = s
				}
			}
			return run.Name != ""
		})
		if run.Status != "internal" || step.Parent != run.ID || run.Parent != "" {
			t.Errorf("the run came as %+v and its transaction as %+v", run, step)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if strings.Contains(collector.Raw(), "hunter2") {
			t.Error("the text of the failure went to the collector")
		}
	})
}
