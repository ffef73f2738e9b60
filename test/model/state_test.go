package model

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// file is a package that was uploaded, imported or copied.
type file struct {
	owner, subdir, name string
	id                  string  // once it was asked for
	rec                 *record // its own
	labels              map[string]bool
	deleted, withdrawn  bool            // while it is deleted, labels are those of before
	spec                *condatest.Spec // of an upload, in one format
	about               map[string]any
	flags               map[string]bool // what its scripts do
}

// record is what a channel says of a file.
type record struct {
	file *file
	conda.Record
}

func (r *record) encoded() repodata.Encoded {
	enc, err := repodata.EncodeRecord(r.Record)
	if err != nil {
		panic(err) // the model made what no package can be
	}
	return enc
}

// same reports whether two records are one to a roll-back.
func (r *record) same(o *record) bool {
	return o != nil && r.file == o.file && bytes.Equal(r.encoded().Msgpack, o.encoded().Msgpack)
}

// listing is what a channel lists, by subdir and file name.
type listing map[string]*record

// key is the place of a file in a channel.
func (f *file) key() string { return f.subdir + "/" + f.name }

// channel is a channel with its past.
type channel struct {
	owner, name string
	lists       listing
	generation  int64
	past        map[int64]listing // by generation; a number without one is as that before
	frozen      int64             // the generation that is served, 0 = the present one
}

func (c *channel) path() string { return c.owner + "/" + c.name }

// at is what the channel listed at a generation.
func (c *channel) at(generation int64) listing {
	for ; generation > 0; generation-- {
		if l, ok := c.past[generation]; ok {
			return l
		}
	}
	return listing{}
}

// had reports whether a subdir had a file by a generation that is not hidden.
func (c *channel) had(subdir string, generation int64, hidden map[string]bool) bool {
	for n, l := range c.past {
		for _, r := range l {
			if n <= generation && r.file.subdir == subdir && !hidden[r.Name] {
				return true
			}
		}
	}
	return false
}

// list puts a file into the channel, unless it is there.
func (c *channel) list(f *file) {
	f.labels[c.name] = true
	if have := c.lists[f.key()]; !f.withdrawn && (have == nil || have.file != f) {
		c.lists[f.key()] = f.rec
	}
}

// unlist takes a file out; its label stays.
func (c *channel) unlist(f *file) {
	if have := c.lists[f.key()]; have != nil && have.file == f {
		delete(c.lists, f.key())
	}
}

// rollBack makes the channel what it was, but for files that are gone, and counts
// those.
func (c *channel) rollBack(to int64) (leftOut int) {
	then := c.at(to)
	gone := map[*file]bool{}
	before := maps.Clone(c.lists)
	for key, r := range before {
		if !r.same(then[key]) {
			delete(c.lists, key)
			gone[r.file] = true
		}
	}
	for key, r := range then {
		switch {
		case r.same(before[key]):
		case r.file.deleted || r.file.withdrawn:
			leftOut++
		default:
			c.lists[key] = r
			r.file.labels[c.name] = true
			delete(gone, r.file)
		}
	}
	for f := range gone {
		delete(f.labels, c.name)
	}
	return leftOut
}

// patch lays hotfixes over what the channel lists.
func (c *channel) patch(subdir string, p repodata.Patch) error {
	for _, name := range p.Files() {
		key := subdir + "/" + name
		r := c.lists[key]
		if r == nil {
			continue
		}
		if p.Removes(name) {
			delete(c.lists, key)
			continue
		}
		patched, changed, err := p.Apply(name, r.Record)
		if err != nil {
			return err
		}
		if changed {
			c.lists[key] = &record{r.file, patched}
		}
	}
	return nil
}

// visible are the records of a subdir that are not hidden, in the order of
// repodata.json.
func (l listing) visible(subdir string, hidden map[string]bool) []*record {
	var out []*record
	for _, r := range l {
		if r.file.subdir == subdir && !hidden[r.Name] {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, order)
	return out
}

// order is that of repodata.json: the old format first, each by package and file name.
func order(a, b *record) int {
	return cmp.Or(cmp.Compare(format(a.file.name), format(b.file.name)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.file.name, b.file.name))
}

func format(fileName string) int {
	if strings.HasSuffix(fileName, ".tar.bz2") {
		return 0
	}
	return 1
}
