package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"terrarium/internal/conda"
)

// judged1 is what a predicate, held against one record after the other, keeps.
func judged1(t interface{ Fatal(...any) }, r Rules, subdir string, row columnRow, cut int64) bool {
	if r.AllowLicences != nil && !slices.Contains(r.AllowLicences, row.licence) || slices.Contains(r.DenyLicences, row.licence) {
		return false
	}
	if r.MinAge > 0 && row.indexed >= cut {
		return false
	}
	v, _ := conda.ParseVersion(row.version) // zero if it cannot be read
	for _, rule := range r.Versions {
		if conda.NormalizeName(rule.Name) == row.name && rule.Spec.Match(v) {
			return false
		}
	}
	return !slices.ContainsFunc(r.Specs, func(m conda.MatchSpec) bool {
		return m.Match(conda.MatchTarget{
			Name: row.name, Version: v, Build: row.build, BuildNumber: row.number, Subdir: subdir, FileName: row.fileName, License: row.licence,
		})
	})
}

// TestJudgeEqualsNaive holds random predicates against random records, as columns
// and one by one, and looks that columns give back what was put in. Among the
// records are file names that follow from nothing, versions that cannot be read and
// large build numbers.
func TestJudgeEqualsNaive(t *testing.T) {
	versions := []string{"1.0", "1.0.0", "1.1", "1.10", "1.2rc1", "2.0", "2.0.post1", "3!0.1", "2024a", "not a version", "1.1+local.2"}
	licences := []string{"MIT", "", "GPL-3.0-only", "BSD-3-Clause", "Proprietary"}
	specs := []string{
		"p01", "p01 >=1.1", "p02 * h1*", "p03 1.*[build_number='>=2']", "p0*[license=mit]", "*[fn='*_7.conda']", "p04=1.1", "p05[subdir=linux-64]", "p06[subdir=osx-64]",
		"p07 !=2.0 *_3", "p1*", "P08 <2", "p09[build_number=70000]", "p10 1.0|2024a", "p11 1.*.0",
	}
	ranges := []string{"*", "<1.1", ">=1.1,<2", "1.*", "!=1.0", "~=1.1", "2024a|>3", "<=1.10,!=1.1", "1.*0", "^1.*$"}
	seen := map[verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		some := func(list []string, n int) (out []string) {
			for range n {
				out = append(out, list[rnd.IntN(len(list))])
			}
			return out
		}
		var r Rules
		if rnd.IntN(2) == 0 {
			r.AllowLicences = append([]string{"MIT"}, some(licences, rnd.IntN(4))...)
		}
		r.DenyLicences = some(licences, rnd.IntN(2)*rnd.IntN(2))
		r.MinAge = time.Duration(rnd.IntN(2)*500) * time.Millisecond
		for _, text := range some(ranges, rnd.IntN(15)) {
			s, err := conda.ParseVersionSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			r.Versions = append(r.Versions, VersionRule{fmt.Sprintf("p%02d", rnd.IntN(25)), s})
		}
		for _, text := range some(specs, rnd.IntN(6)) {
			m, err := conda.ParseMatchSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			r.Specs = append(r.Specs, m)
		}
		p, err := NewPredicate(r)
		if err != nil {
			t.Fatal(err)
		}
		var entries []*entry
		rows := map[string][]columnRow{}
		var b columnsBuilder
		for i := range 25 {
			if rnd.IntN(3) == 0 {
				continue
			}
			e := &entry{name: fmt.Sprintf("p%02d", i)}
			main := some(licences, 1)[0]
			for range 1 + rnd.IntN(1+rnd.IntN(150)) {
				row := columnRow{name: e.name, version: versions[rnd.IntN(len(versions))], licence: main, indexed: rnd.Int64N(1000), number: rnd.Int64N(4)}
				switch rnd.IntN(100) {
				case 0:
					row.number = 70_000
				case 1:
					row.licence = some(licences, 1)[0]
				}
				row.build = fmt.Sprintf("h%d_%d", rnd.IntN(300), row.number)
				row.fileName = row.name + "-" + row.version + "-" + row.build + []string{".conda", ".tar.bz2"}[rnd.IntN(2)]
				if rnd.IntN(20) == 0 {
					row.fileName = "odd" + row.fileName
				}
				rows[e.name] = append(rows[e.name], row)
			}
			byFile := func(a, b columnRow) int { return strings.Compare(a.fileName, b.fileName) }
			slices.SortFunc(rows[e.name], byFile)
			rows[e.name] = slices.CompactFunc(rows[e.name], func(a, b columnRow) bool { return a.fileName == b.fileName })
			for _, row := range rows[e.name] {
				if err := b.add(row); err != nil {
					t.Fatal(err)
				}
			}
			c := b.finish()
			e.columns.Store(c)
			entries = append(entries, e)
			for i, row := range rows[e.name] {
				cl := c.cells[i]
				got := columnRow{e.name, c.fileName(e.name, i), c.version(int(cl.version)), c.build(i), c.licenceOf(i).Value(), cl.indexed, c.number(i)}
				if got != row || c.group(e.name, i) != groupOf(row.fileName) {
					t.Fatalf("columns hold %+v, the row is %+v", got, row)
				}
				if at, ok := c.place(e.name, row.fileName); !ok || at != i {
					t.Fatalf("%s is at %d, %t; want %d", row.fileName, at, ok, i)
				}
			}
		}
		j := judge{Predicate: p, subdir: "linux-64", cut: rnd.Int64N(1000)}
		next := 0
		err = j.each(t.Context(), entries, func(e *entry, v verdict, kept bits) error {
			if e != entries[next] {
				t.Fatalf("%s is judged in the place of %s", e.name, entries[next].name)
			}
			next++
			n := 0
			for i, row := range rows[e.name] {
				want := judged1(t, r, "linux-64", row, j.cut)
				if got := v == whole || v == partial && kept.has(i); got != want {
					t.Fatalf("%+v is kept: %t, want %t (verdict %d, rules %+v)", row, got, want, v, r)
				}
				if want {
					n++
				}
			}
			if of := len(rows[e.name]); v == partial && (n == 0 || n == of) {
				t.Fatalf("%s is partial with %d of %d", e.name, n, of)
			}
			seen[v]++
			one := judge{Predicate: p, subdir: "linux-64", cut: j.cut}
			if again, bits := one.name(e.name, e.columns.Load(), p.rules(e.name)); again != v || !slices.Equal(bits, kept) {
				t.Fatalf("%s alone: verdict %d, among others %d", e.name, again, v)
			}
			return nil
		})
		if err != nil || next != len(entries) {
			t.Fatalf("judged %d of %d names: %v", next, len(entries), err)
		}
	})
	if seen[whole] == 0 || seen[partial] == 0 || seen[gone] == 0 {
		t.Errorf("verdicts %v, want some of each", seen)
	}
}
