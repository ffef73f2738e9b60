package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestImportBeside: while an import runs, the same channel takes other changes, and
// what is being loaded is not seen by anybody. Where both need the same package or
// release, it is there for the one who is done.
func TestImportBeside(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.must(w.alice, "acme", condatest.Spec{Name: "old"}, into("copy"))
		var seen []string
		src := registry.ImportSource{
			Files:        fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(2000)}},
			MetadataOnly: true, BaseURL: "https://channel.test", Name: "many",
		}
		before := w.rows()
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, func(_ string, done int) {
			seen = append(seen, fmt.Sprint(done))
			if len(seen) != 2 {
				return
			}
			now := w.rows()
			now["audit"], now["generation_names"], now["file_channels"], now["records"] = before["audit"], before["generation_names"], before["file_channels"], before["records"]
			if d := cmp.Diff(before, now); d != "" {
				t.Errorf("half an import is seen:\n%s", d)
			}
			w.must(w.alice, "acme", condatest.Spec{Name: "new"}, into("copy"))
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "old", "1.0", old.Basename); err != nil {
				t.Error(err)
			}
			w.wantListed("acme", "copy", -1, "noarch/new-1.0-0.conda")
			w.must(w.alice, "acme", condatest.Spec{Name: "package00003", Version: "1.3", Build: "other"}, into("copy")) // written already
			w.must(w.alice, "acme", condatest.Spec{Name: "package00190", Version: "1.3", Build: "other"}, into("dev"))  // still to come
			_, _, err := w.upload(w.alice, "acme", condatest.Spec{Name: "package00003", Version: "1.4"}, into("copy"))
			wantKind(t, err, errs.Unavailable) // the name of the very file that is coming
			_, err = w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
			wantKind(t, err, errs.Conflict)
		})
		if err != nil || report.Subdirs["noarch"].Added != 2000 || len(seen) < 3 {
			t.Fatalf("got %+v after %v, %v", report, seen, err)
		}
		opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "copy")
		if err != nil {
			t.Fatal(err)
		}
		if list, total, err := w.ChannelPackages(w.ctx, opened, "", 10); err != nil || total != 201 || len(list) != 10 {
			t.Errorf("%d packages, %v", total, err)
		}
		for name, want := range map[string]string{"package00003": "1.9", "package00190": "1.9", "package00007": "1.9", "new": "1.0"} {
			p, err := w.Package(w.ctx, w.nobody, "acme", name)
			if err != nil || p.Latest != want {
				t.Errorf("%s: latest %q, want %q, %v", name, p.Latest, want, err)
			}
		}
		if files, err := w.Files(w.ctx, w.nobody, "acme", "package00003", "1.3"); err != nil || len(files) != 2 {
			t.Errorf("package00003 1.3 has %d files, %v", len(files), err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "later"}, into("copy"))
		w.clean()
	})
}

// TestToldWhenVisible: packages of an import that was broken off, and is gone on with, are
// described when they are seen, whoever else has ended an import in between.
func TestToldWhenVisible(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		src := func(n int) registry.ImportSource {
			return registry.ImportSource{Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "many"}
		}
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		_, err := w.Import(ctx, w.alice, "acme", "copy", src(3000), func(_ string, done int) {
			if done >= 1000 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want the import cancelled", err)
		}
		between := false
		_, err = w.Import(w.ctx, w.alice, "acme", "copy", src(3000), func(_ string, done int) {
			if between || done < 2500 {
				return
			}
			between = true
			if _, err := w.Import(w.ctx, w.alice, "alice", "copy", src(3), nil); err != nil {
				t.Error(err)
			}
		})
		if err != nil || !between {
			t.Fatalf("%v, %v", between, err)
		}
		if n := w.count("SELECT count(*) FROM packages WHERE latest = ''"); n > 0 {
			t.Errorf("%d packages have no newest version", n)
		}
	})
}

