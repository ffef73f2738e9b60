package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// madeUp is a source of made-up records alone.
func madeUp(document []byte) registry.ImportSource {
	return registry.ImportSource{
		Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: "many",
	}
}

// onOpen is a folder that does something when a file is first opened.
type onOpen struct {
	fs.FS
	name string
	do   func()
	once *sync.Once
}

// Open implements fs.FS.
func (o onOpen) Open(name string) (fs.File, error) {
	if name == o.name {
		o.once.Do(o.do)
	}
	return o.FS.Open(name)
}

// labelled counts the files that carry acme/copy as a label.
func (w *world) labelled() int {
	w.t.Helper()
	return w.count("SELECT count(*) FROM file_channels fc JOIN channels c ON c.id = fc.channel_id WHERE c.name = 'copy'")
}

// TestImportKeepsRefusals: an archive that is missing stays left out where somebody
// else makes the same package while the batch is fetched.
func TestImportKeepsRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		missing := w.must(w.alice, "alice", condatest.Spec{Name: "missing"})
		folder := w.channelFolder(nil)
		delete(folder, missing.Basename)
		if err := w.blobs.Delete(w.ctx, w.key(missing)); err != nil {
			t.Fatal(err)
		}
		src := registry.ImportSource{Name: "a folder", Files: onOpen{folder, "noarch/a-1.0-0.conda", func() {
			w.must(w.alice, "acme", condatest.Spec{Name: "a", Version: "9"}, into("dev"))
		}, &sync.Once{}}}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 1 || n.LeftOut != 1 {
			t.Errorf("got %+v, %v", n, err)
		}
		w.wantListed("acme", "copy", -1, "noarch/a-1.0-0.conda")
	})
}

// TestImportFetchesLate: a file of the owner that goes away while the batch is fetched
// comes with the bytes of the source.
func TestImportFetchesLate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "a"})
		w.must(w.alice, "alice", condatest.Spec{Name: "b"})
		old := w.must(w.alice, "acme", condatest.Spec{Name: "a"}, into("dev"))
		src := registry.ImportSource{Name: "a folder", Files: onOpen{w.channelFolder(nil), "noarch/b-1.0-0.conda", func() {
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "a", "1.0", old.Basename); err != nil {
				t.Error(err)
			}
			if err := w.blobs.Delete(w.ctx, w.key(old)); err != nil {
				t.Error(err)
			}
		}, &sync.Once{}}}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 2 {
			t.Fatalf("got %+v, %v", n, err)
		}
		f, err := w.File(w.ctx, w.nobody, "acme", "a", "1.0", old.Basename)
		if err != nil || f.ID == old.ID || len(w.read(f)) == 0 {
			t.Errorf("got %+v, %v", f, err)
		}
	})
}

// TestImportHotfixBesideLabel: a file whose record an import changes is not lost where
// somebody puts the label of the channel on all files of its package meanwhile.
func TestImportHotfixBesideLabel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 100)
		before := w.listed("acme", "copy", -1)
		w.must(w.alice, "acme", condatest.Spec{Name: "package00000", Version: "9"}, into("dev"))
		fixed := bytes.Replace(manyRecords(100), []byte("numpy >=1.20"), []byte("numpy >=1.21"), 7)
		pkg := "package00000"
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", madeUp(fixed), func(string, int) {
			if n, err := w.AddLabel(w.ctx, w.alice, "acme", "copy", registry.Selector{Package: &pkg}); err != nil || n != 1 {
				t.Errorf("%d files came, %v", n, err)
			}
		})
		if err != nil || report.Subdirs["noarch"].Changed != 7 {
			t.Fatalf("got %+v, %v", report, err)
		}
		want := append(slices.Clone(before), "noarch/package00000-9-0.conda")
		slices.Sort(want)
		w.wantListed("acme", "copy", -1, want...)
		w.clean()
	})
}

