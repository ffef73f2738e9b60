package registry

import (
	"context"
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
	// .bz2, and, unless MetadataOnly, the archives.
	Files fs.FS
	// Subdirs limits the import; none = every folder that has repodata.
	Subdirs []string
	// MetadataOnly takes records without archives; they are fetched from
	// BaseURL/SUBDIR/FILE when first asked for.
	MetadataOnly bool
	// BaseURL is the address of the channel; it may be "" where the archives
	// are imported too.
	BaseURL string
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
	Kept     int      // listed before, with the same bytes
	LeftOut  int      // refused; the first reasons are in Reasons
	Reasons  []string // a sentence for each of the first hundred
	Location string   // the document that was read: "linux-64/repodata.json.zst"
}

// repodataNames are the documents of a subdir, the best first.
var repodataNames = [...]string{"repodata.json.zst", "repodata.json", "repodata.json.bz2"}

// Import loads an existing channel into a local one, which is made if need be:
// one generation a subdir, visible at once as a whole. Admin on the owner is
// needed. Files that are there already with the same bytes are kept, with other
// bytes left out. Where a record cannot be read or an archive is missing or
// differs from its record, that file is left out and the report says why; what
// makes a whole subdir unreadable ends the import, and nothing of that subdir
// stays.
//
// While a subdir is loaded, other changes of the channel are errs.Unavailable;
// everything else goes on, since rows are written in batches. Of an import that
// was killed the next change sweeps what it left, after Options.ImportLease.
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
	i := &importer{r: r, actor: actor, src: src, progress: progress}
	report := ImportReport{Subdirs: map[string]ImportCount{}}
	for _, subdir := range subdirs {
		count, err := i.subdir(ctx, owner, channel, subdir)
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
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The channel %s cannot be read.", s.Name)
	}
	found := []string{}
	for _, e := range entries {
		if conda.CheckSubdir(e.Name()) == nil && (len(s.Subdirs) == 0 || slices.Contains(s.Subdirs, e.Name())) && s.document(e.Name()) != "" {
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

// document is the path of a subdir's repodata, "" if there is none.
func (s ImportSource) document(subdir string) string {
	for _, name := range repodataNames {
		if info, err := fs.Stat(s.Files, subdir+"/"+name); err == nil && info.Mode().IsRegular() {
			return subdir + "/" + name
		}
	}
	return ""
}

// subdir imports one subdir.
func (i *importer) subdir(ctx context.Context, owner, channel, subdir string) (ImportCount, error) {
	if err := i.begin(ctx, owner, channel, subdir); err != nil {
		return ImportCount{}, err
	}
	release := i.hold.keep(ctx)
	count, err := i.load(ctx, subdir)
	release()
	if err == nil {
		err = i.end(ctx, subdir, count)
	}
	if err != nil {
		// The reason that counts is err; what cannot be swept now is swept by
		// the next change of the channel.
		if swept := i.sweep(context.WithoutCancel(ctx)); swept != nil {
			i.r.opts.Log.ErrorContext(ctx, "sweeping a broken import failed", "err", swept, "channel", i.channel.ID)
		}
		return ImportCount{}, err
	}
	point(pointImportCurrent)
	return count, nil
}

// begin takes the channel for the import and names the generation to come.
func (i *importer) begin(ctx context.Context, ownerName, channel, subdir string) error {
	return i.r.change(ctx, i.actor, "import", func(ctx context.Context, c *change) error {
		o, err := loadOwner(ctx, c.tx, ownerName)
		if err != nil {
			return err
		}
		if err := may(i.actor, access.Admin, o.object()); err != nil {
			return err
		}
		if channel == "" {
			channel = mainLabel
		}
		ch, err := c.target(ctx, o, channel)
		if err != nil {
			return err
		}
		if err := open(ch); err != nil {
			return err
		}
		if ch, err = c.ensureChannel(ctx, o, ch); err != nil {
			return err
		}
		var until *time.Time
		if err := c.tx.Row(ctx, "SELECT generation, importing_until FROM channels WHERE id = $1", ch.ID).Scan(&ch.Generation, &until); err != nil {
			return fmt.Errorf("read channel %s/%s: %w", o.Name, ch.Name, err)
		}
		if _, begun := c.batch.channels[ch.ID]; begun {
			// A change of the same batch has begun the generation that is
			// meant here; it is too late for this one.
			return errs.New(errs.Conflict, "%s/%s is being changed. Try again in a moment.", o.Name, ch.Name)
		}
		if until != nil && until.After(c.now) {
			return errs.New(errs.Conflict, "%s/%s is being imported already. If that import was killed, try again in %s.", o.Name, ch.Name, i.r.opts.ImportLease).Because("importing")
		}
		// What an import that died has left must not become part of this one.
		if err := c.sweepImport(ctx, ch.ID, ch.Generation+1); err != nil {
			return err
		}
		i.hold = &hold{r: i.r, channelID: ch.ID, generation: ch.Generation, until: i.r.lease()}
		_, err = c.exec(ctx, "UPDATE channels SET importing_until = $2, source = $3 WHERE id = $1", ch.ID, i.hold.until, i.src.Name)
		if err != nil {
			return fmt.Errorf("begin an import: %w", err)
		}
		i.owner, i.channel, i.generation, i.stamp = o, ch, ch.Generation+1, c.now
		return c.audit(ctx, audit.Entry{
			Action: "channel.import", OwnerID: o.ID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: o.Name + "/" + ch.Name, After: map[string]any{"source": i.src.Name, "subdir": subdir},
		})
	})
}

// end makes the imported generation the current one.
func (i *importer) end(ctx context.Context, subdir string, count ImportCount) error {
	return i.r.change(ctx, i.actor, "import", func(ctx context.Context, c *change) error {
		n, err := c.exec(ctx, "UPDATE channels SET generation = $2, importing_until = NULL WHERE id = $1 AND generation = $3 AND importing_until = $4",
			i.channel.ID, i.generation, i.generation-1, i.hold.until)
		if err != nil {
			return fmt.Errorf("end an import: %w", err)
		}
		if n == 0 {
			return i.hold.lost()
		}
		cc := &channelChange{
			generation: i.generation, actors: map[string]bool{i.actor.Name: true}, causes: map[string]bool{"import": true},
			subdirs: map[string]*subdirChange{subdir: {names: i.names, added: int64(count.Added)}},
		}
		c.batch.channels[i.channel.ID] = cc
		// Files that were there without this label have their records made
		// now, in the same generation; they are few as a rule.
		for ids := range slices.Chunk(i.present, 5000) {
			if _, err := c.label(ctx, i.channel, ids); err != nil {
				return err
			}
		}
		cc.subdirs[subdir].added = int64(count.Added)
		return c.audit(ctx, audit.Entry{
			Action: "channel.imported", OwnerID: i.owner.ID, ObjectKind: "channel", ObjectID: i.channel.ID,
			ObjectName: i.owner.Name + "/" + i.channel.Name, After: map[string]any{
				"subdir": subdir, "generation": i.generation,
				"added": count.Added, "kept": count.Kept, "left_out": count.LeftOut,
			},
		})
	})
}
