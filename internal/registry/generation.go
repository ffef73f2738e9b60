package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// batch is what the changes of one transaction share: its moment and the
// generations that they began, at most one a channel.
type batch struct {
	r        *Registry
	tx       *sqldb.DB
	now      time.Time
	single   bool // there is one change in it
	rights   bool // somebody's rights changed
	channels map[string]*channelChange
	large    bool  // a large change became current
	stagings *bool // whether there are any; nil = nobody has looked
}

// channelChange is what a batch does to one channel.
type channelChange struct {
	generation int64
	staging    bool // a large change of the channel is under way
	actors     map[string]bool
	causes     map[string]bool
	subdirs    map[string]*subdirChange
	prepared   any                 // of a large change: see Preparer
	rewritten  map[string][]string // see Changed
}

// subdirChange is what a batch does to one subdir of a channel.
type subdirChange struct {
	names          map[string]bool
	staged         map[string]bool // names that the log has already
	added, removed int64
}

func newBatch(r *Registry, tx *sqldb.DB) *batch {
	return &batch{r: r, tx: tx, now: r.now(), channels: map[string]*channelChange{}}
}

// generation begins a generation of the channel, or gives the one that an
// earlier change of the same batch has begun. Counting up also locks the row of
// the channel on PostgreSQL, so that generations follow each other.
func (c *change) generation(ctx context.Context, channelID string) (*channelChange, error) {
	cc := c.batch.channels[channelID]
	if cc != nil {
		cc.prepared = nil // what is changed now, in the same generation, is not in it
	}
	if cc == nil {
		c.wrote = true
		cc = &channelChange{actors: map[string]bool{}, causes: map[string]bool{}, subdirs: map[string]*subdirChange{}}
		var reserved *int64
		err := c.tx.Row(ctx, "UPDATE channels SET generation = generation + 1 WHERE id = $1 RETURNING generation, reserved", channelID).
			Scan(&cc.generation, &reserved)
		if err != nil {
			return nil, fmt.Errorf("begin a generation of channel %s: %w", channelID, err)
		}
		if cc.staging = reserved != nil; cc.staging && cc.generation >= *reserved {
			return nil, errs.New(errs.Unavailable, "A large change of the channel is under way, and %d others came since it began. Try again when it is done.", stagingRoom).Because("staging")
		}
		c.batch.channels[channelID] = cc
	}
	cc.actors[c.actor.Name] = true
	cc.causes[c.cause] = true
	return cc, nil
}

func (cc *channelChange) subdir(name string) *subdirChange {
	sc := cc.subdirs[name]
	if sc == nil {
		sc = &subdirChange{names: map[string]bool{}}
		cc.subdirs[name] = sc
	}
	return sc
}

// touched is one record that a statement wrote.
type touched struct{ subdir, name string }

func scanTouched(rows *sqldb.Rows, t *touched) error { return rows.Scan(&t.subdir, &t.name) }

// written is one record that a statement wrote, and the file that it is of.
type written struct {
	touched
	fileID string
}

func scanWritten(rows *sqldb.Rows, w *written) error {
	return rows.Scan(&w.subdir, &w.name, &w.fileID)
}

// liveRecord is the condition of records under an alias that their channel lists
// now; channel is what gives its id, a parameter where there is one, since the
// database then looks its generation up once. A record may begin, or end, in a
// generation that is reserved for a staging.
func liveRecord(alias, channel string) string {
	const current = "(SELECT generation FROM channels WHERE id = %[2]s)"
	return fmt.Sprintf("(%[1]s.added <= "+current+" AND (%[1]s.removed IS NULL OR %[1]s.removed > "+current+"))", alias, channel)
}

// inChannelOf is the condition of records of the channel $1 that are looked for by
// their files; it is so written that no database takes the channel for the narrower
// choice and goes through all its records.
func inChannelOf(column string) string { return "(" + column + " = $1) IS TRUE" }

