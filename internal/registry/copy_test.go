package registry_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

func TestCopy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		source := w.must(w.bob, "bob", condatest.Spec{Summary: "from bob"})
		w.must(w.bob, "bob", condatest.Spec{Build: "1"})
		w.must(w.bob, "bob", condatest.Spec{Build: "2"}, into("dev"))
		q := registry.CopyRequest{Owner: "bob", Package: "demo", Version: "1.0", ToOwner: "acme", ToLabel: "Staging"}

		_, err := w.Copy(w.ctx, w.carol, q)
		wantKind(t, err, errs.Forbidden)
		copies, err := w.Copy(w.ctx, w.alice, q)
		if err != nil || len(copies) != 2 {
			t.Fatalf("got %d copies, %v", len(copies), err)
		}
		w.wantListed("acme", "staging", -1, demo, "noarch/demo-1.0-1.conda")
		w.wantListed("acme", "main", -1)
		for _, f := range copies {
			if f.Basename == source.Basename && !bytes.Equal(w.read(f), w.read(source)) {
				t.Error("the copy has other bytes")
			}
		}
		p, err := w.Package(w.ctx, w.nobody, "acme", "demo")
		if err != nil || p.Summary != "from bob" || !cmp.Equal(p.Versions, []string{"1.0"}) {
			t.Errorf("got %+v, %v", p, err)
		}

		_, err = w.Copy(w.ctx, w.alice, q)
		wantKind(t, err, errs.Exists)
		q.Mode = registry.CopyUpdate
		if copies, err = w.Copy(w.ctx, w.alice, q); err != nil || len(copies) != 0 {
			t.Errorf("update copied %d, %v", len(copies), err)
		}
		w.must(w.bob, "bob", condatest.Spec{Summary: "newer"}, force)
		q.Mode = registry.CopyReplace
		if copies, err = w.Copy(w.ctx, w.alice, q); err != nil || len(copies) != 2 {
			t.Errorf("replace copied %d, %v", len(copies), err)
		}
		w.wantListed("acme", "staging", -1, demo, "noarch/demo-1.0-1.conda")
		if trash, err := w.Trash(w.ctx, w.alice, "acme"); err != nil || len(trash) != 2 {
			t.Errorf("the trash holds %d files, %v", len(trash), err)
		}

		// Within one owner it is a label.
		own := registry.CopyRequest{Owner: "bob", Package: "demo", Version: "1.0", Basename: "noarch/demo-1.0-2.conda", FromLabel: "dev", ToLabel: "main"}
		if copies, err = w.Copy(w.ctx, w.bob, own); err != nil || len(copies) != 1 || !cmp.Equal(copies[0].Labels, []string{"dev", "main"}) {
			t.Errorf("got %+v, %v", copies, err)
		}
		own.FromLabel = "absent"
		_, err = w.Copy(w.ctx, w.bob, own)
		wantKind(t, err, errs.NotFound)
		own.FromLabel, own.Mode = "dev", "steal"
		_, err = w.Copy(w.ctx, w.bob, own)
		wantKind(t, err, errs.Invalid)
		w.clean()
	})
}