// TestImportBesideFiles: what becomes of a file of the owner while an import gives it
// a label counts: one that is withdrawn is not listed until it is back, and no label is
// without a record.
func TestImportBesideFiles(t *testing.T) {
	for name, do := range map[string]func(w *world, f registry.File) error{
		"withdrawn": func(w *world, f registry.File) error {
			_, err := w.Withdraw(w.ctx, w.alice, "acme", "demo", "1.0", f.Basename, "unsafe")
			return err
		},
		"deleted": func(w *world, f registry.File) error {
			_, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", f.Basename)
			return err
		},
		"restored": func(w *world, f registry.File) error {
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", f.Basename); err != nil {
				return err
			}
			_, err := w.RestoreFile(w.ctx, w.alice, f.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.must(w.alice, "alice", condatest.Spec{})
				w.must(w.alice, "alice", condatest.Spec{Name: "other"})
				f := w.must(w.alice, "acme", condatest.Spec{}, into("dev"))
				src := registry.ImportSource{Files: w.channelFolder(nil), Name: "a folder"}
				report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, func(string, int) {
					if err := do(w, f); err != nil {
						t.Error(err)
					}
				})
				if n := report.Subdirs["noarch"]; err != nil || n.Added != 1 || n.LeftOut != 1 {
					t.Fatalf("got %+v, %v", n, err)
				}
				w.wantListed("acme", "copy", -1, "noarch/other-1.0-0.conda")
				want := 1
				if name == "withdrawn" {
					want = 2 // the label stays, so that it comes back
				}
				if n := w.labelled(); n != want {
					t.Errorf("%d files carry the label, want %d", n, want)
				}
				w.clean()
				if name == "withdrawn" {
					if _, err := w.Unwithdraw(w.ctx, w.alice, "acme", "demo", "1.0", f.Basename); err != nil {
						t.Fatal(err)
					}
				} else if _, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil); err != nil {
					t.Fatal(err)
				}
				w.wantListed("acme", "copy", -1, f.Basename, "noarch/other-1.0-0.conda")
				w.clean()
			})
		})
	}
}

// TestImportBesideLabel: a file of the owner to which somebody gives the label of the
// channel while the archives of its batch are fetched is listed once.
func TestImportBesideLabel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		w.must(w.alice, "alice", condatest.Spec{Name: "other"})
		f := w.must(w.alice, "acme", condatest.Spec{}, into("dev"))
		src := registry.ImportSource{Name: "a folder", Files: onOpen{w.channelFolder(nil), "noarch/other-1.0-0.conda", func() {
			if n, err := w.AddLabel(w.ctx, w.alice, "acme", "copy", registry.Selector{Basename: &f.Basename}); err != nil || n != 1 {
				t.Errorf("%d files came, %v", n, err)
			}
		}, &sync.Once{}}}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 1 || n.Kept != 1 {
			t.Fatalf("got %+v, %v", n, err)
		}
		w.wantListed("acme", "copy", -1, f.Basename, "noarch/other-1.0-0.conda")
		w.clean()
	})
}

// TestImportGoesOnWithLabels: a file of the owner that an interrupted import has listed
// and that the source has dropped by the next try is served where it is listed.
func TestImportGoesOnWithLabels(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("dev", 10)
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		_, err := w.Import(ctx, w.alice, "acme", "copy", madeUp(manyRecords(1300)), func(string, int) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		document := strings.Replace(string(manyRecords(1300)), `"package00000-1.0-0.conda"`, `"package00000-1.0-1.conda"`, 1)
		document = strings.Replace(document, `"build":"0","build_number":0`, `"build":"1","build_number":1`, 1)
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", madeUp([]byte(document)), nil)
		list := w.listed("acme", "copy", -1)
		if err != nil || report.Subdirs["noarch"].Added != len(list) || !slices.Contains(list, "noarch/package00000-1.0-1.conda") {
			t.Errorf("got %+v of %d, %v", report, len(list), err)
		}
		if n := w.labelled(); n != len(list) {
			t.Errorf("%d files carry the label, and the index lists %d", n, len(list))
		}
		w.clean()
	})
}

// TestImportNever: a channel that never takes other bytes under a name does not take
// them from an import, and the rest comes.
func TestImportNever(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Files: map[string]string{"lib/other": "other bytes"}})
		w.must(w.alice, "alice", condatest.Spec{Name: "fine"})
		never := "never"
		for _, present := range []bool{false, true} { // new to the owner, or only to the channel
			channel := "copy"
			if present {
				channel = "second"
			}
			old := w.must(w.alice, "acme", condatest.Spec{}, into(channel))
			if _, err := w.UpdateChannel(w.ctx, w.alice, "acme", channel, registry.ChannelUpdate{ReplaceRule: &never}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "demo", "1.0", old.Basename); err != nil {
				t.Fatal(err)
			}
			if present {
				w.must(w.alice, "acme", condatest.Spec{Files: map[string]string{"lib/other": "other bytes"}}, into("dev"))
			}
			report, err := w.Import(w.ctx, w.alice, "acme", channel, registry.ImportSource{Files: w.channelFolder(nil), Name: "a folder"}, nil)
			n := report.Subdirs["noarch"]
			if err != nil || n.Added != 1 || n.LeftOut != 1 || !strings.Contains(n.Reasons[0], "never takes other bytes") {
				t.Errorf("got %+v, %v", n, err)
			}
			w.wantListed("acme", channel, -1, "noarch/fine-1.0-0.conda")
			w.clean()
		}
	})
}
