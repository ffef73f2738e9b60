package index

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"unique"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// current_repodata.json is brought up in two steps. What the records of a name say
// by themselves hangs on its entry (currentFacts) and is read once, for all snapshots
// that share the entry. What dependencies add is worked out from
// these for each generation (picker), in memory but for the names that changed.
// What is kept of a name is an entry of its own kind, of which runs are laid as of
// repodata.json. Nothing of it is made until somebody asks. Records are read from
// shards, which are in memory: a tenth of what rows cost, and the database may be away.

// dependency is the text of one; most are those of many records.
type dependency = unique.Handle[string]

// currentFacts is what the records of one name say of current_repodata.json.
type currentFacts struct {
	files []keptFile   // builds of the newest version; of what is kept of a name: all that are
	needs []dependency // what these depend on, each once
	plain *currentFile // the newest without features, where all of files have some

	mu      sync.Mutex
	answers []answer // sorted by text
}

// answer is what a dependency on the name keeps of it beside files.
type answer struct {
	to   dependency
	more []*currentFile
}

// keptFile is a record in current_repodata.json.
type keptFile struct {
	name string
	size int // bytes of text there
}

// currentFile is a record that may be kept.
type currentFile struct {
	keptFile
	plain bool // without features
	needs []dependency
}

func compareAnswers(a answer, text string) int { return compareNames(a.to.Value(), text) }

// answer gives what is known of a dependency.
func (f *currentFacts) answer(to dependency) ([]*currentFile, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(f.answers, to.Value(), compareAnswers); ok {
		return f.answers[i].more, true
	}
	return nil, false
}

// learn keeps answers.
func (f *currentFacts) learn(list []answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, list...)
	slices.SortFunc(f.answers, func(a, b answer) int { return compareAnswers(a, b.to.Value()) })
	f.answers = slices.CompactFunc(f.answers, func(a, b answer) bool { return a.to == b.to })
}

// forget lets an answer go that nobody asks for any more.
func (f *currentFacts) forget(to dependency) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(f.answers, to.Value(), compareAnswers); ok {
		f.answers = slices.Delete(f.answers, i, i+1)
	}
}

// currentFileOf measures a record.
func currentFileOf(r repodata.CurrentRecord) (*currentFile, error) {
	text, err := r.JSON()
	if err != nil {
		return nil, err
	}
	f := &currentFile{keptFile: keptFile{name: r.FileName, size: repodata.EntrySize(r.FileName, text)}, plain: r.Plain()}
	for _, text := range r.Record.Depends {
		f.needs = append(f.needs, unique.Make(text))
	}
	return f, nil
}

func currentFilesOf(list []repodata.CurrentRecord, err error) ([]*currentFile, error) {
	var out []*currentFile
	for _, r := range list {
		f, err := currentFileOf(r)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, err
}

func newCurrentFacts(rows []repodata.CurrentRow) (*currentFacts, error) {
	g := repodata.NewCurrentGroup(rows, nil)
	newest, err := currentFilesOf(g.Newest())
	if err != nil {
		return nil, err
	}
	f := &currentFacts{files: make([]keptFile, 0, len(newest))}
	plain, seen := false, map[dependency]bool{}
	for _, file := range newest {
		f.files = append(f.files, file.keptFile)
		plain = plain || file.plain
		for _, d := range file.needs {
			if !seen[d] {
				seen[d] = true
				f.needs = append(f.needs, d)
			}
		}
	}
	f.needs = slices.Clip(f.needs)
	if !plain {
		list, err := currentFilesOf(g.NewestPlain())
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			f.plain = list[0]
		}
	}
	return f, nil
}

// layCurrent gives the runs of current_repodata.json.
func (x *Index) layCurrent(ctx context.Context, s *snapshot) (*runs, error) {
	t := &s.current
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.laid.Load(); r != nil {
		return r, nil
	}
	before, p := t.before.Load(), s.picker
	if s.whole != nil {
		var err error
		if before, err = x.layCurrent(ctx, s.whole); err != nil {
			return nil, err
		}
		p = s.whole.picker
	}
	if before == nil {
		before = &runs{}
	}
	if p == nil {
		p = &picker{} // a state of the past, or a filtered view, which need not come up to another
	}
	s.text.wait()
	if err := x.fillCurrent(ctx, s); err != nil {
		return nil, err
	}
	kept, err := p.pick(s.all(), func(names []string, f func(name string, rows []repodata.CurrentRow) error) error {
		return x.eachCurrent(ctx, s, names, f)
	})
	if err != nil {
		return nil, err
	}
	laid := &runs{}
	for g := range laid {
		if laid[g], err = layRuns(kept, func(e *entry) int { return e.sizes[g] }, before[g], func(r, _ *run) error {
			return x.fillCurrentRun(ctx, s, g, r)
		}); err != nil {
			return nil, err
		}
	}
	t.set(laid)
	return laid, nil
}

// fillCurrent sees to it that every entry of a snapshot has its facts.
func (x *Index) fillCurrent(ctx context.Context, s *snapshot) error {
	var missing []string
	for _, e := range s.all() {
		if e.current.Load() == nil {
			missing = append(missing, e.name)
		}
	}
	return x.eachCurrent(ctx, s, missing, func(name string, rows []repodata.CurrentRow) error {
		facts, err := newCurrentFacts(rows)
		if err == nil {
			s.entry(name).current.CompareAndSwap(nil, facts)
		}
		return err
	})
}

// eachCurrent calls f with the records of each of some names of a snapshot, of
// several names at once.
func (x *Index) eachCurrent(ctx context.Context, s *snapshot, names []string, f func(name string, rows []repodata.CurrentRow) error) error {
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(names, 16) {
		reading.Go(func() error {
			for _, name := range some {
				rows, err := x.currentRows(ctx, s, name)
				if err != nil {
					return err
				}
				if err := f(name, rows); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return reading.Wait()
}

// currentRows gives the records of a name.
func (x *Index) currentRows(ctx context.Context, s *snapshot, name string) ([]repodata.CurrentRow, error) {
	e := s.entry(name)
	if e == nil {
		return nil, errs.New(errs.Internal, "There is no %s.", name)
	}
	data, keep, err := x.recordsOf(ctx, s.channel, s.subdir, e)
	if err != nil {
		return nil, err
	}
	return repodata.CurrentRows(data, keep)
}

// fillCurrentRun makes the pieces of a run of current_repodata.json.
func (x *Index) fillCurrentRun(ctx context.Context, s *snapshot, group int, run *run) error {
	var rows []row
	for _, e := range run.of {
		listed, err := x.currentRows(ctx, s, e.name)
		if err != nil {
			return err
		}
		kept := e.current.Load().files
		list, err := repodata.CurrentRecords(listed, func(file string) bool {
			return groupOf(file) == group && slices.ContainsFunc(kept, func(f keptFile) bool { return f.name == file })
		})
		if err != nil {
			return err
		}
		for _, r := range list {
			text, err := r.JSON()
			if err != nil {
				return err
			}
			rows = append(rows, row{name: e.name, fileName: r.FileName, json: text})
		}
	}
	return run.fill(rows)
}
