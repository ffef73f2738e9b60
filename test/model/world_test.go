package model

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/apptest"
	"terrarium/internal/repodata"
)

// world is the program, its model, and what decides on the next change.
type world struct {
	testing.TB
	*apptest.App
	*rand.Rand
	ana, root *apptest.Person
	folder    string // of imports

	files     []*file
	channels  []*channel
	snapshots map[string]snapshot
	private   map[string]bool   // "owner/package"
	gone      map[string]bool   // such that were deleted
	sources   map[string][]said // of the last import into a channel

	shards   map[[32]byte][]repodata.ShardFile // that were read
	policies []*policy
	passed   time.Duration // by how much the clock was moved

	step, compared, views int
	did                   map[string]int
	last                  string // what was done, for messages
}

// snapshot is a channel that is another one as it was.
type snapshot struct {
	of         *channel
	generation int64
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	a := apptest.New(t, apptest.Setting("log_level", "warn"))
	w := &world{
		TB: t, App: a, Rand: rand.New(rand.NewPCG(seed, 0)), ana: a.User(t, "ana"), root: a.Operator(t, "root"), folder: t.TempDir(),
		private: map[string]bool{}, gone: map[string]bool{}, sources: map[string][]said{}, snapshots: map[string]snapshot{}, did: map[string]int{},
	}
	w.shards = map[[32]byte][]repodata.ShardFile{}
	a.Org(t, "bolt", w.ana) // which is hers, so that copies have another owner
	for _, path := range []string{"ana/main", "ana/dev", "bolt/main"} {
		owner, name, _ := strings.Cut(path, "/")
		w.channels = append(w.channels, &channel{owner: owner, name: name, lists: listing{}, past: map[int64]listing{}})
	}
	for _, c := range w.channels {
		w.upload(c)
	}
	w.settle()
	for range 3 {
		w.policies = append(w.policies, w.newPolicy())
	}
	return w
}

// hidden are the packages of an owner that somebody does not see: a stranger, who
// has no token, not the private ones.
func (w *world) hidden(owner, token string) map[string]bool {
	out := map[string]bool{}
	if token != "" {
		return out
	}
	for path := range w.private {
		if o, name, _ := strings.Cut(path, "/"); o == owner {
			out[name] = true
		}
	}
	return out
}

// settle gives the channels whose lists changed the generation that the program
// says, and looks that the others have the one they had.
func (w *world) settle() {
	w.Helper()
	for _, c := range w.channels {
		now := w.newest(c)
		if maps.Equal(c.lists, c.at(c.generation)) {
			if now != c.generation {
				w.Fatalf("%s is at generation %d and was at %d, though nothing of it changed", c.path(), now, c.generation)
			}
			continue
		}
		if now <= c.generation {
			w.Fatalf("%s is still at generation %d, though it lists other records", c.path(), now)
		}
		c.generation, c.past[now] = now, maps.Clone(c.lists)
		w.learn(c)
	}
}

// newest is the number of the newest generation.
func (w *world) newest(c *channel) int64 {
	w.Helper()
	log := w.log(c, 1)
	if len(log) == 0 {
		return 0
	}
	return log[0].Generation
}

// logged is a generation in the history of a channel.
type logged struct {
	Generation int64  `json:"generation"`
	Cause      string `json:"cause"`
}

func (w *world) log(c *channel, limit int) []logged {
	w.Helper()
	var list struct {
		Items []logged `json:"items"`
	}
	w.Want(w, http.StatusOK, "GET", fmt.Sprintf("/api/v1/generations/%s?limit=%d", c.path(), limit), apptest.Request{Token: w.ana.Token}).JSON(w, &list)
	return list.Items
}

// learn asks of each new file its id and when the program first saw it.
func (w *world) learn(c *channel) {
	w.Helper()
	for _, r := range c.lists {
		f := r.file
		if f.id != "" {
			continue
		}
		var told struct {
			ID        string    `json:"id"`
			IndexedAt time.Time `json:"indexed_at"`
		}
		w.Want(w, http.StatusOK, "GET", "/api/v1/files/"+c.path()+"/"+f.key(), apptest.Request{Token: w.ana.Token}).JSON(w, &told)
		f.id, f.rec.IndexedTimestamp = told.ID, told.IndexedAt.UnixMilli()
	}
}

// check compares what is served now, and some generation, with the model.
func (w *world) check() {
	w.Helper()
	for _, c := range w.channels {
		served := cmp.Or(c.frozen, c.generation)
		at := w.some(c)
		for _, token := range []string{"", w.ana.Token} {
			w.compare(c.path(), c, served, token)
			w.compare(fmt.Sprintf("%s/at/%d", c.path(), at), c, at, token)
		}
		for _, p := range w.policies {
			w.compareView(p, c.path(), 0, c, served, w.anybody())
		}
		w.compareView(w.policies[w.IntN(len(w.policies))], c.path(), at, c, at, w.anybody())
	}
	for path, s := range w.snapshots {
		w.compare(path, s.of, s.generation, w.anybody())
		w.compareView(w.policies[w.IntN(len(w.policies))], path, 0, s.of, s.generation, w.anybody())
	}
}

// anybody gives the token of somebody: ana's, or that of a stranger, who has none.
func (w *world) anybody() string { return []string{"", w.ana.Token}[w.IntN(2)] }

// some gives a generation, also one of those numbers that a large change left out.
func (w *world) some(c *channel) int64 {
	if w.IntN(4) == 0 {
		return 1 + w.Int64N(c.generation)
	}
	numbers := slices.Sorted(maps.Keys(c.past))
	return numbers[w.IntN(len(numbers))]
}

// checkAll compares every generation.
func (w *world) checkAll() {
	w.Helper()
	w.check()
	for _, c := range w.channels {
		for i, at := range slices.Sorted(maps.Keys(c.past)) {
			w.compare(fmt.Sprintf("%s/at/%d", c.path(), at), c, at, w.ana.Token)
			if i%3 == 0 {
				w.compare(fmt.Sprintf("%s/at/%d", c.path(), at), c, at, "")
			}
			w.compareView(w.policies[i%len(w.policies)], c.path(), at, c, at, w.anybody())
		}
	}
}

// fsck must find nothing.
func (w *world) fsck() {
	w.Helper()
	report, err := w.Registry.Fsck(context.WithoutCancel(w.Context()), true)
	if err != nil || len(report.Faults) > 0 {
		w.Errorf("fsck: %v %+v", err, report)
	}
}

// pick gives some file that holds, or nil.
func (w *world) pick(holds func(*file) bool) *file {
	var some []*file
	for _, f := range w.files {
		if holds(f) {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[w.IntN(len(some))]
}

// live finds the file that has a name now.
func (w *world) live(owner, key string) *file {
	i := slices.IndexFunc(w.files, func(f *file) bool { return f.owner == owner && f.key() == key && !f.deleted })
	if i < 0 {
		return nil
	}
	return w.files[i]
}

// channel finds one of an owner by its name.
func (w *world) channel(owner, name string) *channel {
	i := slices.IndexFunc(w.channels, func(c *channel) bool { return c.owner == owner && c.name == name })
	return w.channels[i]
}

// in are the channels of a file's owner whose label it has.
func (w *world) in(f *file) (list []*channel) {
	for _, name := range slices.Sorted(maps.Keys(f.labels)) {
		list = append(list, w.channel(f.owner, name))
	}
	return list
}
