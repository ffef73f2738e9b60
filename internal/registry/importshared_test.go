package registry_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// recordsOf is a source of records alone.
func recordsOf(name string, document []byte) registry.ImportSource {
	return registry.ImportSource{
		Files: fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}, MetadataOnly: true, BaseURL: "https://channel.test", Name: name,
	}
}

// replaced is a document with other texts, given in pairs.
func replaced(document []byte, pairs ...string) []byte {
	for i := 0; i < len(pairs); i += 2 {
		document = bytes.ReplaceAll(document, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	return document
}

// TestImportsShareAPackage: what two imports of one owner need, and one of them has
// made, is there with the files of whichever ends, and goes with neither that is put
// away.
func TestImportsShareAPackage(t *testing.T) {
	first := recordsOf("first", manyRecords(1300))
	// The one file of the second is of a package of the first, in a release of its own
	// or in one that is the first's, too.
	ownRelease := replaced(manyRecords(1), "00000-1.0-0", "00000-2.0-0", `"version":"1.0"`, `"version":"2.0"`)
	itsRelease := replaced(manyRecords(1), "00000-1.0-0", "00000-1.0-1", `"build":"0"`, `"build":"1"`)
	third := recordsOf("third", replaced(manyRecords(1), "package00000", "other00000"))
	for name, c := range map[string]struct {
		document      []byte
		version, file string
	}{"package": {ownRelease, "2.0", "package00000-2.0-0.conda"}, "release": {itsRelease, "1.0", "package00000-1.0-1.conda"}} {
		second := recordsOf("second", c.document)
		there := func(w *world) {
			w.t.Helper()
			opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "two")
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := w.FileAt(w.ctx, opened, "noarch", c.file); err != nil {
				w.t.Errorf("it is listed: %v", err)
			}
			if _, err := w.Release(w.ctx, w.nobody, "acme", "package00000", c.version); err != nil {
				w.t.Error(err)
			}
			p, err := w.Package(w.ctx, w.nobody, "acme", "package00000")
			if err != nil || len(p.Versions) != 1 || p.Latest != c.version {
				w.t.Errorf("got %+v, %v; its file is in acme/two", p, err)
			}
		}
		// begin loads a part of the first and then does something, while it goes on.
		begin := func(w *world, do func()) {
			w.t.Helper()
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			_, err := w.Import(ctx, w.alice, "acme", "one", first, func(string, int) {
				if ctx.Err() == nil {
					do()
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				w.t.Fatal(err)
			}
		}
		load := func(w *world, channel string, src registry.ImportSource, progress registry.ImportProgress) {
			w.t.Helper()
			report, err := w.Import(w.ctx, w.alice, "acme", channel, src, progress)
			if n := report.Subdirs["noarch"]; err != nil || n.LeftOut > 0 {
				w.t.Fatalf("got %+v, %v", n, err)
			}
		}
		t.Run(name+" while the first goes on", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				begin(w, func() {
					load(w, "two", second, nil)
					there(w)
				})
				load(w, "one", third, nil) // puts the first away
				there(w)
				w.clean()
			})
		})
		t.Run(name+" while the first is put away", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				begin(w, func() {})
				load(w, "two", second, func(string, int) {
					load(w, "one", third, nil)
					_, err := w.Package(w.ctx, w.nobody, "acme", "package00000")
					wantKind(t, err, errs.NotFound)
				})
				there(w)
				w.clean()
			})
		})
		t.Run(name+" before the first goes on", func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				begin(w, func() {})
				load(w, "two", second, nil)
				there(w)
				load(w, "one", first, nil)
				if p, err := w.Package(w.ctx, w.nobody, "acme", "package00000"); err != nil || len(p.Versions) < 10 {
					t.Errorf("got %+v, %v", p, err)
				}
				w.clean()
			})
		})
	}
}
