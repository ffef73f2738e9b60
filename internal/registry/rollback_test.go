package registry_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

func TestRollBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.must(w.alice, "alice", condatest.Spec{Name: "old"})
		gone := w.must(w.alice, "alice", condatest.Spec{Name: "gone"}) // generation 2
		yanked := w.must(w.alice, "alice", condatest.Spec{Name: "yanked"})
		w.pass(24 * time.Hour)
		w.must(w.alice, "alice", condatest.Spec{Name: "old", Version: "2.0"}) // 4
		if _, err := w.RemoveLabel(w.ctx, w.alice, "alice", "main", registry.Selector{Basename: ptr(old.Basename)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "gone", "1.0", gone.Basename); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Withdraw(w.ctx, w.alice, "alice", "yanked", "1.0", yanked.Basename, "it is broken"); err != nil { // 7
			t.Fatal(err)
		}
		done, err := w.RollBack(w.ctx, w.alice, "alice", "main", "2026-11-21")
		if err != nil {
			t.Fatal(err)
		}
		want := registry.RolledBack{
			To: 3, Generation: 8, Added: 1, Removed: 1, LeftOutTotal: 2,
			LeftOut: []registry.LeftOut{
				{Subdir: "noarch", FileName: "gone-1.0-0.conda", Why: "It was deleted on 2026-11-22 and is in the trash: restore it and roll back again."},
				{Subdir: "noarch", FileName: "yanked-1.0-0.conda", Why: "It was withdrawn (it is broken)."},
			},
		}
		if d := cmp.Diff(want, done); d != "" {
			t.Errorf("rolled back (-want +got):\n%s", d)
		}
		w.wantListed("alice", "main", -1, "noarch/old-1.0-0.conda")
		f, err := w.File(w.ctx, w.alice, "alice", "old", "1.0", old.Basename)
		if err != nil || len(f.Labels) != 1 || f.Labels[0] != "main" {
			t.Errorf("the labels of what came back: %v, %v", f.Labels, err)
		}
		p, err := w.Package(w.ctx, w.alice, "alice", "old")
		if err != nil || p.Latest != "1.0" {
			t.Errorf("the newest of main is %q, %v", p.Latest, err)
		}
		if n := w.count("SELECT count(*) FROM audit WHERE action = 'channel.rollback'"); n != 1 {
			t.Errorf("%d rows in the audit log", n)
		}
		if again, err := w.RollBack(w.ctx, w.alice, "alice", "main", "3"); err != nil || again.Generation != 8 || again.Added+again.Removed != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		if _, err := w.RestoreFile(w.ctx, w.alice, gone.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RollBack(w.ctx, w.alice, "alice", "main", "3"); err != nil {
			t.Fatal(err)
		}
		w.wantListed("alice", "main", -1, "noarch/gone-1.0-0.conda", "noarch/old-1.0-0.conda")
	})
}

func TestRollBackRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "open"})
		w.must(w.alice, "acme", condatest.Spec{Name: "shut"}, private)
		for _, c := range []struct {
			actor access.Actor
			want  errs.Kind
		}{{w.nobody, errs.Unauthenticated}, {w.bob, errs.Forbidden}, {w.carol, errs.Forbidden}} {
			_, err := w.RollBack(w.ctx, c.actor, "acme", "main", "0")
			wantKind(t, err, c.want)
		}
		for spec, want := range map[string]errs.Kind{"": errs.Invalid, "9": errs.Invalid, "soon": errs.Invalid} {
			_, err := w.RollBack(w.ctx, w.alice, "acme", "main", spec)
			wantKind(t, err, want)
		}
		_, err := w.RollBack(w.ctx, w.alice, "acme", "none", "0")
		wantKind(t, err, errs.NotFound)
		if err := w.LockChannel(w.ctx, w.alice, "acme", "main"); err != nil {
			t.Fatal(err)
		}
		_, err = w.RollBack(w.ctx, w.alice, "acme", "main", "0")
		wantKind(t, err, errs.Forbidden)
		if err := w.UnlockChannel(w.ctx, w.alice, "acme", "main"); err != nil {
			t.Fatal(err)
		}
		// Who may write the channel takes public packages out and leaves those alone
		// that they may not know of.
		main, err := w.Channel(w.ctx, w.alice, "acme", "main")
		if err != nil {
			t.Fatal(err)
		}
		helper := w.bob
		helper.Grants = []access.Grant{{ObjectKind: access.OnChannel, ObjectID: main.ID, Verb: access.Write}}
		done, err := w.RollBack(w.ctx, helper, "acme", "main", "0")
		if err != nil || done.Removed != 1 || done.LeftOutTotal != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		w.wantListed("acme", "main", -1, "noarch/shut-1.0-0.conda")
	})
}

