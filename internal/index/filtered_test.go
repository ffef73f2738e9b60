package index_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// made is a record of a test, by its file name.
type made map[string]map[string]any

// grow adds n random records: of many small names and of one large one, in both
// formats, first seen at some moment of the month before now.
func (m made) grow(rnd *rand.Rand, n int, now time.Time) {
	licences := []string{"MIT", "GPL-3.0-or-later", "BSD-3-Clause", "Proprietary"}
	for range n {
		name := fmt.Sprintf("p%03d", rnd.IntN(150))
		licence := licences[len(name)*int(name[3])%3]
		if rnd.IntN(4) == 0 {
			name = "large"
		}
		if rnd.IntN(10) == 0 {
			licence = licences[rnd.IntN(len(licences))]
		}
		version, build := fmt.Sprintf("%d.%d.%d", rnd.IntN(3), rnd.IntN(12), rnd.IntN(3)), fmt.Sprintf("h%04x_%d", rnd.IntN(1<<16), rnd.IntN(3))
		file := name + "-" + version + "-" + build + []string{".conda", ".tar.bz2"}[rnd.IntN(2)]
		sum := sha256.Sum256([]byte(file))
		m[file] = map[string]any{
			"run_exports": map[string]any{"weak": []string{name + " >=" + version}},
			"name":        name, "version": version, "build": build, "build_number": rnd.IntN(3), "license": licence, "subdir": "linux-64",
			"depends": slices.Repeat([]string{"python >=3.9", `odd [version=">=1\"}{"]`}[:1+rnd.IntN(2)], rnd.IntN(30)), "sha256": hex.EncodeToString(sum[:]), "size": 1 + rnd.IntN(5000),
			"timestamp": now.Add(-time.Duration(rnd.Int64N(int64(60 * 24 * time.Hour)))).UnixMilli(), "indexed_timestamp": now.Add(-time.Duration(rnd.Int64N(int64(30 * 24 * time.Hour)))).UnixMilli(),
		}
	}
}

// into imports the records that keep has into a channel of ana's.
func (m made) into(w *world, channel string, keep func(file string, r map[string]any) bool) registry.Opened {
	w.Helper()
	return m.intoWith(w, channel, nil, keep)
}

// intoWith is into for packages some of which are to be private.
func (m made) intoWith(w *world, channel string, private func(name string) bool, keep func(file string, r map[string]any) bool) registry.Opened {
	w.Helper()
	kept := maps.Clone(m)
	maps.DeleteFunc(kept, func(file string, r map[string]any) bool { return !keep(file, r) })
	src := kept.source(w)
	src.Private = private
	report, err := w.reg.Import(w.Context(), w.ana, "ana", channel, src, nil)
	if err != nil {
		w.Fatal(err)
	}
	if n := report.Subdirs["linux-64"]; n.LeftOut > 0 {
		w.Fatalf("%d records were left out: %v", n.LeftOut, n.Reasons)
	}
	return w.open(w.ana, channel)
}

// testPredicate is a predicate with an evaluation of its own, record by record.
type testPredicate struct {
	*index.Predicate
	rules index.Rules
}

