package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// ImportSource is an existing channel to be loaded.
type ImportSource struct {
	// Files is the root of the channel: SUBDIR/repodata.json, plain, .zst or
	// .bz2, or an index of shards with the shards, and, unless MetadataOnly, the
	// archives.
	Files fs.FS
	// Subdirs limits the import; none = every folder that has repodata.
	Subdirs []string
	// MetadataOnly takes records without archives; they are fetched from
	// BaseURL/SUBDIR/FILE when first asked for.
	MetadataOnly bool
	// BaseURL is the address of the channel; it may be "" where the archives
	// are imported too.
	BaseURL string
	// Private says which packages are to be private, by name; nil = none.
	Private func(name string) bool
	// Anybody is what everybody may read of Files; nil = all. A channel that is
	// made for a source of which they may not read the documents is private, and
	// one that is not private does not take it.
	Anybody fs.FS
	// Ended is told what became of each subdir that is visible now; it may be
	// nil.
	Ended func(subdir string, n ImportCount)
	// Name is where the channel came from, for its row and the audit log.
	Name string
}

// ImportProgress tells how far an import is: done records of a subdir were
// taken. It is called after each batch.
type ImportProgress func(subdir string, done int)

// ImportReport says what an import did.
type ImportReport struct {
	Subdirs map[string]ImportCount
	Took    time.Duration
}

// ImportCount counts the files of one subdir.
type ImportCount struct {
	Added    int      // listed now and not before
	Changed  int      // listed before, with the same bytes and another record
	Kept     int      // listed before as the source has it
	LeftOut  int      // refused; the first reasons are in Reasons
	Reasons  []string // a sentence for each of the first hundred
	Location string   // the document that was read: "linux-64/repodata.json.zst"
}

// repodataNames are the documents of a subdir, the best first.
var repodataNames = [...]string{"repodata.json.zst", "repodata.json", "repodata.json.bz2", shardIndexName}

// Import loads an existing channel into a local one, which is made if need be:
// one generation a subdir, visible at once as a whole. Admin on the owner is
// needed. Files that are there already with the same bytes are kept, with other
// bytes left out; where only the record differs, as after a hotfix, the channel
// lists that of the source from then on. Where a record cannot be read, an
// archive is missing or differs from its record, or the channel's rule for
// replacing files forbids it, that file is left out and the report says why; what
// makes a whole subdir unreadable ends the import, and nothing of that subdir stays.
//
// Rows are written in short transactions as a staging, so everything else goes
// on, other changes of the channel too. One that is interrupted, or whose source
// breaks off, leaves nothing visible, and the next import of the same source goes
// on where it stopped; what nobody goes on with is swept by GC, or by an import
// of something else. A source that says what it said last time makes no
// generation.
func (r *Registry) Import(ctx context.Context, actor access.Actor, owner, channel string, src ImportSource, progress ImportProgress) (ImportReport, error) {
	begun := time.Now()
	if progress == nil {
		progress = func(string, int) {}
	}
	if err := src.Check(); err != nil {
		return ImportReport{}, err
	}
	subdirs, err := src.subdirs()
	if err != nil {
		return ImportReport{}, err
	}
	closed, err := src.closed(subdirs)
	if err != nil {
		return ImportReport{}, err
	}
	i := &importer{r: r, actor: actor, src: src, closed: closed, progress: progress, packages: map[string]*importedPackage{}}
	report := ImportReport{Subdirs: map[string]ImportCount{}}
	for _, subdir := range subdirs {
		count, err := i.importSubdir(ctx, owner, channel, subdir)
		if err != nil {
			return report, fmt.Errorf("import %s: %w", subdir, err)
		}
		report.Subdirs[subdir] = count
		if src.Ended != nil {
			src.Ended(subdir, count)
		}
	}
	report.Took = time.Since(begun)
	return report, nil
}

// private reports whether a package is to be private.
func (s ImportSource) private(name string) bool { return s.Private != nil && s.Private(name) }

// Check refuses a source in which there is nothing to import.
func (s ImportSource) Check() error {
	if s.MetadataOnly && s.BaseURL == "" {
		return errs.New(errs.Invalid, "An import of metadata alone needs the address of the channel, from which files will be fetched.").Because("base-url-missing")
	}
	_, err := s.subdirs()
	return err
}

