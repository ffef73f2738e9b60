package index_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// needy draws records of the names that begin with a prefix and depend on each
// other, in versions old and new, in both formats, some with features.
func needy(t *rapid.T, prefix string) made {
	m := made{}
	for range rapid.IntRange(1, 12).Draw(t, "records") {
		name := prefix + rapid.SampledFrom([]string{"a", "b", "c", "d", "secret"}).Draw(t, "name")
		version, build := rapid.SampledFrom([]string{"1", "1.5", "2", "10"}).Draw(t, "version"), rapid.SampledFrom([]string{"0", "1"}).Draw(t, "build")
		file := name + "-" + version + "-" + build + rapid.SampledFrom([]string{".conda", ".tar.bz2"}).Draw(t, "format")
		sum := sha256.Sum256([]byte(file))
		m[file] = map[string]any{
			"name": name, "version": version, "build": build, "build_number": 0, "license": "MIT", "subdir": "linux-64",
			"depends": needs(t, prefix), "sha256": hex.EncodeToString(sum[:]), "md5": hex.EncodeToString(sum[:16]), "size": 7,
			"features": rapid.SampledFrom([]string{"", "", "", "mkl"}).Draw(t, "features"),
		}
	}
	return m
}

func needs(t *rapid.T, prefix string) []string {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		return prefix + rapid.SampledFrom([]string{"a", "b", "c", "d", "secret"}).Draw(t, "of") + rapid.SampledFrom([]string{"", " <2", " >=1.5,<10", " 1.*", " 2 0", "[features=mkl]"}).Draw(t, "range")
	}), 0, 3).Draw(t, "depends")
}

// picked gives current_repodata.json as repodata.Current has it of what a
// repodata.json lists: records and nothing around them.
func picked(t testing.TB, repodataJSON []byte) (list []string) {
	t.Helper()
	var files []repodata.FileRecord
	if _, err := repodata.ReadRecords(bytes.NewReader(repodataJSON), func(file string, raw jsontext.Value) error {
		r, err := conda.ParseRecord(raw)
		files = append(files, repodata.FileRecord{FileName: file, Record: r})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	kept, err := repodata.Current(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".tar.bz2", ".conda"} {
		for _, f := range kept {
			if strings.HasSuffix(f.FileName, suffix) {
				enc, err := repodata.EncodeRecord(f.Record)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, f.FileName+" "+string(enc.JSON))
			}
		}
	}
	return list
}

// records gives those of a document in the order in which they stand there.
func records(t testing.TB, doc []byte) (list []string) {
	t.Helper()
	if _, err := repodata.ReadRecords(bytes.NewReader(doc), func(file string, raw jsontext.Value) error {
		list = append(list, file+" "+string(raw))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestCurrentIsBroughtUp changes a channel at random and asks for
// current_repodata.json now and then, as its owner and as somebody who may not see
// a package: each time it is what picking from all records gives, and has the bytes
// that an index gives which has just read the rows.
func TestCurrentIsBroughtUp(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx, run := t.Context(), 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			channel, prefix := fmt.Sprintf("c%d", run), fmt.Sprintf("r%d-", run)
			listed := map[string]string{} // file → package
			var gone []string
			selector := func(file string) registry.Selector {
				base, pkg := "linux-64/"+file, listed[file]
				return registry.Selector{Package: &pkg, Basename: &base}
			}
			files := func() []string {
				return slices.Sorted(func(yield func(string) bool) {
					for f := range listed {
						if !slices.Contains(gone, f) && !yield(f) {
							return
						}
					}
				})
			}
			grow := func(t *rapid.T) {
				m := needy(t, prefix)
				m.intoWith(w, channel, func(name string) bool { return strings.HasSuffix(name, "secret") }, func(string, map[string]any) bool { return true })
				for f, r := range m {
					listed[f] = r["name"].(string)
				}
				gone = slices.DeleteFunc(gone, func(f string) bool { return m[f] != nil })
			}
			grow(t)
			steps := map[string]func(*rapid.T){
				"grow": grow,
				"remove": func(t *rapid.T) {
					there := files()
					if len(there) == 0 {
						return
					}
					f := rapid.SampledFrom(there).Draw(t, "file")
					if n, err := w.reg.RemoveLabel(ctx, w.ana, "ana", channel, selector(f)); err != nil || n != 1 {
						t.Fatalf("removing %s: %d, %v", f, n, err)
					}
					gone = append(gone, f)
				},
				"list again": func(t *rapid.T) {
					if len(gone) == 0 {
						return
					}
					f := rapid.SampledFrom(gone).Draw(t, "file")
					if _, err := w.reg.AddLabel(ctx, w.ana, "ana", channel, selector(f)); err != nil {
						t.Fatal(err)
					}
					gone = slices.DeleteFunc(gone, func(g string) bool { return g == f })
				},
				"patch": func(t *rapid.T) {
					there := files()
					if len(there) == 0 {
						return
					}
					f, group := rapid.SampledFrom(there).Draw(t, "file"), "packages"
					if strings.HasSuffix(f, ".conda") {
						group = "packages.conda"
					}
					text, err := json.Marshal(map[string]any{"patch_instructions_version": 1, group: map[string]any{f: map[string]any{"depends": needs(t, prefix)}}})
					if err != nil {
						t.Fatal(err)
					}
					p, err := repodata.ParsePatch(text)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := w.reg.Patch(ctx, w.ana, "ana", channel, map[string]repodata.Patch{"linux-64": p}); err != nil {
						t.Fatal(err)
					}
				},
				"ask": func(t *rapid.T) {
					scratch := w.replica()
					for _, actor := range []access.Actor{w.ana, access.Anonymous("127.0.0.1")} {
						open := w.open(actor, channel)
						if _, err := w.idx.View(ctx, open, "linux-64"); errs.Is(err, errs.NotFound) && actor.Anonymous() {
							continue // there is nothing but the secret
						}
						got, d := w.document(w.idx, open, "", "linux-64", index.CurrentJSON)
						whole, _ := w.document(w.idx, open, "", "linux-64", index.RepodataJSON)
						if diff := cmp.Diff(picked(w, whole), records(w, got)); diff != "" {
							t.Fatalf("brought up (-picked from all, +got):\n%s", diff)
						}
						fresh, e := w.document(scratch, open, "", "linux-64", index.CurrentJSON)
						if !bytes.Equal(got, fresh) || d.ETag != e.ETag {
							t.Fatalf("brought up:\n%s\nmade anew:\n%s", got, fresh)
						}
					}
				},
			}
			for range rapid.IntRange(1, 5).Draw(t, "steps") {
				steps[rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(t, "step")](t)
			}
			steps["ask"](t)
		})
	})
}
