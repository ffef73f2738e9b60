package doors_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/apptest"
	"terrarium/internal/registry"
)

// nemo is nobody: a name like acme that no owner has or had.
const nemo = "nemo"

// of gives the door of another owner.
func (d door) of(owner string) door {
	d.path, d.body = strings.ReplaceAll(d.path, "acme", owner), strings.ReplaceAll(d.body, "acme", owner)
	return d
}

// TestDeletedOwnerIsAbsent: behind every door what a deleted organisation has is
// like what never was, also for those who owned it, and in no list of others.
func TestDeletedOwnerIsAbsent(t *testing.T) {
	w := newWorld(t)
	there := thing{"open", "main", w.shard("main", "open"), "1", w.fileID("open", openFile)}
	_, err := w.Registry.CreateSnapshot(t.Context(), w.sara.Actor(t), "sara", registry.NewSnapshot{Name: "copy", Owner: "acme"})
	w.must(err)
	snapshot := func(c caller) (all []*apptest.Answer) {
		for _, form := range append(slices.Clone(forms), "/noarch/"+openFile, "/at/1/noarch/repodata.json") {
			for _, name := range []string{"copy", "nope"} {
				all = append(all, w.Do(t, "GET", "/conda/sara/"+name+form, apptest.Request{Token: c.token}))
			}
		}
		return all
	}
	callers := slices.DeleteFunc(w.callers(), func(c caller) bool { return c.bad })
	callers = append(callers, caller{name: "owner", person: w.olga, token: w.olga.Token})
	for _, a := range snapshot(callers[0]) {
		if strings.Contains(a.Path, "/copy/noarch/repodata.json") && a.Status != http.StatusOK {
			t.Fatalf("the snapshot is not served before: %s", a)
		}
	}
	doors := slices.Concat(packageDoors(), channelDoors(), listDoors())
	open := caller{name: "owner", person: w.olga, token: w.olga.Token}
	// What the owner reads, before and after: of the index every byte, else the status.
	reads := func() map[string]string {
		all := map[string]string{}
		for _, d := range doors {
			if d.method != "" {
				continue
			}
			a := d.ask(w, t, open, there)
			all[a.Path] = http.StatusText(a.Status)
			if strings.HasPrefix(a.Path, "/conda/") && !strings.HasSuffix(a.Path, ".conda") {
				all[a.Path] = shown(a)
			}
		}
		return all
	}
	before := reads()

	_, err = w.Accounts.DeleteOwner(t.Context(), w.olga.Actor(t), "acme", "acme")
	w.must(err)
	for _, c := range callers {
		t.Run(c.name, func(t *testing.T) {
			for _, d := range doors {
				gone, never := d.ask(w, t, c, there), d.of(nemo).ask(w, t, c, there)
				if diff := cmp.Diff(shown(never, nemo), shown(gone, "acme")); diff != "" {
					t.Errorf("%s %s: never (-), deleted (+):\n%s", gone.Method, gone.Path, diff)
				}
				if !strings.Contains(d.path+d.body, "acme") && strings.Contains(string(gone.Body), "acme") {
					t.Errorf("%s %s names acme", gone.Method, gone.Path)
				}
			}
			all := snapshot(c)
			for i := 0; i < len(all); i += 2 {
				if diff := cmp.Diff(shown(all[i+1], "nope"), shown(all[i], "copy")); diff != "" {
					t.Errorf("%s, of a channel of a deleted owner: never (-), snapshot (+):\n%s", all[i].Path, diff)
				}
			}
		})
	}

	// Undone, everything is there again.
	_, err = w.Accounts.RestoreOwner(t.Context(), access.System(), "acme")
	w.must(err)
	if diff := cmp.Diff(before, reads()); diff != "" {
		t.Errorf("after it was restored, before (-), after (+):\n%s", diff)
	}
}
