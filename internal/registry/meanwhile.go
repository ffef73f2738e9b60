package registry

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/sqldb"
)

// What others do while a large change goes on: how they and it wait for one another,
// and what its last transaction looks for.

// lockChannel has all other changes of the channel wait for the transaction, or it for
// them: of PostgreSQL's, which run side by side, one that ends a record would not see
// the one that is put in its place at the same moment. Packages are locked before, files
// after it, as in all changes.
func (s *staging) lockChannel(ctx context.Context, tx *sqldb.DB) error {
	lock := tx.ForNoKeyUpdate()
	if lock == "" {
		return nil
	}
	var id string
	if err := tx.Row(ctx, "SELECT id FROM channels WHERE id = $1"+lock, s.channel.ID).Scan(&id); err != nil {
		return fmt.Errorf("lock %s/%s: %w", s.channel.OwnerName, s.channel.Name, err)
	}
	return nil
}

// steady is for what takes files away, or brings them back: where another replica is at
// the end of a large change of the owner, it waits for that, and sees its labels.
func (c *change) steady(ctx context.Context, ownerName string) error {
	_, err := lockOwner(ctx, c.tx, ownerName, c.tx.ForShare())
	return err
}

// settled is what the end of a large change does first: it waits for what is steady, and
// sees which files that has taken away. One of those would else be listed for ever.
func (s *staging) settled(ctx context.Context, c *change) error {
	_, err := lockOwner(ctx, c.tx, s.channel.OwnerName, c.tx.ForNoKeyUpdate())
	return err
}

// changedMeanwhile gives the names of the channel that others have changed since the
// staging began, those of its transaction included.
func (s *staging) changedMeanwhile(ctx context.Context, c *change) (map[touched]bool, error) {
	names := map[touched]bool{}
	err := c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var t touched
		if err := scanTouched(rows, &t); err != nil {
			return err
		}
		names[t] = true
		return nil
	}, "SELECT subdir, name FROM generation_names WHERE channel_id = $1 AND number > $2 AND number < $3", s.channel.ID, s.generation-stagingRoom, s.generation)
	if err != nil {
		return nil, fmt.Errorf("look what others changed in %s/%s: %w", s.channel.OwnerName, s.channel.Name, err)
	}
	if begun := c.batch.channels[s.channel.ID]; begun != nil { // not logged yet
		for subdir, sc := range begun.subdirs {
			for name := range sc.names {
				names[touched{subdir, name}] = true
			}
		}
	}
	return names, nil
}

// clockMargin is how far a time in a row may lie before what has come after: by a
// transaction that takes its time, by another replica's clock, and by one that was put
// back.
const clockMargin = 24 * time.Hour

// goneSince gives the files of the owner that are withdrawn, and those that were deleted
// since some moment, and whether they are still there, which withdrawn ones are. It
// reads those alone, since everybody waits for the transaction; some may have gone
// before. The caller has called settled.
func (s *staging) goneSince(ctx context.Context, c *change, since time.Time) (map[string]bool, error) {
	since = since.Add(-clockMargin)
	gone := map[string]bool{}
	for _, query := range []string{
		"SELECT id, deleted_at IS NULL FROM file_rows WHERE owner_id = $1 AND withdrawn_at IS NOT NULL AND (deleted_at IS NULL OR deleted_at >= $2)",
		"SELECT id, FALSE FROM file_rows WHERE deleted_at IS NOT NULL AND deleted_at >= $2 AND owner_id = $1",
	} {
		err := c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
			var id string
			var there bool
			err := rows.Scan(&id, &there)
			gone[id] = there
			return err
		}, query, s.channel.OwnerID, since)
		if err != nil {
			return nil, fmt.Errorf("look again at the files for %s/%s: %w", s.channel.OwnerName, s.channel.Name, err)
		}
	}
	return gone, nil
}
