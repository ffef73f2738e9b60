package index

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// The records of all names pass through when current_repodata.json is made the first
// time, and of most nothing stays. So they are looked at where they lie in their
// unpacked shards, in buffers that are used for one name after the other.

// currentReader reads the records of names of a snapshot, one after the other.
type currentReader struct {
	x      *Index
	s      *snapshot
	shards repodata.ShardReader
	rows   []repodata.ShardRow // of the name
	group  repodata.CurrentGroup
	json   []byte // of a record

	known func(text []byte) (string, bool) // texts of dependencies that are held already
	texts map[string]string                // those that were met
	seen  map[string]bool                  // of the name
}

// currentReaders are as many as work at once.
type currentReaders struct {
	x    *Index
	s    *snapshot
	mu   sync.Mutex
	idle []*currentReader
}

func newCurrentReaders(x *Index, s *snapshot) *currentReaders { return &currentReaders{x: x, s: s} }

func (l *currentReaders) get() *currentReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		r := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return r
	}
	return &currentReader{x: l.x, s: l.s, texts: map[string]string{}, seen: map[string]bool{}}
}

func (l *currentReaders) put(r *currentReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = append(l.idle, r)
}

// each calls f with a reader that has read each of some names, several at once.
func (l *currentReaders) each(ctx context.Context, names []string, known func(text []byte) (string, bool), f func(r *currentReader, name string) error) error {
	reading, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		reading.Go(func() error {
			r := l.get()
			defer l.put(r)
			r.known = known
			for {
				i := int(next.Add(1)) - 1
				if i >= len(names) {
					return nil
				}
				if err := r.read(ctx, names[i]); err != nil {
					return err
				}
				if err := f(r, names[i]); err != nil {
					return err
				}
			}
		})
	}
	return reading.Wait()
}

// read reads the records of a name.
func (r *currentReader) read(ctx context.Context, name string) error {
	e := r.s.entry(name)
	if e == nil {
		return errs.New(errs.Internal, "There is no %s.", name)
	}
	data, keep, err := r.x.recordsOf(ctx, r.s.channel, r.s.subdir, e)
	if err != nil {
		return err
	}
	r.rows, err = r.shards.Read(data, keep)
	return err
}

// text gives the text of a dependency, which most share with others.
func (r *currentReader) text(b []byte) string {
	if text, ok := r.texts[string(b)]; ok {
		return text
	}
	text, ok := r.known(b)
	if !ok {
		text = string(b)
	}
	r.texts[text] = text
	return text
}

// file measures a record.
func (r *currentReader) file(rec repodata.CurrentRecord) (f keptFile, err error) {
	f.name = string(rec.FileName())
	if r.json, err = rec.AppendJSON(r.json[:0]); err == nil {
		f.size = repodata.EntrySize(f.name, r.json)
	}
	return f, err
}

// candidates measures records that may be kept.
func (r *currentReader) candidates(list []repodata.CurrentRecord) (out []*currentFile, err error) {
	for _, rec := range list {
		f := &currentFile{plain: rec.Plain()}
		if f.keptFile, err = r.file(rec); err != nil {
			return nil, err
		}
		if err := rec.EachDependency(func(text []byte) { f.needs = append(f.needs, r.text(text)) }); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// facts gives those of the name.
func (r *currentReader) facts() (*currentFacts, error) {
	r.group.Take(r.rows, nil)
	newest := r.group.Newest()
	f := &currentFacts{files: make([]keptFile, 0, len(newest))}
	plain := false
	clear(r.seen)
	for _, rec := range newest {
		file, err := r.file(rec)
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, file)
		plain = plain || rec.Plain()
		if err := rec.EachDependency(func(b []byte) {
			if text := r.text(b); !r.seen[text] {
				r.seen[text] = true
				f.needs = append(f.needs, text)
			}
		}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(f.files, func(a, b keptFile) int { return compareKept(a, b.name) })
	f.needs = slices.Clip(slices.Clone(f.needs))
	if !plain {
		list, err := r.candidates(r.group.NewestPlain())
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			f.plain = list[0]
		}
	}
	return f, nil
}

// answer gives what a dependency keeps of the name. The group has taken the records.
func (r *currentReader) answer(to string) ([]*currentFile, error) {
	list, err := r.group.Answer(to)
	if err != nil {
		return nil, err
	}
	return r.candidates(list)
}

// fill makes the pieces of a run of current_repodata.json.
func (l *currentReaders) fill(ctx context.Context, group int, run *run) error {
	r := l.get()
	defer l.put(r)
	size := 0
	for _, e := range run.of {
		size += e.sizes[group]
	}
	var rows []row
	text := make([]byte, 0, size)
	for _, e := range run.of {
		if err := r.read(ctx, e.name); err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(e.current.Load().files), func(f keptFile) bool { return groupOf(f.name) != group })
		list := r.group.Records(r.rows, func(file []byte) bool {
			_, ok := slices.BinarySearchFunc(kept, string(file), compareKept)
			return ok
		})
		for i, rec := range list {
			from := len(text)
			var err error
			if text, err = rec.AppendJSON(text); err != nil {
				return err
			}
			rows = append(rows, row{name: e.name, fileName: kept[i].name, json: text[from:len(text):len(text)]})
		}
	}
	return run.fill(rows)
}
