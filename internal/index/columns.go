package index

import (
	"context"
	"strings"
	"sync/atomic"
	"unique"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// columns are what predicates look at of the records of one package name,
// sorted by file name: about 60 bytes a record, texts included. They hang on the
// entry of the name, so that snapshots share them as they share entries, and are
// made from rows when the first predicate is asked about the name.
type columns struct {
	cells    []cell
	text     string // for each record a mark and its build, one after the other
	versions []string
	licences []unique.Handle[string]

	oldest, newest int64 // the least and the greatest of the times of indexing

	parsed atomic.Pointer[[]conda.Version] // of versions, once a rule has asked
	sizes  atomic.Pointer[[]int32]         // of the records' text, once a piece was taken apart
}

// cell is one record.
type cell struct {
	indexed, timestamp int64 // Unix milliseconds
	size, number       int64
	build              uint32 // where its mark stands in text
	version, licence   uint16 // in the lists of the name
}

// The marks before a build in text.
const (
	markTarBz2 = 'b'
	markConda  = 'c'
	markOdd    = 'o' // the file name does not follow from the record; it follows the build, behind a NUL
	oddEnd     = "\x00"
)

// group gives the group of a record.
func (c *columns) group(name string, i int) int {
	switch c.text[c.cells[i].build] {
	case markConda:
		return groupConda
	case markTarBz2:
		return groupTarBz2
	}
	return groupOf(c.fileName(name, i))
}

// own is the text that belongs to a record, without its mark.
func (c *columns) own(i int) string {
	end := len(c.text)
	if i+1 < len(c.cells) {
		end = int(c.cells[i+1].build)
	}
	return c.text[c.cells[i].build+1 : end]
}

// build gives the build string of a record.
func (c *columns) build(i int) string {
	b := c.own(i)
	if c.text[c.cells[i].build] == markOdd {
		b, _, _ = strings.Cut(b, oddEnd)
	}
	return b
}

// fileName gives the file name of a record.
func (c *columns) fileName(name string, i int) string {
	format := conda.FormatConda
	switch c.text[c.cells[i].build] {
	case markOdd:
		_, file, _ := strings.Cut(c.own(i), oddEnd)
		return file
	case markTarBz2:
		format = conda.FormatTarBz2
	}
	return name + "-" + c.versions[c.cells[i].version] + "-" + c.own(i) + "." + string(format)
}

// place gives the place of a file among the records.
func (c *columns) place(name, fileName string) (int, bool) {
	from, to := 0, len(c.cells)
	for from < to {
		mid := (from + to) / 2
		switch cmp := strings.Compare(c.fileName(name, mid), fileName); {
		case cmp == 0:
			return mid, true
		case cmp < 0:
			from = mid + 1
		default:
			to = mid
		}
	}
	return 0, false
}

// version gives the parsed versions of the name; one that cannot be read is
// zero. They are parsed once, since rules tend to speak of the same names.
func (c *columns) parsedVersions() []conda.Version {
	if p := c.parsed.Load(); p != nil {
		return *p
	}
	list := make([]conda.Version, len(c.versions))
	for i, text := range c.versions {
		if v, err := conda.ParseVersion(text); err == nil {
			list[i] = v
		}
	}
	c.parsed.Store(&list)
	return list
}

// columnsBuilder gathers the columns of one name.
type columnsBuilder struct {
	columns
	text     strings.Builder
	versions map[string]int
	licences map[string]int
}

// columnRow is a record as columns hold it.
type columnRow struct {
	name, fileName, version, build, licence string
	cell
}

func (b *columnsBuilder) add(r columnRow) error {
	if b.versions == nil {
		b.versions, b.licences = map[string]int{}, map[string]int{}
	}
	if _, ok := b.versions[r.version]; !ok {
		b.versions[r.version] = len(b.columns.versions)
		b.columns.versions = append(b.columns.versions, r.version)
	}
	if _, ok := b.licences[r.licence]; !ok {
		b.licences[r.licence] = len(b.columns.licences)
		b.columns.licences = append(b.columns.licences, unique.Make(r.licence))
	}
	c := r.cell
	version, licence := b.versions[r.version], b.licences[r.licence]
	c.build, c.version, c.licence = uint32(b.text.Len()), uint16(version), uint16(licence)
	if version > int(c.version) || licence > int(c.licence) {
		return errs.New(errs.TooLarge, "%s has more versions or licences than a policy can be held against.", r.name)
	}
	stem := r.name + "-" + r.version + "-" + r.build
	switch r.fileName {
	case stem + ".conda":
		b.text.WriteByte(markConda)
		b.text.WriteString(r.build)
	case stem + ".tar.bz2":
		b.text.WriteByte(markTarBz2)
		b.text.WriteString(r.build)
	default:
		b.text.WriteByte(markOdd)
		b.text.WriteString(r.build + oddEnd + r.fileName)
	}
	if len(b.cells) == 0 {
		b.oldest, b.newest = c.indexed, c.indexed
	}
	b.oldest, b.newest = min(b.oldest, c.indexed), max(b.newest, c.indexed)
	b.cells = append(b.cells, c)
	return nil
}

// finish gives the columns and begins the next name's.
func (b *columnsBuilder) finish() *columns {
	c := &columns{
		cells: append([]cell(nil), b.cells...), text: strings.Clone(b.text.String()),
		versions: append([]string(nil), b.columns.versions...), licences: append([]unique.Handle[string](nil), b.columns.licences...),
		oldest: b.oldest, newest: b.newest,
	}
	b.cells, b.columns.versions, b.columns.licences = b.cells[:0], b.columns.versions[:0], b.columns.licences[:0]
	b.text.Reset()
	clear(b.versions)
	clear(b.licences)
	return c
}

// manyNames is the number of names from which one pass over all rows is cheaper
// than a question for each name.
const manyNames = 500

// fillColumns sees to it that every entry of a snapshot has its columns.
func (x *Index) fillColumns(ctx context.Context, s *snapshot) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	if s.filled {
		return nil
	}
	var missing []*entry
	for _, e := range s.entries {
		if e.columns.Load() == nil {
			missing = append(missing, e)
		}
	}
	if len(missing) > manyNames {
		if err := x.eachColumns(ctx, s.channel, s.subdir, s.generation, "", func(name string, c *columns) {
			if i, ok := find(s.entries, name); ok {
				s.entries[i].columns.CompareAndSwap(nil, c)
			}
		}); err != nil {
			return err
		}
	} else {
		for _, e := range missing {
			if err := x.eachColumns(ctx, s.channel, s.subdir, s.generation, e.name, func(_ string, c *columns) {
				e.columns.CompareAndSwap(nil, c)
			}); err != nil {
				return err
			}
		}
	}
	for _, e := range missing {
		if e.columns.Load() == nil {
			return errs.New(errs.Internal, "The rows of %s are gone.", e.name)
		}
	}
	s.filled = true
	return nil
}

// eachColumns makes the columns of the names of a subdir at a generation, or of
// one of them.
func (x *Index) eachColumns(ctx context.Context, channel, subdir string, generation int64, only string, f func(name string, c *columns)) error {
	var b columnsBuilder
	name := ""
	finish := func() {
		if len(b.cells) > 0 {
			f(name, b.finish())
		}
	}
	query, args := `
		SELECT name, file_name, version, build, license, indexed_ms, timestamp_ms, size, build_number FROM records
		WHERE channel_id = $1 AND subdir = $2 AND added <= $3 AND (removed IS NULL OR removed > $3)`, []any{channel, subdir, generation}
	if only != "" {
		query, args = query+` AND name = $4`, append(args, only)
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v columnRow
		if err := r.Scan(&v.name, &v.fileName, &v.version, &v.build, &v.licence, &v.indexed, &v.timestamp, &v.size, &v.number); err != nil {
			return err
		}
		if v.name != name {
			finish()
			name = v.name
		}
		return b.add(v)
	}, query+` ORDER BY name, file_name`, args...)
	if err == nil {
		finish()
	}
	return err
}
