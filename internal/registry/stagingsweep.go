package registry

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/sqldb"
)

// stagingKept is how long a staging that was broken off waits to be gone on with.
const stagingKept = 7 * 24 * time.Hour

// SweepStagings takes away large changes that were broken off a week ago, and gives
// how many there were.
func (r *Registry) SweepStagings(ctx context.Context) (int, error) {
	dead, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, s *staging) error {
		return rows.Scan(&s.id, &s.generation, &s.cause, &s.subject, &s.until, &s.channel.ID, &s.channel.Name, &s.channel.OwnerID, &s.channel.OwnerName)
	}, `SELECT s.id, s.generation, s.cause, s.subject, s.held_until, c.id, c.name, o.id, o.name
		FROM stagings s JOIN channels c ON c.id = s.channel_id JOIN owners o ON o.id = c.owner_id
		WHERE s.held_until < $1 ORDER BY s.id`, r.now().Add(-stagingKept))
	if err != nil {
		return 0, fmt.Errorf("look for large changes that were broken off: %w", err)
	}
	for i := range dead {
		dead[i].r = r
		if err := dead[i].sweep(ctx); err != nil {
			return i, err
		}
	}
	return len(dead), nil
}

// sweep takes away all that a staging wrote, in short transactions, and then the
// staging. It may be cut off and begun again. Whoever holds the staging loses it;
// one that another has taken meanwhile is errs.Conflict.
func (s *staging) sweep(ctx context.Context) error {
	s.sweeping = true
	for _, step := range []func(context.Context) error{s.sweepRecords, s.sweepNames, s.sweepEnd} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("put a large change of %s/%s away: %w", s.channel.OwnerName, s.channel.Name, err)
		}
	}
	return nil
}

// stagedRecord is a record that a staging wrote, or ended.
type stagedRecord struct {
	subdir, name, fileName, fileID string
	added                          int64
}

// sweepRecords takes back records, and the files that were made for them. It goes
// along the key of the table, since no index has the generations.
func (s *staging) sweepRecords(ctx context.Context) error {
	var last stagedRecord
	for {
		var batch []stagedRecord
		err := s.within(ctx, func(tx *sqldb.DB) error {
			var err error
			batch, err = sqldb.All(ctx, tx, func(rows *sqldb.Rows, r *stagedRecord) error {
				return rows.Scan(&r.subdir, &r.name, &r.fileName, &r.added, &r.fileID)
			}, `SELECT subdir, name, file_name, added, file_id FROM records
				WHERE channel_id = $1 AND (subdir, name, file_name, added) > ($2, $3, $4, $5) AND (added = $6 OR removed = $6)
				ORDER BY subdir, name, file_name, added LIMIT $7`,
				s.channel.ID, last.subdir, last.name, last.fileName, last.added, s.generation, importBatch)
			if err != nil || len(batch) == 0 {
				return err
			}
			last = batch[len(batch)-1]
			var files []string
			for _, r := range batch {
				if r.added == s.generation {
					files = append(files, r.fileID)
				}
			}
			through := []any{s.channel.ID, batch[0].subdir, batch[0].name, batch[0].fileName, last.subdir, last.name, last.fileName, s.generation}
			const stretch = ` WHERE channel_id = $1 AND (subdir, name, file_name) >= ($2, $3, $4) AND (subdir, name, file_name) <= ($5, $6, $7)`
			if _, err := tx.Exec(ctx, "DELETE FROM records"+stretch+" AND added = $8", through...); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE records SET removed = NULL"+stretch+" AND removed = $8", through...); err != nil {
				return err
			}
			made := "(SELECT id FROM file_rows WHERE staging = $2 AND id IN (SELECT value FROM " + tx.EachText("$1") + " AS wanted))"
			for _, query := range []string{
				"DELETE FROM file_channels WHERE file_id IN " + made,
				"DELETE FROM file_info WHERE file_id IN " + made,
				"DELETE FROM download_days WHERE file_id IN " + made,
				"DELETE FROM file_rows WHERE staging = $2 AND id IN (SELECT value FROM " + tx.EachText("$1") + " AS wanted)",
			} {
				if _, err := tx.Exec(ctx, query, files, s.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(batch) == 0 {
			return err
		}
	}
}

// sweepNames takes the names out of the log again.
func (s *staging) sweepNames(ctx context.Context) error {
	for {
		var n int64
		err := s.within(ctx, func(tx *sqldb.DB) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM generation_names WHERE channel_id = $1 AND number = $2 AND (subdir, name) IN
				(SELECT subdir, name FROM generation_names WHERE channel_id = $1 AND number = $2 LIMIT $3)`, s.channel.ID, s.generation, importBatch)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// sweepEnd takes away packages and releases, which nobody has ever seen, and the
// staging itself. Their rows stay, deleted: to remove one, the database would look
// through all files for a reference. Those of which another import has files, too,
// are that one's from then on.
func (s *staging) sweepEnd(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.change(ctx, access.System(), s.cause, func(ctx context.Context, c *change) error {
		for _, t := range []struct{ table, files string }{
			{"package_rows", "f.package_id = package_rows.id"},
			{"release_rows", "f.package_id = release_rows.package_id AND f.version = release_rows.version AND f.release_id = release_rows.id"},
		} {
			// Locked first, so that the files of a batch that relies on them are seen.
			if lock := c.lock(); lock != "" {
				if _, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT id FROM "+t.table+" WHERE staging = $1 ORDER BY id"+lock, s.id); err != nil {
					return err
				}
			}
			others := " FROM file_rows f WHERE " + t.files + " AND f.deleted_at IS NULL"
			// In one statement, which goes through the table once.
			_, err := c.exec(ctx, "UPDATE "+t.table+" SET deleted_at = CASE WHEN (SELECT min(f.id)"+others+") IS NULL THEN $2 ELSE deleted_at END, staging = (SELECT min(f.staging)"+
				others+") WHERE staging = $1", s.id, c.now)
			if err != nil {
				return err
			}
		}
		if err := s.drop(ctx, c); err != nil {
			return err
		}
		return c.audit(ctx, audit.Entry{
			Action: "channel." + s.cause + "-died", OwnerID: s.channel.OwnerID, ObjectKind: "channel", ObjectID: s.channel.ID,
			ObjectName: s.channel.OwnerName + "/" + s.channel.Name, After: map[string]any{"cause": s.cause, "subject": s.subject, "generation": s.generation},
		})
	})
}
