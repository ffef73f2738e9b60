package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// causePatch is the cause of generations that hotfixes make.
const causePatch = "patch"

// PatchReport says what hotfixes did to a channel.
type PatchReport struct {
	Generation int64 // the one that they made; 0 = they changed nothing
	Subdirs    map[string]PatchCount
}

// PatchCount counts the files of one subdir that hotfixes name.
type PatchCount struct {
	Changed int // their records are other ones now
	Removed int // out of the index; the files stay
	Kept    int // the index says already what the hotfix wants
	Absent  int // not in the index
}

// Patch applies hotfixes, by subdir, to the records of a channel: one generation,
// or none where they change nothing. Admin on the channel is needed. What is
// changed is what the channel says of its files as it lists them now, and never
// the files' own records: a file that comes later, or is taken out and listed
// again, comes with its own. What a patch removes leaves the index and keeps its
// label and its address, as a withdrawn file does. A file that the actor may not
// read counts as absent.
//
// A patch that changes what a record is of (its name, version, build, digests and
// the like) or makes a record unreadable is errs.Invalid with all reasons, and
// nothing is changed. Rows are written in short transactions as a staging, so
// everything else goes on; files that come meanwhile come later.
func (r *Registry) Patch(ctx context.Context, actor access.Actor, owner, channel string, patches map[string]repodata.Patch) (PatchReport, error) {
	p := &patcher{r: r, actor: actor, patches: patches, wrote: map[string]*subdirChange{}}
	for subdir := range patches {
		if err := conda.CheckSubdir(subdir); err != nil {
			return PatchReport{}, err
		}
	}
	var err error
	if p.channel, err = r.mayPatch(ctx, actor, owner, channel); err != nil {
		return PatchReport{}, err
	}
	// All is looked at before anything is written, so that a refusal has all
	// reasons and a patch that changes nothing leaves no trace.
	if err := p.look(ctx); err != nil {
		return PatchReport{}, err
	}
	if len(p.wanted) > 0 {
		if err := p.apply(ctx); err != nil {
			return PatchReport{}, err
		}
	}
	return p.report, nil
}

// MayPatch gives the refusal that Patch would give for the channel as a whole.
func (r *Registry) MayPatch(ctx context.Context, actor access.Actor, owner, channel string) error {
	_, err := r.mayPatch(ctx, actor, owner, channel)
	return err
}

func (r *Registry) mayPatch(ctx context.Context, actor access.Actor, owner, channel string) (Channel, error) {
	ch, err := loadChannel(ctx, r.db, actor, access.Admin, owner, channel, "")
	if err != nil {
		return Channel{}, err
	}
	return ch, open(ch)
}

// patcher is one call of Patch.
type patcher struct {
	r       *Registry
	actor   access.Actor
	patches map[string]repodata.Patch
	channel Channel
	report  PatchReport
	wanted  []patchWanted // what there is to do, a transaction each
	staging *staging
	wrote   map[string]*subdirChange
}

// patchWanted are some files of a subdir that a patch changes.
type patchWanted struct {
	subdir string
	files  []string
}

// patchedRecord is a record that the channel lists and what becomes of it.
type patchedRecord struct {
	name, fileName, fileID string
	added                  int64
	msgpack                []byte

	fate    patchFate
	record  conda.Record
	encoded repodata.Encoded
}

// patchFate is what a patch does with a record.
type patchFate int

const (
	patchKeeps patchFate = iota
	patchChanges
	patchRemoves
)

