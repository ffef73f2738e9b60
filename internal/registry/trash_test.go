package registry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

func TestTrash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.must(w.alice, "alice", condatest.Spec{}, func(u *registry.UploadRequest) { u.Labels = []string{"dev"} })
		_, err := w.DeleteFile(w.ctx, w.bob, "alice", "demo", "1.0", demo)
		wantKind(t, err, errs.Forbidden)
		gone, err := w.DeleteFile(w.ctx, w.alice, "alice", "demo", "1.0", demo)
		if err != nil || !cmp.Equal(gone.Labels, []string{"dev", "main"}) {
			t.Fatalf("got %v, %v", gone.Labels, err)
		}
		w.wantListed("alice", "main", -1)
		w.wantListed("alice", "dev", -1)
		opened, err := w.OpenChannel(w.ctx, w.nobody, "alice", "dev")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.FileAt(w.ctx, opened, "noarch", "demo-1.0-0.conda")
		wantKind(t, err, errs.Gone)
		_, err = w.File(w.ctx, w.alice, "alice", "demo", "1.0", demo)
		wantKind(t, err, errs.NotFound)
		if _, err := w.Release(w.ctx, w.alice, "alice", "demo", "1.0"); err != nil {
			t.Errorf("the empty release went too: %v", err)
		}
		_, err = w.Trash(w.ctx, w.bob, "alice")
		wantKind(t, err, errs.Forbidden)
		trash, err := w.Trash(w.ctx, w.alice, "alice")
		if err != nil || len(trash) != 1 || trash[0].ID != f.ID || !cmp.Equal(trash[0].Labels, []string{"dev", "main"}) {
			t.Fatalf("got %+v, %v", trash, err)
		}
		back, err := w.RestoreFile(w.ctx, w.alice, f.ID)
		if err != nil || !cmp.Equal(back.Labels, []string{"dev", "main"}) {
			t.Fatalf("got %v, %v", back.Labels, err)
		}
		w.wantListed("alice", "dev", -1, demo)

		if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "demo", "1.0", demo); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "alice", condatest.Spec{Summary: "another"}) // the name is free
		_, err = w.RestoreFile(w.ctx, w.alice, f.ID)
		wantKind(t, err, errs.Exists)
		_, err = w.RestoreFile(w.ctx, w.alice, "nothing")
		wantKind(t, err, errs.NotFound)
	})
}

func TestDeletePackageAndRestore(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one := w.must(w.alice, "alice", condatest.Spec{})
		two := w.must(w.alice, "alice", condatest.Spec{Version: "2.0"})
		if err := w.DeleteRelease(w.ctx, w.alice, "alice", "demo", "2.0"); err != nil {
			t.Fatal(err)
		}
		p, err := w.Package(w.ctx, w.nobody, "alice", "demo")
		if err != nil || p.Latest != "1.0" || !cmp.Equal(p.Versions, []string{"1.0"}) {
			t.Fatalf("got latest %q of %v, %v", p.Latest, p.Versions, err)
		}
		if err := w.DeletePackage(w.ctx, w.alice, "alice", "demo"); err != nil {
			t.Fatal(err)
		}
		_, err = w.Package(w.ctx, w.alice, "alice", "demo")
		wantKind(t, err, errs.NotFound)
		w.wantListed("alice", "main", -1)
		if _, err := w.RestoreFile(w.ctx, w.alice, one.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RestoreFile(w.ctx, w.alice, two.ID); err != nil {
			t.Fatal(err)
		}
		w.wantListed("alice", "main", -1, demo, "noarch/demo-2.0-0.conda")

		// The name may have been taken by a new package meanwhile.
		if err := w.DeletePackage(w.ctx, w.alice, "alice", "demo"); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "alice", condatest.Spec{Version: "3.0"})
		back, err := w.RestoreFile(w.ctx, w.alice, one.ID)
		if err != nil {
			t.Fatal(err)
		}
		p, err = w.Package(w.ctx, w.nobody, "alice", "demo")
		if err != nil || back.PackageID != p.ID || !cmp.Equal(p.Versions, []string{"1.0", "3.0"}) {
			t.Errorf("got %v of package %s, %v", p.Versions, back.PackageID, err)
		}
		w.clean()
	})
}

