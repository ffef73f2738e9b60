package registry_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// many imports n made-up records into a channel of acme.
func (w *world) many(channel string, n int) {
	w.t.Helper()
	_, err := w.Import(w.ctx, w.alice, "acme", channel, registry.ImportSource{
		Files:        fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}},
		MetadataOnly: true, BaseURL: "https://channel.test", Name: "many",
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
}

// beside runs f while change goes on beside it in one large change of a channel.
// Whether f is done before that ends is chance; what comes of it must not be.
func (w *world) beside(change func() error, f func()) {
	w.t.Helper()
	done := make(chan error)
	go func() { done <- change() }()
	for w.count("SELECT count(*) FROM stagings") == 0 {
		select {
		case err := <-done:
			w.t.Fatalf("no staging was seen, %v", err)
		default:
			runtime.Gosched()
		}
	}
	f()
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

// TestLabelOnMany: a label is put on many files, and taken off them, in one
// generation, and what others do meanwhile to the same files counts.
func TestLabelOnMany(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 2400
		w.many("copy", n)
		withdraw := func(pkg, file string) {
			t.Helper()
			if _, err := w.Withdraw(w.ctx, w.alice, "acme", pkg, "1.3", file, "bad"); err != nil {
				t.Fatal(err)
			}
		}
		back := func(pkg, file string) {
			t.Helper()
			if _, err := w.Unwithdraw(w.ctx, w.alice, "acme", pkg, "1.3", file); err != nil {
				t.Fatal(err)
			}
		}
		const gone, back1, bad = "noarch/package00200-1.3-0.conda", "noarch/package00001-1.3-0.conda", "noarch/package00002-1.3-0.conda"
		withdraw("package00001", back1)
		var came int
		w.beside(func() (err error) {
			came, err = w.AddLabel(w.ctx, w.alice, "acme", "New", registry.Selector{})
			return err
		}, func() {
			withdraw("package00002", bad)
			back("package00001", back1)
			if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "package00200", "1.3", gone); err != nil {
				t.Fatal(err)
			}
			w.must(w.alice, "acme", condatest.Spec{Name: "late"}, into("new"))
		})
		want := w.listed("acme", "copy", -1)
		if len(want) != n-2 || came < n-1 || came > n {
			t.Fatalf("%d are listed and %d came", len(want), came)
		}
		w.wantListed("acme", "new", -1, append([]string{"noarch/late-1.0-0.conda"}, want...)...)
		if got := w.count("SELECT count(*) FROM generations g JOIN channels c ON c.id = g.channel_id WHERE c.name = 'new' AND g.added > 1"); got != 1 {
			t.Errorf("%d generations, want one", got)
		}
		labels := func(file string) []string {
			t.Helper()
			f, err := w.File(w.ctx, w.nobody, "acme", file[7:19], "1.3", file)
			if err != nil {
				t.Fatal(err)
			}
			return f.Labels
		}
		for _, file := range []string{back1, bad} {
			if d := cmp.Diff([]string{"copy", "new"}, labels(file)); d != "" {
				t.Error(file, d)
			}
		}
		w.clean()

		before := w.generation("new")
		w.beside(func() (err error) {
			came, err = w.RemoveLabel(w.ctx, w.alice, "acme", "new", registry.Selector{})
			return err
		}, func() {
			back("package00002", bad)
			withdraw("package00001", back1)
			back("package00001", back1)
			w.must(w.alice, "acme", condatest.Spec{Name: "later"}, into("new"))
		})
		w.wantListed("acme", "new", -1, "noarch/later-1.0-0.conda")
		w.wantListed("acme", "new", before, append([]string{"noarch/late-1.0-0.conda"}, want...)...)
		if d := cmp.Diff([]string{"copy"}, labels(back1)); d != "" || came != n {
			t.Errorf("%d went; %s", came, d)
		}
		w.clean()
	})
}

// TestLabelOnManyTells: a package whose latest version hangs on the label says so
// at once.
func TestLabelOnManyTells(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 1200)
		w.must(w.alice, "acme", condatest.Spec{Name: "package00003", Version: "0.1"})
		latest := func(want string) {
			t.Helper()
			p, err := w.Package(w.ctx, w.nobody, "acme", "package00003")
			if err != nil || p.Latest != want {
				t.Errorf("the latest is %q, want %q, %v", p.Latest, want, err)
			}
		}
		latest("0.1")
		if n, err := w.CopyLabel(w.ctx, w.alice, "acme", "copy", "main"); err != nil || n != 1200 {
			t.Fatal(n, err)
		}
		latest("1.9")
		if got := w.count("SELECT count(*) FROM untold_packages"); got > 0 {
			t.Errorf("%d packages are not described yet", got)
		}
		w.clean()
	})
}

// TestLabelOnManyRefused: a label that may not be put on one of many files is put
// on none, and nothing of it stays.
func TestLabelOnManyRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("main", 1200)
		old := w.must(w.alice, "acme", condatest.Spec{Name: "old"}, into("kept"))
		never := "never"
		if _, err := w.UpdateChannel(w.ctx, w.alice, "acme", "kept", registry.ChannelUpdate{ReplaceRule: &never}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "old", "1.0", old.Basename); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "old", Files: map[string]string{"lib/other": "other bytes"}})
		before := w.rows()
		_, err := w.CopyLabel(w.ctx, w.alice, "acme", "main", "kept")
		wantKind(t, err, errs.Exists)
		after := w.rows()
		after["audit"] = before["audit"] // it was begun and put away
		if d := cmp.Diff(before, after); d != "" {
			t.Error(d)
		}
		w.wantListed("acme", "kept", -1)

		if err := w.LockChannel(w.ctx, w.alice, "acme", "main"); err != nil {
			t.Fatal(err)
		}
		_, err = w.RemoveLabel(w.ctx, w.alice, "acme", "main", registry.Selector{})
		wantKind(t, err, errs.Forbidden)
		_, err = w.AddLabel(w.ctx, w.bob, "acme", "kept", registry.Selector{})
		wantKind(t, err, errs.Forbidden)
		if got := w.count("SELECT count(*) FROM stagings"); got > 0 {
			t.Errorf("%d stagings are left", got)
		}
		w.clean()
	})
}

