package index

import (
	"bytes"
	"context"
	"encoding/json/jsontext"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"terrarium/internal/conda"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// dataPart is what channeldata.json says of the packages of one name, and what
// that was made of: the entries of the name in all subdirs.
type dataPart struct {
	of   []*entry
	says []packageData
}

// packageData is one member of packages.
type packageData struct {
	name string
	json jsontext.Value
}

// dataParts are those of a state, by name. They are made when somebody asks for
// channeldata.json; a later state shares those of names that have the same entries.
type dataParts struct {
	mu     sync.Mutex // held while they are made
	made   atomic.Pointer[map[string]*dataPart]
	before atomic.Pointer[map[string]*dataPart]
}

// known gives the parts that a later state may share.
func (p *dataParts) known() *map[string]*dataPart {
	if m := p.made.Load(); m != nil {
		return m
	}
	return p.before.Load()
}

// dataParts gives the parts of a state.
func (x *Index) dataParts(ctx context.Context, open registry.Opened, st *state) (map[string]*dataPart, error) {
	p := &st.data
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.made.Load(); m != nil {
		return *m, nil
	}
	of := map[string][]*entry{}
	for _, subdir := range st.sorted() {
		for _, e := range st.subdirs[subdir].entries {
			of[e.name] = append(of[e.name], e)
		}
	}
	var before map[string]*dataPart
	if m := p.before.Load(); m != nil {
		before = *m
	}
	made, missing := shareParts(before, of)
	if err := x.makeParts(ctx, open, st, made, missing, func(string, string, string) bool { return true }); err != nil {
		return nil, err
	}
	p.made.Store(&made)
	p.before.Store(nil)
	return made, nil
}

// filteredParts gives the parts of views of a state: those of the state for names
// that the views have as it has them, and for others parts of their own.
func (x *Index) filteredParts(ctx context.Context, open registry.Opened, st *state, views map[string]*snapshot) (map[string]*dataPart, error) {
	whole, err := x.dataParts(ctx, open, st)
	if err != nil {
		return nil, err
	}
	of := map[string][]*entry{}
	for _, subdir := range slices.Sorted(maps.Keys(views)) {
		for _, e := range views[subdir].all() {
			of[e.name] = append(of[e.name], e)
		}
	}
	made, missing := shareParts(whole, of)
	return made, x.makeParts(ctx, open, st, made, missing, func(subdir, name, fileName string) bool {
		return views[subdir] != nil && views[subdir].lists(name, fileName)
	})
}

// shareParts takes the known parts of names that have the same entries still; the
// others are missing, and to be filled in.
func shareParts(known map[string]*dataPart, of map[string][]*entry) (made map[string]*dataPart, missing []string) {
	made = make(map[string]*dataPart, len(of))
	for name, entries := range of {
		if p := known[name]; p != nil && slices.Equal(p.of, entries) {
			made[name] = p
			continue
		}
		made[name] = &dataPart{of: entries}
		missing = append(missing, name)
	}
	return made, missing
}

// makeParts fills in the parts of the missing names, of the files that are listed.
func (x *Index) makeParts(ctx context.Context, open registry.Opened, st *state, made map[string]*dataPart, missing []string, lists func(subdir, name, fileName string) bool) error {
	slices.Sort(missing)
	for some := range slices.Chunk(missing, manyNames) {
		if err := x.makeSome(ctx, open, st, made, some, lists); err != nil {
			return err
		}
	}
	return nil
}

// makeSome is makeParts for some names, whose records are all in memory for the time
// being.
func (x *Index) makeSome(ctx context.Context, open registry.Opened, st *state, made map[string]*dataPart, names []string, lists func(subdir, name, fileName string) bool) error {
	files, err := x.channelFiles(ctx, open, st, names, lists)
	if err != nil {
		return err
	}
	for name, p := range repodata.NewChannelData(nil, files).Packages {
		text, err := p.Encode()
		if err != nil {
			return err
		}
		part := made[conda.NormalizeName(name)]
		if part == nil {
			continue // a row whose name is none; no entry has it
		}
		part.says = append(part.says, packageData{name, text})
	}
	return nil
}

// sorted gives the names of the state's subdirs in order.
func (st *state) sorted() []string {
	list := make([]string, 0, len(st.subdirs))
	for subdir := range st.subdirs {
		list = append(list, subdir)
	}
	slices.Sort(list)
	return list
}

// channeldata puts the document together for those from whom some names are hidden.
func channeldata(parts map[string]*dataPart, subdirs []string, hides func(name string) bool) ([]byte, error) {
	var packages []packageData
	size := 0
	for name, p := range parts {
		if hides(name) {
			continue
		}
		for _, d := range p.says {
			packages = append(packages, d)
			size += len(d.name) + len(d.json) + 4
		}
	}
	slices.SortFunc(packages, func(a, b packageData) int { return strings.Compare(a.name, b.name) })
	tail, err := repodata.ChannelDataTail(subdirs)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, size+len(tail)+64))
	out.WriteString(repodata.ChannelDataHead)
	for i, d := range packages {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(repodata.AppendEntry(nil, d.name, d.json))
	}
	out.Write(tail)
	return out.Bytes(), nil
}
