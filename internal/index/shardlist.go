package index

import (
	"slices"

	"terrarium/internal/repodata"
)

// listPart is a stretch of the shard index, from one segment start
// (repodata.Segment) to the next. States and views that have the same entries
// there share it.
type listPart struct {
	entries []*entry
	encoded repodata.IndexPart
}

// listParts gives the parts of the shard index that the snapshot has.
func (s *snapshot) listParts() []*listPart {
	s.listing.Lock()
	defer s.listing.Unlock()
	return s.list
}

// cutList is listParts, with what it lacks made: only parts with an entry that the
// state before did not have are encoded.
func (s *snapshot) cutList() []*listPart {
	s.listing.Lock()
	defer s.listing.Unlock()
	s.list = cutList(s.entries, s.list)
	return s.list
}

// shardIndex lists the shards (CEP 16).
func (s *snapshot) shardIndex() *repodata.IndexFrame {
	if s.shared != nil {
		return s.indexOf(s.shared.indexParts())
	}
	list := s.cutList()
	parts := make([]repodata.IndexPart, len(list))
	for i, p := range list {
		parts[i] = p.encoded
	}
	return s.indexOf(parts)
}

// indexParts gives the parts of a view's shard index, made of the text of its base's:
// of thousands of names, to go through that is cheaper than to go from one entry to
// the next. Parts of which the view has all are the same.
func (v *sharing) indexParts() []repodata.IndexPart {
	var cut repodata.IndexCutter
	own, place := v.parts, 0
	for _, p := range v.list {
		if v.whole.hasAll(place, len(p.entries)) {
			cut.Take(p.encoded)
			place += len(p.entries)
			continue
		}
		for e := range p.encoded.Entries {
			switch {
			case v.whole.has(place):
				cut.Copy(e)
			case len(own) > 0 && own[0].name == string(e.Name):
				cut.Add(own[0].name, own[0].shard.hash)
				own = own[1:]
			}
			place++
		}
	}
	return cut.Parts()
}

func (s *snapshot) indexOf(parts []repodata.IndexPart) *repodata.IndexFrame {
	return repodata.NewIndexFrame(repodata.ShardIndexInfo{Subdir: s.subdir, CreatedAt: s.modified}, parts)
}

// cutList gives the parts of the entries, those of known where they are the
// same. Where parts begin depends on the names alone.
func cutList(entries []*entry, known []*listPart) []*listPart {
	out := make([]*listPart, 0, len(known)+2)
	for len(entries) > 0 {
		for len(known) > 0 && known[0].entries[0].name < entries[0].name {
			known = known[1:]
		}
		if len(known) > 0 && known[0].is(entries) {
			out = append(out, known[0])
			entries = entries[len(known[0].entries):]
			continue
		}
		n := 1
		for n < len(entries) && !repodata.Segment(entries[n].name) {
			n++
		}
		// Its own list: a part of the snapshot's would hold all of that.
		p := &listPart{entries: slices.Clone(entries[:n])}
		p.encoded = repodata.NewIndexPart(n, func(i int) (string, [32]byte) { return p.entries[i].name, p.entries[i].shard.hash })
		out = append(out, p)
		entries = entries[n:]
	}
	return out
}

// is reports whether the part is the one at the start of entries.
func (p *listPart) is(entries []*entry) bool {
	n := len(p.entries)
	return n <= len(entries) && slices.Equal(p.entries, entries[:n]) && (n == len(entries) || repodata.Segment(entries[n].name))
}