// A roll-back has its generation alone, whatever waits beside it.
func TestRollBackAmongUploads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "base"})
		var all sync.WaitGroup
		var mu sync.Mutex
		var done []registry.RolledBack
		for i := range 24 {
			all.Go(func() {
				if i%4 != 0 {
					w.must(w.alice, "alice", condatest.Spec{Name: fmt.Sprintf("p%d", i)})
					return
				}
				d, err := w.RollBack(w.ctx, w.alice, "alice", "main", "1")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				done = append(done, d)
				mu.Unlock()
			})
		}
		all.Wait()
		for _, d := range done {
			w.wantListed("alice", "main", d.Generation, "noarch/base-1.0-0.conda")
		}
	})
}

// TestRollBackBesideStaging: a channel into which a large change is being written
// is not rolled back.
func TestRollBackBesideStaging(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "old"}, into("copy"))
		asked := false
		folder := fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(2000)}}
		_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: folder, MetadataOnly: true, BaseURL: "https://channel.test"}, func(_ string, done int) {
			if asked || done == 0 || done == 2000 {
				return
			}
			asked = true
			_, err := w.RollBack(w.ctx, w.alice, "acme", "copy", "0")
			wantKind(t, err, errs.Unavailable)
			w.wantListed("acme", "copy", -1, "noarch/old-1.0-0.conda")
		})
		if err != nil || !asked {
			t.Fatalf("asked %v, %v", asked, err)
		}
		if done, err := w.RollBack(w.ctx, w.alice, "acme", "copy", "1"); err != nil || done.Removed != 2000 {
			t.Fatalf("%+v, %v", done, err)
		}
		w.wantListed("acme", "copy", -1, "noarch/old-1.0-0.conda")
	})
}

// TestRollBackLarge goes back over ten thousand files and forward again.
func TestRollBackLarge(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 10_000
		folder := fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}}
		if _, err := w.Import(w.ctx, w.alice, "alice", "forge", registry.ImportSource{Files: folder, MetadataOnly: true, BaseURL: "https://channel.test"}, nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		out, err := w.RollBack(w.ctx, w.alice, "alice", "forge", "0")
		if err != nil || out.Removed != n {
			t.Fatalf("%+v, %v", out, err)
		}
		back, err := w.RollBack(w.ctx, w.alice, "alice", "forge", fmt.Sprint(out.Generation-1))
		if err != nil || back.Added != n || back.LeftOutTotal != 0 {
			t.Fatalf("%+v, %v", back, err)
		}
		t.Logf("out and back again in %s", time.Since(begin))
		if got := len(w.listed("alice", "forge", -1)); got != n {
			t.Errorf("%d records are listed, want %d", got, n)
		}
		if got := w.count("SELECT count(*) FROM file_channels fc JOIN channels c ON c.id = fc.channel_id WHERE c.name = 'forge'"); got != n {
			t.Errorf("%d files carry the label, want %d", got, n)
		}
	})
}

// TestFrozenFiles: a frozen channel gives out the files that its index names.
func TestFrozenFiles(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.must(w.alice, "alice", condatest.Spec{Name: "demo"})
		yanked := w.must(w.alice, "alice", condatest.Spec{Name: "yanked"})
		if _, err := w.Withdraw(w.ctx, w.alice, "alice", "yanked", "1.0", yanked.Basename, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := w.FreezeChannel(w.ctx, w.alice, "alice", "main", ""); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "alice", condatest.Spec{Name: "demo", Summary: "other bytes"}, force)
		w.must(w.alice, "alice", condatest.Spec{Name: "later"})
		opened, err := w.OpenChannel(w.ctx, w.nobody, "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := w.ServedFile(w.ctx, opened, "noarch", first.Name); err != nil || f.ID != first.ID {
			t.Errorf("the frozen channel serves %s, want %s: %v", f.ID, first.ID, err)
		}
		if f, err := w.ServedFile(w.ctx, opened, "noarch", yanked.Name); err != nil || f.ID != yanked.ID {
			t.Errorf("the withdrawn file: %v, %v", f.ID, err)
		}
		_, err = w.ServedFile(w.ctx, opened, "noarch", "later-1.0-0.conda")
		wantKind(t, err, errs.NotFound)
		if _, err := w.ThawChannel(w.ctx, w.alice, "alice", "main"); err != nil {
			t.Fatal(err)
		}
		if opened, err = w.OpenChannel(w.ctx, w.nobody, "alice", ""); err != nil {
			t.Fatal(err)
		}
		if f, err := w.ServedFile(w.ctx, opened, "noarch", first.Name); err != nil || f.ID == first.ID {
			t.Errorf("thawed, the channel serves the old file: %v", err)
		}
	})
}

func TestSnapshotRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "demo"})
		if _, err := w.CreateChannel(w.ctx, w.alice, "acme", registry.NewChannel{Name: "cellar", Visibility: access.Private}); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "wine"}, into("cellar"))
		_, err := w.CreateSnapshot(w.ctx, w.carol, "acme", registry.NewSnapshot{Name: "s", Owner: "acme"})
		wantKind(t, err, errs.Forbidden)
		_, err = w.CreateSnapshot(w.ctx, w.bob, "bob", registry.NewSnapshot{Name: "s", Owner: "acme", Channel: "cellar"})
		wantKind(t, err, errs.NotFound)
		_, err = w.CreateSnapshot(w.ctx, w.alice, "acme", registry.NewSnapshot{Name: "s", Owner: "acme", At: "77"})
		wantKind(t, err, errs.Invalid)
		if _, err := w.CreateSnapshot(w.ctx, w.bob, "bob", registry.NewSnapshot{Name: "theirs", Owner: "acme"}); err != nil {
			t.Fatal(err)
		}
		// A public snapshot of what is private is as private as that, also in lists.
		if _, err := w.CreateSnapshot(w.ctx, w.alice, "acme", registry.NewSnapshot{Name: "s", Owner: "acme", Channel: "cellar", Visibility: access.Public}); err != nil {
			t.Fatal(err)
		}
		_, err = w.CreateSnapshot(w.ctx, w.alice, "acme", registry.NewSnapshot{Name: "s", Owner: "acme"})
		wantKind(t, err, errs.Exists)
		for _, c := range []struct {
			actor access.Actor
			sees  bool
		}{{w.nobody, false}, {w.bob, false}, {w.carol, false}, {w.alice, true}} {
			if _, err := w.OpenChannel(w.ctx, c.actor, "acme", "s"); (err == nil) != c.sees {
				t.Errorf("%s opens the snapshot: %v", c.actor.Name, err)
			}
			if _, err := w.Channel(w.ctx, c.actor, "acme", "s"); (err == nil) != c.sees {
				t.Errorf("%s reads the snapshot: %v", c.actor.Name, err)
			}
			list, err := w.Channels(w.ctx, c.actor, "acme")
			if err != nil {
				t.Fatal(err)
			}
			listed := false
			for _, ch := range list {
				listed = listed || ch.Name == "s"
			}
			if listed != c.sees {
				t.Errorf("the list of channels shows %s the snapshot: %v", c.actor.Name, listed)
			}
		}
		stranger, err := w.Stats(w.ctx, w.nobody)
		if err != nil {
			t.Fatal(err)
		}
		owner, err := w.Stats(w.ctx, w.alice)
		if err != nil || owner.Channels != stranger.Channels+2 {
			t.Errorf("a stranger counts %d channels, the owner %d: %v", stranger.Channels, owner.Channels, err)
		}
		// Nothing comes to it or leaves it.
		_, _, err = w.upload(w.alice, "acme", condatest.Spec{Name: "new"}, into("s"))
		wantKind(t, err, errs.Forbidden)
		_, err = w.AddLabel(w.ctx, w.alice, "acme", "s", registry.Selector{Package: ptr("demo")})
		wantKind(t, err, errs.Forbidden)
		_, err = w.RemoveLabel(w.ctx, w.alice, "acme", "s", registry.Selector{Package: ptr("demo")})
		wantKind(t, err, errs.Forbidden)
		_, err = w.CopyLabel(w.ctx, w.alice, "acme", "s", "dev")
		wantKind(t, err, errs.Forbidden)
		_, err = w.RollBack(w.ctx, w.alice, "acme", "s", "0")
		wantKind(t, err, errs.Forbidden)
		_, err = w.FreezeChannel(w.ctx, w.alice, "acme", "s", "")
		wantKind(t, err, errs.Forbidden)
		_, err = w.ThawChannel(w.ctx, w.alice, "acme", "s")
		wantKind(t, err, errs.Forbidden)
	})
}

