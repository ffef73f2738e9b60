package model

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"

	"terrarium/internal/apptest"
)

// TestModelAtSize changes channels that are large enough for the ways that only large
// ones go: imports and hotfixes of several batches, labels that are put on and taken
// off under a generation to come, a shard index that is written in blocks, and a name
// whose shard is kept in pieces.
func TestModelAtSize(t *testing.T) {
	w := begin(t)
	from, to := w.channel("ana", "main"), w.channel("ana", "dev")
	w.importing(from, 2000, func(i int) string {
		if i%10 > 7 {
			return named(i)
		}
		return fmt.Sprintf("one-of-very-many-packages-with-a-name-that-is-rather-long-%04d", i)
	})
	w.large(from)
	w.look()
	small := slices.Sorted(maps.Keys(to.past))[0]
	steps := []struct {
		what string
		do   func()
	}{
		{"copy label meanwhile", func() { w.copyMeanwhile(from, to) }},
		{"unlabel all meanwhile", func() { w.unlabelMeanwhile(to) }},
		{"label all", func() { w.labelAll(to) }},
		{"hotfix meanwhile", func() { w.hotfixMeanwhile(from) }},
		{"copy label", func() { w.copyLabel(from, to) }},
		{"unlabel all", func() { w.unlabelAll(to) }},
		{"import", func() { w.importing(from, 700, named) }},
		{"roll back", func() { w.rollBack(to, w.some(to)) }},
		{"roll back to the first", func() { w.rollBack(to, small) }},
		{"roll back the source", func() { w.rollBack(from, w.some(from)) }},
		{"delete a package", func() {
			w.removePackage(w.pick(func(f *file) bool { return !f.deleted && f.owner == "ana" && f.rec.Name == "many" }))
		}},
	}
	rest := steps[4:] // a label is on many and comes off them, and many are patched, whatever else
	w.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	every := 2
	if os.Getenv("TEST_POSTGRES") != "" {
		steps, every = steps[:len(steps)-4], 4
	}
	for i, s := range steps {
		w.step, w.last = i+1, s.what
		s.do()
		w.did[s.what]++
		w.settle()
		w.govern()
		w.look()
	}
	w.Restart()
	w.look()
	for _, c := range []*channel{from, to} {
		for i, at := range slices.Sorted(maps.Keys(c.past)) {
			if i%every == 0 {
				w.compare(fmt.Sprintf("%s/at/%d", c.path(), at), c, at, w.anybody())
				w.compareView(w.policies[i%len(w.policies)], c.path(), at, c, at, w.anybody())
			}
		}
	}
	w.fsck()
}

// large looks that a channel is large enough for what the test is about.
func (w *world) large(c *channel) {
	w.Helper()
	records := map[string]int{}
	for _, r := range c.lists.visible("noarch", nil) {
		records[r.Name] += len(r.encoded().Msgpack)
	}
	var parts []byte
	for name := range records {
		parts = append(append(parts, name...), make([]byte, 34)...)
	}
	if n := len(c.lists); n <= 1200 || len(parts) <= 128<<10 || records["many"] <= 64<<10 {
		w.Fatalf("%s has %d records, a shard index of %d bytes and a shard of %d", c.path(), n, len(parts), records["many"])
	}
}

// look compares the two channels that are large as they are, and what a policy leaves
// of one of them.
func (w *world) look() {
	w.Helper()
	for i, c := range w.channels[:2] {
		w.compare(c.path(), c, c.generation, w.anybody())
		if (w.step+i)%2 == 0 {
			w.compareView(w.policies[w.IntN(len(w.policies))], c.path(), 0, c, c.generation, w.anybody())
		}
	}
}

