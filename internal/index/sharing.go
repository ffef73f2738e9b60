package index

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// sharing is what a filtered snapshot has in place of a list of entries: the list
// of its base, of which it says what stays whole, and the entries of its own. A
// thousand views share one list so, and the collector of garbage has nothing to
// follow in what is a view's own but these few.
type sharing struct {
	of    []*entry // the base's
	whole bits     // those that are in the view, too
	parts []*entry // sorted by name: those that lose some records
	names int
	list  []*listPart // of the base's shard index: its entries are those of the list

	open atomic.Pointer[[]*entry] // the list of entries, while the view is asked for
}

// all gives the entries of a snapshot, sorted by name.
func (s *snapshot) all() []*entry {
	if s.shared == nil {
		return s.entries
	}
	return s.shared.all()
}

func (v *sharing) all() []*entry {
	if list := v.open.Load(); list != nil {
		return *list
	}
	list, parts := make([]*entry, 0, v.names), v.parts
	for i, e := range v.of {
		if !v.whole.has(i) {
			continue
		}
		for len(parts) > 0 && parts[0].name < e.name {
			list, parts = append(list, parts[0]), parts[1:]
		}
		list = append(list, e)
	}
	list = append(list, parts...)
	v.open.Store(&list)
	return list
}

// entry gives the entry of a name; nil if there is none.
func (s *snapshot) entry(name string) *entry {
	if s.shared != nil {
		return s.shared.entry(name)
	}
	if i, ok := find(s.entries, name); ok {
		return s.entries[i]
	}
	return nil
}

func (v *sharing) entry(name string) *entry {
	if i, ok := find(v.parts, name); ok {
		return v.parts[i]
	}
	if i, ok := find(v.of, name); ok && v.whole.has(i) {
		return v.of[i]
	}
	return nil
}

// count gives the number of names.
func (s *snapshot) count() int {
	if s.shared != nil {
		return s.shared.names
	}
	return len(s.entries)
}

func newSharing(of []*entry) *sharing { return &sharing{of: of, whole: make(bits, (len(of)+63)/64)} }

// add takes what a view has of the entry at a place of the base's list: the same,
// one of its own, or nil. Places come in order.
func (v *sharing) add(place int, own *entry) {
	switch {
	case own == nil:
	case own.part == nil:
		v.whole.set(place)
	default:
		v.parts = append(v.parts, own)
	}
}

// close counts what was added.
func (v *sharing) close() *sharing {
	v.parts = slices.Clip(v.parts)
	v.names = v.whole.count() + len(v.parts)
	return v
}

// next gives what is shared with a later list of the base, in which the names of
// changed have what the view has of them; nil means that the view has not. All
// other names are as they were.
func (v *sharing) next(of []*entry, changed map[string]*entry) *sharing {
	next := newSharing(of)
	old := 0
	for i, e := range of {
		for old < len(v.of) && v.of[old] != e && v.of[old].name < e.name {
			old++
		}
		if old < len(v.of) && (v.of[old] == e || v.of[old].name == e.name) {
			if v.whole.has(old) {
				next.whole.set(i)
			}
			old++
		}
	}
	next.parts = make([]*entry, 0, len(v.parts)+len(changed))
	for _, e := range v.parts {
		if _, again := changed[e.name]; !again {
			next.parts = append(next.parts, e)
		}
	}
	own := len(next.parts)
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		e := changed[name]
		if e != nil && e.part != nil {
			next.parts = append(next.parts, e)
		}
		if i, ok := find(of, name); ok {
			next.whole[i/64] &^= 1 << (i % 64)
			if e != nil && e.part == nil {
				next.whole.set(i)
			}
		}
	}
	if own > 0 && own < len(next.parts) {
		slices.SortFunc(next.parts, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	}
	return next.close()
}

// without gives what is shared by a view from which names are hidden.
func (v *sharing) without(hides func(name string) bool) *sharing {
	less := &sharing{of: v.of, whole: slices.Clone(v.whole), list: v.list}
	for i, e := range v.of {
		if hides(e.name) {
			less.whole[i/64] &^= 1 << (i % 64)
		}
	}
	for _, e := range v.parts {
		if !hides(e.name) {
			less.parts = append(less.parts, e)
		}
	}
	return less.close()
}
