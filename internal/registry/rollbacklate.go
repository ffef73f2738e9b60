package registry

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// backLate is how many names the last transaction of a large roll-back looks at
// again; more are looked at before.
const backLate = 20

// touchedKeys are names as a parameter for EachObject.
func touchedKeys(names []touched) (string, error) {
	type key struct {
		Subdir string `json:"subdir"`
		Name   string `json:"name"`
	}
	keys := make([]key, len(names))
	for i, t := range names {
		keys[i] = key{t.subdir, t.name}
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return "", fmt.Errorf("write names of packages: %w", err)
	}
	return string(text), nil
}

// catchUp looks again at the names that others have changed since it was asked last,
// until there are only few.
func (m *manyBack) catchUp(ctx context.Context, few int) error {
	const rounds = 8
	for range rounds {
		var upTo int64
		if err := m.r.db.Row(ctx, "SELECT generation FROM channels WHERE id = $1", m.channel.ID).Scan(&upTo); err != nil {
			return fmt.Errorf("read the generation of %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
		}
		names, err := m.changedBy(ctx, m.change, upTo)
		if err != nil {
			return err
		}
		maps.Copy(names, m.again)
		if len(names) <= few {
			return nil
		}
		for some := range slices.Chunk(slices.Collect(maps.Keys(names)), backLate) {
			var made map[touched]backName
			err := m.within(ctx, func(tx *sqldb.DB, generation int64) (err error) {
				b := &rollback{change: &change{r: m.r, tx: tx, actor: m.actor, now: m.now}, channel: m.channel, to: m.to}
				b.channel.Generation = generation
				made, err = m.late(ctx, b, some)
				return err
			})
			if err != nil {
				return err
			}
			maps.Copy(m.names, made)
			for t, n := range made {
				m.rewritten[t] = true
				for _, file := range n.on {
					delete(m.gone, file) // should it go again
				}
			}
			point(pointImportBatch)
		}
		m.seen = upTo
		clear(m.again)
	}
	return nil
}

// changedBy gives the names that others have changed since they were looked at, up to
// a generation.
func (m *manyBack) changedBy(ctx context.Context, c *change, upTo int64) (map[touched]bool, error) {
	names := map[touched]bool{}
	err := c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var t touched
		err := scanTouched(rows, &t)
		names[t] = true
		return err
	}, "SELECT subdir, name FROM generation_names WHERE channel_id = $1 AND number > $2 AND number <= $3", m.channel.ID, m.seen, upTo)
	if err != nil {
		return nil, fmt.Errorf("look what others changed in %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	return names, nil
}

// late looks at some names again, as they are in the transaction of b, and writes
// what is missing of the roll-back of them: what is written and still holds stays. It
// gives what became of them.
func (m *manyBack) late(ctx context.Context, b *rollback, names []touched) (map[touched]backName, error) {
	made := make(map[touched]backName, len(names))
	if len(names) == 0 {
		return made, nil
	}
	set := map[touched]bool{}
	for _, t := range names {
		set[t], made[t] = true, backName{logged: true}
	}
	if err := m.logAll(ctx, b.tx, set); err != nil {
		return nil, err
	}
	keys, err := touchedKeys(names)
	if err != nil {
		return nil, err
	}
	_, err = b.exec(ctx, "DELETE FROM records WHERE channel_id = $1 AND added = $2 AND (subdir, name) IN (SELECT value ->> 'subdir', value ->> 'name' FROM "+
		b.tx.EachObject("$3")+" AS wanted) AND NOT EXISTS (SELECT 1 FROM files f WHERE f.id = records.file_id AND "+comes+")", m.channel.ID, m.staging.generation, keys)
	if err != nil {
		return nil, fmt.Errorf("take back staged records of %s: %w", m.channel.Name, err)
	}
	var args parameters
	from, err := b.of(&args, names)
	if err != nil {
		return nil, err
	}
	generation := args.add(m.staging.generation)
	_, err = b.exec(ctx, "UPDATE records SET removed = "+generation+` WHERE channel_id = $1 AND removed IS NULL AND (subdir, name, file_name, added) IN (
		SELECT r.subdir, r.name, r.file_name, r.added`+from+"r.removed IS NULL AND "+surplus+")", args...)
	if err != nil {
		return nil, fmt.Errorf("end records of %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	// Of the many records of a large name the ones that are written already are the
	// cheaper to pass over, so that is asked first.
	unwritten := "NOT EXISTS (SELECT 1 FROM records w WHERE w.channel_id = $1 AND w.subdir = r.subdir AND w.name = r.name AND w.file_name = r.file_name AND w.added = " +
		generation + ") AND "
	if _, err = b.exec(ctx, beginAgain(generation)+from+unwritten+missing+" AND "+comes, args...); err != nil {
		return nil, fmt.Errorf("begin records of %s/%s again: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	err = b.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var t touched
		var file string
		err := rows.Scan(&t.subdir, &t.name, &file)
		n := made[t]
		n.lost = append(n.lost, file)
		made[t] = n
		return err
	}, "SELECT r.subdir, r.name, r.file_id"+from+unwritten+missing+" AND NOT ("+comes+")", args...)
	if err != nil {
		return nil, fmt.Errorf("look what cannot come back to %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	return made, m.lateWritten(ctx, b, keys, made)
}

// lateWritten notes what is written of some names, and judges it.
func (m *manyBack) lateWritten(ctx context.Context, b *rollback, keys string, made map[touched]backName) error {
	ended, packages := map[string]touched{}, map[string]bool{}
	var coming []File
	err := b.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var t touched
		var file, packageID string
		var begins bool
		if err := rows.Scan(&t.subdir, &t.name, &file, &begins, &packageID); err != nil {
			return err
		}
		packages[packageID] = true
		n := made[t]
		n.packageID = packageID
		if begins {
			n.begun++
			coming = append(coming, File{ID: file})
			if _, same := ended[file]; !same { // else its record alone is another
				n.on = append(n.on, file)
			}
			delete(ended, file)
		} else {
			n.ended++
			ended[file] = t
		}
		made[t] = n
		return nil
	}, "SELECT r.subdir, r.name, r.file_id, r.added = $2, f.package_id FROM "+b.tx.EachObject("$3")+` AS w
		CROSS JOIN records r JOIN file_rows f ON f.id = r.file_id WHERE r.channel_id = $1 AND r.subdir = w.value ->> 'subdir' AND r.name = w.value ->> 'name'
		AND (r.added = $2 OR r.removed = $2) ORDER BY r.added`, m.channel.ID, m.staging.generation, keys)
	if err != nil {
		return fmt.Errorf("look what is written of a roll-back of %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	for file, t := range ended {
		n := made[t]
		n.off = append(n.off, file)
		made[t] = n
	}
	if err := m.judgeMore(ctx, b, packages); err != nil {
		return err
	}
	return b.mayReplace(ctx, b.channel, coming)
}

// lost are the files that could not come back, and their names.
func (m *manyBack) lost() map[string]touched {
	of := map[string]touched{}
	for t, n := range m.names {
		for _, file := range n.lost {
			of[file] = t
		}
	}
	return of
}

// lookAtLost adds to names those of files that could not come back and can by now.
func (m *manyBack) lookAtLost(ctx context.Context, c *change, names map[touched]bool) error {
	of := m.lost()
	if len(of) == 0 {
		return nil
	}
	back, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT f.id FROM files f WHERE f.id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS lost) AND "+comes,
		slices.Sorted(maps.Keys(of)))
	if err != nil {
		return fmt.Errorf("look again at the files for %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	for _, file := range back {
		names[of[file]] = true
	}
	return nil
}

// lookAtGone adds to names those of files that were written and went since without
// the log of the channel knowing of it, since they had not its label.
func (m *manyBack) lookAtGone(ctx context.Context, c *change, names map[touched]bool) error {
	gone, err := m.staging.goneSince(ctx, c, m.now)
	if err != nil {
		return err
	}
	maps.DeleteFunc(gone, func(file string, _ bool) bool { return m.gone[file] })
	if len(gone) == 0 {
		return nil
	}
	err = c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var t touched
		err := scanTouched(rows, &t)
		names[t] = true
		return err
	}, "SELECT subdir, name FROM records WHERE "+inChannelOf("channel_id")+" AND added = $2 AND file_id IN (SELECT value FROM "+c.tx.EachText("$3")+" AS gone)",
		m.channel.ID, m.staging.generation, slices.Sorted(maps.Keys(gone)))
	if err != nil {
		return fmt.Errorf("look again at the files for %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	return nil
}

// judgeAgain judges in the last transaction what was judged before, where somebody's
// rights have changed since. Where the actor may not read the same packages as
// before, all would be another roll-back: that is errs.Unavailable.
func (m *manyBack) judgeAgain(ctx context.Context, b *rollback) error {
	again := func(what string) error {
		return errs.New(errs.Unavailable, "%s of %s/%s changed while it was rolled back. Try again.", what, m.channel.OwnerName, m.channel.Name).Because("staging")
	}
	if b.channel.ReplaceRule != m.channel.ReplaceRule {
		return again("The rule about other bytes")
	}
	rights, err := access.GenerationIn(ctx, b.tx)
	if err != nil || rights == m.rights {
		return err
	}
	hidden, err := b.hiddenPackages(ctx)
	if err != nil {
		return err
	}
	for _, t := range m.list {
		if hidden[t.name] != m.hidden[t.name] {
			return again("What you may read")
		}
	}
	packages, err := sqldb.All(ctx, b.tx, func(rows *sqldb.Rows, p *Package) error { return rows.Scan(&p.ID, &p.Name, &p.Private) },
		"SELECT id, name, private FROM packages WHERE owner_id = $1 AND deleted_at IS NULL", m.channel.OwnerID)
	if err != nil {
		return fmt.Errorf("look whose files a roll-back of %s/%s changes: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	return b.mayPutEach(slices.DeleteFunc(packages, func(p Package) bool { return !m.judged[p.ID] }))
}

// end makes the generation the current one, and moves the labels.
func (m *manyBack) end(ctx context.Context) (done RolledBack, err error) {
	m.staging.mu.Lock()
	defer m.staging.mu.Unlock()
	err = m.r.change(ctx, m.actor, rollbackCause+strconv.FormatInt(m.to, 10), func(ctx context.Context, c *change) error {
		if err := c.alone(); err != nil {
			return err
		}
		if err := m.staging.settled(ctx, c); err != nil {
			return err
		}
		b, err := m.backAgain(ctx, c)
		if err != nil {
			return err
		}
		if b.channel.ID != m.channel.ID {
			return m.staging.lost()
		}
		if err := m.judgeAgain(ctx, b); err != nil {
			return err
		}
		names, err := m.changedBy(ctx, c, b.channel.Generation)
		if err != nil {
			return err
		}
		maps.Copy(names, m.again)
		if err := m.lookAtGone(ctx, c, names); err != nil {
			return err
		}
		if len(m.lost()) <= labelAtOnce { // of more, one that comes back at the last moment is left out
			if err := m.lookAtLost(ctx, c, names); err != nil {
				return err
			}
		}
		made, err := m.late(ctx, b, slices.Collect(maps.Keys(names)))
		if err != nil {
			return err
		}
		if done, err = m.finish(ctx, b, made); err != nil {
			return err
		}
		if cc := c.batch.channels[m.channel.ID]; cc != nil && cc.prepared != nil {
			maps.Copy(names, m.rewritten)
			cc.rewritten = map[string][]string{}
			for t := range names {
				cc.rewritten[t.subdir] = append(cc.rewritten[t.subdir], t.name)
			}
		}
		return c.audit(ctx, b.entry(done))
	})
	return done, err
}

// finish makes the generation current, with what became of the names that were looked
// at last, and moves the labels.
func (m *manyBack) finish(ctx context.Context, b *rollback, made map[touched]backName) (RolledBack, error) {
	done := RolledBack{To: m.to, Generation: b.channel.Generation}
	all := maps.Clone(m.names)
	maps.Copy(all, made)
	subdirs := map[string]*subdirChange{}
	var off, on []string
	var files []File
	for t, n := range all {
		done.LeftOutTotal += len(n.lost)
		if !n.logged {
			continue
		}
		sc := subdirs[t.subdir]
		if sc == nil {
			sc = &subdirChange{names: map[string]bool{}, staged: map[string]bool{}}
			subdirs[t.subdir] = sc
		}
		sc.staged[t.name] = true
		sc.added, sc.removed = sc.added+n.begun, sc.removed+n.ended
		done.Added, done.Removed = done.Added+n.begun, done.Removed+n.ended
		off, on = append(off, n.off...), append(on, n.on...)
		if len(n.off)+len(n.on) > 0 {
			files = append(files, File{PackageID: n.packageID})
		}
	}
	if len(subdirs) == 0 { // others have done it all
		return done, m.staging.drop(ctx, b.change)
	}
	if err := m.staging.current(ctx, b.change, subdirs); err != nil {
		return done, err
	}
	done.Generation = m.staging.generation
	if err := b.moveLabels(ctx, off, on); err != nil {
		return done, err
	}
	return done, b.untoldOf(ctx, b.channel, files)
}
