//go:build crash

package registry_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// crashFolder names the folder in which the child process works.
const crashFolder = "TERRARIUM_CRASH_FOLDER"

// TestCrash runs a child that publishes, kills it at each step and looks what is
// left: what was acknowledged is there, the index names nothing that is not, and
// the same work can be done again.
func TestCrash(t *testing.T) {
	if folder := os.Getenv(crashFolder); folder != "" {
		crashWork(t, folder)
		return
	}
	for _, point := range registry.CrashPoints() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$", "-test.v")
			child.Env = append(os.Environ(), crashFolder+"="+folder, "TERRARIUM_CRASH="+point)
			out, err := child.CombinedOutput()
			exit, ok := err.(*exec.ExitError)
			if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed at %s: %v\n%s", point, err, out)
			}
			w := crashWorld(t, folder)
			acknowledged, err := os.ReadFile(filepath.Join(folder, "acknowledged"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for _, name := range bytes.Fields(acknowledged) {
				if n := w.count("SELECT count(*) FROM files WHERE name = $1", string(name)); n == 0 {
					t.Errorf("%s was acknowledged and is lost", name)
				}
			}
			report, err := w.Fsck(w.ctx, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Faults {
				// Files of a broken import are there and not listed yet.
				if f.Kind != "file-not-listed" || point != "import.batch" && point != "large.rows-written" {
					t.Errorf("%+v", f)
				}
			}
			w.at = w.at.Add(20 * 24 * time.Hour) // the import is given up, the trash is over its time
			if err := os.Remove(filepath.Join(folder, "acknowledged")); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			w.work(folder)
			w.clean()
		})
	}
}

// crashWorld opens the world of a folder, and makes it the first time.
func crashWorld(t *testing.T, folder string) *world {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, "sqlite:"+filepath.Join(folder, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(ctx, "file:"+filepath.Join(folder, "blobs"), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, blobs: blobs, ctx: ctx, at: time.Now()}
	w.Registry = registry.New(db, blobs, registry.Options{Now: w.now})
	w.SetPublisher(w)
	w.alice = access.Actor{Kind: access.KindPerson, ID: "id-alice", Name: "alice", Verified: true, Credential: "session"}
	if w.count("SELECT count(*) FROM owners") == 0 {
		w.owner("alice", "user")
	}
	return w
}

func crashWork(t *testing.T, folder string) { crashWorld(t, folder).work(folder) }

// work does all that publishes, noting what was acknowledged. It can be done
// again.
func (w *world) work(folder string) {
	w.t.Helper()
	note := func(name string, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		f, err := os.OpenFile(filepath.Join(folder, "acknowledged"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			w.t.Fatal(err)
		}
		io.WriteString(f, name+"\n")
		f.Close()
	}
	_, _, err := w.upload(w.alice, "alice", condatest.Spec{})
	note("demo-1.0-0.conda", err)

	_, _, err = w.CreatePackage(w.ctx, w.alice, "alice", "classic", registry.NewPackage{})
	if err == nil {
		_, _, err = w.CreateRelease(w.ctx, w.alice, "alice", "classic", "1.0", registry.NewRelease{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	spec := condatest.Spec{Name: "classic", Version: "1.0"}
	_, err = w.classic(w.alice, "alice", spec, condatest.Make(w.t, spec))
	if errs.Is(err, errs.Exists) {
		err = nil
	}
	note("classic-1.0-0.conda", err)

	_, err = w.Import(w.ctx, w.alice, "alice", "forge", registry.ImportSource{
		Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(30)}}, MetadataOnly: true, BaseURL: "https://channel.test",
	}, nil)
	note("package00000-1.0-0.conda", err)

	w.must(w.alice, "alice", condatest.Spec{Name: "trash"})
	if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "trash", "1.0", "noarch/trash-1.0-0.conda"); err != nil {
		w.t.Fatal(err)
	}
	w.at = w.at.Add(15 * 24 * time.Hour)
	if _, err := w.GC(w.ctx, access.System(), false, 0); err != nil {
		w.t.Fatal(err)
	}

	if w.count("SELECT count(*) FROM owners WHERE name = 'carol'") == 0 {
		w.owner("carol", "user")
	}
	if w.count("SELECT count(*) FROM owners WHERE name = 'carol' AND erase_begun_at IS NULL") == 1 {
		carol := access.Actor{Kind: access.KindPerson, ID: "id-carol", Name: "carol", Verified: true, Credential: "session"}
		w.must(carol, "carol", condatest.Spec{})
		w.exec("UPDATE owners SET deleted_at = $1, erase_begun_at = $1 WHERE name = 'carol'", w.now())
	}
	if _, err := w.Erase(w.ctx, "id-carol"); err != nil {
		w.t.Fatal(err)
	}
}
