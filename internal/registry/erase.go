package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// How many files, each with what hangs on it, and how many rows of a log one
// transaction of Erase removes: few enough that uploads to others hardly notice.
const (
	eraseFilesBatch = 50
	eraseBatch      = 200
)

// Holdings are what an owner has, counted for the question whether to delete it.
type Holdings struct {
	Packages  int
	Files     int
	Downloads int64 // of the last 30 days, today included
}

// Holdings counts what an owner has, deleted or not, by its id. Whoever asks was
// judged by account.Deletion.
func (r *Registry) Holdings(ctx context.Context, ownerID string) (Holdings, error) {
	var h Holdings
	const files = " FROM packages p JOIN files f ON f.package_id = p.id AND f.deleted_at IS NULL"
	const live = " WHERE p.owner_id = $1 AND p.deleted_at IS NULL"
	first := r.now().AddDate(0, 0, -29).Format(time.DateOnly)
	for _, q := range []struct {
		into  any
		query string
		args  []any
	}{
		{&h.Packages, "SELECT count(*) FROM packages p" + live, []any{ownerID}},
		{&h.Files, "SELECT count(*)" + files + live, []any{ownerID}},
		{&h.Downloads, "SELECT CAST(coalesce(sum(d.count), 0) AS BIGINT)" + files + " JOIN download_days d ON d.file_id = f.id AND d.day >= $2" + live, []any{ownerID, first}},
	} {
		if err := r.db.Row(ctx, q.query, q.args...).Scan(q.into); err != nil {
			return Holdings{}, fmt.Errorf("count what an owner has: %w", err)
		}
	}
	return h, nil
}

// Erased is what Erase has removed.
type Erased struct{ Packages, Files, Channels int }

// Erase removes all that a deleted owner has, by its id: files, packages, channels,
// their records and logs, uploads, notices. Nobody sees any of it any more, so no
// channel begins a generation. It works in short transactions, each of which leaves
// rows that agree with each other; cut off, it goes on where it stopped when it is
// called again, and then counts what was left.
//
// Of packages and releases rows without a name stay: to remove one, the database
// would look through all files for a reference. The bytes are for GC.
func (r *Registry) Erase(ctx context.Context, ownerID string) (e Erased, err error) {
	var deleted bool
	if err := r.db.Row(ctx, "SELECT deleted_at IS NOT NULL AND erase_begun_at IS NOT NULL FROM owners WHERE id = $1", ownerID).Scan(&deleted); err != nil {
		return e, fmt.Errorf("look whether an owner is deleted: %w", err)
	}
	if !deleted {
		return e, errs.New(errs.Conflict, "The owner is not deleted.")
	}
	// Uploads that wait and large changes that were broken off go first; what these
	// have staged is of the owner as everything else is.
	for _, query := range []string{
		"DELETE FROM uploads WHERE id IN (SELECT u.id FROM uploads u WHERE u.owner_id = $1 LIMIT $2)",
		"DELETE FROM notices WHERE id IN (SELECT n.id FROM notices n WHERE n.owner_id = $1 LIMIT $2)",
		"DELETE FROM stagings WHERE id IN (SELECT s.id FROM stagings s JOIN channels c ON c.id = s.channel_id WHERE c.owner_id = $1 LIMIT $2)",
	} {
		if err := r.eraseAll(ctx, query, ownerID); err != nil {
			return e, err
		}
	}
	if e.Packages, e.Files, err = r.erasePackages(ctx, ownerID); err != nil {
		return e, err
	}
	channels, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], "SELECT id FROM channels WHERE owner_id = $1 ORDER BY id", ownerID)
	if err != nil {
		return e, fmt.Errorf("list the channels of a deleted owner: %w", err)
	}
	for _, id := range channels {
		if err := r.eraseChannel(ctx, id); err != nil {
			return e, err
		}
		e.Channels++
	}
	return e, nil
}

// eraseAll repeats a statement that removes at most $2 of the rows that belong to $1.
func (r *Registry) eraseAll(ctx context.Context, query, id string) error {
	for {
		begun := time.Now()
		n, err := r.db.Exec(ctx, query, id, eraseBatch)
		if err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		if n == 0 { // fewer than a batch may be those that another took at the same moment
			return nil
		}
		if err := yield(ctx, begun); err != nil {
			return err
		}
	}
}

// erasePackages removes the files of an owner, and empties its packages and releases.
func (r *Registry) erasePackages(ctx context.Context, ownerID string) (packages, files int, err error) {
	ids, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], "SELECT id FROM package_rows WHERE owner_id = $1 AND name <> id ORDER BY id", ownerID)
	if err != nil {
		return 0, 0, fmt.Errorf("list the packages of a deleted owner: %w", err)
	}
	// No index has the releases that were deleted before: one walk finds all.
	releases, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], `SELECT r.id FROM release_rows r JOIN package_rows p ON p.id = r.package_id
		WHERE p.owner_id = $1 AND r.version <> r.id ORDER BY r.package_id, r.id`, ownerID)
	if err != nil {
		return 0, 0, fmt.Errorf("list the releases of a deleted owner: %w", err)
	}
	for some := range slices.Chunk(ids, eraseBatch) {
		for {
			begun := time.Now()
			n, err := r.eraseFiles(ctx, some)
			files += n
			if err != nil {
				return packages, files, err
			}
			if n == 0 {
				break
			}
			if err := yield(ctx, begun); err != nil {
				return packages, files, err
			}
		}
	}
	for some := range slices.Chunk(releases, eraseBatch) {
		begun := time.Now()
		_, err := r.db.Exec(ctx, `UPDATE release_rows SET version = id, attrs = '{}', description = '', created_by = '', staging = NULL, deleted_at = coalesce(deleted_at, $2)
			WHERE id IN (SELECT value FROM `+r.db.EachText("$1")+" AS gone)", some, r.now())
		if err != nil {
			return packages, files, fmt.Errorf("empty releases of a deleted owner: %w", err)
		}
		if err := yield(ctx, begun); err != nil {
			return packages, files, err
		}
	}
	// The packages are last: by them the rest is found.
	for some := range slices.Chunk(ids, eraseBatch) {
		begun := time.Now()
		n, err := r.emptyPackages(ctx, some)
		packages += n
		if err == nil {
			err = yield(ctx, begun)
		}
		if err != nil {
			return packages, files, err
		}
	}
	return packages, files, nil
}