func TestWithdraw(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		f, err := w.Withdraw(w.ctx, w.alice, "alice", "demo", "1.0", demo, "It loses data.")
		if err != nil || f.WithdrawnAt == nil || f.WithdrawnWhy != "It loses data." {
			t.Fatalf("got %+v, %v", f, err)
		}
		w.wantListed("alice", "main", -1)
		opened, err := w.OpenChannel(w.ctx, w.nobody, "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.FileAt(w.ctx, opened, "noarch", "demo-1.0-0.conda"); err != nil {
			t.Errorf("the address stopped working: %v", err)
		}
		if _, err := w.AddLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{}); err != nil {
			t.Fatal(err)
		}
		w.wantListed("alice", "dev", -1)
		if _, err := w.Unwithdraw(w.ctx, w.alice, "alice", "demo", "1.0", demo); err != nil {
			t.Fatal(err)
		}
		w.wantListed("alice", "main", -1, demo)
		w.wantListed("alice", "dev", -1, demo)
		w.clean()
	})
}

// clean fails the test if fsck finds a fault.
func (w *world) clean() {
	w.t.Helper()
	report, err := w.Fsck(w.ctx, true)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(report.Faults) > 0 {
		w.t.Errorf("fsck found %+v", report.Faults)
	}
}

func TestGC(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.pass(time.Since(start)) // blobs carry the time of the disk, so the clock must agree
		kept := w.must(w.alice, "alice", condatest.Spec{})
		gone := w.must(w.alice, "alice", condatest.Spec{Name: "gone"})
		if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "gone", "1.0", gone.Basename); err != nil {
			t.Fatal(err)
		}
		orphan, err := w.blobs.Create(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(orphan, "left by a crash")
		if _, err := orphan.Commit(w.ctx); err != nil {
			t.Fatal(err)
		}
		swept, err := w.GC(w.ctx, access.System(), false, 0)
		if err != nil || swept != (registry.Swept{}) {
			t.Errorf("at once: %+v, %v", swept, err)
		}
		w.pass(25 * time.Hour)
		want := registry.Swept{Blobs: 1, Bytes: 15}
		for _, dry := range []bool{true, false} {
			if swept, err = w.GC(w.ctx, access.System(), dry, 0); err != nil || swept != want {
				t.Errorf("after a day, dry %v: %+v, %v", dry, swept, err)
			}
		}
		w.pass(14 * 24 * time.Hour)
		want = registry.Swept{Files: 1, Blobs: 1, Bytes: gone.Size}
		for _, dry := range []bool{true, false} {
			if swept, err = w.GC(w.ctx, access.System(), dry, 0); err != nil || swept != want {
				t.Errorf("after a fortnight, dry %v: %+v, %v", dry, swept, err)
			}
		}
		if d := cmp.Diff([]string{kept.SHA256}, w.stored()); d != "" {
			t.Error(d)
		}
		_, err = w.RestoreFile(w.ctx, w.alice, gone.ID)
		wantKind(t, err, errs.NotFound)
		if trash, err := w.Trash(w.ctx, w.alice, "alice"); err != nil || len(trash) != 0 {
			t.Errorf("the trash still holds %d files, %v", len(trash), err)
		}
		gone.Stored = false
		_, err = w.OpenFile(w.ctx, gone)
		wantKind(t, err, errs.Gone)
		w.clean()
	})
}

// TestGCOfMany: the trash is emptied in parts, so that nobody waits for all of it.
func TestGCOfMany(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 1300)
		for i := range 130 {
			if err := w.DeletePackage(w.ctx, w.alice, "acme", fmt.Sprintf("package%05d", i)); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(15 * 24 * time.Hour)
		if swept, err := w.GC(w.ctx, access.System(), false, 0); err != nil || swept.Files != 1300 {
			t.Errorf("swept %+v, %v", swept, err)
		}
		if n := w.count("SELECT count(*) FROM audit WHERE action = 'gc'"); n != 3 {
			t.Errorf("in %d transactions", n)
		}
		if trash, err := w.Trash(w.ctx, w.alice, "acme"); err != nil || len(trash) != 0 {
			t.Errorf("the trash still holds %d files, %v", len(trash), err)
		}
		w.clean()
	})
}

