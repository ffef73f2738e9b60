package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

const secretFile = "secret-1.0-0.conda"

// TestDeletedPrivatePackage looks for what is left of a private package that was
// deleted, before and after another takes its name in public.
func TestDeletedPrivatePackage(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "open"})
		secret := w.must(w.alice, "acme", condatest.Spec{Name: "secret"}, private) // generation 2
		helped := w.bob
		helped.Grants = []access.Grant{{ObjectKind: access.OnPackage, ObjectID: secret.PackageID, Verb: access.Read}}
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "secret"); err != nil { // generation 3
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			for _, c := range []struct {
				who   string
				actor access.Actor
				sees  bool
			}{{"nobody", w.nobody, false}, {"a stranger", w.bob, false}, {"a member", w.carol, false}, {"the owner", w.alice, true}, {"one with a grant", helped, true}} {
				opened, err := w.OpenChannel(w.ctx, c.actor, "acme", "")
				if err != nil {
					t.Fatal(err)
				}
				if opened.Public || (opened.ViewKey == "") != c.sees || len(opened.Hidden) > 0 || (len(opened.HiddenPackages) == 0) != c.sees {
					t.Errorf("%s: %s opens %+v", when, c.who, opened)
				}
				want := errs.NotFound
				if c.sees {
					want = errs.Gone
				}
				if when == "deleted" {
					_, err := w.FileAt(w.ctx, opened, "noarch", secretFile)
					wantKind(t, err, want)
				}
				if _, err := w.FileAtGeneration(w.ctx, opened, 2, "noarch", secretFile); (err == nil) != c.sees || err != nil && !errs.Is(err, errs.NotFound) {
					t.Errorf("%s: the file of then for %s: %v", when, c.who, err)
				}
				changes, err := w.ChannelChanges(w.ctx, opened, 10)
				if err != nil {
					t.Fatal(err)
				}
				told := map[int64]bool{}
				for _, ch := range changes {
					told[ch.Generation] = true
				}
				wantTold := map[int64]bool{1: true}
				if c.sees {
					wantTold[2], wantTold[3] = true, true
				}
				if when != "deleted" {
					wantTold[4] = true
				}
				if diff := cmp.Diff(wantTold, told); diff != "" {
					t.Errorf("%s: changes told to %s (-want +got):\n%s", when, c.who, diff)
				}
				opened.Channel.FrozenAt = new(int64(2))
				_, total, err := w.ChannelPackages(w.ctx, opened, "", 10)
				if wantTotal := map[bool]int{false: 1, true: 2}[c.sees]; err != nil || total != wantTotal {
					t.Errorf("%s: frozen, %s sees %d packages, want %d: %v", when, c.who, total, wantTotal, err)
				}
			}
		}
		check("deleted")

		w.must(w.alice, "acme", condatest.Spec{Name: "secret", Summary: "another"}) // generation 4, public
		check("made again")
		opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.FileAt(w.ctx, opened, "noarch", secretFile); err != nil {
			t.Errorf("the public package of the same name: %v", err)
		}
		if _, err := w.FileAtGeneration(w.ctx, opened, 4, "noarch", secretFile); err != nil {
			t.Errorf("the public package of the same name at its generation: %v", err)
		}
	})
}

// A file of a private package does not come back into a public one.
func TestRestorePrivateFile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.must(w.alice, "acme", condatest.Spec{Name: "secret"}, private)
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "secret"); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "secret", Version: "2.0"})
		_, err := w.RestoreFile(w.ctx, w.alice, f.ID)
		wantKind(t, err, errs.Conflict)
		if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "secret", true); err != nil {
			t.Fatal(err)
		}
		back, err := w.RestoreFile(w.ctx, w.alice, f.ID)
		if err != nil || !back.Private {
			t.Fatalf("restored into a private package: %+v, %v", back, err)
		}

		// Its own package may have been made public on purpose.
		if _, err := w.DeleteFile(w.ctx, w.alice, "acme", "secret", f.Version, f.Basename); err != nil {
			t.Fatal(err)
		}
		if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "secret", false); err != nil {
			t.Fatal(err)
		}
		if back, err = w.RestoreFile(w.ctx, w.alice, f.ID); err != nil || back.Private {
			t.Errorf("restored into its package, public since: %+v, %v", back, err)
		}
	})
}