// TestHistory compares what the log tells everybody with what the records say, and
// looks that it does not tell of what is hidden.
func TestHistory(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "open"})                         // 1
		shut := w.must(w.alice, "acme", condatest.Spec{Name: "shut"}, private)        // 2
		w.must(w.alice, "acme", condatest.Spec{Name: "open", Version: "2.0"})         // 3
		if _, err := w.CopyLabel(w.ctx, w.alice, "acme", "main", "dev"); err != nil { // dev 1: both packages in one generation
			t.Fatal(err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "open", Summary: "again"}, force) // 4
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "shut", "1.0", shut.Basename); err != nil {
			t.Fatal(err)
		}
		type told struct {
			Generation     int64
			Names          []string
			Added, Removed int64
		}
		history := func(actor access.Actor, channel string, before int64, limit int) (list []told, more bool) {
			t.Helper()
			o, err := w.OpenChannel(w.ctx, actor, "acme", channel)
			if err != nil {
				t.Fatal(err)
			}
			all, more, err := w.ChannelHistory(w.ctx, o, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				list = append(list, told{c.Generation, c.Names, c.Added, c.Removed})
			}
			return list, more
		}
		open, closed := []string{"open"}, []string{"shut"}
		all, _ := history(w.alice, "main", 0, 10)
		if d := cmp.Diff([]told{{5, closed, 0, 1}, {4, open, 1, 1}, {3, open, 1, 0}, {2, closed, 1, 0}, {1, open, 1, 0}}, all); d != "" {
			t.Errorf("to the owner (-want +got):\n%s", d)
		}
		some, _ := history(w.nobody, "main", 0, 10)
		if d := cmp.Diff([]told{{4, open, 1, 1}, {3, open, 1, 0}, {1, open, 1, 0}}, some); d != "" {
			t.Errorf("to a stranger (-want +got):\n%s", d)
		}
		page, more := history(w.nobody, "main", 4, 1)
		if d := cmp.Diff([]told{{3, open, 1, 0}}, page); d != "" || !more {
			t.Errorf("a page, more %v (-want +got):\n%s", more, d)
		}
		both, _ := history(w.alice, "dev", 0, 1)
		one, _ := history(w.nobody, "dev", 0, 10)
		if d := cmp.Diff([]told{{2, open, 0, 1}, {1, open, 2, 0}}, one); d != "" || len(both) != 1 {
			t.Errorf("dev to a stranger (-want +got):\n%s", d)
		}
		differences := func(actor access.Actor, from, to int64) (list []string) {
			t.Helper()
			o, err := w.OpenChannel(w.ctx, actor, "acme", "main")
			if err != nil {
				t.Fatal(err)
			}
			var after registry.FileChange
			for {
				part, next, err := w.ChannelDifferences(w.ctx, o, from, to, after, 1)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range part {
					list = append(list, c.Kind+" "+c.Subdir+"/"+c.FileName)
				}
				if after = next; after.FileName == "" {
					return list
				}
			}
		}
		if d := cmp.Diff([]string{"replaced noarch/open-1.0-0.conda"}, differences(w.nobody, 3, 4)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"replaced noarch/open-1.0-0.conda", "added noarch/open-2.0-0.conda", "removed noarch/shut-1.0-0.conda"}, differences(w.alice, 2, 5)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"replaced noarch/open-1.0-0.conda", "added noarch/open-2.0-0.conda"}, differences(w.nobody, 2, 5)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string(nil), differences(w.nobody, 1, 2)); d != "" {
			t.Error(d)
		}
		o, err := w.OpenChannel(w.ctx, w.nobody, "acme", "main")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.ChannelGeneration(w.ctx, o, 2)
		wantKind(t, err, errs.NotFound)
		if g, err := w.ChannelGeneration(w.ctx, o, 4); err != nil || g.Cause != "upload" || g.By != "alice" {
			t.Errorf("generation 4: %+v, %v", g, err)
		}
		// The log counts what the records hold.
		n, err := sqldb.All(w.ctx, w.db, sqldb.Scalar[int64], `SELECT g.number FROM generations g WHERE
			g.added <> (SELECT count(*) FROM records r WHERE r.channel_id = g.channel_id AND r.subdir = g.subdir AND r.added = g.number) OR
			g.removed <> (SELECT count(*) FROM records r WHERE r.channel_id = g.channel_id AND r.subdir = g.subdir AND r.removed = g.number)`)
		if err != nil || len(n) > 0 {
			t.Errorf("generations %v count otherwise than their records: %v", n, err)
		}
	})
}
