package index

import (
	"context"
	"slices"

	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// A name with many records is brought up from what it was: the rows of those that
// came or went are read, its shard is put together of the one before, and of its
// pieces those are made anew that hold a record which changed.

// largeName is the text, in bytes, from which a name is brought up so. Below, its
// rows are read in less time than it takes to ask which of them changed.
const largeName = 64 << 10

// changedRows are the records of a name that came and went between two
// generations. A record that was replaced is in both.
type changedRows struct {
	came, went []row
	none       bool // no record is left, and the others are not read
}

// span are the generations after from, up to to. One that is prepared is not logged
// yet.
type span struct {
	from, to int64
	logged   bool
}

// changedRows reads what became of a name.
func (x *Index) changedRows(ctx context.Context, channel, subdir, name string, over span) (changedRows, error) {
	// Rows that came are found in the key of the table; of those that went each row
	// has to be looked at, so it is asked first whether there are any. What an import
	// that was broken off has ended, the one that went on with it did not count.
	removed := int64(1)
	if over.logged {
		if err := x.db.Row(ctx, `
			SELECT CAST(coalesce(sum(removed + CASE WHEN cause LIKE '%import%' THEN 1 ELSE 0 END), 0) AS BIGINT) FROM generations
			WHERE channel_id = $1 AND subdir = $2 AND number > $3 AND number <= $4`, channel, subdir, over.from, over.to).Scan(&removed); err != nil {
			return changedRows{}, err
		}
	}
	which := "added > $4 AND added <= $5"
	if removed > 0 {
		which = "(added > $4 AND added <= $5 OR removed > $4 AND removed <= $5)"
	}
	var c changedRows
	if removed > 0 { // of a package that was deleted nothing needs to be read
		if err := x.db.Row(ctx, `
			SELECT NOT EXISTS (SELECT 1 FROM records WHERE channel_id = $1 AND subdir = $2 AND name = $3 AND added <= $4 AND (removed IS NULL OR removed > $4))`,
			channel, subdir, name, over.to).Scan(&c.none); err != nil || c.none {
			return c, err
		}
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v row
		var there, is bool
		if err := r.Scan(&v.name, &v.fileName, &v.json, &v.msgpack, &there, &is); err != nil {
			return err
		}
		switch {
		case there && !is:
			c.went = append(c.went, v)
		case is && !there:
			c.came = append(c.came, v)
		}
		return nil
	}, `
		SELECT name, file_name, json, msgpack, added <= $4, removed IS NULL OR removed > $5 FROM records
		WHERE channel_id = $1 AND subdir = $2 AND name = $3 AND `+which+`
		ORDER BY file_name`, channel, subdir, name, over.from, over.to)
	return c, err
}

// gone gives the names of files that went and did not come again.
func (c changedRows) gone() (files []string) {
	for _, r := range c.went {
		if !slices.ContainsFunc(c.came, func(n row) bool { return n.fileName == r.fileName }) {
			files = append(files, r.fileName)
		}
	}
	return files
}

// of gives the changes of one group of a document.
func (c changedRows) of(group int) changedRows {
	other := func(r row) bool { return groupOf(r.fileName) != group }
	return changedRows{came: slices.DeleteFunc(slices.Clone(c.came), other), went: slices.DeleteFunc(slices.Clone(c.went), other)}
}

// large reports whether an entry is brought up from what it was.
func (e *entry) large() bool {
	return e.shard.bytes() != nil && e.sizes[groupTarBz2]+e.sizes[groupConda] >= largeName
}

// updateEntry gives the entry of a large name at the end of a span, out of that at
// its beginning; nil where no records are left.
func (x *Index) updateEntry(ctx context.Context, channel, subdir string, old *entry, over span) (*entry, error) {
	c, err := x.changedRows(ctx, channel, subdir, old.name, over)
	if err != nil {
		return nil, err
	}
	e := &entry{name: old.name, sizes: old.sizes, shard: &shard{name: old.name, generation: over.to}}
	for _, r := range c.went {
		e.sizes[groupOf(r.fileName)] -= repodata.EntrySize(r.fileName, r.json)
	}
	put := make([]repodata.ShardFile, len(c.came))
	for i, r := range c.came {
		e.sizes[groupOf(r.fileName)] += repodata.EntrySize(r.fileName, r.json)
		put[i] = repodata.ShardFile{FileName: r.fileName, Msgpack: r.msgpack}
	}
	if c.none || e.sizes == [groups]int{} {
		return nil, nil //nolint:nilnil // no entry stands for a name without records
	}
	var data []byte
	if data, e.shard.hash, err = repodata.UpdateShard(old.shard.bytes(), put, c.gone()); err != nil {
		return nil, err
	}
	e.shard.hold(data)
	return e, nil
}

// updatePieces gives the pieces of a large name out of those of an earlier state.
// It reports false where they have to be made of all records.
func (x *Index) updatePieces(ctx context.Context, s *snapshot, group int, r, old *run) (done bool, err error) {
	if old == nil || len(old.heads) == 0 || len(r.of) != 1 {
		return false, nil
	}
	from, to := old.of[0].shard.generation, r.of[0].shard.generation
	if from >= to {
		return false, nil
	}
	c, err := x.changedRows(ctx, s.channel, s.subdir, r.first, span{from: from, to: to, logged: true})
	if err != nil {
		return false, err
	}
	c = c.of(group)
	pieces, err := repodata.NamePieces{Pieces: old.pieces, Heads: old.heads}.Update(entriesOf(c.came), c.gone())
	if err != nil {
		return false, err
	}
	r.pieces, r.heads = pieces.Pieces, pieces.Heads
	return true, nil
}

func entriesOf(rows []row) []repodata.Entry {
	list := make([]repodata.Entry, len(rows))
	for i, r := range rows {
		list[i] = repodata.Entry{FileName: r.fileName, JSON: r.json}
	}
	return list
}
