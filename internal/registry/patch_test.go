package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// document is what a subdir lists: records by file name.
type document map[string]map[string]any

// recordsAt reads the document of noarch at a generation; -1 = now.
func (w *world) recordsAt(channel string, generation int64) document {
	w.t.Helper()
	if generation < 0 {
		generation = w.generation(channel)
	}
	doc := document{}
	err := w.db.EachRow(w.ctx, func(rows *sqldb.Rows) error {
		var name string
		var text []byte
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			return err
		}
		doc[name] = record
		return nil
	}, `SELECT r.file_name, r.json FROM records r JOIN channels c ON c.id = r.channel_id JOIN owners o ON o.id = c.owner_id
		WHERE o.name = 'acme' AND c.name = $1 AND r.subdir = 'noarch' AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)`, channel, generation)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc
}

func (w *world) generation(channel string) int64 {
	w.t.Helper()
	c, err := w.Channel(w.ctx, w.alice, "acme", channel)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Generation
}

// instructions are a patch_instructions.json.
type instructions struct {
	Version       int                       `json:"patch_instructions_version"`
	Packages      map[string]map[string]any `json:"packages"`
	PackagesConda map[string]map[string]any `json:"packages.conda"`
	Revoke        []string                  `json:"revoke"`
	Remove        []string                  `json:"remove"`
}

// patched is the document as conda-index makes it: the instructions for .tar.bz2,
// then those again for their .conda twins, those for .conda, revoke, remove.
func (in instructions) patched(doc document) document {
	out := document{}
	for name, record := range doc {
		out[name] = maps.Clone(record)
	}
	lay := func(name string, fields map[string]any) {
		record, there := out[name]
		if !there {
			return
		}
		for key, value := range fields {
			if value == nil {
				delete(record, key)
			} else {
				record[key] = value
			}
		}
	}
	twin := func(name string) string {
		if stem, ok := strings.CutSuffix(name, ".tar.bz2"); ok {
			return stem + ".conda"
		}
		return ""
	}
	for name, fields := range in.Packages {
		lay(name, fields)
	}
	for name, fields := range in.Packages {
		lay(twin(name), fields)
	}
	for name, fields := range in.PackagesConda {
		lay(name, fields)
	}
	for _, name := range in.Revoke {
		for _, n := range []string{name, twin(name)} {
			record, there := out[n]
			if !there {
				continue
			}
			record["revoked"] = true
			needs, _ := record["depends"].([]any)
			if !slices.Contains(needs, any("package_has_been_revoked")) {
				record["depends"] = append(slices.Clone(needs), "package_has_been_revoked")
			}
		}
	}
	for _, name := range in.Remove {
		delete(out, name)
		delete(out, twin(name))
	}
	return out
}