// listFrom are the files of $2 that a channel, $1, is to list and does not list;
// listed is what else makes a record r one that it lists. listInto makes their
// records, which begin in generation $3.
func listFrom(tx *sqldb.DB, listed string) string {
	return ` FROM files f JOIN packages p ON p.id = f.package_id
		WHERE f.id IN (SELECT value FROM ` + tx.EachText("$2") + ` AS wanted) AND f.type = 'conda' AND f.record_json IS NOT NULL
		AND f.withdrawn_at IS NULL AND f.deleted_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM records r WHERE r.file_id = f.id AND r.channel_id = $1 AND (` + liveRecord("r", "$1") + listed + "))"
}

func listInto(tx *sqldb.DB) string {
	return `INSERT INTO records
		(channel_id, subdir, name, file_name, added, file_id, version, build, build_number,
		 license, timestamp_ms, indexed_ms, size, json, msgpack, run_exports)
		SELECT $1, f.subdir, p.name, f.name, CAST($3 AS BIGINT), f.id, f.version, f.build, f.build_number,
		 f.license, f.timestamp_ms, f.indexed_ms, f.size, f.record_json, f.record_msgpack, f.run_exports` +
		listFrom(tx, " OR r.added = CAST($3 AS BIGINT)") + " RETURNING subdir, name, file_id"
}

// list begins a stretch of records for files in a channel: those that are conda
// packages, neither withdrawn nor deleted, and not listed there already. To one that
// is listed nothing is done, so what a staging makes of its record stays.
func (c *change) list(ctx context.Context, channelID string, fileIDs []string) error {
	fileIDs, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT f.id"+listFrom(c.tx, ""), channelID, fileIDs)
	if err != nil {
		return fmt.Errorf("look for files to list: %w", err)
	}
	if len(fileIDs) == 0 {
		return nil
	}
	cc, err := c.generation(ctx, channelID)
	if err != nil {
		return err
	}
	if err := c.unstage(ctx, channelID, cc, fileIDs); err != nil {
		return err
	}
	rows, err := sqldb.All(ctx, c.tx, scanWritten, listInto(c.tx), channelID, fileIDs, cc.generation)
	if err != nil {
		return fmt.Errorf("list files in channel %s: %w", channelID, err)
	}
	for _, t := range rows {
		sc := cc.subdir(t.subdir)
		sc.names[t.name] = true
		sc.added++
	}
	return nil
}

// unstage takes back what a staging would list of files from its generation on:
// what is done to them now counts.
func (c *change) unstage(ctx context.Context, channelID string, cc *channelChange, fileIDs []string) error {
	if !cc.staging {
		return nil
	}
	c.wrote = true
	back, err := sqldb.All(ctx, c.tx, scanTouched, "DELETE FROM records WHERE "+inChannelOf("channel_id")+" AND added > $3 AND file_id IN (SELECT value FROM "+
		c.tx.EachText("$2")+" AS wanted) RETURNING subdir, name", channelID, fileIDs, cc.generation)
	if err != nil {
		return fmt.Errorf("take back staged records of channel %s: %w", channelID, err)
	}
	for _, t := range back {
		cc.subdir(t.subdir).names[t.name] = true // so that the staging looks at these files again
	}
	return nil
}

// unlist ends the records of files in a channel. A record that began in the same
// generation is deleted: no generation ever showed it.
func (c *change) unlist(ctx context.Context, channelID string, fileIDs []string) error {
	// Those that begin in a generation to come count too: they must not.
	var some bool
	err := c.tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM records r WHERE "+inChannelOf("r.channel_id")+" AND r.file_id IN (SELECT value FROM "+c.tx.EachText("$2")+
		" AS wanted) AND (r.removed IS NULL OR r.removed > (SELECT generation FROM channels WHERE id = $1)))", channelID, fileIDs).Scan(&some)
	if err != nil {
		return fmt.Errorf("look for listed files: %w", err)
	}
	if !some {
		return nil
	}
	return c.unlistSome(ctx, channelID, fileIDs)
}