// look reads every record that the patches name, counts what would become of it
// and gathers the reasons why it may not.
func (p *patcher) look(ctx context.Context) error {
	p.report.Subdirs = map[string]PatchCount{}
	var faults []*errs.Error
	for _, subdir := range slices.Sorted(maps.Keys(p.patches)) {
		patch, count := p.patches[subdir], PatchCount{}
		for files := range slices.Chunk(patch.Files(), importBatch) {
			records, err := p.read(ctx, p.r.db, subdir, files)
			if err != nil {
				return err
			}
			count.Absent += len(files) - len(records)
			wanted := patchWanted{subdir: subdir}
			for i := range records {
				rec := &records[i]
				if err := rec.patch(patch); err != nil {
					var e *errs.Error
					if !errors.As(err, &e) || e.Kind != errs.Invalid {
						return err
					}
					faults = append(faults, errs.Wrap(errs.Invalid, e, "%s/%s: %s", subdir, rec.fileName, errs.Message(e)))
					continue
				}
				switch rec.fate {
				case patchKeeps:
					count.Kept++
				case patchChanges:
					count.Changed++
				case patchRemoves:
					count.Removed++
				}
				if rec.fate != patchKeeps {
					wanted.files = append(wanted.files, rec.fileName)
				}
			}
			if len(wanted.files) > 0 {
				p.wanted = append(p.wanted, wanted)
			}
		}
		p.report.Subdirs[subdir] = count
	}
	if all := errs.All("These hotfixes cannot be applied", faults); all != nil {
		return all.Because("patch-refused")
	}
	return nil
}

// read gives the records of files that the channel lists now and the actor may
// read.
func (p *patcher) read(ctx context.Context, db *sqldb.DB, subdir string, files []string) ([]patchedRecord, error) {
	args := parameters{p.channel.ID, subdir, files}
	list, err := sqldb.All(ctx, db, func(rows *sqldb.Rows, r *patchedRecord) error {
		return rows.Scan(&r.name, &r.fileName, &r.fileID, &r.added, &r.msgpack)
	}, `SELECT r.name, r.file_name, r.file_id, r.added, r.msgpack FROM records r JOIN files f ON f.id = r.file_id JOIN packages p ON p.id = f.package_id
		WHERE r.channel_id = $1 AND r.subdir = $2 AND r.removed IS NULL AND r.file_name IN (SELECT value FROM `+db.EachText("$3")+` AS wanted)
		AND r.added <= (SELECT generation FROM channels WHERE id = $1) AND `+access.ReadablePackages(whole(p.actor), args.add, db, "p")+
		" ORDER BY r.name, r.file_name", args...)
	if err != nil {
		return nil, fmt.Errorf("read the records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
	}
	return list, nil
}

// patch works out what a patch makes of the record.
func (r *patchedRecord) patch(patch repodata.Patch) error {
	if patch.Removes(r.fileName) {
		r.fate = patchRemoves
		return nil
	}
	was, _, err := repodata.TranscodeMsgpack(r.fileName, r.msgpack)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", r.fileName, err)
	}
	if err := patch.Check(r.fileName, was); err != nil {
		return err
	}
	rec, changed, err := patch.Apply(r.fileName, was)
	if err != nil || !changed {
		return err
	}
	r.fate, r.record = patchChanges, rec
	r.encoded, err = repodata.EncodeRecord(rec)
	return err
}

// apply writes what look found to be wanted and makes it current.
func (p *patcher) apply(ctx context.Context) (err error) {
	p.staging, err = p.r.stage(ctx, p.actor, causePatch, access.NewID(p.r.now()), func(ctx context.Context, c *change) (Channel, error) {
		ch, err := c.loadChannel(ctx, access.Admin, p.channel.OwnerName, p.channel.Name)
		if err != nil {
			return Channel{}, err
		}
		if err := open(ch); err != nil {
			return Channel{}, err
		}
		p.channel = ch
		return ch, c.audit(ctx, audit.Entry{
			Action: "channel.patch", OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: ch.OwnerName + "/" + ch.Name, After: map[string]any{"subdirs": slices.Sorted(maps.Keys(p.patches))},
		})
	})
	if err != nil {
		return err
	}
	stop := p.staging.keep(ctx)
	for _, w := range p.wanted {
		if err = p.write(ctx, w); err != nil {
			break
		}
	}
	stop()
	if err == nil {
		err = p.end(ctx)
	}
	if err != nil {
		// The error that counts is that of the patch; what cannot be swept now
		// is swept by the next large change of the channel, or by GC.
		if swept := p.staging.sweep(context.WithoutCancel(ctx)); swept != nil {
			p.r.opts.Log.ErrorContext(ctx, "putting a broken patch away failed", "err", swept, "channel", p.channel.ID)
		}
	}
	return err
}

