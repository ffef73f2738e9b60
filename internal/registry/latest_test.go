package registry_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// TestLatest: a pre-release is no package's latest where there is a release, and
// main goes before other labels.
func TestLatest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		want := func(when, latest, release string) {
			t.Helper()
			p, err := w.Package(w.ctx, w.alice, "acme", "demo")
			if err != nil {
				t.Fatal(err)
			}
			if p.Latest != latest {
				t.Errorf("%s the latest is %q, want %q", when, p.Latest, latest)
			}
			r, err := w.LatestRelease(w.ctx, w.alice, "acme", "demo")
			if err != nil {
				t.Fatal(err)
			}
			if r.Version != release {
				t.Errorf("%s the latest release is %q, want %q", when, r.Version, release)
			}
		}
		put := func(version string, change ...func(*registry.UploadRequest)) {
			t.Helper()
			w.must(w.alice, "acme", condatest.Spec{Name: "demo", Version: version}, change...)
		}
		put("2.0rc1")
		want("with a pre-release alone", "2.0rc1", "2.0rc1")
		put("1.8", into("dev"))
		want("with a release elsewhere", "1.8", "2.0rc1")
		put("1.7")
		want("with a release in main", "1.7", "1.7")
		put("1.10.post1")
		put("3.0.dev4")
		want("with all of them", "1.10.post1", "1.10.post1")
		if _, err := w.RemoveLabel(w.ctx, w.alice, "acme", "main", registry.Selector{Package: ptr("demo"), Version: ptr("1.10.post1")}); err != nil {
			t.Fatal(err)
		}
		want("after a label went", "1.7", "1.7")
		if _, err := w.CopyLabel(w.ctx, w.alice, "acme", "dev", "main"); err != nil {
			t.Fatal(err)
		}
		want("after a label came", "1.8", "1.8")
		for _, version := range []string{"1.7", "1.8", "1.10.post1"} {
			if err := w.DeleteRelease(w.ctx, w.alice, "acme", "demo", version); err != nil {
				t.Fatal(err)
			}
		}
		want("without releases", "3.0.dev4", "3.0.dev4")
	})
}

// TestGainedIsRefreshed: what a package says after an upload is what a look at
// all of its files says.
func TestGainedIsRefreshed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		versions := []string{"1.0", "2.0rc1", "1.10", "2.0", "1.9.post1", "3.0.dev4", "0.1"}
		licences := []string{"MIT", "", "ISC"}
		pick := rand.New(rand.NewPCG(1, 2))
		for i := range 60 {
			spec := condatest.Spec{
				Name: "demo", Version: versions[pick.IntN(len(versions))], Build: fmt.Sprint("b_", i), BuildNumber: int64(i),
				License: licences[pick.IntN(len(licences))], Subdir: []string{"noarch", "linux-64", "osx-arm64"}[pick.IntN(3)],
			}
			var how []func(*registry.UploadRequest)
			if pick.IntN(2) == 0 {
				how = append(how, into("dev"))
			}
			w.pass(time.Minute)
			w.must(w.alice, "acme", spec, how...)
			got, err := w.Package(w.ctx, w.alice, "acme", "demo")
			if err != nil {
				t.Fatal(err)
			}
			want, err := w.UpdatePackage(w.ctx, w.alice, "acme", "demo", nil)
			if err != nil {
				t.Fatal(err)
			}
			got.ModifiedAt = want.ModifiedAt
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(registry.Package{})); diff != "" {
				t.Fatalf("upload %d of %+v (-refreshed +gained):\n%s", i, spec, diff)
			}
		}
	})
}
