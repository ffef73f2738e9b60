package model

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestModel makes random changes by a seed, which TERRARIUM_SEED sets.
func TestModel(t *testing.T) {
	steps := 120
	if os.Getenv("TEST_POSTGRES") != "" {
		steps = 60
	}
	w := begin(t)
	w.importing(w.channels[0], 60, named)
	for w.step = 1; w.step <= steps; w.step++ {
		w.change()
		w.settle()
		w.govern()
		switch {
		case w.step%40 == 0:
			w.Restart()
			w.check()
		case w.step%4 == 0:
			w.check()
		}
	}
	w.checkAll()
	w.Restart()
	w.check()
	w.fsck()
}

// begin makes a world by the seed, and ends with a line that says what was done.
func begin(t *testing.T) *world {
	t.Helper()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("TERRARIUM_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("TERRARIUM_SEED=%d, step %d: %s", seed, w.step, w.last)
			return
		}
		generations := 0
		for _, c := range w.channels {
			generations += len(c.past)
		}
		t.Logf("seed %d: %d times a channel in %d generations and %d times what a policy leaves were compared; done: %v", seed, w.compared, generations, w.views, w.did)
	})
	return w
}

// change makes one random change, of what can be done now.
func (w *world) change() {
	w.Helper()
	c := w.channels[w.IntN(len(w.channels))]
	other := w.channels[1-slices.Index(w.channels[:2], w.channel("ana", "main"))]
	alive := func(f *file) bool { return !f.deleted }
	labelled := func(f *file) bool { return !f.deleted && f.labels[c.name] && f.owner == c.owner }
	what, do := "", func(*file) {}
	holds := alive
	switch w.IntN(25) {
	case 0, 1, 2:
		what, holds, do = "delete", labelled, w.remove
	case 3, 4:
		what, do = "restore", w.restore
		holds = func(f *file) bool { return f.deleted && f.id != "" && w.live(f.owner, f.key()) == nil }
	case 5, 6:
		what, do = "label", func(f *file) { w.label(f, c) }
		holds = func(f *file) bool { return !f.deleted && f.owner == c.owner }
	case 7:
		what, holds, do = "unlabel", labelled, func(f *file) { w.unlabel(f, c) }
	case 8:
		what, do = "copy label", func(*file) { w.copyLabel(w.channels[0], other) }
	case 9, 10:
		what, do = "withdraw or put back", w.withdraw
		holds = func(f *file) bool { return !f.deleted && len(f.labels) > 0 }
	case 11, 12:
		from, to := w.channels[w.IntN(2)], w.channels[2]
		what, do = "transfer", func(f *file) { w.transfer(f, from, to) }
		holds = func(f *file) bool {
			return !f.deleted && f.owner == from.owner && f.labels[from.name] && w.live(to.owner, f.key()) == nil
		}
	case 13:
		what, do = "private or public", w.hide
	case 14, 15:
		what, do = "hotfix", func(*file) { w.hotfix(c, subdirs[w.IntN(len(subdirs))], false) }
	case 16, 17:
		what, do = "roll back", func(*file) { w.rollBack(c, w.some(c)) }
	case 18:
		what, do = "freeze or thaw", func(*file) { w.freeze(c) }
	case 19:
		if len(w.snapshots) < 4 {
			what, do = "snapshot", func(*file) { w.snapshot(c) }
		}
	case 20, 22:
		if w.did["import"] < 6 {
			what, do = "import", func(*file) { w.importing(c, 25, named) }
		}
	case 23:
		what, do = "delete an owner", func(*file) { w.deleteOwner() }
	case 21:
		what, do = "upload again", w.again
		holds = func(f *file) bool { // alone, since twins must be the same package
			return f.deleted && w.live(f.owner, f.key()) == nil && !slices.ContainsFunc(w.files, func(o *file) bool { return o.key() == f.twin() })
		}
	}
	if w.IntN(40) == 0 {
		what, do = "delete a package", w.removePackage
		holds = func(f *file) bool { return !f.deleted && !w.private[f.owner+"/"+f.rec.Name] }
	}
	f := w.pick(holds)
	if what == "" || f == nil {
		what, do = "upload", func(*file) { w.upload(c) }
	}
	w.last = what + " " + c.path()
	if f != nil {
		w.last += " " + f.owner + "/" + f.key()
	}
	w.did[what]++
	do(f)
}

// again uploads other bytes under the name of a file that was deleted.
func (w *world) again(f *file) {
	w.Helper()
	s := w.spec()
	rec := f.rec
	s.Name, s.Version, s.Build, s.Subdir, s.BuildNumber, s.Depends = rec.Name, rec.Version, rec.Build, rec.Subdir, rec.BuildNumber, rec.Depends
	s.Format = ""
	if format(f.name) == 0 {
		s.Format = "tar.bz2"
	}
	w.add(w.channel(f.owner, "main"), s)
}
