package registry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"terrarium/internal/conda"
	"terrarium/internal/sqldb"
)

// mark stands for one record, or one shard, as a source had it: the beginning of
// the SHA-256 of its name and its text.
type mark uint64

// markOf gives the mark of a record under its file name, or of a shard's hash
// under the name of its package.
func markOf(name string, text []byte) mark {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(text)
	var sum [sha256.Size]byte
	return mark(binary.BigEndian.Uint64(h.Sum(sum[:0])))
}

// marks are what an import knows of the one before it, of the same source: what
// the source says again need not be looked at, unless its name was changed here
// since. So an import costs what differs.
type marks struct {
	generation int64 // of the channel, when this import began to look
	before     map[mark]uint32
	touched    map[string]bool // names that others changed since
	taken      []byte          // what is here when this import has ended, as rows keep it
	again      []byte          // the same, of the goroutine that reads
}

// markSize is what one mark takes in a row: the mark and how many files it is of.
const markSize = 8 + 4

// known gives how many files a mark is of that the channel lists as the source has
// them; 0 where it must be looked at. name is a package's.
func (m *marks) known(name func() string, is mark) int {
	n := m.before[is]
	if n == 0 || len(m.touched) > 0 && m.touched[name()] {
		return 0
	}
	m.again = appendMark(m.again, is, n)
	return int(n)
}

// take notes what was taken, or is here already.
func (m *marks) take(is mark, files int) { m.taken = appendMark(m.taken, is, uint32(files)) }

func appendMark(b []byte, is mark, files uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, uint64(is)), files)
}

// nameOfFile gives the package name in a file name, "" where it has none.
func nameOfFile(fileName string) func() string {
	return func() string {
		f, err := conda.SplitFileName(fileName)
		if err != nil {
			return ""
		}
		return packageName(f.Name)
	}
}

// recall reads the marks of the last import of this source.
func (i *importer) recall(ctx context.Context) error {
	i.marks = marks{}
	m := &i.marks
	return i.r.db.ReadTx(ctx, func(tx *sqldb.DB) error {
		if err := tx.Row(ctx, "SELECT generation FROM channels WHERE id = $1", i.channel.ID).Scan(&m.generation); err != nil {
			return fmt.Errorf("read the generation of %s/%s: %w", i.owner.Name, i.channel.Name, err)
		}
		var since, own int64
		var kept []byte
		err := tx.Row(ctx, "SELECT generation, own, marks FROM import_marks WHERE channel_id = $1 AND subdir = $2 AND source = $3", i.channel.ID, i.subdir, i.source()).
			Scan(&since, &own, &kept)
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what was imported: %w", err)
		}
		m.before = make(map[mark]uint32, len(kept)/markSize)
		for ; len(kept) >= markSize; kept = kept[markSize:] {
			m.before[mark(binary.BigEndian.Uint64(kept))] += binary.BigEndian.Uint32(kept[8:])
		}
		m.touched = map[string]bool{}
		err = tx.EachRow(ctx, func(rows *sqldb.Rows) error {
			var name string
			err := rows.Scan(&name)
			m.touched[name] = true
			return err
		}, "SELECT DISTINCT name FROM generation_names WHERE channel_id = $1 AND subdir = $2 AND (number > $3 AND number <> $4 AND number <= $5 OR number = $6)",
			i.channel.ID, i.subdir, since, own, m.generation, i.staging.generation)
		if err != nil {
			return fmt.Errorf("read what changed since the last import: %w", err)
		}
		return nil
	})
}

// remember keeps the marks of this import, if they are others than before.
func (i *importer) remember(ctx context.Context, c *change) error {
	own := int64(0)
	if len(i.names) > 0 {
		own = i.staging.generation
	} else if len(i.marks.taken) == 0 && len(i.marks.touched) == 0 {
		return nil
	}
	_, err := c.exec(ctx, `INSERT INTO import_marks (channel_id, subdir, source, generation, own, marks) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (channel_id, subdir) DO UPDATE SET source = excluded.source, generation = excluded.generation, own = excluded.own, marks = excluded.marks`,
		i.channel.ID, i.subdir, i.source(), i.marks.generation, own, append(i.marks.again, i.marks.taken...))
	if err != nil {
		return fmt.Errorf("keep what was imported: %w", err)
	}
	return nil
}

// source names what marks are of: records are taken otherwise with their archives
// than without.
func (i *importer) source() string {
	if i.src.MetadataOnly {
		return i.src.Name + " (metadata)"
	}
	return i.src.Name
}

// subject names what a staging is of: a try that was asked for in another way has
// written other rows, and is not gone on with.
func (i *importer) subject() string {
	if i.src.MetadataOnly {
		return i.src.Name + " (metadata, files from " + i.src.BaseURL + ") " + i.subdir
	}
	return i.src.Name + " (with files) " + i.subdir
}
