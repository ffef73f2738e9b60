package index

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unique"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// columns are what predicates look at of the records of one package name,
// sorted by file name: about 45 bytes a record, texts included. They hang on the
// entry of the name, so that snapshots share them as they share entries, and are
// made from rows when the first predicate is asked about the name.
type columns struct {
	cells    []cell
	text     string                // for each record a mark and its build, one after the other; then the versions
	versions []uint32              // where they begin in text
	licence  unique.Handle[string] // of all records, unless odd says
	odd      *oddColumns           // nil for most names

	oldest, newest int64 // the least and the greatest of the times of indexing

	order atomic.Pointer[conda.VersionList] // of versions, once a rule has asked
	sizes atomic.Pointer[[]int32]           // of the records' text, once a piece was taken apart
}

// cell is one record.
type cell struct {
	indexed int64  // Unix milliseconds
	build   uint32 // where its mark stands in text
	version uint16 // in the list of the name
	number  uint16 // of the build, unless odd says
}

// oddColumns are of a name with several licences or with large build numbers.
type oddColumns struct {
	licences []unique.Handle[string]
	licence  []uint16 // of each record, in licences; nil for one licence
	numbers  []int64  // of each record; nil where the cells have room
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
	end := c.versions[0]
	if i+1 < len(c.cells) {
		end = c.cells[i+1].build
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

// number gives the build number of a record.
func (c *columns) number(i int) int64 {
	if c.odd != nil && c.odd.numbers != nil {
		return c.odd.numbers[i]
	}
	return int64(c.cells[i].number)
}

// licenceOf gives the licence of a record.
func (c *columns) licenceOf(i int) unique.Handle[string] {
	if c.odd != nil && c.odd.licence != nil {
		return c.odd.licences[c.odd.licence[i]]
	}
	return c.licence
}

// version gives a version of the name.
func (c *columns) version(i int) string {
	if i+1 < len(c.versions) {
		return c.text[c.versions[i]:c.versions[i+1]]
	}
	return c.text[c.versions[i]:]
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
	return name + "-" + c.version(int(c.cells[i].version)) + "-" + c.own(i) + "." + string(format)
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

// versionOrder gives the order of the versions of the name. It is worked out
// once, since rules tend to speak of the same names.
func (c *columns) versionOrder() *conda.VersionList {
	if l := c.order.Load(); l != nil {
		return l
	}
	l := conda.NewVersionList(len(c.versions), c.version)
	c.order.Store(l)
	return l
}

// columnsBuilder gathers the columns of one name.
type columnsBuilder struct {
	cells          []cell
	builds, text   []byte
	starts         []uint32 // of the versions in text
	licences       []unique.Handle[string]
	licence        []uint16
	numbers        []int64
	large          bool // one of numbers does not fit a cell
	oldest, newest int64

	version  string // of the record before, and its place: neighbours mostly share it
	place    int
	versions map[string]int
	known    map[string]unique.Handle[string] // of all names
}

// columnRow is a record as columns hold it.
type columnRow struct {
	name, fileName, version, build, licence string
	indexed, number                         int64
}

func (b *columnsBuilder) add(r columnRow) error {
	if b.versions == nil {
		b.versions, b.known = map[string]int{}, map[string]unique.Handle[string]{}
	}
	if len(b.cells) == 0 || r.version != b.version {
		place, ok := b.versions[r.version]
		if !ok {
			place = len(b.starts)
			b.versions[r.version] = place
			b.starts, b.text = append(b.starts, uint32(len(b.text))), append(b.text, r.version...)
		}
		b.version, b.place = r.version, place
	}
	handle, ok := b.known[r.licence]
	if !ok {
		handle = unique.Make(r.licence)
		b.known[r.licence] = handle
	}
	licence := slices.Index(b.licences, handle)
	if licence < 0 {
		licence = len(b.licences)
		b.licences = append(b.licences, handle)
	}
	if max(b.place, licence) > math.MaxUint16 {
		return errs.New(errs.TooLarge, "%s has more versions or licences than a policy can be held against.", r.name)
	}
	if len(b.cells) == 0 {
		b.oldest, b.newest = r.indexed, r.indexed
	}
	b.oldest, b.newest = min(b.oldest, r.indexed), max(b.newest, r.indexed)
	b.large = b.large || r.number < 0 || r.number > math.MaxUint16
	b.cells = append(b.cells, cell{indexed: r.indexed, build: uint32(len(b.builds)), version: uint16(b.place), number: uint16(r.number)})
	b.licence, b.numbers = append(b.licence, uint16(licence)), append(b.numbers, r.number)
	ending, follows := strings.CutPrefix(r.fileName, r.name+"-"+r.version+"-"+r.build)
	switch {
	case follows && ending == ".conda":
		b.builds = append(append(b.builds, markConda), r.build...)
	case follows && ending == ".tar.bz2":
		b.builds = append(append(b.builds, markTarBz2), r.build...)
	default:
		b.builds = append(append(b.builds, markOdd), r.build+oddEnd+r.fileName...)
	}
	return nil
}

// finish gives the columns and begins the next name's.
func (b *columnsBuilder) finish() *columns {
	c := &columns{
		cells: slices.Clone(b.cells), text: string(b.builds) + string(b.text), versions: slices.Clone(b.starts),
		licence: b.licences[0], oldest: b.oldest, newest: b.newest,
	}
	for i := range c.versions {
		c.versions[i] += uint32(len(b.builds))
	}
	if len(b.licences) > 1 || b.large {
		c.odd = &oddColumns{}
		if len(b.licences) > 1 {
			c.odd.licences, c.odd.licence = slices.Clone(b.licences), slices.Clone(b.licence)
		}
		if b.large {
			c.odd.numbers = slices.Clone(b.numbers)
		}
	}
	b.cells, b.builds, b.text, b.starts = b.cells[:0], b.builds[:0], b.text[:0], b.starts[:0]
	b.licences, b.licence, b.numbers, b.large = b.licences[:0], b.licence[:0], b.numbers[:0], false
	clear(b.versions)
	return c
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
		SELECT name, file_name, version, build, license, indexed_ms, build_number FROM records
		WHERE channel_id = $1 AND subdir = $2 AND added <= $3 AND (removed IS NULL OR removed > $3)`, []any{channel, subdir, generation}
	if only != "" {
		query, args = query+` AND name = $4`, append(args, only)
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v columnRow
		if err := r.Scan(&v.name, &v.fileName, &v.version, &v.build, &v.licence, &v.indexed, &v.number); err != nil {
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
