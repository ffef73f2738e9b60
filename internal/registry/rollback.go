package registry

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// RolledBack is what a roll-back did.
type RolledBack struct {
	To           int64     // the generation that the channel equals now
	Generation   int64     // the new one; that of before where nothing had to change
	Added        int64     // records that came again
	Removed      int64     // records that went
	LeftOut      []LeftOut // what was listed then and cannot come back, by subdir and name; the first maxLeftOut
	LeftOutTotal int
}

// LeftOut is a file that a roll-back could not bring back.
type LeftOut struct {
	Subdir, FileName string
	Why              string // a sentence
}

// maxLeftOut bounds the list of what a roll-back left out.
const maxLeftOut = 1000

// rollbackCause begins the cause of a generation that is a roll-back; the
// generation that it went back to follows.
const rollbackCause = "rollback to "

// RollBack makes a new generation of a local channel that lists what the channel
// listed at an old one, which spec names (see GenerationAt): records that began
// since end, those that ended since begin again as they were then, and the labels
// of their files follow. Files that were deleted or withdrawn since stay out; the
// answer names them. More than labelAtOnce records are written as a staging, so
// that everything else goes on; what others change meanwhile is rolled back, too.
//
// Write is needed, as for labels: on the channel, and on each package whose files
// come or go. Packages that the actor may not read are left as they are. A locked
// channel, and one that is not local, is errs.Forbidden; one into which a large
// change is being written errs.Unavailable. A large change that was broken off is put
// away first.
func (r *Registry) RollBack(ctx context.Context, actor access.Actor, ownerName, name, spec string) (done RolledBack, err error) {
	err = clearing(ctx, func() error {
		b, err := (&change{r: r, tx: r.db, actor: actor, now: r.now()}).backTo(ctx, ownerName, name, spec)
		if err != nil {
			return err
		}
		many, err := b.many(ctx)
		if err != nil {
			return err
		}
		if many {
			done, err = r.rollBackMany(ctx, b)
		} else {
			done, err = r.rollBack(ctx, actor, ownerName, name, spec)
		}
		return err
	})
	return done, err
}

// rollBack is RollBack in one transaction, where no large change was left in the
// channel; else it is errDead.
func (r *Registry) rollBack(ctx context.Context, actor access.Actor, ownerName, name, spec string) (done RolledBack, err error) {
	err = r.change(ctx, actor, "rollback", func(ctx context.Context, c *change) error {
		if err := c.alone(); err != nil {
			return err
		}
		b, err := c.backTo(ctx, ownerName, name, spec)
		if err != nil {
			return err
		}
		if err := b.unstaged(ctx); err != nil {
			return err
		}
		var args parameters
		changing := "SELECT p.id" + b.from(&args) + "(" + surplus + " OR " + missing + " AND " + comes + ")"
		if err := c.lockPackages(ctx, changing, args...); err != nil {
			return err
		}
		if done, err = b.plan(ctx); err != nil || done.Added+done.Removed == 0 {
			return err
		}
		if _, err := b.judge(ctx); err != nil {
			return err
		}
		if done.Generation, err = b.carryOut(ctx); err != nil {
			return err
		}
		return c.audit(ctx, b.entry(done))
	})
	return done, err
}

// rollback is one roll-back in its transaction, or, of many records, before and
// between its transactions.
type rollback struct {
	*change
	channel Channel
	to      int64
}

// backTo finds the channel of a roll-back and the generation that it goes back to,
// and judges the actor.
func (c *change) backTo(ctx context.Context, ownerName, name, spec string) (*rollback, error) {
	ch, err := c.loadChannel(ctx, access.Read, ownerName, name)
	if err != nil {
		return nil, err
	}
	if err := c.mayPutAll(ch); err != nil {
		return nil, err
	}
	if err := open(ch); err != nil {
		return nil, err
	}
	if spec == "" {
		return nil, errs.New(errs.Invalid, "Say to which generation or date %s/%s is to go back.", ch.OwnerName, ch.Name).On("to")
	}
	to, err := c.r.generationAt(ctx, c.tx, ch, spec, false)
	if err != nil {
		return nil, onMember(err, "at")
	}
	return &rollback{change: c, channel: ch, to: to}, nil
}

