package index

import (
	"context"
	"slices"
	"sync"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// sight is what a state keeps from some callers, who share a view key.
type sight struct {
	names   []string        // hidden package names, sorted
	subdirs map[string]bool // subdirs that are not there for them
}

// hides reports whether a name is kept from the callers.
func (s sight) hides(name string) bool {
	_, hidden := slices.BinarySearch(s.names, name)
	return hidden
}

// sights keeps the sights of a state by view key.
type sights struct {
	mu   sync.Mutex
	made map[string]sight
}

// judgedUnder notes under which access generation a state was read, and whether everybody
// might see all of it then; before is the state before it, or nil.
func (x *Index) judgedUnder(ctx context.Context, channel string, st, before *state) error {
	rights, err := x.reg.Rights(ctx)
	if err != nil {
		return err
	}
	// A generation that brings something private begins other rights, too.
	if before != nil && before.rights == rights {
		st.open = before.open
	} else if st.open, err = x.reg.OpenToAll(ctx, channel); err != nil {
		return err
	}
	st.rights = rights
	return nil
}

// inTime opens a channel again for its caller where rights changed between its opening
// and the reading of the state: the names of private packages that came with the very
// change that the state shows would not be among those that are hidden. It asks no
// database where they did not, nor where there is nothing to hide.
func (x *Index) inTime(ctx context.Context, open *registry.Opened, st *state) (err error) {
	if open.Rights < st.rights && !(open.Public && st.open) {
		*open, err = x.reg.Reopen(ctx, *open, st.rights)
	}
	return err
}

// sight works out what a caller may not know of a state. Names of packages that
// are private now are hidden at all times. Names of private packages that were
// deleted are hidden where the state lists files of theirs, so that others who
// have the name since are seen. A subdir is there for a caller who sees a file
// in it, or could have seen one that is gone.
func (x *Index) sight(ctx context.Context, open registry.Opened, st *state) (sight, error) {
	if open.ViewKey == "" {
		return sight{}, nil
	}
	st.sights.mu.Lock()
	defer st.sights.mu.Unlock()
	if s, ok := st.sights.made[open.ViewKey]; ok {
		return s, nil
	}
	s, err := x.makeSight(ctx, open, st)
	if errs.Is(err, errs.Unavailable) {
		// The rows cannot be asked: what might have to be hidden is.
		return x.guessSight(open, st), nil
	}
	if err != nil {
		return sight{}, err
	}
	if st.sights.made == nil {
		st.sights.made = map[string]sight{}
	}
	st.sights.made[open.ViewKey] = s
	return s, nil
}

func (x *Index) makeSight(ctx context.Context, open registry.Opened, st *state) (sight, error) {
	past := slices.DeleteFunc(slices.Clone(open.HiddenPast), func(name string) bool { return !st.lists(name) })
	names := slices.Clone(open.Hidden)
	if len(past) > 0 {
		closed, err := sqldb.All(ctx, x.db, sqldb.Scalar[string], `
			SELECT DISTINCT r.name FROM records r JOIN files f ON f.id = r.file_id
			WHERE r.channel_id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)
			  AND r.name IN (SELECT value FROM `+x.db.EachText("$3")+` AS past)
			  AND f.package_id IN (SELECT value FROM `+x.db.EachText("$4")+` AS closed)`,
			open.Records().ID, st.generation, past, open.HiddenPackages)
		if err != nil {
			return sight{}, err
		}
		names = append(names, closed...)
	}
	s := sight{names: sorted(names), subdirs: map[string]bool{}}
	for subdir, snap := range st.subdirs {
		if subdir == noarch || s.shows(snap) {
			continue
		}
		var seen bool
		err := x.db.Row(ctx, `
			SELECT EXISTS (SELECT 1 FROM records r LEFT JOIN files f ON f.id = r.file_id
			WHERE r.channel_id = $1 AND r.subdir = $2 AND r.added <= $3
			  AND r.name NOT IN (SELECT value FROM `+x.db.EachText("$4")+` AS hidden)
			  AND coalesce(f.package_id, '') NOT IN (SELECT value FROM `+x.db.EachText("$5")+` AS closed))`,
			open.Records().ID, subdir, st.generation, sorted(open.Hidden), sorted(open.HiddenPackages)).Scan(&seen)
		if err != nil {
			return sight{}, err
		}
		s.subdirs[subdir] = !seen
	}
	return s, nil
}

// guessSight is a sight that hides too much rather than too little.
func (x *Index) guessSight(open registry.Opened, st *state) sight {
	s := sight{names: sorted(append(slices.Clone(open.Hidden), open.HiddenPast...)), subdirs: map[string]bool{}}
	for subdir, snap := range st.subdirs {
		s.subdirs[subdir] = subdir != noarch && !s.shows(snap)
	}
	return s
}

// shows reports whether a snapshot has a name that is not hidden.
func (s sight) shows(snap *snapshot) bool {
	return slices.ContainsFunc(snap.entries, func(e *entry) bool { return !s.hides(e.name) })
}

// lists reports whether any subdir of a state has a name.
func (st *state) lists(name string) bool {
	for _, snap := range st.subdirs {
		if snap.has(name) {
			return true
		}
	}
	return false
}

// shardHidden reports whether a shard is kept from a caller: by its name, or
// because files of a private package that was deleted are in it. st is a state
// that may list it, or nil.
func (x *Index) shardHidden(ctx context.Context, open registry.Opened, st *state, subdir string, s *shard) (bool, error) {
	if st != nil {
		if err := x.inTime(ctx, &open, st); err != nil {
			return true, err
		}
	}
	if _, hidden := slices.BinarySearch(open.Hidden, s.name); hidden {
		return true, nil
	}
	if _, doubtful := slices.BinarySearch(open.HiddenPast, s.name); !doubtful {
		return false, nil
	}
	if st.listsShard(subdir, s) {
		hidden, err := x.sight(ctx, open, st)
		return hidden.hides(s.name), err
	}
	var closed bool
	err := x.db.Row(ctx, `
		SELECT EXISTS (SELECT 1 FROM records r JOIN files f ON f.id = r.file_id
			WHERE r.channel_id = $1 AND r.subdir = $2 AND r.name = $3
			  AND r.added <= $4 AND (r.removed IS NULL OR r.removed > $4)
			  AND f.package_id IN (SELECT value FROM `+x.db.EachText("$5")+` AS closed))`,
		open.Records().ID, subdir, s.name, s.generation, open.HiddenPackages).Scan(&closed)
	return closed || err != nil, err
}

// listsShard reports whether a state, which may be nil, names the shard.
func (st *state) listsShard(subdir string, s *shard) bool {
	if st == nil || st.subdirs[subdir] == nil {
		return false
	}
	snap := st.subdirs[subdir]
	i, ok := find(snap.entries, s.name)
	return ok && snap.entries[i].shard.hash == s.hash
}

// sorted gives the distinct texts of a list, sorted and never nil.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}
