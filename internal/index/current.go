package index

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// current_repodata.json is brought up in two steps. What the records of a name say
// by themselves hangs on its entry (currentFacts) and is read once, for all snapshots
// that share the entry. What dependencies add is worked out from
// these for each generation (picker), in memory but for the names that changed.
// What is kept of a name is an entry of its own kind, of which runs are laid as of
// repodata.json. Nothing of it is made until somebody asks. Records are read from
// shards, which are in memory: a tenth of what rows cost, and the database may be away.

// currentFacts is what the records of one name say of current_repodata.json.
type currentFacts struct {
	files []keptFile   // builds of the newest version; of what is kept of a name: all that are; sorted by name
	needs []string     // what these depend on, each once
	plain *currentFile // the newest without features, where all of files have some

	mu      sync.Mutex
	answers []answer // sorted by text
}

// answer is what a dependency on the name keeps of it beside files.
type answer struct {
	to   string
	more []*currentFile
}

// keptFile is a record in current_repodata.json.
type keptFile struct {
	name string
	size int // bytes of text there
}

func compareKept(f keptFile, name string) int { return strings.Compare(f.name, name) }

// currentFile is a record that may be kept.
type currentFile struct {
	keptFile
	plain bool // without features
	needs []string
}

func compareAnswers(a answer, text string) int { return strings.Compare(a.to, text) }

// answer gives what is known of a dependency.
func (f *currentFacts) answer(to string) ([]*currentFile, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(f.answers, to, compareAnswers); ok {
		return f.answers[i].more, true
	}
	return nil, false
}

// learn keeps answers.
func (f *currentFacts) learn(list []answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, list...)
	slices.SortFunc(f.answers, func(a, b answer) int { return compareAnswers(a, b.to) })
	f.answers = slices.Clip(slices.CompactFunc(f.answers, func(a, b answer) bool { return a.to == b.to }))
}

// forget lets an answer go that nobody asks for any more.
func (f *currentFacts) forget(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(f.answers, to, compareAnswers); ok {
		f.answers = slices.Delete(f.answers, i, i+1)
	}
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
	missing := missingCurrent(s)
	if len(missing) > manyNames {
		defer x.loads.begin()()
	}
	readers := newCurrentReaders(x, s)
	if err := fillCurrent(ctx, s, missing, readers, p); err != nil {
		return nil, err
	}
	kept, err := p.pick(s.all(), func(names []string, f func(r *currentReader, name string) error) error {
		return readers.each(ctx, names, p.text, f)
	})
	if err != nil {
		return nil, err
	}
	laid := &runs{}
	for g := range laid {
		if laid[g], err = layRuns(kept, func(e *entry) int { return e.sizes[g] }, before[g], func(r, _ *run) error {
			return readers.fill(ctx, g, r)
		}); err != nil {
			return nil, err
		}
	}
	t.set(laid)
	return laid, nil
}

// missingCurrent gives the names whose entries have no facts.
func missingCurrent(s *snapshot) (missing []string) {
	for _, e := range s.all() {
		if e.current.Load() == nil {
			missing = append(missing, e.name)
		}
	}
	return missing
}

// fillCurrent sees to it that the entries of names have their facts.
func fillCurrent(ctx context.Context, s *snapshot, missing []string, readers *currentReaders, p *picker) error {
	known := func(text []byte) (string, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.text(text)
	}
	return readers.each(ctx, missing, known, func(r *currentReader, name string) error {
		facts, err := r.facts()
		if err == nil {
			s.entry(name).current.CompareAndSwap(nil, facts)
		}
		return err
	})
}
