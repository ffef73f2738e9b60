package registry

import (
	"context"
	"fmt"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// recallPresent notes files of the owner that an earlier try has listed in the
// generation to come and that have no label yet, whether the source still has them or
// not: what is listed must be served too.
func (i *importer) recallPresent(ctx context.Context) error {
	known := make(map[string]bool, len(i.present))
	for _, f := range i.present {
		known[f.ID] = true
	}
	err := i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		f := File{Subdir: i.subdir}
		if err := rows.Scan(&f.ID, &f.Name, &f.PackageName); err != nil || known[f.ID] {
			return err
		}
		i.present = append(i.present, f)
		i.names[f.PackageName] = true
		i.count.Added++
		return nil
	}, `SELECT r.file_id, r.file_name, r.name FROM records r WHERE r.channel_id = $1 AND r.subdir = $2 AND r.added = $3
		AND NOT EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = r.file_id AND fc.channel_id = $1)`, i.channel.ID, i.subdir, i.staging.generation)
	if err != nil {
		return fmt.Errorf("look for files of an earlier import: %w", err)
	}
	return nil
}

// settle looks again at the files of the owner that come into the channel, since
// others may have changed them after their turn came, and gives those that get its
// label. One that was withdrawn keeps it, as anywhere, and is not listed; one that was
// deleted, restored or not, is left out.
func (i *importer) settle(ctx context.Context, c *change, count *ImportCount) ([]File, error) {
	if len(i.present) == 0 {
		return nil, nil
	}
	gone, err := i.staging.goneSince(ctx, c, i.staging.begun)
	if err != nil {
		return nil, err
	}
	lost, err := i.unlisted(ctx, c)
	if err != nil {
		return nil, err
	}
	var left []File
	var unlist []string
	for _, f := range i.present {
		withdrawn, went := gone[f.ID]
		if went {
			unlist = append(unlist, f.ID)
		}
		switch {
		case !withdrawn && (went || lost[f.ID]):
			count.Added--
			count.leaveOut(f.Name, errs.New(errs.Exists, "%s has deleted it meanwhile.", i.owner.Name))
			continue
		case withdrawn:
			count.Added--
			count.leaveOut(f.Name, errs.New(errs.Exists, "%s has withdrawn it meanwhile.", i.owner.Name))
		}
		left = append(left, f)
	}
	if len(unlist) > 0 {
		_, err := c.exec(ctx, "DELETE FROM records WHERE "+inChannelOf("channel_id")+" AND added = $3 AND file_id IN (SELECT value FROM "+c.tx.EachText("$2")+" AS gone)",
			i.channel.ID, unlist, i.staging.generation)
		if err != nil {
			return nil, fmt.Errorf("take back staged records of %s: %w", i.channel.Name, err)
		}
	}
	return left, nil
}

// unlisted gives the files that others have taken out of the generation to come: a
// label without a record would serve what no index lists. Only names that the channel
// has changed meanwhile are looked at, since everybody waits for this transaction.
func (i *importer) unlisted(ctx context.Context, c *change) (map[string]bool, error) {
	changed, err := i.staging.changedMeanwhile(ctx, c)
	if err != nil {
		return nil, err
	}
	var doubtful []string
	for _, f := range i.present {
		if changed[touched{f.Subdir, f.PackageName}] {
			doubtful = append(doubtful, f.ID)
		}
	}
	if len(doubtful) == 0 {
		return map[string]bool{}, nil
	}
	ids, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT value FROM "+c.tx.EachText("$2")+` AS wanted
		WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.file_id = value AND `+inChannelOf("r.channel_id")+` AND r.added = $3)
		AND NOT EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = value AND fc.channel_id = $1)`, i.channel.ID, doubtful, i.staging.generation)
	if err != nil {
		return nil, fmt.Errorf("look which files %s is to list: %w", i.channel.Name, err)
	}
	lost := make(map[string]bool, len(ids))
	for _, id := range ids {
		lost[id] = true
	}
	return lost, nil
}
