package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/blob"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Swept is what GC removed, or would remove.
type Swept struct {
	Owners  int   // deleted, and erased now; see Erase
	Files   int   // out of the trash
	Uploads int   // announced and never committed
	Blobs   int   // that nothing named any more
	Bytes   int64 // of the blobs
	Temps   int   // temporary files of uploads that broke off
}

// DefaultGrace is how old bytes must be that GC removes, where nothing else is
// said: an upload whose rows are still to come must not lose them.
const DefaultGrace = 24 * time.Hour

// GC empties the trash of what is over its time, forgets uploads that were never
// committed and large changes that were broken off a week ago, and removes bytes that no row names and that were last committed
// before grace (0 = DefaultGrace). Rows of deleted files stay, without bytes:
// older generations name them. With dryRun it only counts.
func (r *Registry) GC(ctx context.Context, actor access.Actor, dryRun bool, grace time.Duration) (Swept, error) {
	if grace <= 0 {
		grace = DefaultGrace
	}
	var s Swept
	if !dryRun {
		if _, err := r.SweepStagings(ctx); err != nil {
			return s, err
		}
	}
	now := r.now()
	trashed := now.Add(-r.opts.TrashFor)
	if err := r.sweepRows(ctx, actor, dryRun, now, trashed, &s); err != nil {
		return s, err
	}
	point(pointSwept)
	err := r.sweepBlobs(ctx, dryRun, now.Add(-grace), trashed, &s)
	if dryRun {
		return s, err
	}
	if s.Blobs > 0 { // also where it broke off: these are gone
		err = errors.Join(err, r.logSweptBlobs(context.WithoutCancel(ctx), actor, s))
	}
	if err != nil {
		return s, err
	}
	if s.Temps, err = r.blobs.Temps(ctx, now.Add(-max(grace, DefaultGrace))); err != nil {
		return s, fmt.Errorf("remove temporary files: %w", err)
	}
	return s, nil
}

// sweepRows empties the trash, so many files at a time that nobody waits for long, and
// forgets uploads.
func (r *Registry) sweepRows(ctx context.Context, actor access.Actor, dryRun bool, now, trashed time.Time, s *Swept) error {
	*s = Swept{}
	files, err := sqldb.All(ctx, r.db, sqldb.Scalar[string],
		"SELECT id FROM files WHERE deleted_at IS NOT NULL AND deleted_at < $1 AND (stored OR source_url <> '') ORDER BY deleted_at, id", trashed)
	if err != nil {
		return fmt.Errorf("look into the trash: %w", err)
	}
	if err := r.db.Row(ctx, "SELECT count(*) FROM uploads WHERE expires_at < $1", now).Scan(&s.Uploads); err != nil {
		return fmt.Errorf("look for abandoned uploads: %w", err)
	}
	if s.Files = len(files); dryRun {
		return nil
	}
	s.Files = 0
	for chunk := range slices.Chunk(files, importBatch) {
		if err := r.emptyTrash(ctx, actor, trashed, chunk, s); err != nil {
			return err
		}
	}
	if s.Uploads == 0 {
		return nil
	}
	return r.change(ctx, actor, "gc", func(ctx context.Context, c *change) error {
		n, err := c.exec(ctx, "DELETE FROM uploads WHERE expires_at < $1", now)
		if err != nil {
			return fmt.Errorf("forget abandoned uploads: %w", err)
		}
		s.Uploads = int(n)
		return c.audit(ctx, audit.Entry{Action: "gc", ObjectKind: "instance", After: map[string]any{"files": 0, "uploads": n}})
	})
}