// TestImportGoesOn: an import that was interrupted leaves nothing to be seen, goes on
// where it stopped, and is swept when something else is imported or after a week.
func TestImportGoesOn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		before := w.rows()
		document := manyRecords(3000)
		src := registry.ImportSource{Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "many"}
		half := func(name string) {
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			_, err := w.Import(ctx, w.alice, "acme", name, src, func(_ string, done int) {
				if done >= 1000 {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want the import cancelled", err)
			}
		}
		half("copy")
		after := w.rows()
		for _, table := range []string{"audit", "channels", "records", "file_channels", "generation_names"} {
			after[table] = before[table] // these are not views; records belong to a generation to come
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("an interrupted import is seen:\n%s", d)
		}
		written := w.count("SELECT count(*) FROM file_rows")
		if written < 1000 || written >= 3000 {
			t.Fatalf("%d files are written, want some", written)
		}
		w.wantListed("acme", "copy", -1)
		// Nobody waits for what may never go on.
		w.must(w.alice, "acme", condatest.Spec{Name: "package00005", Version: "1.5"}, into("copy"))
		w.wantListed("acme", "copy", -1, "noarch/package00005-1.5-0.conda")
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if err != nil || report.Subdirs["noarch"].Added != 2999 || report.Subdirs["noarch"].LeftOut != 1 || w.count("SELECT count(*) FROM file_rows") != 3000 {
			t.Errorf("got %+v, %v", report, err)
		}
		if p, err := w.Package(w.ctx, w.nobody, "acme", "package00003"); err != nil || p.Latest != "1.9" {
			t.Errorf("got %+v, %v", p, err)
		}
		w.clean()

		for _, sweep := range []func(){
			func() { // something else
				other := src
				other.Name, other.Files = "three", fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(3)}}
				if _, err := w.Import(w.ctx, w.alice, "alice", "", other, nil); err != nil {
					t.Error(err)
				}
				w.wantListed("alice", "main", -1, "noarch/package00000-1.0-0.conda", "noarch/package00000-1.1-0.conda", "noarch/package00000-1.2-0.conda")
			},
			func() { // nothing for a week
				w.pass(6 * 24 * time.Hour)
				if n, err := w.SweepStagings(w.ctx); err != nil || n != 0 {
					t.Errorf("swept %d too early, %v", n, err)
				}
				w.pass(2 * 24 * time.Hour)
				if n, err := w.SweepStagings(w.ctx); err != nil || n != 1 {
					t.Errorf("swept %d, %v", n, err)
				}
			},
		} {
			ctx, cancel := context.WithCancel(w.ctx)
			_, err := w.Import(ctx, w.alice, "alice", "", src, func(_ string, done int) {
				if done >= 1500 {
					cancel()
				}
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			sweep()
			if n := w.count("SELECT count(*) FROM file_rows WHERE staging IN (SELECT id FROM stagings)") + w.count("SELECT count(*) FROM stagings") +
				w.count("SELECT count(*) FROM records r JOIN channels c ON c.id = r.channel_id WHERE r.added > c.generation") +
				w.count("SELECT count(*) FROM generation_names n JOIN channels c ON c.id = n.channel_id WHERE n.number > c.generation"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			w.clean()
		}
	})
}

// TestImportDifference: a source that is imported again brings what differs, in one
// generation, and none where nothing does. What was changed here since is looked at.
func TestImportDifference(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		load := func(document []byte) registry.ImportCount {
			t.Helper()
			report, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{
				Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "many",
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			count := report.Subdirs["noarch"]
			count.Location, count.Reasons = "", nil
			return count
		}
		generation := func() (n int64) {
			if err := w.db.Row(w.ctx, "SELECT generation FROM channels WHERE name = 'copy'").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		want := func(what string, got, want registry.ImportCount, generations bool, before int64) {
			t.Helper()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
			if (generation() != before) != generations {
				t.Errorf("%s: generation %d after %d", what, generation(), before)
			}
			w.clean()
		}
		want("first", load(manyRecords(1000)), registry.ImportCount{Added: 1000}, true, 0)
		at := generation()
		want("again", load(manyRecords(1000)), registry.ImportCount{Kept: 1000}, false, at)
		want("ten more", load(manyRecords(1010)), registry.ImportCount{Kept: 1000, Added: 10}, true, at)
		fixed := bytes.Replace(manyRecords(1010), []byte("numpy >=1.20"), []byte("numpy >=1.21"), 7)
		first := generation()
		want("a hotfix", load(fixed), registry.ImportCount{Kept: 1003, Changed: 7}, true, first)
		for g, needs := range map[int64]string{first: "numpy >=1.20", generation(): "numpy >=1.21"} {
			var text []byte
			err := w.db.Row(w.ctx, "SELECT json FROM records WHERE added <= $1 AND (removed IS NULL OR removed > $1) AND version = '1.3' AND name = 'package00000'", g).Scan(&text)
			if err != nil || !bytes.Contains(text, []byte(needs)) {
				t.Errorf("at %d: %s, %v", g, text, err)
			}
		}
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "package00050", "1.5", "noarch/package00050-1.5-0.conda"); err != nil {
			t.Fatal(err)
		}
		at = generation()
		want("after a deletion", load(fixed), registry.ImportCount{Kept: 1009, Added: 1}, true, at)
		at = generation()
		want("at rest", load(fixed), registry.ImportCount{Kept: 1010}, false, at)
	})
}

