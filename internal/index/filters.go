package index

import (
	"container/list"
	"slices"
	"sync"
)

// filters keeps the views of predicates, up to a bound of bytes: those that
// were not asked for lately become cold, and then go.
type filters struct {
	budget int64

	mu    sync.Mutex
	byKey map[filteredKey]*list.Element // of *filtered
	order list.List                     // the latest first
	open  []*filtered                   // those that may hold a list of entries, the latest last
	bytes int64
}

// openViews bounds the views that hold a list of their entries, which takes 8
// bytes a name and a tenth of a millisecond to make.
const openViews = 16

// get gives the view under a key and makes it the latest.
func (l *filters) get(key filteredKey, p *Predicate) *filtered {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byKey[key]; e != nil {
		l.order.MoveToFront(e)
		return e.Value.(*filtered)
	}
	if l.byKey == nil {
		l.byKey = map[filteredKey]*list.Element{}
	}
	f := &filtered{key: key, p: p}
	l.byKey[key] = l.order.PushFront(f)
	return f
}

// account counts what a view costs now, which its caller has locked, and makes
// room: first the oldest ones become cold, then they go.
func (l *filters) account(f *filtered) {
	size := f.size() // it may wait for a text that is being laid: not under the lock of all
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.keeps(f) {
		return // it went meanwhile, and whoever asks next has another made
	}
	l.count(f, size)
	l.open = append(slices.DeleteFunc(l.open, func(o *filtered) bool { return o == f }), f)
	if o := l.open[0]; len(l.open) > openViews && o.mu.TryLock() {
		o.closeList()
		o.mu.Unlock()
		l.open = slices.Delete(l.open, 0, 1)
	}
	for e := l.order.Back(); e != nil && l.bytes > l.budget; e = e.Prev() {
		if old := e.Value.(*filtered); old != f && old.mu.TryLock() {
			old.cool()
			l.count(old, old.size())
			old.mu.Unlock()
		}
	}
	for e := l.order.Back(); e != nil && l.bytes > l.budget; {
		old, before := e.Value.(*filtered), e.Prev()
		if old != f {
			l.remove(e)
		}
		e = before
	}
}

// forget lets go of all views of a channel. Who is at one of them has it to the end, and
// nobody else does.
func (l *filters) forget(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, e := range l.byKey {
		if key.channel == channel {
			l.remove(e)
		}
	}
}

// remove lets go of one view; l is locked.
func (l *filters) remove(e *list.Element) {
	f := e.Value.(*filtered)
	l.count(f, 0)
	l.open = slices.DeleteFunc(l.open, func(o *filtered) bool { return o == f })
	l.order.Remove(e)
	delete(l.byKey, f.key)
}

// keeps reports whether f is the view under its key still; l is locked.
func (l *filters) keeps(f *filtered) bool {
	e := l.byKey[f.key]
	return e != nil && e.Value.(*filtered) == f
}

// count notes what a view that is kept costs now; l is locked.
func (l *filters) count(f *filtered, cost int64) {
	l.bytes += cost - f.cost
	f.cost = cost
}

// What the parts of a view take in memory, in bytes, beside what they point to.
const (
	sizeOfView  = 1024
	sizeOfEntry = 8
	sizeOfPart  = 216
	sizeOfMark  = 136
	sizeOfPast  = 220
)

// size estimates the bytes that f does not share; f is locked.
func (f *filtered) size() int64 {
	n := f.p.size() + int64(sizeOfView+sizeOfPast*len(f.past))
	for _, m := range f.marks {
		n += sizeOfMark + 8*int64(len(m.kept))
	}
	if f.snap == nil {
		return n
	}
	n += f.snap.size()
	for _, e := range f.snap.shared.parts {
		n += sizeOfPart + 8*int64(len(e.part.kept))
	}
	return n
}

// size estimates the bytes of a filtered snapshot that are its own, without its
// parts.
func (s *snapshot) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(8 * len(s.shared.whole))
	if list := s.shared.open.Load(); list != nil {
		n += int64(sizeOfEntry * cap(*list))
	}
	for form, m := range s.forms {
		if d := m.made.Load(); d != nil && form != RepodataJSON && form != RepodataZstd { // those are made of runs
			n += d.Size
		}
	}
	s.text.mu.Lock()
	defer s.text.mu.Unlock()
	for g := range groups {
		for _, r := range slices.Concat(s.lay.own[g], s.lay.inherit[g]) {
			n += int64(sizeOfEntry * len(r.of))
			for _, p := range r.run.pieces {
				n += int64(len(p.Zstd))
			}
		}
	}
	for _, v := range s.views {
		n += v.size()
	}
	return n
}

// closeList drops the lists of entries; f is locked.
func (f *filtered) closeList() {
	if f.snap == nil {
		return
	}
	f.snap.shared.open.Store(nil)
	f.snap.mu.Lock()
	defer f.snap.mu.Unlock()
	for _, v := range f.snap.views {
		v.shared.open.Store(nil)
	}
}

// cool drops everything but the hashes of the view's own shards, with which it
// is made again without encoding any; f is locked.
func (f *filtered) cool() {
	if f.snap == nil {
		return
	}
	words := 0
	for _, e := range f.snap.shared.parts {
		words += len(e.part.kept)
	}
	f.marks = make([]mark, 0, len(f.snap.shared.parts))
	all := make(bits, 0, words)
	for _, e := range f.snap.shared.parts {
		p, from := e.part, len(all)
		all = append(all, p.kept...)
		f.marks = append(f.marks, mark{e.name, p.of.hash, e.shard.hash, all[from:len(all):len(all)]})
	}
	f.snap = nil
}
