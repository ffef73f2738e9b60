package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// causeLabel is the cause of generations that labels make.
const causeLabel = "label"

// labelAtOnce is on how many files a label is changed in one transaction. More are
// a staging, since all others would wait.
const labelAtOnce = 1000

// relabelling is a label that is put on files, or taken off them.
type relabelling struct {
	owner, from string // whose files, and of which channel where it is not ""
	selector    Selector

	pick  func(context.Context, *change) (picked, error) // finds files and channel
	off   bool                                           // taken off
	idle  bool                                           // no file, no change
	entry func(ch Channel, n int) audit.Entry
}

// picked is what a relabelling is about.
type picked struct {
	owner   owner
	pkg     Package // the one that is named, if one is
	files   []File
	channel Channel   // one that target only described has no id
	at      time.Time // before they were looked for
}

// relabel carries out a relabelling and gives how many files came or went.
func (r *Registry) relabel(ctx context.Context, actor access.Actor, l relabelling) (n int, err error) {
	many, err := r.many(ctx, l)
	if err != nil {
		return 0, err
	}
	if many {
		return r.relabelMany(ctx, actor, l)
	}
	err = r.change(ctx, actor, causeLabel, func(ctx context.Context, c *change) error {
		n = 0
		p, err := l.judged(ctx, c)
		if err != nil || len(p.files) == 0 && l.idle {
			return err
		}
		ch := p.channel
		if l.off {
			n, err = c.unlabel(ctx, ch, p.files)
		} else if ch, err = c.ensureChannel(ctx, p.owner, ch); err == nil {
			n, err = c.label(ctx, ch, p.files)
		}
		if err != nil {
			return err
		}
		if err := c.relabelled(ctx, ch, p.files); err != nil {
			return err
		}
		return c.audit(ctx, l.entry(ch, n))
	})
	return n, err
}

// judged picks and judges.
func (l relabelling) judged(ctx context.Context, c *change) (picked, error) {
	at := c.r.now()
	p, err := l.pick(ctx, c)
	if err != nil {
		return picked{}, err
	}
	p.at = at
	if err := c.writable(p.pkg, p.files, p.channel); err != nil {
		return picked{}, err
	}
	if len(p.files) == 0 && l.idle {
		return p, nil
	}
	return p, open(p.channel)
}