func (p testPredicate) keeps(t testing.TB, file string, r map[string]any, now time.Time) bool {
	licence := r["license"].(string)
	if p.rules.AllowLicences != nil && !slices.Contains(p.rules.AllowLicences, licence) || slices.Contains(p.rules.DenyLicences, licence) {
		return false
	}
	if p.rules.MinAge > 0 && r["indexed_timestamp"].(int64) >= now.Add(-p.rules.MinAge).UnixMilli() {
		return false
	}
	v, err := conda.ParseVersion(r["version"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range p.rules.Versions {
		if rule.Name == r["name"] && rule.Spec.Match(v) {
			return false
		}
	}
	return !slices.ContainsFunc(p.rules.Specs, func(m conda.MatchSpec) bool {
		return m.Match(conda.MatchTarget{
			Name: r["name"].(string), Version: v, Build: r["build"].(string), BuildNumber: int64(r["build_number"].(int)),
			Subdir: "linux-64", FileName: file, License: licence,
		})
	})
}

func newPredicates(t testing.TB) []testPredicate {
	t.Helper()
	versions := func(name, spec string) index.VersionRule {
		s, err := conda.ParseVersionSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		return index.VersionRule{Name: name, Spec: s}
	}
	specs := func(texts ...string) (list []conda.MatchSpec) {
		for _, text := range texts {
			m, err := conda.ParseMatchSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, m)
		}
		return list
	}
	var out []testPredicate
	for _, r := range []index.Rules{
		{},
		{AllowLicences: []string{}},
		{AllowLicences: []string{"MIT", "BSD-3-Clause"}},
		{DenyLicences: []string{"GPL-3.0-or-later"}, MinAge: 14 * 24 * time.Hour},
		{
			MinAge: 24 * time.Hour, DenyLicences: []string{"Proprietary"},
			Versions: []index.VersionRule{versions("large", ">=1.2,<2"), versions("p001", "*"), versions("p002", "<1.10|2.1.*"), versions("p003", "0.*")},
			Specs:    specs("large=2.1", "p00*[build_number='>=2']", "p004 * h0*", "p005[fn=*.conda]", "p006[license=MIT]", "*[subdir=osx-64]"),
		},
	} {
		p, err := index.NewPredicate(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, testPredicate{p, r})
	}
	return out
}

// form reads a form of a filtered view.
func (w *world) form(x *index.Index, open registry.Opened, p *index.Predicate, form index.Form) ([]byte, *index.Document) {
	w.Helper()
	v, err := x.Filtered(w.Context(), open, p, "linux-64")
	if err != nil {
		w.Fatal(err)
	}
	d, err := v.Document(w.Context(), form)
	if err != nil {
		w.Fatal(err)
	}
	b, err := io.ReadAll(d.Open())
	if err != nil {
		w.Fatal(err)
	}
	return b, d
}

func body(t testing.TB, d *index.Document, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(d.Open())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// equalsNaive compares every form of a view with that of a channel which holds
// nothing but what the view leaves, and gives the shards that the view names.
func (w *world) equalsNaive(x *index.Index, open, naive registry.Opened, p *index.Predicate) map[string][]byte {
	w.Helper()
	for _, form := range []index.Form{index.RepodataJSON, index.RepodataZstd, index.RunExportsJSON, index.CurrentJSON} {
		got, _ := w.form(x, open, p, form)
		want, _ := w.document(x, naive, "", "linux-64", form)
		if form == index.RunExportsJSON && len(want) < 1000 {
			w.Fatalf("%s has only %d bytes to compare", form, len(want))
		}
		if !bytes.Equal(got, want) {
			w.Fatalf("%s of the view has %d bytes and differs from that of the records that are left, %d bytes", form, len(got), len(want))
		}
	}
	d, err := x.FilteredChanneldata(w.Context(), open, p)
	e, errNaive := x.Channeldata(w.Context(), naive, "")
	if diff := cmp.Diff(string(body(w, e, errNaive)), string(body(w, d, err))); diff != "" {
		w.Errorf("channeldata (-want +got):\n%s", diff)
	}
	got, _ := w.form(x, open, p, index.ShardIndex)
	want, _ := w.document(x, naive, "", "linux-64", index.ShardIndex)
	si, err := repodata.DecodeShardIndex(got)
	if err != nil {
		w.Fatal(err)
	}
	theirs, err := repodata.DecodeShardIndex(want)
	if err != nil {
		w.Fatal(err)
	}
	if diff := cmp.Diff(theirs.Names, si.Names); diff != "" {
		w.Fatalf("names (-want +got):\n%s", diff)
	}
	shards := map[string][]byte{}
	for i, h := range si.Hashes {
		if h != theirs.Hashes[i] {
			w.Fatalf("the shard of %s is not that of the records that are left", si.Names[i])
		}
		text := hex.EncodeToString(h[:])
		if shards[text], err = x.FilteredShard(w.Context(), open, p, "linux-64", text); err != nil {
			w.Fatalf("the shard of %s: %v", si.Names[i], err)
		}
		if sha256.Sum256(shards[text]) != h {
			w.Fatalf("the shard of %s has other bytes than its name", si.Names[i])
		}
	}
	return shards
}

// TestFilteredEqualsNaive changes a channel at random, lets time pass, and holds
// the view of each predicate against a channel that was made of the records that
// are left, and against an index that has just read the rows.
func TestFilteredEqualsNaive(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		rnd := rand.New(rand.NewPCG(3, 4))
		all := made{}
		predicates := newPredicates(t)
		named := make([]map[string][]byte, len(predicates))
		for step, n := range []int{900, 0, 3, 0, 40} {
			all.grow(rnd, n, w.now)
			open := all.into(w, "main", func(string, map[string]any) bool { return true })
			for i, p := range predicates {
				naive := all.into(w, fmt.Sprintf("n%d_%d", step, i), func(file string, r map[string]any) bool { return p.keeps(t, file, r, w.now) })
				if len(p.rules.AllowLicences) == 0 && p.rules.AllowLicences != nil {
					v, err := w.idx.Filtered(t.Context(), open, p.Predicate, "linux-64")
					if err != nil || v.Names() != 0 {
						t.Fatalf("nothing is allowed: %d names, %v", v.Names(), err)
					}
					continue
				}
				shards := w.equalsNaive(w.idx, open, naive, p.Predicate)
				scratch := w.replica()
				for _, form := range []index.Form{index.RepodataZstd, index.ShardIndex, index.RunExportsJSON} {
					b1, d1 := w.form(w.idx, open, p.Predicate, form)
					b2, d2 := w.form(scratch, open, p.Predicate, form)
					if !bytes.Equal(b1, b2) || d1.ETag != d2.ETag || !d1.Modified.Equal(d2.Modified) {
						t.Fatalf("step %d: %s differs between a lived-in view and a fresh one (ETags %s, %s)", step, form, d1.ETag, d2.ETag)
					}
				}
				for _, x := range []*index.Index{w.idx, scratch} {
					for h, want := range named[i] {
						got, err := x.FilteredShard(t.Context(), open, p.Predicate, "linux-64", h)
						if err != nil || !bytes.Equal(got, want) {
							t.Fatalf("step %d, predicate %d: a shard of the step before is not answered (fresh index: %t): %v", step, i, x == scratch, err)
						}
					}
				}
				named[i] = shards
			}
			w.now = w.now.Add(31 * time.Hour)
		}
	})
}