// entry is what the audit log says of a roll-back that was carried out.
func (b *rollback) entry(done RolledBack) audit.Entry {
	ch := b.channel
	return audit.Entry{
		Action: "channel.rollback", OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID, ObjectName: ch.OwnerName + "/" + ch.Name,
		Before: map[string]any{"generation": ch.Generation},
		After:  map[string]any{"generation": done.Generation, "to": b.to, "added": done.Added, "removed": done.Removed, "left_out": done.LeftOutTotal},
	}
}

// Its queries look at the names alone that the log has after the old generation:
// what they cost depends on what changed since, not on the channel. In each of
// them $1 is the channel, $2 the old generation and $3 the one that counts as the
// current one. What a large change has written for a later one counts as not there.
const (
	changedSince = `(SELECT DISTINCT n.subdir, n.name FROM generation_names n WHERE n.channel_id = $1 AND n.number > $2 AND n.number <= $3)`
	sameRecord   = `o.channel_id = $1 AND o.subdir = r.subdir AND o.name = r.name AND o.file_name = r.file_name AND o.file_id = r.file_id
		AND o.json = r.json AND (o.run_exports = r.run_exports OR o.run_exports IS NULL AND r.run_exports IS NULL)`
	// surplus are the records r that are listed and were not then.
	surplus = `(r.removed IS NULL OR r.removed > $3) AND r.added > $2 AND r.added <= $3
		AND NOT EXISTS (SELECT 1 FROM records o WHERE ` + sameRecord + ` AND o.added <= $2 AND o.removed > $2)`
	// missing are the records r that were listed then and are not now.
	missing = `r.added <= $2 AND r.removed > $2
		AND NOT EXISTS (SELECT 1 FROM records o WHERE ` + sameRecord + ` AND (o.removed IS NULL OR o.removed > $3) AND o.added <= $3)`
	// comes holds for the files f of missing records that can be listed.
	comes = `f.deleted_at IS NULL AND f.withdrawn_at IS NULL`
)

// from joins the files and packages of the records that changed since, without
// those that the actor may not read, and begins the condition.
func (b *rollback) from(args *parameters) string {
	*args = parameters{b.channel.ID, b.to, b.channel.Generation}
	return b.joined(args, changedSince)
}

// joined is from for the names of a table. CROSS keeps SQLite from beginning with all
// records of the channel.
func (b *rollback) joined(args *parameters, names string) string {
	return " FROM " + names + " t CROSS JOIN records r JOIN files f ON f.id = r.file_id JOIN packages p ON p.id = f.package_id" +
		" WHERE r.channel_id = $1 AND r.subdir = t.subdir AND r.name = t.name AND " +
		access.ReadablePackagesVia(whole(b.actor), "api", args.add, b.tx, "p") + " AND "
}

// of is from for some names, each looked for by its key.
func (b *rollback) of(args *parameters, names []touched) (string, error) {
	keys, err := touchedKeys(names)
	if err != nil {
		return "", err
	}
	*args = parameters{b.channel.ID, b.to, b.channel.Generation}
	return b.joined(args, "(SELECT DISTINCT value ->> 'subdir' AS subdir, value ->> 'name' AS name FROM "+b.tx.EachObject(args.add(keys))+" AS wanted)"), nil
}

// many reports whether a roll-back looks at more names, or is of more records, than
// are changed at once.
func (b *rollback) many(ctx context.Context) (bool, error) {
	var args parameters
	from := b.from(&args)
	for _, some := range []struct {
		rows string
		args parameters
	}{
		{"SELECT 1 FROM " + changedSince + " t", args[:3]},
		{"SELECT 1" + from + "(" + surplus + " OR " + missing + ")", args},
	} {
		var n int
		err := b.tx.Row(ctx, "SELECT count(*) FROM ("+some.rows+" LIMIT "+strconv.Itoa(labelAtOnce+1)+") AS one", some.args...).Scan(&n)
		if err != nil {
			return false, fmt.Errorf("look how much has changed in %s/%s: %w", b.channel.OwnerName, b.channel.Name, err)
		}
		if n > labelAtOnce {
			return true, nil
		}
	}
	return false, nil
}

