package app

import (
	"context"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/job"
	"terrarium/internal/sqldb"
)

// sweep is the nightly job that empties the trash and removes what nothing
// names any more.
type sweep struct{}

// sweepGrace is how old an orphaned blob must be before the nightly sweep takes
// it: longer than any upload lasts, and than a backup runs.
const sweepGrace = 24 * time.Hour

// checkFile is the job that reads the whole of an archive after it was
// published.
type checkFile struct {
	FileID string `json:"file_id"`
}

// afterUpload joins the check of a file to the transaction that publishes it.
func (a *App) afterUpload(ctx context.Context, tx *sqldb.DB, fileID string) error {
	return a.Jobs.Enqueue(ctx, tx, checkFile{fileID})
}

// jobs makes the queue with every kind of job and every schedule.
func (a *App) jobs() *job.Client {
	c := job.New(a.DB, job.Options{Log: a.Log, Tracer: a.Traces})
	job.Register(c, "sweep", func(ctx context.Context, _ sweep) error {
		s, err := a.Sweep(ctx, access.System(), Sweeping{Grace: sweepGrace})
		if err == nil {
			a.Log.Info("swept", "files", s.Files, "uploads", s.Uploads, "blobs", s.Blobs, "bytes", s.Bytes, "shards", s.Shards)
		}
		return err
	})
	job.Register(c, "check-file", func(ctx context.Context, c checkFile) error { return a.Registry.CheckFile(ctx, c.FileID) })
	job.RegisterReporting(c, importKind, a.runImport, job.Timeout(importTime))
	c.Every(24*time.Hour, sweep{})
	return c
}
