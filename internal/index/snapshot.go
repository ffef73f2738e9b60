package index

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The two groups of a repodata document.
const (
	groupTarBz2 = iota
	groupConda
	groups
)

func groupOf(fileName string) int {
	if strings.HasSuffix(fileName, ".conda") {
		return groupConda
	}
	return groupTarBz2
}

// snapshot is one subdir of a channel at one generation, for callers who see
// the same. All but the lazily made documents is immutable.
type snapshot struct {
	channel    string // id
	subdir     string
	generation int64     // the last one that changed this subdir
	modified   time.Time // when that was
	viewKey    string    // "" or a hash of what is hidden

	entries []*entry  // sorted by name; of a filtered one nil: see all
	shared  *sharing  // of a filtered one
	whole   *snapshot // of a view: the one that has the hidden names, too

	mu    sync.Mutex
	forms map[Form]*making
	views map[string]*snapshot

	text    text    // of repodata.json
	exports text    // of run_exports.json
	current text    // of current_repodata.json
	picker  *picker // of the subdir as it is now; nil elsewhere
	listing sync.Mutex
	list    []*listPart // of the shard index; of an earlier state until somebody asks

	hashes sync.Once
	byHash map[hashKey]*shard

	filling  sync.Mutex               // held while columns or ages are made
	columned atomic.Pointer[columned] // nil: nothing is known of columns
	lay      *laying                  // of a filtered snapshot: its runs are made when a form asks
}

// shard finds a shard by its hash; a nil snapshot has none.
func (s *snapshot) shard(hash hashKey) (*shard, bool) {
	if s == nil {
		return nil, false
	}
	s.hashes.Do(func() {
		s.byHash = make(map[hashKey]*shard, s.count())
		for _, e := range s.all() {
			s.byHash[e.shard.hash] = e.shard
		}
	})
	sh, ok := s.byHash[hash]
	return sh, ok
}

// entry is one package name.
type entry struct {
	name  string
	sizes [groups]int // bytes of JSON text of its records, unless part is there
	shard *shard

	columns atomic.Pointer[columns]      // nil until a predicate asks
	exports atomic.Pointer[exportSizes]  // nil until somebody asks for run_exports.json
	current atomic.Pointer[currentFacts] // nil until somebody asks for current_repodata.json
	part    *part                        // of a view that loses some records of the name
}

// shard is one encoded shard.
type shard struct {
	name       string
	generation int64 // one at which these are the records of the name
	hash       hashKey
	held       atomic.Pointer[[]byte]

	bared atomic.Pointer[shard] // the same without bytes, for all views that have a part of it
}

// bare is the shard without its bytes.
func (s *shard) bare() *shard {
	if s.bared.Load() == nil {
		s.bared.CompareAndSwap(nil, &shard{name: s.name, generation: s.generation, hash: s.hash})
	}
	return s.bared.Load()
}

// bytes are those of the shard, nil where only its hash is held: of the past, and
// after a start from a saved state. They can be made again from rows.
func (s *shard) bytes() []byte {
	if held := s.held.Load(); held != nil {
		return *held
	}
	return nil
}

// hold gives the shard its bytes.
func (s *shard) hold(data []byte) { s.held.Store(&data) }

// find gives the place of a name and whether it is there.
func find(entries []*entry, name string) (int, bool) {
	return slices.BinarySearchFunc(entries, name, func(e *entry, n string) int { return strings.Compare(e.name, n) })
}

func (s *snapshot) has(name string) bool { return s.entry(name) != nil }

// merge gives the sorted list in which the entries of changed stand in place of
// those of their names; a nil entry takes its name away.
func merge(entries []*entry, changed map[string]*entry) []*entry {
	names := make([]string, 0, len(changed))
	for n := range changed {
		names = append(names, n)
	}
	slices.Sort(names)
	out := make([]*entry, 0, len(entries)+len(changed))
	rest := entries
	for _, n := range names {
		i, ok := find(rest, n)
		out = append(out, rest[:i]...)
		if ok {
			i++
		}
		rest = rest[i:]
		if e := changed[n]; e != nil {
			out = append(out, e)
		}
	}
	return append(out, rest...)
}
