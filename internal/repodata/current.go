package repodata

import (
	"maps"
	"slices"

	"terrarium/internal/conda"
)

// FileRecord is a record with the name of its file.
type FileRecord struct {
	FileName string
	Record   conda.Record
}

// Current selects the records of current_repodata.json, which only conda's
// classic solver reads: for each name all builds of the newest version, and of
// the newest version of each series that pins names for it ("python": "3.8",
// "3.9"); then, for each dependency of a kept record that none of these
// satisfies, all builds of the newest version that does; then, for a name of
// which only builds with features are kept, the newest record without, and what
// that needs. Of twins only the .conda is taken, with the old file's hash in
// legacy_bz2_md5. The result is sorted by package name and file name.
//
// What a dependency keeps follows from the records of the name that it speaks of,
// and from no other dependency. So the order of files does not matter, and who
// keeps the CurrentGroup of each name needs to look only at those that changed.
func Current(files []FileRecord, pins map[string][]string) ([]FileRecord, error) {
	byName := map[string][]ShardRow{}
	for _, f := range files {
		name := conda.NormalizeName(f.Record.Name)
		byName[name] = append(byName[name], rowOf(f))
	}
	groups := make(map[string]*CurrentGroup, len(byName))
	kept := make(map[string]map[string]CurrentRecord, len(byName))
	var queue []CurrentRecord
	keep := func(name string, list []CurrentRecord) {
		for _, r := range list {
			if _, ok := kept[name][string(r.FileName())]; !ok {
				kept[name][string(r.FileName())] = r
				queue = append(queue, r)
			}
		}
	}
	satisfy := func() error {
		for ; len(queue) > 0; queue = queue[1:] {
			for _, text := range queue[0].row.record.Depends {
				name, ok := DependencyName(text)
				if !ok || groups[name] == nil {
					continue
				}
				list, err := groups[name].Answer(text)
				if err != nil {
					return err
				}
				keep(name, list)
			}
		}
		return nil
	}
	for name, rows := range byName {
		groups[name], kept[name] = &CurrentGroup{}, map[string]CurrentRecord{}
		groups[name].Take(rows, pins[name])
		keep(name, groups[name].Newest())
	}
	if err := satisfy(); err != nil {
		return nil, err
	}
	for name, g := range groups {
		if !slices.ContainsFunc(slices.Collect(maps.Values(kept[name])), CurrentRecord.Plain) {
			keep(name, g.NewestPlain())
		}
	}
	if err := satisfy(); err != nil {
		return nil, err
	}
	var out []FileRecord
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		for _, file := range slices.Sorted(maps.Keys(kept[name])) {
			rec, err := kept[name][file].decode()
			if err != nil {
				return nil, err
			}
			out = append(out, FileRecord{FileName: file, Record: rec})
		}
	}
	return out, nil
}
