package index_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// source is the records as a channel that can be imported.
func (m made) source(t testing.TB) registry.ImportSource {
	t.Helper()
	groups := map[string]map[string]any{"packages": {}, "packages.conda": {}}
	for file, r := range m {
		group := "packages"
		if strings.HasSuffix(file, ".conda") {
			group = "packages.conda"
		}
		groups[group][file] = r
	}
	doc, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": "linux-64"}, "packages": groups["packages"], "packages.conda": groups["packages.conda"]})
	if err != nil {
		t.Fatal(err)
	}
	return registry.ImportSource{Files: fstest.MapFS{"linux-64/repodata.json": {Data: doc}}, MetadataOnly: true, BaseURL: "https://channel.test"}
}

// brokenImport begins an import and cuts it off after two batches.
func (w *world) brokenImport(src registry.ImportSource) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	batches := 0
	_, err := w.reg.Import(ctx, w.ana, "ana", "main", src, func(string, int) {
		if batches++; batches == 2 {
			cancel()
		}
	})
	if err == nil {
		w.Fatal("the import was not cut off")
	}
}

// remove is a hotfix that removes files.
func (w *world) remove(files ...string) {
	w.Helper()
	text, err := json.Marshal(map[string]any{"patch_instructions_version": 1, "remove": files})
	if err != nil {
		w.Fatal(err)
	}
	p, err := repodata.ParsePatch(text)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.reg.Patch(w.Context(), w.ana, "ana", "main", map[string]repodata.Patch{"linux-64": p}); err != nil {
		w.Fatal(err)
	}
}

// A large name whose records an import changed that was broken off and gone on with
// is what the rows say, and goes when all its records are removed.
func TestLargeNameOfResumedImport(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		all := made{}
		all.grow(rand.New(rand.NewPCG(11, 12)), 1500, w.now)
		var large []string
		for _, file := range slices.Sorted(maps.Keys(all)) {
			if r := all[file]; r["name"] != "large" {
				continue
			} else if len(large) == 100 {
				delete(all, file)
			} else {
				large = append(large, file)
				r["depends"] = []string{strings.Repeat("x", 1000)}
			}
		}
		if len(large) < 100 {
			t.Fatalf("the large name has %d records", len(large))
		}
		open := all.into(w, "main", func(string, map[string]any) bool { return true })
		same := func(when string) {
			t.Helper()
			fresh := w.replica()
			for _, form := range []index.Form{index.ShardIndex, index.RepodataZstd, index.RepodataJSON} {
				got, d := w.document(w.idx, open, "", "linux-64", form)
				want, e := w.document(fresh, open, "", "linux-64", form)
				if !bytes.Equal(want, got) || d.ETag != e.ETag {
					t.Errorf("%s: %s has %d bytes where a fresh index has %d", when, form, len(got), len(want))
				}
			}
		}
		same("at first")
		for _, file := range large {
			all[file]["depends"] = []string{}
		}
		src := all.source(t)
		w.brokenImport(src)
		if _, err := w.reg.Import(t.Context(), w.ana, "ana", "main", src, nil); err != nil {
			t.Fatal(err)
		}
		same("after the import")
		w.remove(large...)
		same("without the name")
	})
}

// What a broken import has staged does not come with the next large change, when
// the source is imported again as it was before.
func TestBrokenImportOfWhatIsNoMore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		all := made{}
		all.grow(rand.New(rand.NewPCG(11, 12)), 1000, w.now)
		first := all.source(t)
		if _, err := w.reg.Import(t.Context(), w.ana, "ana", "main", first, nil); err != nil {
			t.Fatal(err)
		}
		files := slices.Sorted(maps.Keys(all))
		then, _ := w.document(w.idx, w.open(w.ana, "main"), "", "linux-64", index.RepodataJSON)
		for _, change := range []string{"changed", "new"} {
			next := maps.Clone(all)
			for _, file := range files[:100] {
				r := maps.Clone(all[file])
				if r["depends"] = []string{"stale"}; change == "new" {
					delete(next, file)
					file = strings.Replace(file, "-", "-9", 1)
					r["version"] = "9" + fmt.Sprint(r["version"])
				}
				next[file] = r
			}
			w.brokenImport(next.source(t))
			if _, err := w.reg.Import(t.Context(), w.ana, "ana", "main", first, nil); err != nil {
				t.Fatalf("%s: %v", change, err)
			}
			now, _ := w.document(w.replica(), w.open(w.ana, "main"), "", "linux-64", index.RepodataJSON)
			if !slices.Equal(listed(t, then), listed(t, now)) || bytes.Contains(now, []byte("stale")) {
				t.Errorf("%s: the first source again lists %d files where it listed %d", change, len(listed(t, now)), len(listed(t, then)))
			}
		}
		w.remove(files[900])
		now, _ := w.document(w.replica(), w.open(w.ana, "main"), "", "linux-64", index.RepodataJSON)
		if n := bytes.Count(now, []byte("stale")); n > 0 || len(listed(t, now)) != len(listed(t, then))-1 {
			t.Errorf("a hotfix that removes one file leaves %d of %d, and %d of the broken import", len(listed(t, now)), len(listed(t, then)), n)
		}
	})
}

