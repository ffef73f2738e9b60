package registry

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
)

// prepared are records of a transaction to be, worked out before it, so that others
// wait for the writes alone.
type prepared struct {
	subdir       string
	files, names []string
	began        map[string]int64 // in which generation, by file
	fresh        [][]any
}

// writeAll writes what is wanted; the next transaction is worked out while one is
// under way.
func (p *patcher) writeAll(ctx context.Context) error {
	ready := make(chan *prepared, 1)
	both, inside := errgroup.WithContext(ctx)
	both.Go(func() error {
		defer close(ready)
		for i := range p.wanted {
			one, err := p.prepare(inside, p.wanted[i])
			if err != nil {
				return err
			}
			p.wanted[i].records = nil // they are in memory once
			select {
			case ready <- one:
			case <-inside.Done():
				return inside.Err()
			}
		}
		return nil
	})
	both.Go(func() error {
		i := 0
		for one := range ready {
			if err := p.write(inside, patchWanted{subdir: p.wanted[i].subdir, files: p.wanted[i].files}, one); err != nil {
				return err
			}
			i++
		}
		return nil
	})
	return both.Wait()
}

// write ends the records of some files and begins others, in the generation to
// come. Where somebody was quicker, they are worked out again.
func (p *patcher) write(ctx context.Context, w patchWanted, one *prepared) error {
	for try := 1; ; try++ {
		err := p.tryWrite(ctx, one)
		if !errors.Is(err, errOvertaken) || try == importAttempts {
			return err
		}
		if one, err = p.prepare(ctx, w); err != nil {
			return err
		}
	}
}

// prepare works out what becomes of some files, where that is not known.
func (p *patcher) prepare(ctx context.Context, w patchWanted) (*prepared, error) {
	records := w.records
	if records == nil {
		var err error
		if records, err = p.read(ctx, p.r.db, w.subdir, w.files); err != nil {
			return nil, err
		}
		for i := range records {
			if err := records[i].patch(p.patches[w.subdir]); err != nil {
				return nil, err // somebody listed another record since it was looked at
			}
		}
	}
	one := &prepared{subdir: w.subdir, began: map[string]int64{}}
	for i := range records {
		r := &records[i]
		if r.fate == patchKeeps {
			continue
		}
		one.files, one.names, one.began[r.fileName] = append(one.files, r.fileName), append(one.names, r.name), r.added
		if r.fate == patchChanges {
			rec := &r.record
			one.fresh = append(one.fresh, []any{
				p.channel.ID, w.subdir, r.name, r.fileName, p.staging.generation, r.fileID, rec.Version, rec.Build, rec.BuildNumber,
				rec.License, rec.Timestamp, rec.IndexedTimestamp, rec.Size, r.encoded.JSON, r.encoded.Msgpack, r.encoded.RunExports,
			})
		}
	}
	return one, nil
}

func (p *patcher) tryWrite(ctx context.Context, one *prepared) error {
	if len(one.files) == 0 {
		return nil
	}
	keys, err := fileKeys(one.files)
	if err != nil {
		return err
	}
	err = p.staging.within(ctx, func(tx *sqldb.DB) error {
		if err := p.staging.lockChannel(ctx, tx); err != nil {
			return err
		}
		ended, same := 0, true
		err := tx.EachRow(ctx, func(rows *sqldb.Rows) error {
			var file string
			var added int64
			if err := rows.Scan(&file, &added); err != nil {
				return err
			}
			ended++
			same = same && one.began[file] == added
			return nil
		}, `UPDATE records AS r SET removed = $4 WHERE channel_id = $1 AND subdir = $2 AND removed IS NULL
			AND `+byFile(tx, "r", "$3")+` AND added < $4 RETURNING file_name, added`,
			p.channel.ID, one.subdir, keys, p.staging.generation)
		if err != nil {
			return fmt.Errorf("end records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
		}
		if !same || ended != len(one.files) {
			return errOvertaken
		}
		if _, err := tx.CopyIn(ctx, "records", recordRow, each(one.fresh)); err != nil {
			return fmt.Errorf("write records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
		}
		return p.staging.logNames(ctx, tx, one.subdir, sortedSet(one.names))
	})
	if err != nil {
		return err
	}
	point(pointImportBatch)
	p.wroteTo(one.subdir, one.names, len(one.files), len(one.fresh))
	return nil
}

// wroteTo counts what a transaction wrote.
func (p *patcher) wroteTo(subdir string, names []string, removed, added int) {
	sc := p.wrote[subdir]
	if sc == nil {
		sc = &subdirChange{names: map[string]bool{}, staged: map[string]bool{}}
		p.wrote[subdir] = sc
	}
	for _, n := range names {
		sc.staged[n] = true
	}
	sc.removed += int64(removed)
	sc.added += int64(added)
}

// fileKeys are files as a parameter of byFile.
func fileKeys(files []string) (string, error) {
	type key struct {
		Name string `json:"name"`
		File string `json:"file"`
	}
	keys := make([]key, len(files))
	for i, file := range files {
		keys[i] = key{nameOfFile(file)(), file}
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return "", fmt.Errorf("write the names of files: %w", err)
	}
	return string(text), nil
}

// byFile is the condition of the records under an alias of some files of a subdir.
// The key of records has the name of the package before that of the file: without
// it, all of a subdir would be gone through.
func byFile(db *sqldb.DB, alias, param string) string {
	return "(" + alias + ".name, " + alias + ".file_name) IN (SELECT value ->> 'name', value ->> 'file' FROM " + db.EachObject(param) + " AS wanted)"
}

// read gives the records of files that the channel lists now and the actor may
// read, those included that a staging would end: it is a conflict, or dead, and put
// away before anything is written.
func (p *patcher) read(ctx context.Context, db *sqldb.DB, subdir string, files []string) ([]patchedRecord, error) {
	keys, err := fileKeys(files)
	if err != nil {
		return nil, err
	}
	list, err := sqldb.All(ctx, db, func(rows *sqldb.Rows, r *patchedRecord) error {
		return rows.Scan(&r.name, &r.fileName, &r.fileID, &r.added, &r.encoded.JSON, &r.encoded.RunExports)
	}, `SELECT r.name, r.file_name, r.file_id, r.added, r.json, r.run_exports FROM records r
		WHERE r.channel_id = $1 AND r.subdir = $2 AND `+byFile(db, "r", "$3")+`
		AND `+liveRecord("r", "$1")+` ORDER BY r.name, r.file_name`, p.channel.ID, subdir, keys)
	if err != nil {
		return nil, fmt.Errorf("read the records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
	}
	return slices.DeleteFunc(list, func(r patchedRecord) bool { return p.hidden[r.name] }), nil
}

// hide finds out which packages of the owner the actor may not read. Mostly there is
// none, and to ask it of each record would be a look at its file.
func (p *patcher) hide(ctx context.Context) error {
	args := parameters{p.channel.OwnerID}
	names, err := sqldb.All(ctx, p.r.db, sqldb.Scalar[string],
		"SELECT p.name FROM packages p WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND NOT "+access.ReadablePackages(whole(p.actor), args.add, p.r.db, "p"), args...)
	if err != nil {
		return fmt.Errorf("look for packages of %s that are not to be read: %w", p.channel.OwnerName, err)
	}
	p.hidden = make(map[string]bool, len(names))
	for _, name := range names {
		p.hidden[name] = true
	}
	return nil
}