func (in instructions) parse(t testing.TB) repodata.Patch {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	p, err := repodata.ParsePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// patch applies instructions to acme/CHANNEL's noarch.
func (w *world) patch(channel string, in instructions) (registry.PatchReport, error) {
	w.t.Helper()
	return w.Patch(w.ctx, w.alice, "acme", channel, map[string]repodata.Patch{"noarch": in.parse(w.t)})
}

// TestPatchIsCondaIndexs: after any hotfix a channel lists what conda-index would
// make of the document before; that stays what it was, under its generation, and
// so do the files' own records. The same again makes no generation.
func TestPatchIsCondaIndexs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		pick := rand.New(rand.NewPCG(7, 11))
		var files []string
		for i := range 12 {
			spec := condatest.Spec{Name: fmt.Sprintf("p%d", i/3), Version: fmt.Sprintf("1.%d", i%3), Depends: []string{"a >=1"}, License: "MIT"}
			for _, format := range []conda.Format{conda.FormatConda, conda.FormatTarBz2} {
				if spec.Format = format; format == conda.FormatTarBz2 && i%2 == 0 {
					continue
				}
				files = append(files, strings.TrimPrefix(w.must(w.alice, "acme", spec).Basename, "noarch/"))
			}
		}
		own := w.recordsAt("main", -1)
		any1 := func() string { return files[pick.IntN(len(files))] }
		type state struct {
			generation int64
			doc        document
		}
		past := []state{{w.generation("main"), own}}
		for range 40 {
			before := past[len(past)-1]
			in := instructions{Version: 1, Packages: map[string]map[string]any{}, PackagesConda: map[string]map[string]any{}}
			for range pick.IntN(4) {
				fields := map[string]any{}
				for _, f := range []struct {
					key   string
					value any
				}{
					{"depends", []any{fmt.Sprintf("a >=%d", pick.IntN(3))}},
					{"license", nil},
					{"constrains", []any{"c <2"}},
					{"build_number", float64(pick.IntN(9))},
					{"license_family", "GPL"},
					{"note", map[string]any{"why": "because"}},
					{"note", nil},
				} {
					if pick.IntN(3) == 0 {
						fields[f.key] = f.value
					}
				}
				if name := any1(); strings.HasSuffix(name, ".conda") {
					in.PackagesConda[name] = fields
				} else {
					in.Packages[name] = fields
				}
			}
			if pick.IntN(6) == 0 {
				in.Revoke = append(in.Revoke, any1())
			}
			if pick.IntN(12) == 0 {
				in.Remove = append(in.Remove, any1())
			}
			in.Packages["absent-1-0.tar.bz2"] = map[string]any{"depends": []any{}}
			want := in.patched(before.doc)
			report, err := w.patch("main", in)
			if err != nil {
				t.Fatal(err)
			}
			got := w.recordsAt("main", -1)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("after %+v (-want +got):\n%s", in, d)
			}
			changed := !cmp.Equal(before.doc, got)
			if g := w.generation("main"); (g != before.generation) != changed || changed && report.Generation != g || !changed && report.Generation != 0 {
				t.Fatalf("generation %d after %d with report %+v, changed %v", g, before.generation, report, changed)
			}
			again, err := w.patch("main", in)
			if n := again.Subdirs["noarch"]; err != nil || again.Generation != 0 || n.Changed != 0 || n.Removed != 0 {
				t.Fatalf("the same again: %+v, %v", again, err)
			}
			past = append(past, state{w.generation("main"), got})
		}
		for _, s := range past {
			if d := cmp.Diff(s.doc, w.recordsAt("main", s.generation)); d != "" {
				t.Errorf("generation %d was changed afterwards:\n%s", s.generation, d)
			}
		}
		w.clean()
		if _, err := w.CopyLabel(w.ctx, w.alice, "acme", "main", "other"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(own, w.recordsAt("other", -1)); d != "" {
			t.Errorf("another channel lists other records than the files' own:\n%s", d)
		}
	})
}

// TestPatchRefused: all that a hotfix may not do is said at once, and nothing is
// changed; who may not administer the channel, or finds it locked, cannot patch.
func TestPatchRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.must(w.alice, "acme", condatest.Spec{Name: "a"})
		w.must(w.alice, "acme", condatest.Spec{Name: "b"})
		before, generation := w.rows(), w.generation("main")
		in := instructions{Version: 1, PackagesConda: map[string]map[string]any{
			"a-1.0-0.conda": {"sha256": strings.Repeat("0", 64), "version": "2.0", "depends": []any{"x"}},
			"b-1.0-0.conda": {"depends": 7, "name": "b"},
		}}
		_, err := w.patch("main", in)
		wantKind(t, err, errs.Invalid)
		for _, part := range []string{"noarch/a-1.0-0.conda", "version", "sha256", "noarch/b-1.0-0.conda"} {
			if !strings.Contains(errs.Message(err), part) {
				t.Errorf("%q does not say %s", errs.Message(err), part)
			}
		}
		same := instructions{Version: 1, PackagesConda: map[string]map[string]any{"a-1.0-0.conda": {"sha256": a.SHA256}}}
		if report, err := w.patch("main", same); err != nil || report.Generation != 0 {
			t.Errorf("what is the same is no change: %+v, %v", report, err)
		}
		fine := instructions{Version: 1, Remove: []string{"a-1.0-0.conda"}}
		_, err = w.Patch(w.ctx, w.carol, "acme", "main", map[string]repodata.Patch{"noarch": fine.parse(t)})
		wantKind(t, err, errs.Forbidden)
		if err := w.LockChannel(w.ctx, w.alice, "acme", "main"); err != nil {
			t.Fatal(err)
		}
		_, err = w.patch("main", fine)
		wantKind(t, err, errs.Forbidden)
		if err := w.UnlockChannel(w.ctx, w.alice, "acme", "main"); err != nil {
			t.Fatal(err)
		}
		after := w.rows()
		after["audit"] = before["audit"]
		if d := cmp.Diff(before, after); d != "" || w.generation("main") != generation {
			t.Errorf("something was written:\n%s", d)
		}
		w.clean()
	})
}