// A view of a frozen channel whose state had to be loaded again has its columns
// made before its shards of the past are looked for.
func TestFrozenViewLoadedAgain(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		for i := range 14 {
			w.now = w.now.Add(time.Hour)
			w.upload("main", condatest.Spec{Name: fmt.Sprintf("p%d", i), Subdir: "linux-64"}, false)
		}
		x := w.narrow(1)
		frozen := w.open(w.ana, "main")
		frozen.Channel.FrozenAt = new(int64(3))
		p, err := index.NewPredicate(index.Rules{MinAge: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Filtered(t.Context(), frozen, p, "linux-64"); err != nil {
			t.Fatal(err)
		}
		other := frozen
		other.Channel.FrozenAt = new(int64(4)) // one state is held
		if _, err := x.View(t.Context(), other, "linux-64"); err != nil {
			t.Fatal(err)
		}
		if _, err := x.FilteredShard(t.Context(), frozen, p, "linux-64", strings.Repeat("ab", 32)); !errs.Is(err, errs.NotFound) {
			t.Errorf("an unknown shard: %v", err)
		}
	})
}

// A channeldata.json that is asked for while a file is deleted is that of one state, as
// its ETag says, also where other subdirs of its views have been brought up meanwhile.
func TestFilteredChanneldataIsOfOneState(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.upload("main", condatest.Spec{Name: "first", Subdir: "linux-64"}, false)
		w.upload("main", condatest.Spec{Name: "first", Version: "1.1", Subdir: "noarch"}, false)
		second := w.upload("main", condatest.Spec{Name: "second", Subdir: "noarch"}, false)
		open := w.open(w.ana, "main")
		p, err := index.NewPredicate(index.Rules{MinAge: time.Nanosecond}) // it asks for the time
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		whole := func(x *index.Index) (etag, text string) {
			t.Helper()
			d, err := x.FilteredChanneldata(t.Context(), open, p)
			return d.ETag, string(body(t, d, err))
		}
		of := map[string]string{} // what each ETag stands for
		etag, text := whole(w.replica())
		of[etag] = text

		between := func() {}
		x := index.New(w.db, w.reg, index.Options{Now: func() time.Time {
			f := between
			between = func() {}
			f()
			return w.now
		}})
		if err := x.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		deleted := false
		between = func() { // the first of the two views is being made
			if _, err := w.reg.DeleteFile(t.Context(), w.ana, "ana", "second", second.Version, second.Basename); err != nil {
				t.Fatal(err)
			}
			if v, err := x.Filtered(t.Context(), open, p, "noarch"); err != nil || v.Names() != 1 {
				t.Errorf("the other view: %v", err)
			}
			deleted = true
		}
		during, got := whole(x)
		if !deleted {
			t.Fatal("nothing was deleted while the document was made")
		}
		etag, text = whole(w.replica())
		if of[etag] != "" || strings.Contains(text, "second") {
			t.Fatalf("the deletion is not in %s:\n%s", etag, text)
		}
		of[etag] = text
		if diff := cmp.Diff(of[during], got); diff != "" {
			t.Errorf("under %s (-want +got):\n%s", during, diff)
		}
		if _, got := whole(x); got != text {
			t.Errorf("the next answer has the deleted file:\n%s", got)
		}
	})
}