// emptyTrash forgets the bytes of some files, those apart that were restored meanwhile.
func (r *Registry) emptyTrash(ctx context.Context, actor access.Actor, trashed time.Time, fileIDs []string, s *Swept) error {
	n := 0
	err := r.change(ctx, actor, "gc", func(ctx context.Context, c *change) error {
		over, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT id FROM file_rows WHERE deleted_at < $1 AND id IN (SELECT value FROM "+
			c.tx.EachText("$2")+" AS over) ORDER BY id"+c.lock(), trashed, fileIDs)
		if err != nil {
			return fmt.Errorf("look into the trash: %w", err)
		}
		if n = len(over); n == 0 {
			return nil
		}
		these := "(SELECT value FROM " + c.tx.EachText("$1") + " AS over)"
		for _, query := range []string{
			"DELETE FROM unchecked_files WHERE file_id IN " + these,
			"DELETE FROM file_info WHERE file_id IN " + these,
			"UPDATE file_rows SET stored = FALSE, source_url = '' WHERE id IN " + these,
		} {
			if _, err := c.exec(ctx, query, over); err != nil {
				return fmt.Errorf("empty the trash: %w", err)
			}
		}
		return c.audit(ctx, audit.Entry{Action: "gc", ObjectKind: "instance", After: map[string]any{"files": n, "uploads": 0}})
	})
	if err == nil {
		s.Files += n
	}
	return err
}

// logSweptBlobs puts into the log what no transaction can hold.
func (r *Registry) logSweptBlobs(ctx context.Context, actor access.Actor, s Swept) error {
	return r.change(ctx, actor, "gc", func(ctx context.Context, c *change) error {
		return c.audit(ctx, audit.Entry{Action: "gc.blobs", ObjectKind: "instance", After: map[string]any{"blobs": s.Blobs, "bytes": s.Bytes}})
	})
}

// sweepBlobs removes the bytes that no row names.
func (r *Registry) sweepBlobs(ctx context.Context, dryRun bool, before, trashed time.Time, s *Swept) error {
	// What is in the store is looked for among the rows, and not the other way
	// round: of a channel of which metadata alone was imported, nothing is.
	begun := r.now()
	orphans := map[blob.Key]int64{} // to their sizes
	err := r.blobs.List(ctx, func(key blob.Key, size int64, modified time.Time) error {
		if modified.Before(before) {
			orphans[key] = size
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the blobs: %w", err)
	}
	if len(orphans) == 0 {
		return nil
	}
	if err := r.eachWanted(ctx, trashed, func(key blob.Key) { delete(orphans, key) }); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(orphans)) {
		if !dryRun {
			// An upload may have brought the same bytes since they were listed.
			again, err := r.named(ctx, key, begun, before)
			if err != nil {
				return err
			}
			if again {
				continue
			}
			if err := r.blobs.Delete(ctx, key); err != nil {
				return fmt.Errorf("remove %s: %w", key, err)
			}
		}
		s.Blobs++
		s.Bytes += orphans[key]
	}
	return nil
}

// eachWanted gives the keys that rows name: files but those whose time in the trash
// is over, and uploads that wait for their commit. A key may come more than once.
func (r *Registry) eachWanted(ctx context.Context, trashed time.Time, f func(blob.Key)) error {
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var key string
		if err := rows.Scan(&key); err != nil {
			return err
		}
		f(blob.Key(key))
		return nil
	}, `SELECT sha256 FROM file_rows WHERE (stored OR source_url <> '') AND (deleted_at IS NULL OR deleted_at >= $1)
		UNION ALL SELECT got_sha256 FROM uploads WHERE accepted IS NOT NULL`, trashed)
	if err != nil {
		return fmt.Errorf("list the bytes that rows name: %w", err)
	}
	return nil
}

// idsLag is how much later than the time in its id a row may be committed: a
// change waits for its transaction, and the clocks of replicas differ.
const idsLag = time.Hour

// named reports whether a row that was made since a sweep began names a key by
// now, or its bytes were committed again. Rows are found by the time in their ids:
// no index has digests, which would cost every upload a page.
func (r *Registry) named(ctx context.Context, key blob.Key, begun, before time.Time) (bool, error) {
	var n int
	err := r.db.Row(ctx, `SELECT (SELECT count(*) FROM file_rows WHERE id >= $2 AND sha256 = $1 AND stored)
		+ (SELECT count(*) FROM uploads WHERE got_sha256 = $1)`, string(key), access.NewID(begun.Add(-idsLag))).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look who names %s: %w", key, err)
	}
	_, modified, err := r.blobs.Stat(ctx, key)
	if errs.Is(err, errs.NotFound) {
		return true, nil // somebody else removed it
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", key, err)
	}
	return n > 0 || !modified.Before(before), nil
}