// unlistSome is unlist for files of which one at least is listed.
func (c *change) unlistSome(ctx context.Context, channelID string, fileIDs []string) error {
	of := " WHERE " + inChannelOf("r.channel_id") + " AND r.file_id IN (SELECT value FROM " + c.tx.EachText("$2") + " AS wanted)"
	_, begun := c.batch.channels[channelID]
	cc, err := c.generation(ctx, channelID)
	if err != nil {
		return err
	}
	if err := c.unstage(ctx, channelID, cc, fileIDs); err != nil {
		return err
	}
	if begun { // or there can be no record of it
		unborn, err := sqldb.All(ctx, c.tx, scanTouched, "DELETE FROM records AS r"+of+" AND r.added = $3 RETURNING subdir, name",
			channelID, fileIDs, cc.generation)
		if err != nil {
			return fmt.Errorf("take back records of channel %s: %w", channelID, err)
		}
		for _, t := range unborn {
			sc := cc.subdir(t.subdir)
			sc.names[t.name] = true
			sc.added--
		}
	}
	ended, err := sqldb.All(ctx, c.tx, scanTouched, "UPDATE records AS r SET removed = $3"+of+" AND (r.removed IS NULL OR r.removed > $3) RETURNING subdir, name",
		channelID, fileIDs, cc.generation)
	if err != nil {
		return fmt.Errorf("end records of channel %s: %w", channelID, err)
	}
	for _, t := range ended {
		sc := cc.subdir(t.subdir)
		sc.names[t.name] = true
		sc.removed++
	}
	return nil
}

// unlistEverywhere ends the records of files in every channel.
func (c *change) unlistEverywhere(ctx context.Context, fileIDs []string) error {
	channels, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT DISTINCT r.channel_id FROM records r JOIN channels c ON c.id = r.channel_id
		WHERE (r.removed IS NULL OR r.removed > c.generation) AND r.file_id IN (SELECT value FROM `+c.tx.EachText("$1")+` AS wanted) ORDER BY r.channel_id`, fileIDs)
	if err != nil {
		return fmt.Errorf("look for the channels of files: %w", err)
	}
	for _, id := range channels {
		if err := c.unlistSome(ctx, id, fileIDs); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the log of the generations and forgets cached rights where they
// changed.
func (b *batch) finish(ctx context.Context) error {
	for id, cc := range b.channels {
		err := logGeneration(ctx, b.tx, id, b.now, cc)
		if err != nil {
			return err
		}
	}
	if b.rights {
		if err := access.Bump(ctx, b.tx); err != nil {
			return fmt.Errorf("forget cached rights: %w", err)
		}
	}
	return nil
}

// logGeneration writes which subdirs and names a generation changed.
func logGeneration(ctx context.Context, tx *sqldb.DB, channelID string, at time.Time, cc *channelChange) error {
	for subdir, sc := range cc.subdirs {
		_, err := tx.Exec(ctx, `INSERT INTO generations (channel_id, number, subdir, at, actor_name, cause, added, removed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			channelID, cc.generation, subdir, at, joined(cc.actors), joined(cc.causes), sc.added, sc.removed)
		if err != nil {
			return fmt.Errorf("log generation %d of channel %s: %w", cc.generation, channelID, err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO generation_names (channel_id, number, subdir, name)
			SELECT $1, CAST($2 AS BIGINT), $3, value FROM `+tx.EachText("$4")+` AS names WHERE TRUE ON CONFLICT DO NOTHING`,
			channelID, cc.generation, subdir, slices.Sorted(maps.Keys(sc.names)))
		if err != nil {
			return fmt.Errorf("log the names of generation %d: %w", cc.generation, err)
		}
	}
	return nil
}

func joined(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), ", ") }

// changed tells the publisher what the batch did, in the order of channel ids.
func (b *batch) changed() []Changed {
	var all []Changed
	for _, id := range slices.Sorted(maps.Keys(b.channels)) {
		cc := b.channels[id]
		one := Changed{ChannelID: id, Generation: cc.generation, Subdirs: map[string][]string{}, Prepared: cc.prepared, Rewritten: cc.rewritten}
		for subdir, sc := range cc.subdirs {
			one.Subdirs[subdir] = sortedSet(slices.AppendSeq(slices.Collect(maps.Keys(sc.staged)), maps.Keys(sc.names)))
		}
		all = append(all, one)
	}
	return all
}