// write ends the records of some files and begins others, in the generation to
// come. Patching and encoding go before the transaction, so that others wait for
// the writes alone; where somebody was quicker, it is looked at again.
func (p *patcher) write(ctx context.Context, w patchWanted) error {
	for try := 1; ; try++ {
		err := p.tryWrite(ctx, w)
		if !errors.Is(err, errOvertaken) || try == importAttempts {
			return err
		}
	}
}

func (p *patcher) tryWrite(ctx context.Context, w patchWanted) error {
	records, err := p.read(ctx, p.r.db, w.subdir, w.files)
	if err != nil {
		return err
	}
	var files, names []string
	var fresh [][]any
	began := map[string]int64{}
	for i := range records {
		r := &records[i]
		if err := r.patch(p.patches[w.subdir]); err != nil {
			return err // somebody listed another record since it was looked at
		}
		if r.fate == patchKeeps {
			continue
		}
		files, names, began[r.fileName] = append(files, r.fileName), append(names, r.name), r.added
		if r.fate == patchChanges {
			rec := r.record
			fresh = append(fresh, []any{
				p.channel.ID, w.subdir, r.name, r.fileName, p.staging.generation, r.fileID, rec.Version, rec.Build, rec.BuildNumber,
				rec.License, rec.Timestamp, rec.IndexedTimestamp, rec.Size, r.encoded.JSON, r.encoded.Msgpack, r.encoded.RunExports,
			})
		}
	}
	if len(files) == 0 {
		return nil
	}
	err = p.staging.within(ctx, func(tx *sqldb.DB) error {
		ended, same := 0, true
		err := tx.EachRow(ctx, func(rows *sqldb.Rows) error {
			var file string
			var added int64
			if err := rows.Scan(&file, &added); err != nil {
				return err
			}
			ended++
			same = same && began[file] == added
			return nil
		}, `UPDATE records SET removed = $4 WHERE channel_id = $1 AND subdir = $2 AND removed IS NULL
			AND file_name IN (SELECT value FROM `+tx.EachText("$3")+` AS wanted) AND added < $4 RETURNING file_name, added`,
			p.channel.ID, w.subdir, files, p.staging.generation)
		if err != nil {
			return fmt.Errorf("end records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
		}
		if !same || ended != len(files) {
			return errOvertaken
		}
		if _, err := tx.CopyIn(ctx, "records", recordRow, each(fresh)); err != nil {
			return fmt.Errorf("write records of %s/%s: %w", p.channel.OwnerName, p.channel.Name, err)
		}
		return p.staging.logNames(ctx, tx, w.subdir, sortedSet(names))
	})
	if err != nil {
		return err
	}
	p.wroteTo(w.subdir, names, len(files), len(fresh))
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

// end makes the patched generation the current one.
func (p *patcher) end(ctx context.Context) error {
	p.staging.mu.Lock()
	defer p.staging.mu.Unlock()
	return p.r.change(ctx, p.actor, causePatch, func(ctx context.Context, c *change) error {
		ch, err := c.loadChannel(ctx, access.Admin, p.channel.OwnerName, p.channel.Name)
		if err != nil {
			return err
		}
		if err := open(ch); err != nil {
			return err
		}
		after := map[string]any{}
		for subdir, n := range p.report.Subdirs {
			after[subdir] = map[string]any{"changed": n.Changed, "removed": n.Removed, "kept": n.Kept, "absent": n.Absent}
		}
		p.report.Generation = 0
		if len(p.wrote) == 0 { // others took away what was to be patched
			if err := p.staging.drop(ctx, c); err != nil {
				return err
			}
		} else {
			if err := p.staging.current(ctx, c, p.wrote); err != nil {
				return err
			}
			p.report.Generation = p.staging.generation
			after["generation"] = p.staging.generation
		}
		return c.audit(ctx, audit.Entry{
			Action: "channel.patched", OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: ch.OwnerName + "/" + ch.Name, After: after,
		})
	})
}
