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

// checkFile is the job of earlier versions that reads the whole of one archive
// after it was published; some may still wait.
type checkFile struct {
	FileID string `json:"file_id"`
}

// checkFiles is the job that reads the whole of every archive that nobody has
// read so since it was published.
type checkFiles struct{}

// checkDelay lets the uploads of a moment share one job: a job costs the
// database more than an upload does.
const checkDelay = 2 * time.Second

// afterUpload joins a check to the transaction that publishes a file, unless one
// waits already.
func (a *App) afterUpload(ctx context.Context, tx *sqldb.DB) error {
	return a.Jobs.Enqueue(ctx, tx, checkFiles{}, job.Unique(), job.At(a.now().Add(checkDelay)))
}

// jobs makes the queue with every kind of job and every schedule.
func (a *App) jobs() *job.Client {
	c := job.New(a.DB, job.Options{Log: a.Log, Tracer: a.Traces})
	job.Register(c, "sweep", func(ctx context.Context, _ sweep) error {
		s, err := a.Sweep(ctx, access.System(), Sweeping{Grace: sweepGrace, KeepOwners: true})
		if err == nil {
			a.Log.Info("swept", "files", s.Files, "uploads", s.Uploads, "blobs", s.Blobs, "bytes", s.Bytes)
		}
		return err
	})
	job.Register(c, "erase-owners", func(ctx context.Context, _ eraseOwners) error {
		_, err := a.EraseOwners(ctx, access.System())
		return err
	}, job.Timeout(eraseTime))
	job.Register(c, "check-files", func(ctx context.Context, _ checkFiles) error { return a.Registry.CheckFiles(ctx) })
	job.Register(c, "check-file", func(ctx context.Context, c checkFile) error { return a.Registry.CheckFile(ctx, c.FileID) })
	job.RegisterReporting(c, importKind, a.runImport, job.Timeout(importTime))
	c.Every(24*time.Hour, sweep{})
	c.Every(time.Hour, eraseOwners{})
	c.Every(24*time.Hour, checkFiles{}) // a restored backup has no jobs
	return c
}