// subdirs are the folders of the source that are to be imported, sorted.
func (s ImportSource) subdirs() ([]string, error) {
	entries, err := fs.ReadDir(s.Files, ".")
	if errs.KindOf(err) != errs.Internal { // it says what is wrong
		return nil, err
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The channel %s cannot be read.", s.Name)
	}
	found := []string{}
	for _, e := range entries {
		if conda.CheckSubdir(e.Name()) != nil || len(s.Subdirs) > 0 && !slices.Contains(s.Subdirs, e.Name()) {
			continue
		}
		document, err := s.document(e.Name())
		if err != nil {
			return nil, err
		}
		if document != "" {
			found = append(found, e.Name())
		}
	}
	for _, want := range s.Subdirs {
		if !slices.Contains(found, want) {
			return nil, errs.New(errs.Invalid, "%s has no %s/repodata.json.", s.Name, clip(want)).On("subdir")
		}
	}
	if len(found) == 0 {
		return nil, errs.New(errs.Invalid, "%s has no repodata.json in any subdir, so it is no channel.", s.Name).On("source")
	}
	return found, nil
}

// document is the path of a subdir's repodata, "" if there is none. That one cannot
// be asked for does not matter where there is another; else the subdir must not be
// taken for absent.
func (s ImportSource) document(subdir string) (string, error) {
	var unknown error
	for _, name := range repodataNames {
		info, err := fs.Stat(s.Files, subdir+"/"+name)
		switch {
		case err == nil && info.Mode().IsRegular():
			return subdir + "/" + name, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && unknown == nil:
			unknown = err
		}
	}
	if unknown != nil && errs.KindOf(unknown) == errs.Internal {
		return "", errs.Wrap(errs.Invalid, unknown, "Whether %s has %s/repodata.json cannot be told.", s.Name, subdir)
	}
	return "", unknown
}

// importSubdir imports one subdir.
func (i *importer) importSubdir(ctx context.Context, owner, channel, subdir string) (ImportCount, error) {
	if err := i.begin(ctx, owner, channel, subdir); err != nil {
		return ImportCount{}, err
	}
	stop := i.staging.keep(ctx)
	err := i.load(ctx)
	if err == nil {
		err = i.describe(ctx)
	}
	stop()
	if err == nil {
		err = i.discard(ctx)
	}
	if err == nil {
		err = i.end(ctx)
	}
	if err != nil {
		i.broken(context.WithoutCancel(ctx), err)
		return ImportCount{}, err
	}
	point(pointImportCurrent)
	if err := i.describeAgain(ctx); err != nil {
		return ImportCount{}, err
	}
	return i.count, i.r.TellPackages(ctx)
}

// broken leaves a staging that may be gone on with, and sweeps one that would
// break again. The error that counts is that of the import; what cannot be done
// here is done by the next import, or by GC.
func (i *importer) broken(ctx context.Context, cause error) {
	var err error
	switch errs.KindOf(cause) {
	case errs.Invalid, errs.TooLarge, errs.Exists, errs.Forbidden:
		err = i.staging.sweep(ctx)
	default:
		err = i.staging.release(ctx)
	}
	if err != nil {
		i.r.opts.Log.ErrorContext(ctx, "putting a broken import away failed", "err", err, "channel", i.channel.ID)
	}
}

// begin stages the import of a subdir.
func (i *importer) begin(ctx context.Context, ownerName, channel, subdir string) (err error) {
	i.subdir, i.count, i.names, i.present, i.discarded = subdir, ImportCount{}, map[string]bool{}, nil, false
	i.shared = map[string]bool{}
	i.staging, err = i.r.stage(ctx, i.actor, "import", i.subject(), func(ctx context.Context, c *change) (Channel, error) {
		o, err := loadOwner(ctx, c.tx, ownerName)
		if err != nil {
			return Channel{}, err
		}
		if err := may(c.actor, access.Admin, o.object()); err != nil {
			return Channel{}, err
		}
		ch, err := c.target(ctx, o, cmp.Or(channel, mainLabel))
		if err != nil {
			return Channel{}, err
		}
		if err := open(ch); err != nil {
			return Channel{}, err
		}
		if i.closed && ch.ID == "" {
			ch.Visibility = access.Private
		}
		if ch, err = c.ensureChannel(ctx, o, ch); err != nil {
			return Channel{}, err
		}
		if err := i.mayShow(ch); err != nil {
			return Channel{}, err
		}
		if _, err = c.exec(ctx, "UPDATE channels SET source = $2 WHERE id = $1", ch.ID, i.src.Name); err != nil {
			return Channel{}, fmt.Errorf("note the source of %s/%s: %w", o.Name, ch.Name, err)
		}
		var some int
		err = c.tx.Row(ctx, "SELECT count(*) FROM (SELECT 1 FROM file_rows WHERE owner_id = $1 AND subdir = $2 AND type = 'conda' AND deleted_at IS NULL LIMIT 1) AS one", o.ID, subdir).Scan(&some)
		if err != nil {
			return Channel{}, fmt.Errorf("look for files of %s: %w", o.Name, err)
		}
		i.owner, i.channel, i.stamp, i.fresh = o, ch, c.now, some == 0
		return ch, c.audit(ctx, audit.Entry{
			Action: "channel.import", OwnerID: o.ID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: o.Name + "/" + ch.Name, After: map[string]any{"source": i.src.Name, "subdir": subdir},
		})
	})
	return err
}