// meanwhile makes a large change of a channel by a request, while a package is uploaded
// and some files are deleted or withdrawn, one after the other. What came first, the log
// of the channel says: apply does to the model what the large change does, and is told
// which of the files went after it.
func (w *world) meanwhile(c, uploads *channel, gone []*file, cause, method, path string, r apptest.Request, apply func(late []*file)) {
	w.Helper()
	before, was := c.generation, maps.Clone(c.lists)
	type result struct {
		*apptest.Answer
		err error
	}
	done := make(chan result, 1)
	r.Token = w.ana.Token
	go func() {
		got, err := w.Try(context.WithoutCancel(w.Context()), method, path, r)
		done <- result{got, err}
	}()
	w.upload(uploads)
	uploaded := w.files[len(w.files)-1]
	for _, f := range gone {
		goes := []func(*file){w.remove, w.withdraw}[w.IntN(2)]
		goes(f)
	}
	if got := <-done; got.err != nil || got.Status != http.StatusCreated && got.Status != http.StatusOK {
		w.Fatalf("a large change: %v %v", got.err, got.Answer)
	}
	went := func(g logged) bool { return g.Cause == "delete" || g.Cause == "withdraw" }
	log := slices.DeleteFunc(w.log(c, 20), func(g logged) bool { return g.Generation <= before })
	slices.Reverse(log)
	if c.lists = was; was[gone[0].key()] == nil { // it says of those only that it had by then
		gone = gone[len(gone)-count(log, went):]
	}
	for i, g := range log {
		switch {
		case g.Cause == "upload":
			c.list(uploaded)
		case g.Cause == cause:
			apply(gone[len(gone)-min(len(gone), count(log[i:], went)):])
		case went(g):
			c.unlist(gone[count(log[:i], went)])
		default:
			w.Fatalf("%s has a generation by %s", c.path(), g.Cause)
		}
		c.past[g.Generation], c.generation = maps.Clone(c.lists), g.Generation
		w.learn(c)
	}
}

func count(log []logged, holds func(logged) bool) (n int) {
	for _, g := range log {
		if holds(g) {
			n++
		}
	}
	return n
}

// listed picks files that a channel lists and that hold.
func (w *world) listed(c *channel, holds func(*file) bool) (list []*file) {
	w.Helper()
	for range 6 {
		f := w.pick(func(f *file) bool {
			return f.owner == c.owner && c.lists[f.key()] != nil && c.lists[f.key()].file == f && holds(f) && !slices.Contains(list, f)
		})
		if f == nil {
			w.Fatalf("%s lists too little that can go", c.path())
		}
		list = append(list, f)
	}
	return list
}

// copyMeanwhile puts all files of a channel into another while some go.
func (w *world) copyMeanwhile(from, to *channel) {
	w.Helper()
	gone := w.listed(from, func(f *file) bool { return !f.labels[to.name] && to.lists[f.key()] == nil })
	w.meanwhile(to, to, gone, "label", "POST", "/api/channels/"+from.path()+"/copy/"+to.name, apptest.Request{}, func(late []*file) {
		for _, f := range w.files {
			switch {
			case slices.Contains(late, f):
				f.labels[to.name], to.lists[f.key()] = true, f.rec
			case f.owner == from.owner && f.labels[from.name] && !f.deleted:
				to.list(f)
			}
		}
	})
}

// unlabelMeanwhile takes all files out of a channel while some go.
func (w *world) unlabelMeanwhile(c *channel) {
	w.Helper()
	gone := w.listed(c, func(f *file) bool { return f.labels["main"] }) // by which it is found in any case
	body := []byte(`{"package":null,"version":null,"basename":null}`)
	w.meanwhile(c, w.channels[2], gone, "label", "DELETE", "/api/channels/"+c.path(), apptest.Request{Body: body}, func([]*file) {
		clear(c.lists)
		for _, f := range w.files {
			if f.owner == c.owner && (!f.deleted || slices.Contains(gone, f)) {
				delete(f.labels, c.name)
			}
		}
	})
}

// hotfixMeanwhile patches many records while some go.
func (w *world) hotfixMeanwhile(c *channel) {
	w.Helper()
	body, patch := w.patches(c, "noarch", true)
	r := apptest.Request{Body: body, Type: "application/octet-stream"}
	w.meanwhile(c, c, w.listed(c, func(*file) bool { return true }), "patch", "POST", patchesOf(c, "noarch"), r, func([]*file) {
		if err := c.patch("noarch", patch); err != nil {
			w.Fatal(err)
		}
	})
}
