package index_test

import (
	"bytes"
	"encoding/json/v2"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestLargeName changes a name of hundreds of records in every way: records come,
// go, come again and are patched, several at a time. What an index brings up, asked
// after each change or after some, is what one has which has just read the rows.
func TestLargeName(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx, rnd := t.Context(), rand.New(rand.NewPCG(11, 12))
		all, keep := made{}, func(string, map[string]any) bool { return true }
		all.grow(rnd, 1500, w.now)
		open := all.into(w, "main", keep)
		large := func() []string {
			return slices.Sorted(func(yield func(string) bool) {
				for f, r := range all {
					if r["name"] == "large" && !yield(f) {
						return
					}
				}
			})
		}
		pkg := "large"
		var gone []string
		relabel := func(file string, f func(base string) (int, error)) {
			if n, err := f("linux-64/" + file); err != nil || n != 1 {
				t.Fatalf("%s: %d, %v", file, n, err)
			}
		}
		patch := func(instructions map[string]any) {
			instructions["patch_instructions_version"] = 1
			text, err := json.Marshal(instructions)
			if err != nil {
				t.Fatal(err)
			}
			p, err := repodata.ParsePatch(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.reg.Patch(ctx, w.ana, "ana", "main", map[string]repodata.Patch{"linux-64": p}); err != nil {
				t.Fatal(err)
			}
		}
		const steps = 60
		for step := range steps + 6 {
			there := slices.DeleteFunc(large(), func(f string) bool { return slices.Contains(gone, f) })
			change := rnd.IntN(4)
			if step >= steps {
				change = 4
			}
			switch change {
			case 0:
				more := made{}
				more.grow(rnd, 1+rnd.IntN(12), w.now)
				maps.DeleteFunc(more, func(f string, _ map[string]any) bool { return all[f] != nil })
				maps.Copy(all, more)
				open = more.into(w, "main", keep)
			case 1:
				file := there[rnd.IntN(len(there))]
				relabel(file, func(base string) (int, error) {
					return w.reg.RemoveLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &pkg, Basename: &base})
				})
				gone = append(gone, file)
			case 2:
				if len(gone) == 0 {
					continue
				}
				file := gone[0]
				gone = gone[1:]
				relabel(file, func(base string) (int, error) {
					return w.reg.AddLabel(ctx, w.ana, "ana", "main", registry.Selector{Package: &pkg, Basename: &base})
				})
			case 3:
				groups := map[string]map[string]any{"packages": {}, "packages.conda": {}}
				for range 1 + rnd.IntN(3) {
					file, group := there[rnd.IntN(len(there))], "packages"
					if strings.HasSuffix(file, ".conda") {
						group = "packages.conda"
					}
					groups[group][file] = map[string]any{"depends": []string{"x", strings.Repeat("y", rnd.IntN(4000))}}
				}
				patch(map[string]any{"packages": groups["packages"], "packages.conda": groups["packages.conda"]})
			case 4: // it shrinks, until it is no large name any more, and none
				some := there[:(len(there)+1)/2]
				if step == steps+5 {
					some = there
				}
				patch(map[string]any{"remove": some})
				gone = append(gone, some...)
			}
			if step < steps && rnd.IntN(3) > 0 {
				w.document(w.idx, open, "", "linux-64", index.ShardIndex) // the text is brought up by several at once
				continue
			}
			fresh := w.replica()
			for _, form := range []index.Form{index.ShardIndex, index.RepodataZstd, index.RepodataJSON} {
				got, d := w.document(w.idx, open, "", "linux-64", form)
				want, e := w.document(fresh, open, "", "linux-64", form)
				if !bytes.Equal(want, got) || d.ETag != e.ETag {
					t.Fatalf("step %d: %s has %d bytes where a fresh index has %d", step, form, len(got), len(want))
				}
			}
		}
	})
}