// discard takes away what an earlier try has staged and the source does not have any
// more, where there is nothing else to make current: the next large change of the
// channel would show it.
func (i *importer) discard(ctx context.Context) error {
	if len(i.names) > 0 {
		if i.staging.resumed {
			return i.recallPresent(ctx)
		}
		return nil
	}
	var some int
	err := i.r.db.Row(ctx, "SELECT count(*) FROM (SELECT 1 FROM generation_names WHERE channel_id = $1 AND number = $2 LIMIT 1) AS one", i.channel.ID, i.staging.generation).Scan(&some)
	if err != nil {
		return fmt.Errorf("look for what an earlier import has staged: %w", err)
	}
	if i.discarded = some > 0; i.discarded {
		return i.staging.sweep(ctx)
	}
	return nil
}

// end makes the imported generation the current one; where nothing is new, there
// is none.
func (i *importer) end(ctx context.Context) error {
	i.staging.mu.Lock()
	defer i.staging.mu.Unlock()
	var count ImportCount
	err := i.r.change(ctx, i.actor, "import", func(ctx context.Context, c *change) error {
		count = i.count // it may be tried again
		if err := i.staging.settled(ctx, c); err != nil {
			return err
		}
		if err := may(c.actor, access.Admin, i.owner.object()); err != nil {
			return err
		}
		ch, err := findChannel(ctx, c.tx, i.owner, i.channel.Name, c.lock())
		if err != nil {
			return err
		}
		if err := open(ch); err != nil {
			return err
		}
		if err := i.mayShow(ch); err != nil {
			// It was opened meanwhile, and may be closed again: the next try goes on.
			return errs.Wrap(errs.Conflict, err, "%s What was loaded is kept for a week.", errs.Message(err)).On("channel").Because("channel-open")
		}
		after := map[string]any{}
		if len(i.names) == 0 {
			if !i.discarded {
				if err := i.staging.drop(ctx, c); err != nil {
					return err
				}
			}
		} else {
			present, err := i.settle(ctx, c, &count)
			if err != nil {
				return err
			}
			if err := c.mayReplace(ctx, ch, present); err != nil {
				return err
			}
			if err := i.shut(ctx, c); err != nil {
				return err
			}
			err = i.staging.current(ctx, c, map[string]*subdirChange{
				i.subdir: {names: map[string]bool{}, staged: i.names, added: int64(count.Added + count.Changed), removed: int64(count.Changed)},
			})
			if err != nil {
				return err
			}
			if _, err := c.giveLabel(ctx, ch, ids(present)); err != nil {
				return err
			}
			if err := i.adoptShared(ctx, c); err != nil {
				return err
			}
			after["generation"] = i.staging.generation
		}
		if err := i.remember(ctx, c); err != nil {
			return err
		}
		after["subdir"], after["added"], after["changed"], after["kept"], after["left_out"] = i.subdir, count.Added, count.Changed, count.Kept, count.LeftOut
		return c.audit(ctx, audit.Entry{
			Action: "channel.imported", OwnerID: i.owner.ID, ObjectKind: "channel", ObjectID: i.channel.ID,
			ObjectName: i.owner.Name + "/" + i.channel.Name, After: after,
		})
	})
	if err == nil {
		i.count = count
	}
	return err
}
