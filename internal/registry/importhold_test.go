package registry_test

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// While an import runs, the channel takes nothing else; an import that died does
// not stop it for ever, and leaves nothing that a later generation shows.
func TestImportHoldsChannel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.must(w.alice, "alice", condatest.Spec{})
		w.exec("UPDATE channels SET importing_until = $2 WHERE id = $1", "main-alice", start.Add(time.Minute))
		w.exec(`INSERT INTO records (channel_id, subdir, name, file_name, added, file_id, version, build, build_number, size, json, msgpack)
			SELECT channel_id, subdir, 'half', 'half-1.0-0.conda', 2, file_id, version, build, build_number, size, json, msgpack FROM records WHERE file_id = $1`, f.ID)
		_, _, err := w.upload(w.alice, "alice", condatest.Spec{Name: "more"})
		wantKind(t, err, errs.Unavailable)
		w.wantListed("alice", "main", -1, demo)
		w.pass(2 * time.Minute)
		w.must(w.alice, "alice", condatest.Spec{Name: "more"})
		w.wantListed("alice", "main", -1, demo, "noarch/more-1.0-0.conda")
		w.clean()
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
			w.exec("UPDATE channels SET importing_until = $1 WHERE importing_until IS NOT NULL", start.Add(-time.Second))
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
			if err := db.Row(w.ctx, "SELECT importing_until FROM channels WHERE importing_until IS NOT NULL").Scan(&at); err != nil {
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
		_, _, err := w.upload(w.alice, "acme", condatest.Spec{Name: "more"}, into("copy"))
		wantKind(t, err, errs.Unavailable)
		close(src.goOn)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wantListed("acme", "copy", -1, "noarch/a-1.0-0.conda")
		w.must(w.alice, "acme", condatest.Spec{Name: "more"}, into("copy"))
		w.clean()
	})
}