// TestImportLost: an import whose channel another one took, because it seemed
// dead, writes no more and sweeps nothing of what the other has brought.
func TestImportLost(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		src := registry.ImportSource{Files: w.channelFolder(nil), Name: "a folder"}
		other := registry.ImportSource{Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(3)}}, MetadataOnly: true, BaseURL: "https://channel.test"}
		inside, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		_, err := w.Import(w.ctx, w.alice, "acme", "copy", src, func(string, int) {
			_, err := w.Import(w.ctx, w.alice, "acme", "copy", other, nil)
			wantKind(t, err, errs.Conflict) // the hold counts
			w.exec("UPDATE stagings SET held_until = $1", start.Add(-time.Second))
			w.pass(time.Second)
			go func() {
				_, err := w.Import(w.ctx, w.alice, "acme", "copy", other, func(string, int) {
					close(inside)
					<-goOn
				})
				ended <- err
			}()
			<-inside
		})
		wantKind(t, err, errs.Conflict)
		close(goOn)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wantListed("acme", "copy", -1, "noarch/package00000-1.0-0.conda", "noarch/package00000-1.1-0.conda", "noarch/package00000-1.2-0.conda")
		w.must(w.alice, "acme", condatest.Spec{Name: "new"}, into("copy"))
	})
}

// waits is a folder whose document says when it is opened, and waits.
type waits struct {
	fs.FS
	opened, goOn chan struct{}
}

// Open implements fs.FS.
func (f waits) Open(name string) (fs.File, error) {
	if name == "noarch/repodata.json" {
		close(f.opened)
		<-f.goOn
	}
	return f.FS.Open(name)
}

// Stat keeps fs.Stat from opening the file.
func (f waits) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

// TestImportIsSilent: an import that writes nothing for longer than the lease,
// because its source is slow, still has its channel.
func TestImportIsSilent(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		const lease = 500 * time.Millisecond
		w := newWorld(t, db, registry.Options{ImportLease: lease})
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		src := waits{w.channelFolder(nil), make(chan struct{}), make(chan struct{})}
		until := func() (at time.Time) {
			if err := db.Row(w.ctx, "SELECT held_until FROM stagings").Scan(&at); err != nil {
				t.Fatal(err)
			}
			return at
		}
		ended := make(chan error, 1)
		go func() {
			_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: src}, nil)
			ended <- err
		}()
		<-src.opened
		for range 3 {
			before := until()
			w.pass(lease - time.Millisecond) // the hold has a moment left
			for deadline := time.After(20 * time.Second); !until().After(before); {
				select {
				case <-deadline:
					t.Fatal("the hold was not renewed")
				case <-time.After(lease / 20):
				}
			}
		}
		_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: src.FS}, nil)
		wantKind(t, err, errs.Conflict)
		close(src.goOn)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wantListed("acme", "copy", -1, "noarch/a-1.0-0.conda")
		w.must(w.alice, "acme", condatest.Spec{Name: "more"}, into("copy"))
		w.clean()
	})
}