// yield waits as long as the step took that had begun then, so that the database has
// half of its time for others: nobody waits for an owner to be erased.
func yield(ctx context.Context, begun time.Time) error {
	pause := time.NewTimer(time.Since(begun))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// emptyPackages takes from rows of packages all that they say.
func (r *Registry) emptyPackages(ctx context.Context, ids []string) (n int, err error) {
	err = r.db.Tx(ctx, func(tx *sqldb.DB) error {
		these := " IN (SELECT value FROM " + tx.EachText("$1") + " AS gone)"
		if _, err := tx.Exec(ctx, "DELETE FROM untold_packages WHERE package_id"+these, ids); err != nil {
			return err
		}
		rows, err := tx.Exec(ctx, `UPDATE package_rows SET name = id, private = TRUE, summary = '', attrs = '{}', types = '[]', latest = '', license = '', platforms = '[]',
			search_text = '', downloads = 0, created_by = '', staging = NULL, deleted_at = coalesce(deleted_at, $2) WHERE id`+these, ids, r.now())
		n = int(rows)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("empty packages of a deleted owner: %w", err)
	}
	return n, nil
}

// eraseFiles removes some files of packages, with all that hangs on them, and gives
// how many.
func (r *Registry) eraseFiles(ctx context.Context, packages []string) (n int, err error) {
	err = r.db.Tx(ctx, func(tx *sqldb.DB) error {
		files, err := sqldb.All(ctx, tx, sqldb.Scalar[string], "SELECT id FROM file_rows WHERE package_id IN (SELECT value FROM "+tx.EachText("$1")+" AS theirs) LIMIT $2", packages, eraseFilesBatch)
		if n = len(files); err != nil || n == 0 {
			return err
		}
		these := " IN (SELECT value FROM " + tx.EachText("$1") + " AS gone)"
		for _, query := range []string{
			"DELETE FROM records WHERE file_id" + these,
			"DELETE FROM file_channels WHERE file_id" + these,
			"DELETE FROM download_days WHERE file_id" + these,
			"DELETE FROM unchecked_files WHERE file_id" + these,
			"DELETE FROM file_info WHERE file_id" + these,
			"DELETE FROM file_rows WHERE id" + these,
		} {
			if _, err := tx.Exec(ctx, query, files); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("erase files of a deleted owner: %w", err)
	}
	point(pointErased)
	return n, nil
}

// eraseChannel removes what is left of a channel: its snapshots, which have nothing
// to show any more, and the channel last.
func (r *Registry) eraseChannel(ctx context.Context, id string) error {
	for _, rows := range []struct{ table, key string }{
		{"records", "subdir, name, file_name, added"},
		{"file_channels", "file_id"},
		{"generation_names", "number, subdir, name"},
		{"generations", "number, subdir"},
		{"import_marks", "subdir"},
		{"index_states", "channel_id"},
	} {
		err := r.eraseAll(ctx, fmt.Sprintf("DELETE FROM %[1]s WHERE channel_id = $1 AND (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE channel_id = $1 LIMIT $2)", rows.table, rows.key), id)
		if err != nil {
			return err
		}
	}
	if err := r.db.Tx(ctx, func(tx *sqldb.DB) error { return r.eraseSnapshots(ctx, tx, id) }); err != nil {
		return fmt.Errorf("erase the snapshots of a channel: %w", err)
	}
	if _, err := r.db.Exec(ctx, "DELETE FROM channels WHERE id = $1", id); err != nil {
		return fmt.Errorf("erase a channel: %w", err)
	}
	return nil
}

// eraseSnapshots removes the snapshots of a channel with the grants on them, so that
// their owners, who find a word of it in their logs, have the names back.
func (r *Registry) eraseSnapshots(ctx context.Context, tx *sqldb.DB, id string) error {
	list, err := sqldb.All(ctx, tx, scanChannel, channelColumns+" WHERE c.kind = 'snapshot' AND c.source = $1 ORDER BY c.id", id)
	if err != nil || len(list) == 0 {
		return err
	}
	if err := access.Bump(ctx, tx); err != nil { // for who was told what they may
		return err
	}
	for _, ch := range list {
		if _, err := tx.Exec(ctx, "DELETE FROM grants WHERE object_kind = 'channel' AND object_id = $1", ch.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM channels WHERE id = $1", ch.ID); err != nil {
			return err
		}
		err := audit.Write(ctx, tx, access.System(), audit.Entry{
			At: r.now(), Action: "channel.erase", OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: ch.OwnerName + "/" + ch.Name, Before: channelFacts(ch),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