// unstaged refuses, as errs.Unavailable, a channel into which a large change is
// being written: that would make other records current than those of now. One that
// was broken off, and may never go on, is errDead.
func (b *rollback) unstaged(ctx context.Context) error {
	s, err := b.loadStaging(ctx, b.channel)
	if err != nil || s == nil {
		return err
	}
	if !s.until.After(b.now) {
		return errDead{s}
	}
	return errs.New(errs.Unavailable, "A large change of %s/%s is under way. Roll back when it is done.", b.channel.OwnerName, b.channel.Name).Because("staging")
}

// plan counts what a roll-back will do, and lists what it cannot.
func (b *rollback) plan(ctx context.Context) (RolledBack, error) {
	done := RolledBack{To: b.to, Generation: b.channel.Generation}
	var args parameters
	from := b.from(&args)
	if err := b.tx.Row(ctx, "SELECT count(*)"+from+surplus, args...).Scan(&done.Removed); err != nil {
		return done, fmt.Errorf("look what came to %s/%s since: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	if err := b.tx.Row(ctx, "SELECT count(*)"+from+missing+" AND "+comes, args...).Scan(&done.Added); err != nil {
		return done, fmt.Errorf("look what left %s/%s since: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	var err error
	done.LeftOutTotal, done.LeftOut, err = b.leftOut(ctx)
	return done, err
}

// leftOut counts and lists what was listed then and cannot come back.
func (b *rollback) leftOut(ctx context.Context) (n int, list []LeftOut, err error) {
	var args parameters
	lost := b.from(&args) + missing + " AND NOT (" + comes + ")"
	if err := b.tx.Row(ctx, "SELECT count(*)"+lost, args...).Scan(&n); err != nil {
		return 0, nil, fmt.Errorf("look what cannot come back to %s/%s: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	if n == 0 {
		return 0, nil, nil
	}
	list, err = sqldb.All(ctx, b.tx, func(rows *sqldb.Rows, l *LeftOut) error {
		var deleted, withdrawn *time.Time
		var why string
		var kept bool
		if err := rows.Scan(&l.Subdir, &l.FileName, &deleted, &withdrawn, &why, &kept); err != nil {
			return err
		}
		switch {
		case deleted != nil && kept:
			l.Why = fmt.Sprintf("It was deleted on %s and is in the trash: restore it and roll back again.", deleted.Format(time.DateOnly))
		case deleted != nil:
			l.Why = fmt.Sprintf("It was deleted on %s, and the trash was emptied.", deleted.Format(time.DateOnly))
		default:
			l.Why = "It was withdrawn" + because(why) + "."
		}
		return nil
	}, "SELECT r.subdir, r.file_name, f.deleted_at, f.withdrawn_at, f.withdrawn_why, f.stored OR f.source_url <> ''"+lost+
		" ORDER BY r.subdir, r.file_name LIMIT "+strconv.Itoa(maxLeftOut), args...)
	if err != nil {
		return 0, nil, fmt.Errorf("list what cannot come back to %s/%s: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	return n, list, nil
}

// judge asks whether the actor may write each package whose files come or go, and
// whether the channel's rule about other bytes lets those in that come. It gives the
// packages.
func (b *rollback) judge(ctx context.Context) ([]Package, error) {
	var args parameters
	from := b.from(&args)
	packages, err := sqldb.All(ctx, b.tx, func(rows *sqldb.Rows, p *Package) error { return rows.Scan(&p.ID, &p.Name, &p.Private) },
		"SELECT DISTINCT p.id, p.name, p.private"+from+"("+surplus+" OR "+missing+" AND "+comes+") ORDER BY p.name", args...)
	if err != nil {
		return nil, fmt.Errorf("look whose files a roll-back of %s/%s changes: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	if err := b.mayPutEach(packages); err != nil {
		return nil, err
	}
	if b.channel.ReplaceRule == replaceAlways {
		return packages, nil
	}
	coming, err := sqldb.All(ctx, b.tx, func(rows *sqldb.Rows, f *File) error { return rows.Scan(&f.ID) }, "SELECT DISTINCT f.id"+from+missing+" AND "+comes, args...)
	if err != nil {
		return nil, fmt.Errorf("look what comes back to %s/%s: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	return packages, b.mayReplace(ctx, b.channel, coming)
}

// mayPutEach is mayPut for packages of which id, name and whether they are private
// are known.
func (b *rollback) mayPutEach(packages []Package) error {
	for _, p := range packages {
		p.OwnerID, p.OwnerName, p.OwnerKind = b.channel.OwnerID, b.channel.OwnerName, b.channel.OwnerKind
		if err := b.mayPut(p.object(), b.channel); err != nil {
			return err
		}
	}
	return nil
}

// carryOut writes the new generation and gives its number.
func (b *rollback) carryOut(ctx context.Context) (int64, error) {
	cc, err := b.generation(ctx, b.channel.ID)
	if err != nil {
		return 0, err
	}
	cc.causes = map[string]bool{rollbackCause + strconv.FormatInt(b.to, 10): true}
	type moved struct {
		touched
		file string
	}
	scan := func(rows *sqldb.Rows, m *moved) error { return rows.Scan(&m.subdir, &m.name, &m.file) }
	var args parameters
	from := b.from(&args)
	generation := args.add(cc.generation)
	ended, err := sqldb.All(ctx, b.tx, scan, "UPDATE records SET removed = "+generation+` WHERE channel_id = $1 AND removed IS NULL AND (subdir, name, file_name, added) IN (
		SELECT r.subdir, r.name, r.file_name, r.added`+from+surplus+") RETURNING subdir, name, file_id", args...)
	if err != nil {
		return 0, fmt.Errorf("end records of %s/%s: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	begun, err := sqldb.All(ctx, b.tx, scan, beginAgain(generation)+from+missing+" AND "+comes+" RETURNING subdir, name, file_id", args...)
	if err != nil {
		return 0, fmt.Errorf("begin records of %s/%s again: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	stays := map[string]bool{}
	var gone, came []string
	for _, m := range begun {
		sc := cc.subdir(m.subdir)
		sc.names[m.name] = true
		sc.added++
		stays[m.file] = true
		came = append(came, m.file)
	}
	for _, m := range ended {
		sc := cc.subdir(m.subdir)
		sc.names[m.name] = true
		sc.removed++
		if !stays[m.file] { // else its record alone is another
			gone = append(gone, m.file)
		}
	}
	if err := b.moveLabels(ctx, gone, came); err != nil {
		return 0, err
	}
	files := make([]File, 0, len(gone)+len(came))
	for _, id := range append(gone, came...) {
		files = append(files, File{ID: id})
	}
	return cc.generation, b.relabelled(ctx, b.channel, files)
}

// beginAgain begins an INSERT that lists records r again, from a generation on.
func beginAgain(generation string) string {
	return `INSERT INTO records (channel_id, subdir, name, file_name, added, file_id, version, build, build_number,
		 license, timestamp_ms, indexed_ms, size, json, msgpack, run_exports)
		SELECT r.channel_id, r.subdir, r.name, r.file_name, CAST(` + generation + ` AS BIGINT), r.file_id, r.version, r.build, r.build_number,
		 r.license, r.timestamp_ms, r.indexed_ms, r.size, r.json, r.msgpack, r.run_exports`
}

// moveLabels takes the label off the files that went, and gives it to those that came.
func (b *rollback) moveLabels(ctx context.Context, gone, came []string) error {
	_, err := b.exec(ctx, "DELETE FROM file_channels WHERE channel_id = $1 AND file_id IN (SELECT value FROM "+b.tx.EachText("$2")+" AS gone)", b.channel.ID, gone)
	if err != nil {
		return fmt.Errorf("take the label %s off: %w", b.channel.Name, err)
	}
	_, err = b.giveLabel(ctx, b.channel, came)
	return err
}

// RollbackOf gives the generation that a generation with this cause went back to.
func RollbackOf(cause string) (int64, bool) {
	text, ok := strings.CutPrefix(cause, rollbackCause)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}