func TestFsck(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var files []registry.File
		for i := range 10 {
			files = append(files, w.must(w.alice, "alice", condatest.Spec{Name: fmt.Sprint("p", i)}))
		}
		w.clean()
		plant := func(key blob.Key, content string) {
			t.Helper()
			if err := w.blobs.Delete(w.ctx, key); err != nil {
				t.Fatal(err)
			}
			if content == "" {
				return
			}
			// The row is moved to bytes that say something else: a blob itself
			// cannot be made to lie through its door.
			b, err := w.blobs.Create(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(b, content)
			d, err := b.Commit(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			w.exec("UPDATE file_rows SET sha256 = $2 WHERE sha256 = $1", string(key), d.SHA256Hex())
		}
		plant(blob.Key(files[0].SHA256), "")
		plant(blob.Key(files[1].SHA256), "short")
		w.exec("UPDATE file_rows SET deleted_at = $2 WHERE id = $1", files[2].ID, start)
		w.exec("DELETE FROM file_channels WHERE file_id = $1", files[3].ID)
		w.exec("DELETE FROM records WHERE file_id = $1", files[4].ID)
		w.exec("UPDATE records SET json = $2 WHERE file_id = $1", files[5].ID, []byte("{}"))
		w.exec("UPDATE records SET file_id = 'nothing' WHERE file_id = $1", files[6].ID)
		w.exec("UPDATE release_rows SET deleted_at = $2 WHERE id = $1", files[7].ReleaseID, start)
		w.exec(`INSERT INTO records (channel_id, subdir, name, file_name, added, file_id, version, build, build_number, size, json, msgpack)
			SELECT channel_id, subdir, name, file_name, added + 1, file_id, version, build, build_number, size, json, msgpack FROM records WHERE file_id = $1`, files[8].ID)
		report, err := w.Fsck(w.ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range report.Faults {
			got[f.Kind+" "+f.Object] = ""
		}
		name := func(i int) string { return files[i].FullName() }
		record := func(i int) string { return "alice/main/" + files[i].Basename }
		want := map[string]string{
			"blob-missing " + name(0): "", "blob-size " + name(1): "",
			"record-of-deleted-file " + record(2): "", "label-of-deleted-file " + name(2): "",
			"record-without-label " + record(3): "", "file-not-listed " + name(4): "",
			"record-differs " + record(5):      "",
			"record-without-file " + record(6): "", "record-without-label " + record(6): "", "file-not-listed " + name(6): "",
			"file-without-release " + name(7): "", "record-twice " + record(8): "",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("faults (-want +got):\n%s", d)
		}
	})
}

// TestStorage counts bytes, and reads the trash page by page.
func TestStorage(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		small := w.must(w.alice, "acme", condatest.Spec{Name: "small"})
		var size int64
		for _, version := range []string{"1.0", "2.0", "3.0", "4.0", "5.0"} {
			size += w.must(w.alice, "acme", condatest.Spec{Name: "large", Version: version}).Size
		}
		_, err := w.Storage(w.ctx, w.carol, "acme", 5)
		wantKind(t, err, errs.Forbidden)
		_, _, err = w.TrashPage(w.ctx, w.carol, "acme", "", 5)
		wantKind(t, err, errs.Forbidden)
		_, _, err = w.TrashPage(w.ctx, w.alice, "acme", "yesterday", 5)
		wantKind(t, err, errs.Invalid)
		got, err := w.Storage(w.ctx, w.alice, "acme", 5)
		want := registry.Storage{Files: 6, Bytes: size + small.Size, Largest: []registry.PackageStorage{{Name: "large", Files: 5, Bytes: size}, {Name: "small", Files: 1, Bytes: small.Size}}}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "large"); err != nil {
			t.Fatal(err) // all at one moment, so that the ids decide
		}
		w.pass(time.Hour)
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "small", "1.0", small.Basename); err != nil {
			t.Fatal(err)
		}
		got, err = w.Storage(w.ctx, w.alice, "acme", 5)
		if d := cmp.Diff(registry.Storage{Trashed: 6, TrashedBytes: size + small.Size}, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		all, err := w.Trash(w.ctx, w.alice, "acme")
		if err != nil {
			t.Fatal(err)
		}
		var paged []registry.File
		for next, pages := "", 1; ; pages++ {
			files, after, err := w.TrashPage(w.ctx, w.alice, "acme", next, 2)
			if err != nil {
				t.Fatal(err)
			}
			paged = append(paged, files...)
			if next = after; next == "" || pages == 9 {
				break
			}
		}
		if d := cmp.Diff(all, paged); len(all) != 6 || d != "" {
			t.Errorf("%d files in all; pages (-all +paged):\n%s", len(all), d)
		}
		if ends := w.TrashEnds(all[0]); !ends.Equal(start.Add(time.Hour+14*24*time.Hour)) || all[0].ID != small.ID || !cmp.Equal(all[0].Labels, []string{"main"}) {
			t.Errorf("the newest of the trash is %s, until %s, with the labels %v", all[0].Name, ends, all[0].Labels)
		}
	})
}