// TestLabelOnManyAnew: a file that carries the label already, and loses it while the
// label is put on many, is in the index as long as it carries it; one that has the
// label taken off with many others, and is given it anew meanwhile, is not.
func TestLabelOnManyAnew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 2400
		w.many("copy", n)
		pkg, version, base := "package00007", "1.3", "noarch/package00007-1.3-0.conda"
		one := registry.Selector{Package: &pkg, Version: &version, Basename: &base}
		change := func(f func() (int, error)) func() error {
			return func() error {
				_, err := f()
				return err
			}
		}
		add := func(s registry.Selector) func() error {
			return change(func() (int, error) { return w.AddLabel(w.ctx, w.alice, "acme", "new", s) })
		}
		remove := func(s registry.Selector) func() error {
			return change(func() (int, error) { return w.RemoveLabel(w.ctx, w.alice, "acme", "new", s) })
		}
		must := func(f func() error) {
			t.Helper()
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		written := func(query string, rows int) { // those of the first files, of which this is one
			for w.count(query) < rows {
				runtime.Gosched()
			}
		}
		must(add(one))
		w.beside(add(registry.Selector{}), func() {
			written("SELECT count(*) FROM records", n+600)
			must(remove(one))
		})
		w.clean()
		must(add(one)) // where it was the last that came
		w.beside(remove(registry.Selector{}), func() {
			written("SELECT count(*) FROM records WHERE removed IS NOT NULL", 600)
			must(remove(one))
			must(add(one))
		})
		w.clean()
	})
}

// TestLabelOnManyRestored: a file that is deleted and restored while a label is put on
// many has the label, and its channel lists it.
func TestLabelOnManyRestored(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 2400
		w.many("copy", n)
		pkg, version, base := "package00007", "1.3", "noarch/package00007-1.3-0.conda"
		f, err := w.File(w.ctx, w.alice, "acme", pkg, version, base)
		if err != nil {
			t.Fatal(err)
		}
		// A file that comes back when the change is over has the labels that it had. So that
		// is tried until it came back before.
		for try := range 20 {
			label, before, within := fmt.Sprint("new", try), w.count("SELECT count(*) FROM records"), false
			w.beside(func() error {
				_, err := w.AddLabel(w.ctx, w.alice, "acme", label, registry.Selector{})
				return err
			}, func() {
				for w.count("SELECT count(*) FROM records") < before+600 { // those of the first files, of which this is one
					runtime.Gosched()
				}
				if _, err := w.DeleteFile(w.ctx, w.alice, "acme", pkg, version, base); err != nil {
					t.Fatal(err)
				}
				if _, err := w.RestoreFile(w.ctx, w.alice, f.ID); err != nil {
					t.Fatal(err)
				}
				within = w.count("SELECT count(*) FROM stagings") > 0
			})
			if !within {
				continue
			}
			if got := len(w.listed("acme", label, -1)); got != n {
				t.Errorf("the channel lists %d files of %d", got, n)
			}
			w.clean()
			return
		}
		t.Fatal("the file never came back while the change went on")
	})
}

// TestLabelOnManyTaken: a file that is taken away when its record for the label is
// written already is listed nowhere: one that is withdrawn has the label, and one that is
// deleted has not, whatever the clock says then.
func TestLabelOnManyTaken(t *testing.T) {
	const n = 2400
	pkg, version, base := "package00007", "1.3", "noarch/package00007-1.3-0.conda"
	for name, take := range map[string]func(w *world) error{
		"withdrawn": func(w *world) error {
			_, err := w.Withdraw(w.ctx, w.alice, "acme", pkg, version, base, "bad")
			return err
		},
		"deleted": func(w *world) error {
			w.pass(-time.Hour)
			_, err := w.DeleteFile(w.ctx, w.alice, "acme", pkg, version, base)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				// It may be over when the file is taken away; so that is tried until it is not.
				for try := range 20 {
					channel, label, within := fmt.Sprint("copy", try), fmt.Sprint("new", try), false
					w.many(channel, n)
					before := w.count("SELECT count(*) FROM records")
					w.beside(func() error {
						_, err := w.AddLabel(w.ctx, w.alice, "acme", label, registry.Selector{})
						return err
					}, func() {
						for w.count("SELECT count(*) FROM records") < before+600 { // those of the first files, of which this is one
							runtime.Gosched()
						}
						if err := take(w); err != nil {
							t.Fatal(err)
						}
						within = w.count("SELECT count(*) FROM stagings") > 0
					})
					if !within {
						w.clean()
						continue
					}
					f, err := w.File(w.ctx, w.alice, "acme", pkg, version, base)
					if name == "deleted" {
						if !errs.Is(err, errs.NotFound) {
							t.Errorf("the file: %+v, %v", f, err)
						}
					} else if err != nil || !slices.Contains(f.Labels, label) {
						t.Errorf("the file: %+v, %v", f, err)
					}
					if got := len(w.listed("acme", label, -1)); got != n-1 {
						t.Errorf("the channel lists %d files of %d", got, n-1)
					}
					w.clean()
					return
				}
				t.Fatal("the file was never taken away while the change went on")
			})
		})
	}
}