// TestPatchedFile: what a hotfix takes out of the index is still there and can be
// listed again, with its own record, as can what it changed.
func TestPatchedFile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.must(w.alice, "acme", condatest.Spec{Name: "a"})
		w.must(w.alice, "acme", condatest.Spec{Name: "b"})
		own := w.recordsAt("main", -1)
		report, err := w.patch("main", instructions{
			Version: 1, Remove: []string{"a-1.0-0.conda"}, PackagesConda: map[string]map[string]any{"b-1.0-0.conda": {"depends": []any{"x"}}},
		})
		want := registry.PatchCount{Changed: 1, Removed: 1}
		if err != nil || report.Subdirs["noarch"] != want {
			t.Fatalf("got %+v, %v", report, err)
		}
		w.wantListed("acme", "main", -1, "noarch/b-1.0-0.conda")
		if f, err := w.File(w.ctx, w.nobody, "acme", "a", "1.0", a.Basename); err != nil || len(w.read(f)) == 0 || !slices.Equal(f.Labels, []string{"main"}) {
			t.Errorf("the file is %+v, %v", f, err)
		}
		w.clean()
		if got := w.count("SELECT count(*) FROM audit WHERE action = 'channel.patched'"); got != 1 {
			t.Errorf("%d audit rows", got)
		}
		if _, err := w.RemoveLabel(w.ctx, w.alice, "acme", "main", registry.Selector{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddLabel(w.ctx, w.alice, "acme", "main", registry.Selector{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(own, w.recordsAt("main", -1)); d != "" {
			t.Errorf("listed again, they are not their own:\n%s", d)
		}
		w.clean()
	})
}

// TestPatchAfterDeadStaging: what a hotfix that was killed had ended is not gone: the
// next one puts that away first, and finds the records.
func TestPatchAfterDeadStaging(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.many("copy", 50)
		ch, err := w.Channel(w.ctx, w.alice, "acme", "copy")
		if err != nil {
			t.Fatal(err)
		}
		const file, other = "package00001-1.3-0.conda", "package00002-1.3-0.conda"
		for query, args := range map[string][]any{
			"UPDATE channels SET reserved = $2 WHERE id = $1": {ch.ID, ch.Generation + 100_000},
			"INSERT INTO stagings (id, channel_id, generation, cause, subject, held_until, begun_at) VALUES ('dead', $1, $2, 'patch', 'x', $3, $3)": {
				ch.ID, ch.Generation + 100_000, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC),
			},
			"UPDATE records SET removed = $2 WHERE channel_id = $1 AND file_name = $3": {ch.ID, ch.Generation + 100_000, file},
		} {
			if _, err := w.db.Exec(w.ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		report, err := w.patch("copy", instructions{Version: 1, Remove: []string{file, other}})
		if err != nil || report.Subdirs["noarch"].Removed != 2 || report.Subdirs["noarch"].Absent != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		if left := w.recordsAt("copy", -1); left[file] != nil || left[other] != nil || len(left) != 48 {
			t.Errorf("%d records are left", len(left))
		}
		if n := w.count("SELECT count(*) FROM stagings"); n != 0 {
			t.Errorf("%d stagings are left", n)
		}
		w.clean()
	})
}

// midway is a publisher that does something when a hotfix is written and not current.
type midway struct {
	*world
	do func()
}

// Prepare implements registry.Preparer.
func (m midway) Prepare(context.Context, string, int64) (any, error) {
	m.do()
	return nil, nil //nolint:nilnil // nothing is prepared
}

// TestPatchBesideLabel: a file whose record a hotfix changes is not lost where somebody
// puts the label of the channel on all files of its package meanwhile.
func TestPatchBesideLabel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.must(w.alice, "acme", condatest.Spec{}, into("copy"))
		w.must(w.alice, "acme", condatest.Spec{Version: "2.0"}, into("dev"))
		pkg, met := "demo", 0
		w.SetPublisher(midway{w, func() {
			met++
			if n, err := w.AddLabel(w.ctx, w.alice, "acme", "copy", registry.Selector{Package: &pkg}); err != nil || n != 1 {
				t.Errorf("%d files came, %v", n, err)
			}
		}})
		file := strings.TrimPrefix(old.Basename, "noarch/")
		report, err := w.patch("copy", instructions{Version: 1, PackagesConda: map[string]map[string]any{file: {"depends": []any{"fixed"}}}})
		if err != nil || report.Subdirs["noarch"].Changed != 1 || met != 1 {
			t.Fatalf("got %+v, met %d, %v", report, met, err)
		}
		w.wantListed("acme", "copy", -1, "noarch/demo-1.0-0.conda", "noarch/demo-2.0-0.conda")
		if got := fmt.Sprint(w.recordsAt("copy", -1)[file]["depends"]); got != "[fixed]" {
			t.Errorf("it depends on %s", got)
		}
		w.clean()
	})
}
