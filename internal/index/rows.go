package index

import (
	"context"
	"crypto/sha256"

	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// row is a record as far as the large documents need it.
type row struct {
	name     string
	fileName string
	json     []byte
	msgpack  []byte
}

// each calls f for every record of a subdir that was listed at a generation
// and whose name lies in [first, last], sorted by name and file name; last ""
// means no end. The slices of a row belong to f.
func (x *Index) each(ctx context.Context, channel, subdir string, generation int64, first, last string, f func(row) error) error {
	scan := func(r *sqldb.Rows) error {
		var v row
		if err := r.Scan(&v.name, &v.fileName, &v.json, &v.msgpack); err != nil {
			return err
		}
		return f(v)
	}
	if last == "" {
		return x.db.EachRow(ctx, scan, `
			SELECT name, file_name, json, msgpack FROM records
			WHERE channel_id = $1 AND subdir = $2 AND name >= $3
			  AND added <= $4 AND (removed IS NULL OR removed > $4)
			ORDER BY name, file_name`, channel, subdir, first, generation)
	}
	return x.db.EachRow(ctx, scan, `
		SELECT name, file_name, json, msgpack FROM records
		WHERE channel_id = $1 AND subdir = $2 AND name >= $3 AND name <= $4
		  AND added <= $5 AND (removed IS NULL OR removed > $5)
		ORDER BY name, file_name`, channel, subdir, first, last, generation)
}

// eachOf is each for some names, sorted, which need not be neighbours.
func (x *Index) eachOf(ctx context.Context, channel, subdir string, generation int64, names []string, f func(row) error) error {
	if len(names) == 1 {
		return x.each(ctx, channel, subdir, generation, names[0], names[0], f)
	}
	return x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v row
		if err := r.Scan(&v.name, &v.fileName, &v.json, &v.msgpack); err != nil {
			return err
		}
		return f(v)
	}, `
		SELECT name, file_name, json, msgpack FROM records
		WHERE channel_id = $1 AND subdir = $2 AND name IN (SELECT value FROM `+x.db.EachText("$3")+` AS wanted)
		  AND added <= $4 AND (removed IS NULL OR removed > $4)
		ORDER BY name, file_name`, channel, subdir, names, generation)
}

// eachText is each for the rows of one group and their JSON only. The database
// sees the group by the file name, which its index holds, and does not look at
// the rows of the other.
func (x *Index) eachText(ctx context.Context, channel, subdir string, generation int64, first, last string, group int, f func(row) error) error {
	is := "<>"
	if group == groupConda {
		is = "="
	}
	return x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v row
		if err := r.Scan(&v.name, &v.fileName, &v.json); err != nil {
			return err
		}
		return f(v)
	}, `
		SELECT name, file_name, json FROM records
		WHERE channel_id = $1 AND subdir = $2 AND name >= $3 AND name <= $4
		  AND substr(file_name, length(file_name) - 5) `+is+` '.conda'
		  AND added <= $5 AND (removed IS NULL OR removed > $5)
		ORDER BY name, file_name`, channel, subdir, first, last, generation)
}

// makeEntry encodes the shard of a name from its rows at a generation and
// measures its text. It gives nil for a name without records.
func makeEntry(name string, rows []row, generation int64) *entry {
	if len(rows) == 0 {
		return nil
	}
	e := &entry{name: name}
	files := make([]repodata.ShardFile, len(rows))
	for i, r := range rows {
		e.sizes[groupOf(r.fileName)] += repodata.EntrySize(r.fileName, r.json)
		files[i] = repodata.ShardFile{FileName: r.fileName, Msgpack: r.msgpack}
	}
	data, hash := repodata.EncodeShard(files, nil)
	e.shard = &shard{name: name, generation: generation, hash: hash}
	e.shard.hold(data)
	return e
}

// makePiece compresses the text of rows of one group.
func makePiece(rows []row) (repodata.Piece, error) {
	n := 0
	for _, r := range rows {
		n += repodata.EntrySize(r.fileName, r.json)
	}
	text := make([]byte, 0, n)
	for _, r := range rows {
		text = repodata.AppendEntry(text, r.fileName, r.json)
	}
	return repodata.NewPiece(text)
}

// hashKey names a shard in a map.
type hashKey = [sha256.Size]byte
