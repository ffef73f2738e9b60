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
	steps := []func(){
		func() { w.copyMeanwhile(from, to) },
		func() { w.unlabelAll(to) },
		func() { w.labelAll(to) },
		func() { w.hotfix(from, "noarch", true) },
		func() { w.copyLabel(from, to) },
		func() { w.unlabelAll(to) },
		func() { w.importing(from, 700, named) },
		func() { w.rollBack(to, w.some(to)) },
		func() {
			w.removePackage(w.pick(func(f *file) bool { return !f.deleted && f.owner == "ana" && f.rec.Name == "many" }))
		},
		func() { w.rollBack(to, small) },
		func() { w.rollBack(from, w.some(from)) },
	}
	rest := steps[3:] // the label is on many, and comes off them, whatever else
	w.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for i, step := range steps {
		w.step = i + 1
		step()
		w.settle()
		w.govern()
		w.look()
	}
	w.Restart()
	w.look()
	for _, c := range []*channel{from, to} {
		for i, at := range slices.Sorted(maps.Keys(c.past)) {
			if os.Getenv("TEST_POSTGRES") == "" || i%3 == 0 {
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

// look compares the two channels that are large as they are, and what a policy leaves.
func (w *world) look() {
	w.Helper()
	for i, c := range w.channels[:2] {
		w.compare(c.path(), c, c.generation, w.anybody())
		w.compareView(w.policies[(w.step+i)%len(w.policies)], c.path(), 0, c, c.generation, w.anybody())
	}
}

// copyMeanwhile is copyLabel while a package is uploaded to the one channel and a file
// is taken out of the other. What came first, the log of the channel says.
func (w *world) copyMeanwhile(from, to *channel) {
	w.Helper()
	before, was := to.generation, maps.Clone(to.lists)
	type result struct {
		*apptest.Answer
		err error
	}
	done := make(chan result, 1)
	go func() {
		got, err := w.Try(context.WithoutCancel(w.Context()), "POST", "/api/channels/"+from.path()+"/copy/"+to.name, apptest.Request{Token: w.ana.Token})
		done <- result{got, err}
	}()
	w.upload(to)
	uploaded := w.files[len(w.files)-1]
	removed := w.pick(func(f *file) bool {
		return !f.deleted && f.owner == from.owner && f.labels[from.name] && !f.labels[to.name]
	})
	w.remove(removed)
	if got := <-done; got.err != nil || got.Status != http.StatusCreated {
		w.Fatalf("copy of a label: %v %v", got.err, got.Answer)
	}
	to.lists = was
	log := w.log(to, 5)
	slices.Reverse(log)
	late := slices.ContainsFunc(log, func(g logged) bool { return g.Generation > before && g.Cause == "delete" })
	for _, g := range log {
		switch {
		case g.Generation <= before:
			continue
		case g.Cause == "upload":
			to.list(uploaded)
		case g.Cause == "delete":
			to.unlist(removed)
		default:
			for _, f := range w.files {
				if f.owner == from.owner && f.labels[from.name] && (!f.deleted || f == removed && late) {
					to.list(f)
				}
			}
		}
		to.past[g.Generation], to.generation = maps.Clone(to.lists), g.Generation
		w.learn(to)
	}
}
