package index

import (
	"context"

	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// run_exports.json is made of runs like repodata.json, of another text: what a
// change costs are the names that it changed. Nothing of it is made until somebody
// asks.

// exportSizes are the bytes of text that an entry has in run_exports.json, by group.
type exportSizes [groups]int

// runExports gives the run exports of the snapshot's records (CEP 12).
func (x *Index) runExports(ctx context.Context, s *snapshot) (*repodata.Layout, error) {
	laid, err := x.layExports(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	return repodata.LayRunExports(s.subdir, laid.pieces(groupTarBz2), laid.pieces(groupConda))
}

// layExports gives the runs of run_exports.json. A filtered view is given its base
// and shares the runs of which it has all names whole.
func (x *Index) layExports(ctx context.Context, s, base *snapshot) (*runs, error) {
	t := &s.exports
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.laid.Load(); r != nil {
		return r, nil
	}
	before := t.before.Load()
	if s.whole != nil {
		base = s.whole
	}
	if base != nil {
		var err error
		if before, err = x.layExports(ctx, base, nil); err != nil {
			return nil, err
		}
	}
	if before == nil {
		before = &runs{}
	}
	if err := x.fillExports(ctx, s); err != nil {
		return nil, err
	}
	laid := &runs{}
	for g := range laid {
		var err error
		laid[g], err = layRuns(s.all(), func(e *entry) int { return e.exports.Load()[g] }, before[g], func(r, _ *run) error {
			rows, next := []row(nil), 0
			err := x.eachExport(ctx, s, r.first, r.last, func(v row) error {
				for next < len(r.of) && r.of[next].name < v.name {
					next++
				}
				if next < len(r.of) && r.of[next].name == v.name && groupOf(v.fileName) == g && r.of[next].lists(v.fileName) {
					rows = append(rows, v)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return r.fill(rows)
		})
		if err != nil {
			return nil, err
		}
	}
	t.set(laid)
	return laid, nil
}

// fillExports sees to it that every entry of a snapshot has its sizes.
func (x *Index) fillExports(ctx context.Context, s *snapshot) error {
	missing := map[string]*exportSizes{}
	for _, e := range s.all() {
		if e.exports.Load() == nil {
			missing[e.name] = &exportSizes{}
		}
	}
	add := func(r row) error {
		if m := missing[r.name]; m != nil && s.lists(r.name, r.fileName) {
			m[groupOf(r.fileName)] += repodata.EntrySize(r.fileName, r.json)
		}
		return nil
	}
	if len(missing) > manyNames {
		if err := x.eachExport(ctx, s, "", "", add); err != nil {
			return err
		}
	} else {
		for name := range missing {
			if err := x.eachExport(ctx, s, name, name, add); err != nil {
				return err
			}
		}
	}
	for _, e := range s.all() {
		if m := missing[e.name]; m != nil {
			e.exports.CompareAndSwap(nil, m)
		}
	}
	return nil
}

// eachExport calls f for every record of which the run exports are known, in the
// order of names and file names, with the text that stands in run_exports.json as
// its JSON. last "" means all names.
func (x *Index) eachExport(ctx context.Context, s *snapshot, first, last string, f func(row) error) error {
	query := `SELECT name, file_name, run_exports FROM records
		WHERE channel_id = $1 AND subdir = $2 AND run_exports IS NOT NULL
		  AND added <= $3 AND (removed IS NULL OR removed > $3)`
	args := []any{s.channel, s.subdir, s.generation}
	if last != "" {
		query += " AND name >= $4 AND name <= $5"
		args = append(args, first, last)
	}
	return x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var v row
		if err := r.Scan(&v.name, &v.fileName, &v.json); err != nil {
			return err
		}
		v.json = repodata.WrapRunExports(v.json)
		return f(v)
	}, query+" ORDER BY name, file_name", args...)
}