// TestFilteredShares looks that a view keeps what it can, that a view which gave
// way comes back the same, and that it answers for its own shards only.
func TestFilteredShares(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		all := made{}
		all.grow(rand.New(rand.NewPCG(5, 6)), 800, w.now)
		open := all.into(w, "main", func(string, map[string]any) bool { return true })
		p := newPredicates(t)[4]
		_, before := w.form(w.idx, open, p.Predicate, index.ShardIndex)
		if _, again := w.form(w.idx, open, p.Predicate, index.ShardIndex); again != before {
			t.Error("the same view was made twice")
		}
		w.now = w.now.Add(time.Second) // nothing comes of age
		if _, again := w.form(w.idx, open, p.Predicate, index.ShardIndex); again != before {
			t.Error("a view was made anew although nothing changed")
		}
		plain, _ := w.document(w.idx, open, "", "linux-64", index.ShardIndex)
		si, err := repodata.DecodeShardIndex(plain)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for _, h := range si.Hashes {
			if _, err := w.idx.FilteredShard(t.Context(), open, p.Predicate, "linux-64", hex.EncodeToString(h[:])); errs.Is(err, errs.NotFound) {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if refused == 0 || refused == len(si.Hashes) {
			t.Errorf("%d of the channel's %d shards are not of the view", refused, len(si.Hashes))
		}

		small := index.New(w.db, w.reg, index.Options{Now: func() time.Time { return w.now }, ViewBytes: 1})
		for range 3 {
			for _, q := range newPredicates(t) {
				one, d1 := w.form(small, open, q.Predicate, index.RepodataJSON)
				two, d2 := w.form(w.idx, open, q.Predicate, index.RepodataJSON)
				if !bytes.Equal(one, two) || d1.ETag != d2.ETag {
					t.Fatal("a view that gave way came back as another")
				}
			}
		}
	})
}

func TestNewPredicate(t *testing.T) {
	spec := func(text string) conda.MatchSpec {
		m, err := conda.ParseMatchSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, r := range []index.Rules{
		{MinAge: -time.Hour},
		{Specs: []conda.MatchSpec{spec("a[md5=" + strings.Repeat("0", 32) + "]")}},
		{Specs: []conda.MatchSpec{spec("conda-forge::a")}},
	} {
		if _, err := index.NewPredicate(r); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v, want invalid", r, err)
		}
	}
	key := func(r index.Rules) string {
		p, err := index.NewPredicate(r)
		if err != nil {
			t.Fatal(err)
		}
		return p.Key()
	}
	if key(index.Rules{DenyLicences: []string{"A", "B"}}) != key(index.Rules{DenyLicences: []string{"B", "A", "A"}}) {
		t.Error("the order of a list is in the key")
	}
	if key(index.Rules{}) == key(index.Rules{AllowLicences: []string{}}) {
		t.Error("nothing and everything allowed share a key")
	}
}
