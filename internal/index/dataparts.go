package index

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
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
	text []byte // with the name
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
	if err := x.makeParts(ctx, open, st, made, missing, st.subdirs); err != nil {
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
	return made, x.makeParts(ctx, open, st, made, missing, views)
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

// makeParts fills in the parts of the missing names, as the snapshots have them. Records
// are read from shards, and the database is asked only what no record says.
func (x *Index) makeParts(ctx context.Context, open registry.Opened, st *state, made map[string]*dataPart, missing []string, views map[string]*snapshot) error {
	for _, s := range st.subdirs {
		s.text.wait()
	}
	slices.Sort(missing)
	if len(missing) > manyNames {
		defer x.loads.begin()()
	}
	making, ctx := errgroup.WithContext(ctx)
	making.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(missing, manyNames) {
		making.Go(func() error {
			m := partsMaker{x: x, channel: open.Records().ID, views: views}
			return m.make(ctx, st, made, some)
		})
	}
	return making.Wait()
}

// fileKey names a file of a channel.
type fileKey struct{ subdir, name string }

// fileWords is what is known of a file beside its record.
type fileWords struct {
	id    string
	flags repodata.ChannelFlags
}

// partsMaker makes the parts of some names, in buffers that it uses again.
type partsMaker struct {
	x       *Index
	channel string
	views   map[string]*snapshot
	files   map[fileKey]fileWords
	reader  repodata.ShardReader
}

func (m *partsMaker) make(ctx context.Context, st *state, made map[string]*dataPart, names []string) (err error) {
	if m.files, err = m.x.fileWords(ctx, m.channel, st, names); err != nil {
		return err
	}
	gathered := make([][]repodata.PackageFiles, len(names))
	var newest []string
	for i, name := range names {
		if gathered[i], err = m.gather(ctx, name); err != nil {
			return err
		}
		for _, p := range gathered[i] {
			if f, ok := m.files[newestOf(p)]; ok {
				newest = append(newest, f.id)
			}
		}
	}
	about, err := m.x.about(ctx, newest)
	if err != nil {
		return err
	}
	for i, name := range names {
		for _, p := range gathered[i] {
			text, err := p.Package(about[m.files[newestOf(p)].id]).Encode()
			if err != nil {
				return err
			}
			made[name].says = append(made[name].says, packageData{p.Name, bytes.Clone(repodata.AppendEntry(nil, p.Name, text))})
		}
	}
	return nil
}

func newestOf(p repodata.PackageFiles) fileKey {
	subdir, name := p.Newest()
	return fileKey{subdir, name}
}

// gather looks at the files of a name: those of one package, unless two have names that
// differ in case.
func (m *partsMaker) gather(ctx context.Context, name string) (packages []repodata.PackageFiles, err error) {
	for _, subdir := range slices.Sorted(maps.Keys(m.views)) {
		e := m.views[subdir].entry(name)
		if e == nil {
			continue
		}
		data, keep, err := m.x.recordsOf(ctx, m.channel, subdir, e)
		if err != nil {
			return nil, err
		}
		rows, err := m.reader.Read(data, keep)
		if err != nil {
			return nil, err
		}
		packages, err = repodata.GatherRows(packages, subdir, rows, func(fileName []byte) repodata.ChannelFlags {
			return m.files[fileKey{subdir, string(fileName)}].flags
		})
		if err != nil {
			return nil, err
		}
	}
	return packages, nil
}

// fileWords reads what is known of the files of some names in a state.
func (x *Index) fileWords(ctx context.Context, channel string, st *state, names []string) (map[fileKey]fileWords, error) {
	files := map[fileKey]fileWords{}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var k fileKey
		var w fileWords
		var flags []byte
		if err := r.Scan(&k.subdir, &k.name, &w.id, &flags); err != nil {
			return err
		}
		if bytes.Contains(flags, []byte("true")) { // most files do nothing
			if err := json.Unmarshal(flags, &w.flags); err != nil {
				return err
			}
		}
		files[k] = w
		return nil
	}, `
		SELECT r.subdir, r.file_name, r.file_id, i.flags
		FROM records r JOIN file_info i ON i.file_id = r.file_id
		WHERE r.channel_id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)
		  AND r.subdir IN (SELECT value FROM `+x.db.EachText("$3")+` AS there)
		  AND r.name IN (SELECT value FROM `+x.db.EachText("$4")+` AS wanted)`, channel, st.generation, st.sorted(), names)
	return files, err
}

// about reads what files say of themselves, by their ids.
func (x *Index) about(ctx context.Context, ids []string) (map[string][]byte, error) {
	about := make(map[string][]byte, len(ids))
	if len(ids) == 0 {
		return about, nil
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var id string
		var text []byte
		err := r.Scan(&id, &text)
		about[id] = text
		return err
	}, "SELECT file_id, about FROM file_info WHERE file_id IN (SELECT value FROM "+x.db.EachText("$1")+" AS newest)", ids)
	return about, err
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
func channeldata(parts map[string]*dataPart, subdirs []string, hides func(name string) bool) (*repodata.Joined, error) {
	packages := make([]packageData, 0, len(parts))
	for name, p := range parts {
		if !hides(name) {
			packages = append(packages, p.says...)
		}
	}
	slices.SortFunc(packages, func(a, b packageData) int { return strings.Compare(a.name, b.name) })
	tail, err := repodata.ChannelDataTail(subdirs)
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, len(packages))
	for i, d := range packages {
		entries[i] = d.text
	}
	return repodata.NewJoined([]byte(repodata.ChannelDataHead), entries, tail), nil
}
