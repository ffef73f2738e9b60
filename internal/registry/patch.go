package registry

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
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
	if err := p.hide(ctx); err != nil {
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
	hidden  map[string]bool // packages that the actor may not read
	report  PatchReport
	wanted  []patchWanted // what there is to do, a transaction each
	staging *staging
	wrote   map[string]*subdirChange
}

// patchWanted are some files of a subdir that a patch changes.
type patchWanted struct {
	subdir  string
	files   []string
	records []patchedRecord // what becomes of them; nil where it is to be worked out again
}

// patchHeld bounds the records that are held between looking and writing, in bytes.
// What becomes of the others is worked out twice.
const patchHeld = 64 << 20

// patchedRecord is a record that the channel lists and what becomes of it.
type patchedRecord struct {
	name, fileName, fileID string
	added                  int64
	encoded                repodata.Encoded // once it is patched: the other one's

	fate   patchFate
	record conda.Record // of one that is changed; the columns alone
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
	type looked struct {
		wanted patchWanted
		count  PatchCount
		faults []*errs.Error
	}
	var parts []*looked
	var held atomic.Int64
	several, inside := errgroup.WithContext(ctx)
	several.SetLimit(max(1, runtime.GOMAXPROCS(0)/2)) // others upload meanwhile
	for _, subdir := range slices.Sorted(maps.Keys(p.patches)) {
		p.report.Subdirs[subdir] = PatchCount{}
		for files := range slices.Chunk(p.patches[subdir].Files(), importBatch) {
			part := &looked{}
			parts = append(parts, part)
			several.Go(func() (err error) {
				part.wanted, part.count, part.faults, err = p.lookAt(inside, subdir, files)
				size := 0
				for i := range part.wanted.records {
					size += part.wanted.records[i].size()
				}
				if held.Add(int64(size)) > patchHeld {
					part.wanted.records = nil
				}
				return err
			})
		}
	}
	if err := several.Wait(); err != nil {
		return err
	}
	var faults []*errs.Error
	for _, part := range parts {
		faults = append(faults, part.faults...)
		n := p.report.Subdirs[part.wanted.subdir]
		n.Changed += part.count.Changed
		n.Removed += part.count.Removed
		n.Kept += part.count.Kept
		n.Absent += part.count.Absent
		p.report.Subdirs[part.wanted.subdir] = n
		if len(part.wanted.files) > 0 {
			p.wanted = append(p.wanted, part.wanted)
		}
	}
	if all := errs.All("These hotfixes cannot be applied", faults); all != nil {
		return all.Because("patch-refused")
	}
	return nil
}

// lookAt does so for some files of a subdir: which are to be written, what the
// report counts of them and what may not be.
func (p *patcher) lookAt(ctx context.Context, subdir string, files []string) (wanted patchWanted, count PatchCount, faults []*errs.Error, err error) {
	wanted.subdir = subdir
	records, err := p.read(ctx, p.r.db, subdir, files)
	if err != nil {
		return wanted, PatchCount{}, nil, err
	}
	count.Absent = len(files) - len(records)
	for i := range records {
		rec := &records[i]
		if err := rec.patch(p.patches[subdir]); err != nil {
			var e *errs.Error
			if !errors.As(err, &e) || e.Kind != errs.Invalid {
				return wanted, PatchCount{}, nil, err
			}
			faults = append(faults, errs.Wrap(errs.Invalid, e, "%s/%s: %s", subdir, rec.fileName, errs.Message(e)))
			continue
		}
		switch rec.fate {
		case patchKeeps:
			count.Kept++
			continue
		case patchChanges:
			count.Changed++
		case patchRemoves:
			count.Removed++
		}
		wanted.files, wanted.records = append(wanted.files, rec.fileName), append(wanted.records, *rec)
	}
	return wanted, count, faults, nil
}

// patch works out what a patch makes of the record.
func (r *patchedRecord) patch(patch repodata.Patch) error {
	if patch.Removes(r.fileName) {
		r.fate, r.encoded = patchRemoves, repodata.Encoded{}
		return nil
	}
	if err := patch.Check(r.fileName, r.encoded); err != nil {
		return err
	}
	rec, encoded, changed, err := patch.ApplyEncoded(r.fileName, r.encoded)
	if err != nil || !changed {
		return err
	}
	r.fate = patchChanges
	r.record = conda.Record{
		Version: rec.Version, Build: rec.Build, BuildNumber: rec.BuildNumber, License: rec.License,
		Timestamp: rec.Timestamp, IndexedTimestamp: rec.IndexedTimestamp, Size: rec.Size,
	}
	// Held until it is written: at its exact size.
	r.encoded = repodata.Encoded{JSON: bytes.Clone(encoded.JSON), Msgpack: bytes.Clone(encoded.Msgpack), RunExports: bytes.Clone(encoded.RunExports)}
	return nil
}

// size is about what the record takes in memory.
func (r *patchedRecord) size() int {
	const fields = 800 // and the short texts
	return fields + len(r.encoded.JSON) + len(r.encoded.Msgpack) + len(r.encoded.RunExports)
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
	if err = p.work(ctx); err == nil {
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

// work writes everything, and keeps the hold on the channel meanwhile.
func (p *patcher) work(ctx context.Context) error {
	stop := p.staging.keep(ctx)
	defer stop()
	if err := p.writeAll(ctx); err != nil {
		return err
	}
	p.staging.workAhead(ctx)
	return nil
}

// workAhead lets the index make what it will show: who changes the channel right
// after the staging need not wait for it. Whatever others do to the staged records
// from now on, the log has their names.
func (s *staging) workAhead(ctx context.Context) {
	publisher := s.r.publisher.Load()
	if publisher == nil {
		return
	}
	preparer, ok := (*publisher).(Preparer)
	if !ok {
		return
	}
	var err error
	if s.prepared, err = preparer.Prepare(ctx, s.channel.ID, s.generation); err != nil {
		s.r.opts.Log.WarnContext(ctx, "working ahead for the index failed; it is made when the change is current", "err", err, "channel", s.channel.ID)
	}
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
			wrote := make(map[string]*subdirChange, len(p.wrote))
			for subdir, sc := range p.wrote { // a copy: the batch counts further, and may be tried again
				wrote[subdir] = &subdirChange{names: maps.Clone(sc.names), staged: sc.staged, added: sc.added, removed: sc.removed}
			}
			if err := p.staging.current(ctx, c, wrote); err != nil {
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
