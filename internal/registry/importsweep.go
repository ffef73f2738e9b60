package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// settleImports does what settleImport does for the channels of an owner that
// labels names, and sweeps what died in its other channels.
func (c *change) settleImports(ctx context.Context, o owner, labels []string) error {
	type loading struct {
		id, name   string
		generation int64
		until      *time.Time
	}
	if len(labels) == 0 {
		labels = []string{mainLabel}
	}
	list, err := sqldb.All(ctx, c.tx, func(rows *sqldb.Rows, l *loading) error { return rows.Scan(&l.id, &l.name, &l.generation, &l.until) },
		"SELECT id, name, generation, importing_until FROM channels WHERE owner_id = $1 AND importing_until IS NOT NULL"+c.lock(), o.ID)
	if err != nil {
		return fmt.Errorf("look for imports of %s: %w", o.Name, err)
	}
	for _, l := range list {
		if l.until.After(c.now) && !slices.Contains(lowered(labels), l.name) {
			continue
		}
		if err := c.settleImport(ctx, l.id, l.generation+1, l.until); err != nil {
			return err
		}
	}
	return nil
}

// settleImport refuses a change of a channel into which an import loads records
// (errs.Unavailable), and sweeps away what one left that died: from is the
// generation that it was to make. A change asks before it looks for files, or it
// would find those of the import.
func (c *change) settleImport(ctx context.Context, channelID string, from int64, until *time.Time) error {
	if until == nil {
		return nil
	}
	if until.After(c.now) {
		return errs.New(errs.Unavailable, "The channel is being imported. Try again when that is done.").Because("importing")
	}
	if err := c.sweepImport(ctx, channelID, from); err != nil {
		return err
	}
	if _, err := c.exec(ctx, "UPDATE channels SET importing_until = NULL WHERE id = $1", channelID); err != nil {
		return fmt.Errorf("end an import that died: %w", err)
	}
	var ownerID, name string
	err := c.tx.Row(ctx, "SELECT c.owner_id, o.name || '/' || c.name FROM channels c JOIN owners o ON o.id = c.owner_id WHERE c.id = $1", channelID).Scan(&ownerID, &name)
	if err != nil {
		return fmt.Errorf("read the channel of an import that died: %w", err)
	}
	return c.audit(ctx, audit.Entry{
		Action: "channel.import-died", OwnerID: ownerID, ObjectKind: "channel", ObjectID: channelID,
		ObjectName: name, After: map[string]any{"generation": from},
	})
}

// sweepImport takes away what an import wrote that ended before its generation,
// from, became the current one: records, and the files that it made for them.
// The records lead to the files; one that has another record was there before,
// or stands in another channel, and stays. Releases and packages that the import
// made go too where they are empty then, and the others say again what they said
// before.
func (c *change) sweepImport(ctx context.Context, channelID string, from int64) error {
	type place struct {
		packageID, releaseID string
		stamp                time.Time // when the import began
	}
	const made = ` (SELECT r.file_id FROM records r WHERE r.channel_id = $1 AND r.added >= $2
		AND NOT EXISTS (SELECT 1 FROM records o WHERE o.file_id = r.file_id AND (o.channel_id <> $1 OR o.added < $2)))`
	places, err := sqldb.All(ctx, c.tx, func(rows *sqldb.Rows, p *place) error { return rows.Scan(&p.packageID, &p.releaseID, &p.stamp) },
		"SELECT DISTINCT package_id, release_id, uploaded_at FROM files WHERE id IN"+made, channelID, from)
	if err != nil {
		return fmt.Errorf("look what an import left: %w", err)
	}
	for _, query := range []string{
		"DELETE FROM file_channels WHERE file_id IN" + made,
		"DELETE FROM file_info WHERE file_id IN" + made,
		"DELETE FROM download_days WHERE file_id IN" + made,
		"DELETE FROM files WHERE id IN" + made,
		"DELETE FROM records WHERE channel_id = $1 AND added >= $2",
	} {
		if _, err := c.exec(ctx, query, channelID, from); err != nil {
			return fmt.Errorf("sweep what an import left: %w", err)
		}
	}
	packages := map[string]time.Time{}
	for _, p := range places {
		packages[p.packageID] = p.stamp
		// Their rows stay, out of the way: to delete one, the database would
		// look through all files for a reference. That the package is named
		// lets the index of its files be used.
		_, err := c.exec(ctx, `UPDATE releases SET deleted_at = $4 WHERE id = $2 AND created_at = $3 AND deleted_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM files f WHERE f.package_id = $1 AND f.release_id = $2)`, p.packageID, p.releaseID, p.stamp, c.now)
		if err != nil {
			return fmt.Errorf("sweep an empty release: %w", err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(packages)) {
		n, err := c.exec(ctx, `UPDATE packages SET deleted_at = $3 WHERE id = $1 AND created_at = $2 AND deleted_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM files f WHERE f.package_id = $1)`, id, packages[id], c.now)
		if err == nil && n == 0 {
			err = c.refreshPackage(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("sweep an empty package: %w", err)
		}
	}
	return nil
}

// sweep takes away what this import has written before it broke, unless a later
// change of the channel has done so already.
func (i *importer) sweep(ctx context.Context) error {
	return i.r.db.Tx(ctx, func(tx *sqldb.DB) error {
		n, err := tx.Exec(ctx, "UPDATE channels SET importing_until = NULL WHERE id = $1 AND generation = $2 AND importing_until = $3",
			i.channel.ID, i.generation-1, i.hold.until)
		if err != nil || n == 0 {
			return err
		}
		c := &change{r: i.r, tx: tx, actor: access.System(), now: i.stamp}
		return c.sweepImport(ctx, i.channel.ID, i.generation)
	})
}
