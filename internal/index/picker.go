package index

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"terrarium/internal/repodata"
)

// picker picks the records of current_repodata.json by the rule of
// repodata.Current. It belongs to a subdir, and snapshot after snapshot uses it:
// it counts who depends on what, and knows what each dependency keeps. When names
// change, theirs are counted again, dependencies on them are judged again by their
// records, and what old records need in turn is followed anew from there, in memory.
type picker struct {
	mu    sync.Mutex
	names []*pick // sorted
	needs map[string]*need
	of    map[string][]*need // by the name that they speak of
	idle  []*need            // that no newest record has
	round int32
}

// pick is one name with what was kept of it last.
type pick struct {
	name  string
	facts *currentFacts
	more  []*currentFile // beside the newest
	kept  *entry
}

// need is a dependency that somebody has.
type need struct {
	text   string
	of     string         // the name that it speaks of, or ""
	more   []*currentFile // what it keeps beside the newest
	users  int32          // names of whose newest records one has it
	round  int32          // the last one in which a kept record had it
	judged bool
}

// readRows reads the records of some names for the picker, of several at once.
type readRows func(names []string, f func(r *currentReader, name string) error) error

// pick gives what is kept of each of the entries, all of which have their facts.
// An entry of what is kept is the same as long as that is.
func (p *picker) pick(entries []*entry, read readRows) ([]*entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(entries)
	more, err := p.follow(read)
	if err != nil {
		return nil, err
	}
	p.clear()
	kept := make([]*entry, len(p.names))
	for i, n := range p.names {
		kept[i] = n.keep(more[n.name])
	}
	return kept, nil
}

// take counts the names that changed since the last time.
func (p *picker) take(entries []*entry) {
	if p.needs == nil {
		p.needs, p.of = map[string]*need{}, map[string][]*need{}
	}
	old, names := p.names, make([]*pick, 0, len(entries))
	next := func() { p.count(old[0], -1); old = old[1:] }
	for _, e := range entries {
		for len(old) > 0 && old[0].name < e.name {
			next()
		}
		facts := e.current.Load()
		if len(old) > 0 && old[0].name == e.name {
			if old[0].facts == facts {
				names, old = append(names, old[0]), old[1:]
				continue
			}
			next()
		}
		n := &pick{name: e.name, facts: facts}
		p.count(n, 1)
		names = append(names, n)
	}
	for len(old) > 0 {
		next()
	}
	p.names = names
}

// count adds a name or takes it away. What others need of it is to be judged.
func (p *picker) count(n *pick, by int32) {
	for _, d := range n.facts.needs {
		need := p.need(d)
		if need.users += by; need.users == 0 {
			p.idle = append(p.idle, need)
		}
	}
	for _, need := range p.of[n.name] {
		need.judged, need.more = false, nil
	}
}

// need gives the need of a dependency.
func (p *picker) need(d string) *need {
	n := p.needs[d]
	if n == nil {
		n = &need{text: d}
		if name, ok := repodata.DependencyName(d); ok {
			n.of = name
		}
		p.needs[d] = n
		p.of[n.of] = append(p.of[n.of], n)
		p.idle = append(p.idle, n)
	}
	return n
}

// clear lets go of needs that no kept record has any more.
func (p *picker) clear() {
	idle := map[*need]bool{}
	for _, n := range p.idle {
		switch {
		case n.users > 0:
		case n.round == p.round:
			idle[n] = true
		case p.needs[n.text] == n:
			delete(p.needs, n.text)
			list := p.of[n.of]
			if i := slices.Index(list, n); len(list) > 1 {
				p.of[n.of] = slices.Delete(list, i, i+1)
			} else {
				delete(p.of, n.of)
			}
			if f := p.facts(n.of); f != nil {
				f.forget(n.text)
			}
		}
	}
	p.idle = slices.Collect(maps.Keys(idle))
}

// text gives the text of a dependency as it is held, if it is. Nobody may change the
// picker meanwhile.
func (p *picker) text(b []byte) (string, bool) {
	if n := p.needs[string(b)]; n != nil {
		return n.text, true
	}
	return "", false
}

func (p *picker) facts(name string) *currentFacts {
	i, ok := slices.BinarySearchFunc(p.names, name, func(n *pick, name string) int { return strings.Compare(n.name, name) })
	if !ok {
		return nil
	}
	return p.names[i].facts
}

// follow gives what is kept beside the newest records, by package and file name.
func (p *picker) follow(read readRows) (map[string]map[string]*currentFile, error) {
	p.round++
	more := map[string]map[string]*currentFile{}
	var queue []*need
	keep := func(name string, f *currentFile) {
		if more[name] == nil {
			more[name] = map[string]*currentFile{}
		}
		if more[name][f.name] != nil {
			return
		}
		more[name][f.name] = f
		for _, d := range f.needs {
			if n := p.need(d); n.round != p.round {
				n.round = p.round
				queue = append(queue, n)
			}
		}
	}
	satisfy := func() error {
		for len(queue) > 0 {
			if err := p.judge(queue, read); err != nil {
				return err
			}
			list := queue
			queue = nil
			for _, n := range list {
				for _, f := range n.more {
					keep(n.of, f)
				}
			}
		}
		return nil
	}
	for _, n := range p.needs {
		if n.users > 0 {
			n.round = p.round
			if !n.judged || len(n.more) > 0 {
				queue = append(queue, n)
			}
		}
	}
	if err := satisfy(); err != nil {
		return nil, err
	}
	for _, n := range p.names {
		plain := func(f *currentFile) bool { return f.plain }
		if n.facts.plain != nil && !slices.ContainsFunc(slices.Collect(maps.Values(more[n.name])), plain) {
			keep(n.name, n.facts.plain)
		}
	}
	return more, satisfy()
}

// judge finds out what needs keep: from what is known, or from rows.
func (p *picker) judge(list []*need, read readRows) error {
	unknown := map[string][]*need{}
	for _, n := range list {
		if n.judged {
			continue
		}
		facts := p.facts(n.of)
		if facts == nil { // there is no such name
			n.judged, n.more = true, nil
			continue
		}
		if n.more, n.judged = facts.answer(n.text); !n.judged {
			unknown[n.of] = append(unknown[n.of], n)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return read(slices.Sorted(maps.Keys(unknown)), func(r *currentReader, name string) error {
		r.group.Take(r.rows, nil)
		answers := make([]answer, 0, len(unknown[name]))
		for _, n := range unknown[name] {
			more, err := r.answer(n.text)
			if err != nil {
				return err
			}
			n.more, n.judged = more, true
			answers = append(answers, answer{n.text, more})
		}
		p.facts(name).learn(answers)
		return nil
	})
}

// keep gives the entry of what is kept of a name.
func (n *pick) keep(more map[string]*currentFile) *entry {
	list := make([]*currentFile, 0, len(more))
	for _, f := range more {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *currentFile) int { return strings.Compare(a.name, b.name) })
	if n.kept != nil && slices.EqualFunc(n.more, list, func(a, b *currentFile) bool { return a.name == b.name }) {
		return n.kept
	}
	n.more, n.kept = list, &entry{name: n.name}
	facts := n.facts
	if len(list) > 0 {
		facts = &currentFacts{files: slices.Clone(n.facts.files)}
		for _, f := range list {
			facts.files = append(facts.files, f.keptFile)
		}
		slices.SortFunc(facts.files, func(a, b keptFile) int { return compareKept(a, b.name) })
	}
	n.kept.current.Store(facts)
	for _, f := range facts.files {
		n.kept.sizes[groupOf(f.name)] += f.size
	}
	return n.kept
}