// many reports whether a relabelling may be of more files than are changed at
// once. What is not there is said later.
func (r *Registry) many(ctx context.Context, l relabelling) (bool, error) {
	if l.selector.Basename != nil {
		return false, nil
	}
	o, err := loadOwner(ctx, r.db, l.owner)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var packageID, channelID string
	if l.selector.Package != nil {
		p, err := findPackage(ctx, r.db, access.System(), o, packageName(*l.selector.Package))
		if errs.Is(err, errs.NotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		packageID = p.ID
	}
	if l.from != "" {
		ch, err := findChannel(ctx, r.db, o, lowered([]string{l.from})[0], "")
		if errs.Is(err, errs.NotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		channelID = ch.ID
	}
	where, args := l.selector.where(o.ID, packageID, channelID)
	var n int
	err = r.db.Row(ctx, "SELECT count(*) FROM (SELECT 1 FROM files f"+where+" LIMIT "+args.add(labelAtOnce+1)+") AS one", args...).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count the files of %s: %w", o.Name, err)
	}
	return n > labelAtOnce, nil
}

// relabelMany is relabel for many files. Their records begin, or end, in short
// transactions under a generation to come, and one short change puts the label on
// or takes it off and makes that generation the current one. Where the files'
// packages may say something else then, they say it afterwards.
func (r *Registry) relabelMany(ctx context.Context, actor access.Actor, l relabelling) (n int, err error) {
	p, err := l.judged(ctx, &change{r: r, tx: r.db, actor: actor, now: r.now()})
	if err != nil {
		return 0, err
	}
	s, err := r.stage(ctx, actor, causeLabel, access.NewID(r.now()), func(ctx context.Context, c *change) (Channel, error) {
		ch, err := l.again(ctx, c, p)
		if err != nil {
			return Channel{}, err
		}
		if ch, err = c.ensureChannel(ctx, p.owner, ch); err != nil {
			return Channel{}, err
		}
		e := l.entry(ch, len(p.files))
		e.Action += ".begin"
		return ch, c.audit(ctx, e)
	})
	if err != nil {
		return 0, err
	}
	var wrote []written
	stop := s.keep(ctx)
	for chunk := range slices.Chunk(ids(p.files), importBatch) {
		var rows []written
		err = s.within(ctx, func(tx *sqldb.DB) error {
			rows, err = l.write(ctx, tx, s, chunk)
			return err
		})
		if err != nil {
			break
		}
		wrote = append(wrote, rows...)
		point(pointImportBatch)
	}
	stop()
	if err == nil {
		n, err = l.end(ctx, s, actor, p, wrote)
	}
	if err != nil {
		// What cannot be swept now is swept by the next large change of the
		// channel, or by GC.
		if swept := s.sweep(context.WithoutCancel(ctx)); swept != nil {
			r.opts.Log.ErrorContext(ctx, "putting a broken change of a label away failed", "err", swept, "channel", s.channel.ID)
		}
		return 0, err
	}
	if err := r.TellPackages(context.WithoutCancel(ctx)); err != nil {
		r.opts.Log.ErrorContext(ctx, "describing packages failed; the next start goes on with it", "err", err)
	}
	return n, nil
}

// again finds the channel of a relabelling anew and judges what may have changed
// since it was picked.
func (l relabelling) again(ctx context.Context, c *change, p picked) (ch Channel, err error) {
	if l.off {
		ch, err = findChannel(ctx, c.tx, p.owner, p.channel.Name, c.lock())
	} else {
		ch, err = c.target(ctx, p.owner, p.channel.Name)
	}
	if err != nil {
		return Channel{}, err
	}
	if err := c.writable(p.pkg, nil, ch); err != nil {
		return Channel{}, err
	}
	return ch, open(ch)
}

// write begins or ends records of some files in the generation to come, and logs
// their names.
func (l relabelling) write(ctx context.Context, tx *sqldb.DB, s *staging, fileIDs []string) ([]written, error) {
	if err := s.lockChannel(ctx, tx); err != nil {
		return nil, err
	}
	query := listInto(tx)
	if l.off {
		query = "UPDATE records SET removed = $3 WHERE " + inChannelOf("channel_id") + " AND removed IS NULL AND file_id IN (SELECT value FROM " +
			tx.EachText("$2") + " AS wanted) AND added < $3 RETURNING subdir, name, file_id"
	}
	rows, err := sqldb.All(ctx, tx, scanWritten, query, s.channel.ID, fileIDs, s.generation)
	if err != nil {
		return nil, fmt.Errorf("write records of %s/%s: %w", s.channel.OwnerName, s.channel.Name, err)
	}
	names := map[string][]string{}
	for _, t := range rows {
		names[t.subdir] = append(names[t.subdir], t.name)
	}
	for subdir, names := range names {
		if err := s.logNames(ctx, tx, subdir, sortedSet(names)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// counted is what the records that were written say of their subdirs.
func (l relabelling) counted(rows []written) map[string]*subdirChange {
	subdirs := map[string]*subdirChange{}
	for _, t := range rows {
		sc := subdirs[t.subdir]
		if sc == nil {
			sc = &subdirChange{names: map[string]bool{}, staged: map[string]bool{}}
			subdirs[t.subdir] = sc
		}
		sc.staged[t.name] = true
		if l.off {
			sc.removed++
		} else {
			sc.added++
		}
	}
	return subdirs
}

// end puts the label on the files, or takes it off, and makes the generation the
// current one.
func (l relabelling) end(ctx context.Context, s *staging, actor access.Actor, p picked, wrote []written) (n int, err error) {
	done := make(map[string]bool, len(wrote))
	for _, w := range wrote {
		done[w.fileID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.r.change(ctx, actor, causeLabel, func(ctx context.Context, c *change) error {
		if err := s.settled(ctx, c); err != nil {
			return err
		}
		ch, err := l.again(ctx, c, p)
		if err != nil {
			return err
		}
		if ch.ID != s.channel.ID {
			return s.lost()
		}
		var late []written
		if l.off {
			n, late, err = l.takeOff(ctx, c, s, p)
		} else {
			n, late, err = l.putOn(ctx, c, s, p, done)
		}
		if err != nil {
			return err
		}
		if subdirs := l.counted(slices.Concat(wrote, late)); len(subdirs) > 0 {
			err = s.current(ctx, c, subdirs)
		} else {
			err = s.drop(ctx, c) // only files that no index lists
		}
		if err != nil {
			return err
		}
		if err := c.untoldOf(ctx, ch, p.files); err != nil {
			return err
		}
		return c.audit(ctx, l.entry(ch, n))
	})
	return n, err
}

// putOn gives the files the label, as far as they are still there, and looks after
// those that came out of the index or into it meanwhile; done are those whose records
// were written.
func (l relabelling) putOn(ctx context.Context, c *change, s *staging, p picked, done map[string]bool) (n int, late []written, err error) {
	if err := c.mayReplace(ctx, s.channel, p.files); err != nil {
		return 0, nil, err
	}
	gone, err := s.goneSince(ctx, c, p.at)
	if err != nil {
		return 0, nil, err
	}
	var withdrawn, left []string
	for i := range p.files {
		f := &p.files[i]
		there, found := gone[f.ID]
		if found {
			withdrawn = append(withdrawn, f.ID)
		}
		if !found || there {
			left = append(left, f.ID)
		}
	}
	if len(withdrawn) > 0 {
		_, err := c.exec(ctx, "DELETE FROM records WHERE "+inChannelOf("channel_id")+" AND added = $3 AND file_id IN (SELECT value FROM "+c.tx.EachText("$2")+" AS gone)",
			s.channel.ID, withdrawn, s.generation)
		if err != nil {
			return 0, nil, fmt.Errorf("take back staged records of %s: %w", s.channel.Name, err)
		}
	}
	// One that was deleted when its turn came may be there again.
	late, err = l.writeLate(ctx, c, s, p, gone, func(id string) bool { return !done[id] })
	if err != nil {
		return 0, nil, err
	}
	n, err = c.giveLabel(ctx, s.channel, left)
	return n, late, err
}

// takeOff takes the label off the files, and those that somebody has listed anew
// meanwhile out of the index.
func (l relabelling) takeOff(ctx context.Context, c *change, s *staging, p picked) (n int, late []written, err error) {
	if late, err = l.writeLate(ctx, c, s, p, nil, func(string) bool { return false }); err != nil {
		return 0, nil, err
	}
	gone, err := c.exec(ctx, "DELETE FROM file_channels WHERE channel_id = $2 AND file_id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS gone)",
		ids(p.files), s.channel.ID)
	if err != nil {
		return 0, nil, fmt.Errorf("take the label %s off: %w", s.channel.Name, err)
	}
	return int(gone), late, nil
}

// writeLate writes again those of some files that others may have listed, or taken
// out, since they were written: of the names that the channel has changed meanwhile,
// since everybody waits for this transaction, those that were withdrawn then, and
// those of which the caller says so; none that is gone.
func (l relabelling) writeLate(ctx context.Context, c *change, s *staging, p picked, gone map[string]bool, also func(fileID string) bool) ([]written, error) {
	changed, err := s.changedMeanwhile(ctx, c)
	if err != nil {
		return nil, err
	}
	var late []string
	for i := range p.files {
		f := &p.files[i]
		if there, went := gone[f.ID]; went && !there {
			continue
		}
		if f.WithdrawnAt != nil || changed[touched{f.Subdir, f.PackageName}] || also(f.ID) {
			late = append(late, f.ID)
		}
	}
	if len(late) == 0 {
		return nil, nil
	}
	return l.write(ctx, c.tx, s, late)
}
