package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// secretly is a source of n made-up records of which some packages are private.
func secretly(n int, private ...string) registry.ImportSource {
	secret := map[string]bool{}
	for _, name := range private {
		secret[name] = true
	}
	return registry.ImportSource{
		Files:        fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}},
		MetadataOnly: true, BaseURL: "https://channel.test", Name: "many", Private: func(name string) bool { return secret[name] },
	}
}

// TestImportClosedSource: a source that not everybody may read comes into private
// channels alone.
func TestImportClosedSource(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		src := secretly(10)
		src.Anybody = fstest.MapFS{}
		if _, err := w.Import(w.ctx, w.alice, "acme", "made", src, nil); err != nil {
			t.Fatal(err)
		}
		ch, err := w.Channel(w.ctx, w.alice, "acme", "made")
		if err != nil || ch.Visibility != access.Private {
			t.Errorf("it is %s, %v", ch.Visibility, err)
		}
		for _, visibility := range []string{access.Public, access.Authenticated, access.Internal} {
			if _, err := w.CreateChannel(w.ctx, w.alice, "acme", registry.NewChannel{Name: visibility, Visibility: visibility}); err != nil {
				t.Fatal(err)
			}
			_, err := w.Import(w.ctx, w.alice, "acme", visibility, src, nil)
			wantKind(t, err, errs.Invalid)
		}
		be := func(visibility string) {
			if _, err := w.UpdateChannel(w.ctx, w.alice, "acme", "opened", registry.ChannelUpdate{Visibility: &visibility}); err != nil {
				t.Error(err)
			}
		}
		_, err = w.Import(w.ctx, w.alice, "acme", "opened", src, func(string, int) { be(access.Public) })
		wantKind(t, err, errs.Conflict)
		for _, channel := range []string{"public", "authenticated", "internal", "opened"} {
			w.wantListed("acme", channel, -1)
		}
		written := w.count("SELECT count(*) FROM file_rows")
		be(access.Private) // and what was loaded is not lost
		if report, err := w.Import(w.ctx, w.alice, "acme", "opened", src, nil); err != nil || report.Subdirs["noarch"].Added == 0 {
			t.Errorf("closed again: %+v, %v", report, err)
		}
		if n := w.count("SELECT count(*) FROM file_rows"); n != written {
			t.Errorf("%d files are written, %d were before", n, written)
		}
		src.Anybody = src.Files
		if _, err := w.Import(w.ctx, w.alice, "acme", "public", src, nil); err != nil {
			t.Error(err)
		}
	})
}

// wantHidden checks that somebody unknown learns nothing of a package and that a
// channel, which they may have open, hides its name from them.
func (w *world) wantHidden(channel, name string) {
	w.t.Helper()
	_, err := w.Package(w.ctx, w.nobody, "acme", name)
	wantKind(w.t, err, errs.NotFound)
	opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", channel)
	if err != nil || !slices.Contains(opened.Hidden, name) {
		w.t.Errorf("acme/%s hides %v, %v; want %s", channel, opened.Hidden, err, name)
	}
}

// TestImportGoesOnPrivately: what one try of an import knows to be private is private,
// be it the first or the one that goes on.
func TestImportGoesOnPrivately(t *testing.T) {
	for name, tries := range map[string][2]registry.ImportSource{
		"known later":     {secretly(1300), secretly(1300, "package00000")},
		"known before":    {secretly(1300, "package00000"), secretly(1300)},
		"not asked later": {secretly(1300, "package00000"), withoutPrivacy(secretly(1300))},
		"asked later":     {withoutPrivacy(secretly(1300)), secretly(1300, "package00000")},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				ctx, cancel := context.WithCancel(w.ctx)
				defer cancel()
				_, err := w.Import(ctx, w.alice, "acme", "copy", tries[0], func(string, int) { cancel() })
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "copy"); err != nil || len(opened.Hidden) > 0 {
					t.Errorf("it hides %v, %v", opened.Hidden, err)
				}
				if _, err := w.Import(w.ctx, w.alice, "acme", "copy", tries[1], nil); err != nil {
					t.Fatal(err)
				}
				w.wantHidden("copy", "package00000")
				if _, err := w.Package(w.ctx, w.nobody, "acme", "package00001"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func withoutPrivacy(src registry.ImportSource) registry.ImportSource {
	src.Private = nil
	return src
}

// TestImportAdoptedPrivately: an upload into a package that is being loaded, and is
// private where it comes from, does not open it.
func TestImportAdoptedPrivately(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "old"}, into("dev"))
		if _, err := w.OpenChannel(w.ctx, w.nobody, "acme", "dev"); err != nil {
			t.Fatal(err)
		}
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", secretly(10, "package00000"), func(string, int) {
			w.must(w.alice, "acme", condatest.Spec{Name: "package00000", Build: "other"}, into("dev"))
			w.wantHidden("dev", "package00000")
		})
		if n := report.Subdirs["noarch"]; err != nil || n.Added != 10 {
			t.Errorf("got %+v, %v", n, err)
		}
		w.wantHidden("dev", "package00000")
		w.wantHidden("copy", "package00000")
		if p, err := w.Package(w.ctx, w.alice, "acme", "package00000"); err != nil || !p.Private {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}

// TestImportIntoPublic: files of a package that is private where it comes from do not
// come into a public one that is here, also where that is opened meanwhile.
func TestImportIntoPublic(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "package00001", Build: "other"}, into("dev"))
		w.must(w.alice, "acme", condatest.Spec{Name: "package00002", Build: "other"}, into("dev"), private)
		src := secretly(30, "package00001", "package00002")
		take := func(progress registry.ImportProgress) (registry.ImportCount, error) {
			report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, progress)
			return report.Subdirs["noarch"], err
		}
		setPrivate := func(name string, private bool) {
			t.Helper()
			if _, err := w.SetPrivate(w.ctx, w.alice, "acme", name, private); err != nil {
				t.Error(err)
			}
		}
		_, err := take(func(string, int) { setPrivate("package00002", false) })
		wantKind(t, err, errs.Exists)
		if n := w.count("SELECT count(*) FROM records WHERE added > 1000") + w.count("SELECT count(*) FROM stagings"); n != 0 {
			t.Errorf("%d rows of it are left", n)
		}
		n, err := take(nil)
		if err != nil || n.Added != 10 || n.LeftOut != 20 || !strings.Contains(n.Reasons[0], "private") {
			t.Errorf("got %+v, %v", n, err)
		}
		setPrivate("package00001", true)
		setPrivate("package00002", true)
		if n, err := take(nil); err != nil || n.Added != 20 || n.Kept != 10 || n.LeftOut != 0 {
			t.Errorf("got %+v, %v", n, err)
		}
		w.wantHidden("copy", "package00001")
		w.wantHidden("copy", "package00002")
	})
}
