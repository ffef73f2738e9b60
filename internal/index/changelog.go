package index

import "sync"

// changesKept bounds the changes of each subdir that a process remembers for
// views, in names. A view that is older is judged as a whole, in milliseconds.
const changesKept = 20_000

// changeLog remembers which names the latest generations of a channel changed,
// as the log in the database has it. A publish costs views one entry here,
// however many there are.
type changeLog struct {
	mu      sync.Mutex
	subdirs map[string]*subdirChanges
}

type subdirChanges struct {
	from int64 // the generation since which list is complete
	list []change
	n    int // names in list
}

type change struct {
	generation int64
	names      []string
}

// note takes the names that lead from one generation of a subdir to another;
// old may be nil.
func (l *changeLog) note(old, s *snapshot, touched []touchedName) {
	if old == nil {
		return // nobody has a view of what was before
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subdirs == nil {
		l.subdirs = map[string]*subdirChanges{}
	}
	c := l.subdirs[s.subdir]
	if c == nil {
		c = &subdirChanges{from: old.generation}
		l.subdirs[s.subdir] = c
	}
	names := make([]string, len(touched))
	for i, t := range touched {
		names[i] = t.name
	}
	c.list = append(c.list, change{s.generation, names})
	c.n += len(names)
	for c.n > changesKept {
		c.from = c.list[0].generation
		c.n -= len(c.list[0].names)
		c.list[0] = change{}
		c.list = c.list[1:]
	}
}

// since gives the names that changed after a generation, and whether that is
// known.
func (l *changeLog) since(subdir string, generation int64) ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.subdirs[subdir]
	if c == nil || generation < c.from {
		return nil, false
	}
	var names []string
	for i := len(c.list) - 1; i >= 0 && c.list[i].generation > generation; i-- {
		names = append(names, c.list[i].names...)
	}
	return sorted(names), true
}