func TestCopyKeepsSecrets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{}, private)
		q := registry.CopyRequest{Owner: "acme", Package: "demo", Version: "1.0", ToOwner: "bob"}
		_, err := w.Copy(w.ctx, w.bob, q)
		wantKind(t, err, errs.NotFound)
		q.ToOwner = "alice"
		if _, err := w.Copy(w.ctx, w.alice, q); err != nil {
			t.Fatal(err)
		}
		_, err = w.Package(w.ctx, w.nobody, "alice", "demo")
		wantKind(t, err, errs.NotFound)
	})
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "gdal", Summary: "Maps", License: "MIT", Subdir: "linux-64"})
		w.must(w.alice, "alice", condatest.Spec{Name: "gdal-extra", Summary: "More maps"})
		w.must(w.alice, "alice", condatest.Spec{Name: "libgdal", Summary: "Fast 100% maps"})
		w.must(w.alice, "alice", condatest.Spec{Name: "proj", Summary: "Needs GDAL"})
		popular := w.must(w.alice, "alice", condatest.Spec{Name: "pygdal"})
		w.must(w.alice, "acme", condatest.Spec{Name: "gdal-secret"}, private)
		for range 3 {
			w.CountDownload(popular)
		}
		if err := w.FlushDownloads(w.ctx); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			who   string
			actor access.Actor
			query registry.Query
			want  []string
		}{
			{"nobody", w.nobody, registry.Query{Text: "GDAL"}, []string{"gdal", "gdal-extra", "pygdal", "libgdal", "proj"}},
			{"the owner", w.alice, registry.Query{Text: "gdal-"}, []string{"gdal-extra", "gdal-secret"}},
			{"a member", w.carol, registry.Query{Text: "gdal-"}, []string{"gdal-extra"}},
			{"nobody", w.nobody, registry.Query{Text: "maps gdal"}, []string{"gdal", "gdal-extra", "libgdal"}},
			{"nobody", w.nobody, registry.Query{Text: "100%"}, []string{"libgdal"}},
			{"nobody", w.nobody, registry.Query{Text: "_"}, []string{}},
			{"nobody", w.nobody, registry.Query{Text: "gdal", Platforms: []string{"linux-64"}}, []string{"gdal"}},
			{"nobody", w.nobody, registry.Query{Licenses: []string{"mit"}}, []string{"gdal"}},
			{"nobody", w.nobody, registry.Query{Types: []string{"pypi"}}, []string{}},
			{"nobody", w.nobody, registry.Query{Owners: []string{"acme"}}, []string{}},
			{"nobody", w.nobody, registry.Query{Text: "gdal", Sort: "name"}, []string{"gdal", "gdal-extra", "libgdal", "proj", "pygdal"}},
			{"nobody", w.nobody, registry.Query{Sort: "downloads", Limit: 1}, []string{"pygdal"}},
		} {
			result, err := w.Search(w.ctx, tt.actor, tt.query)
			if err != nil {
				t.Fatalf("%+v: %v", tt.query, err)
			}
			if d := cmp.Diff(tt.want, names(result.Hits)); d != "" {
				t.Errorf("%s searches %+v (-want +got):\n%s", tt.who, tt.query, d)
			}
			if tt.query.Limit == 0 && result.Total != len(tt.want) {
				t.Errorf("%s searches %+v: total %d, want %d", tt.who, tt.query, result.Total, len(tt.want))
			}
		}
		result, err := w.Search(w.ctx, w.nobody, registry.Query{Text: "gdal"})
		if err != nil {
			t.Fatal(err)
		}
		want := registry.Facets{
			Types:     []registry.Facet{{Value: "conda", Count: 5}},
			Platforms: []registry.Facet{{Value: "noarch", Count: 4}, {Value: "linux-64", Count: 1}}, Owners: []registry.Facet{{Value: "alice", Count: 5}},
			Licenses: []registry.Facet{{Value: "MIT", Count: 1}},
		}
		if d := cmp.Diff(want, result.Facets); d != "" {
			t.Errorf("facets (-want +got):\n%s", d)
		}
		// Values of one filter add up, those of another narrow; a filter counts what its further values would add.
		result, err = w.Search(w.ctx, w.nobody, registry.Query{Text: "gdal", Platforms: []string{"linux-64", "noarch"}, Owners: []string{"ALICE", "nobody"}})
		if err != nil {
			t.Fatal(err)
		}
		if result.Total != 5 {
			t.Errorf("two platforms leave %d packages, want 5", result.Total)
		}
		result, err = w.Search(w.ctx, w.nobody, registry.Query{Text: "gdal", Platforms: []string{"linux-64"}})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Platforms, result.Facets.Platforms); d != "" || result.Total != 1 || result.Facets.Owners[0].Count != 1 {
			t.Errorf("with one platform chosen there are %d packages, %d of the first owner; platforms (-want +got):\n%s", result.Total, result.Facets.Owners[0].Count, d)
		}
		_, err = w.Search(w.ctx, w.nobody, registry.Query{Owners: make([]string, 21)})
		wantKind(t, err, errs.Invalid)
		_, err = w.Search(w.ctx, w.nobody, registry.Query{Sort: "luck"})
		wantKind(t, err, errs.Invalid)
	})
}

func names(list []registry.Package) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Name
	}
	return out
}

func TestPackagesPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, name := range []string{"d", "b", "a", "c", "e"} {
			w.must(w.alice, "alice", condatest.Spec{Name: name})
			w.pass(1e9)
		}
		w.must(w.alice, "alice", condatest.Spec{Name: "f"}, private)
		for sort, want := range map[string][]string{"": {"a", "b", "c", "d", "e"}, "released": {"e", "c", "a", "b", "d"}, "modified": {"e", "c", "a", "b", "d"}, "downloads": {"a", "b", "c", "d", "e"}} {
			var got []string
			f := registry.PackageFilter{Owner: "alice", Sort: sort, Limit: 2}
			for {
				page, err := w.Packages(w.ctx, w.nobody, f)
				if err != nil || page.Total != 5 {
					t.Fatalf("total %d, %v", page.Total, err)
				}
				got = append(got, names(page.Packages)...)
				if f.After = page.Next; f.After == "" {
					break
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("by %q (-want +got):\n%s", sort, d)
			}
		}
		page, err := w.Packages(w.ctx, w.alice, registry.PackageFilter{Access: "private"})
		if err != nil || !cmp.Equal(names(page.Packages), []string{"f"}) {
			t.Errorf("got %v, %v", names(page.Packages), err)
		}
		_, err = w.Packages(w.ctx, w.alice, registry.PackageFilter{Owner: "nowhere"})
		wantKind(t, err, errs.NotFound)

		stats, err := w.Stats(w.ctx, w.nobody)
		if err != nil || stats.Packages != 5 || stats.Files != 5 || stats.Channels != 4 {
			t.Errorf("got %+v, %v", stats, err)
		}
	})
}

func TestDownloads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.must(w.alice, "alice", condatest.Spec{})
		w.CountDownload(f)
		w.pass(24 * 3600 * 1e9)
		w.CountDownload(f)
		w.CountDownload(f)
		if err := w.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
		days, err := w.Downloads(w.ctx, w.nobody, "alice", "demo", 3)
		want := []registry.Day{{Day: "2026-11-20"}, {Day: "2026-11-21", Count: 1}, {Day: "2026-11-22", Count: 2}}
		if d := cmp.Diff(want, days); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		got, err := w.File(w.ctx, w.nobody, "alice", "demo", "1.0", demo)
		if err != nil || got.Downloads != 3 {
			t.Errorf("got %d downloads, %v", got.Downloads, err)
		}
		stats, err := w.Stats(w.ctx, w.nobody)
		if err != nil || stats.Downloads != 3 {
			t.Errorf("got %+v, %v", stats, err)
		}
	})
}
