package registry

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
)

// manyBack is a roll-back of many records: they end, and begin again, in short
// transactions under a generation to come, and one short change moves the labels and
// makes that generation the current one. The names that others change meanwhile are
// looked at again, most of them before that change.
type manyBack struct {
	*rollback // outside of any transaction; its generation is that of the beginning
	staging   *staging

	rights int64           // the access generation before anything was judged
	hidden map[string]bool // packages of the owner that the actor may not read
	judged map[string]bool // ids of packages that the actor may write

	list  []touched            // the names that the log had in the beginning
	names map[touched]backName // what was written, or could not be
	again map[touched]bool     // names that are to be looked at again, whoever changed them
	gone  map[string]bool      // files that are known to be gone
	seen  int64                // names that others changed up to this generation were looked at

	rewritten map[touched]bool // names that were written after the index had prepared them
}

// backName is what a roll-back has made of a name.
type backName struct {
	packageID    string
	logged       bool // the log has the name in the generation to come
	ended, begun int64
	off, on      []string // files that lose the label, or get it
	lost         []string // files that were listed and cannot come back
}

// backOp is what is to become of one file name.
type backOp struct {
	Subdir string `json:"subdir"`
	Name   string `json:"name"`
	File   string `json:"file"`
	Ends   int64  `json:"ends"`   // in which generation the record began that ends; 0 = none
	Begins int64  `json:"begins"` // and that which begins again

	endFile, beginFile string // the files of these records
	packageID          string
}

func (o *backOp) touched() touched { return touched{o.Subdir, o.Name} }

// backNames is how many names are looked at in one query.
const backNames = 200

// rollBackMany is RollBack for many records.
func (r *Registry) rollBackMany(ctx context.Context, b *rollback) (done RolledBack, err error) {
	m := &manyBack{rollback: b, judged: map[string]bool{}, names: map[touched]backName{}, again: map[touched]bool{}, rewritten: map[touched]bool{}}
	if m.rights, err = access.GenerationIn(ctx, r.db); err != nil {
		return RolledBack{}, err
	}
	if m.hidden, err = b.hiddenPackages(ctx); err != nil {
		return RolledBack{}, err
	}
	// All is judged before anything is written, so that a refusal leaves no trace.
	packages, err := b.judge(ctx)
	if err != nil {
		return RolledBack{}, err
	}
	if len(packages) == 0 {
		done = RolledBack{To: b.to, Generation: b.channel.Generation}
		done.LeftOutTotal, done.LeftOut, err = b.leftOut(ctx)
		return done, err
	}
	for _, p := range packages {
		m.judged[p.ID] = true
	}
	m.staging, err = r.stage(ctx, b.actor, "rollback", access.NewID(r.now()), m.begin)
	if err != nil {
		return RolledBack{}, err
	}
	if err = m.work(ctx); err == nil {
		done, err = m.end(ctx)
	}
	if err != nil {
		// What cannot be swept now is swept by the next large change of the
		// channel, or by GC.
		if swept := m.staging.sweep(context.WithoutCancel(ctx)); swept != nil {
			r.opts.Log.ErrorContext(ctx, "putting a broken roll-back away failed", "err", swept, "channel", b.channel.ID)
		}
		return RolledBack{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if err := r.TellPackages(ctx); err != nil {
		r.opts.Log.ErrorContext(ctx, "describing packages failed; the next start goes on with it", "err", err)
	}
	if done.LeftOutTotal > 0 {
		m.channel.Generation = done.Generation
		if _, done.LeftOut, err = m.leftOut(ctx); err != nil {
			r.opts.Log.ErrorContext(ctx, "listing what could not be rolled back failed", "err", err, "channel", b.channel.ID)
		}
	}
	return done, nil
}

// begin finds the channel anew for the staging.
func (m *manyBack) begin(ctx context.Context, c *change) (Channel, error) {
	b, err := m.backAgain(ctx, c)
	if err != nil {
		return Channel{}, err
	}
	if err := b.unstaged(ctx); err != nil {
		return Channel{}, err
	}
	e := b.entry(RolledBack{Generation: b.channel.Generation})
	e.Action, e.Before, e.After = e.Action+".begin", nil, map[string]any{"to": b.to}
	return b.channel, c.audit(ctx, e)
}

// backAgain is backTo for the same channel and generation.
func (m *manyBack) backAgain(ctx context.Context, c *change) (*rollback, error) {
	return c.backTo(ctx, m.channel.OwnerName, m.channel.Name, strconv.FormatInt(m.to, 10))
}

// hiddenPackages gives the names of the owner's packages that the actor may not
// read.
func (b *rollback) hiddenPackages(ctx context.Context) (map[string]bool, error) {
	args := parameters{b.channel.OwnerID}
	names, err := sqldb.All(ctx, b.tx, sqldb.Scalar[string], "SELECT p.name FROM packages p WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND NOT "+
		access.ReadablePackagesVia(whole(b.actor), "api", args.add, b.tx, "p"), args...)
	if err != nil {
		return nil, fmt.Errorf("look for packages of %s that are not to be read: %w", b.channel.OwnerName, err)
	}
	hidden := make(map[string]bool, len(names))
	for _, name := range names {
		hidden[name] = true
	}
	return hidden, nil
}

// work writes everything that the log named in the beginning, and what others changed
// since, and keeps the hold on the channel meanwhile.
func (m *manyBack) work(ctx context.Context) error {
	stop := m.staging.keep(ctx)
	defer stop()
	m.channel = m.staging.channel
	m.channel.Generation = m.staging.generation - stagingRoom
	m.seen = m.channel.Generation
	var err error
	// Those that went before are known to have gone when their turn comes.
	if m.gone, err = m.staging.goneSince(ctx, m.change, m.now); err != nil {
		return err
	}
	m.list, err = sqldb.All(ctx, m.r.db, scanTouched, "SELECT t.subdir, t.name FROM "+changedSince+" t ORDER BY t.subdir, t.name",
		m.channel.ID, m.to, m.channel.Generation)
	if err != nil {
		return fmt.Errorf("look what has changed in %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	for some := range slices.Chunk(m.list, backNames) {
		ops, err := m.pick(ctx, some)
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(ops, importBatch) {
			if err := m.write(ctx, batch); err != nil {
				return err
			}
			point(pointImportBatch)
		}
	}
	if err := m.lookAtLost(ctx, m.change, m.again); err != nil {
		return err
	}
	if err := m.catchUp(ctx, 0); err != nil {
		return err
	}
	m.staging.workAhead(ctx)
	m.rewritten = map[touched]bool{}
	return m.catchUp(ctx, backLate)
}

// pick works out what is to become of the files of some names, as the channel was in
// the beginning, and judges what nobody has judged.
func (m *manyBack) pick(ctx context.Context, names []touched) ([]backOp, error) {
	var args parameters
	from, err := m.of(&args, names)
	if err != nil {
		return nil, err
	}
	var ops []backOp
	at := map[string]int{} // by subdir and file name
	op := func(o backOp) *backOp {
		key := o.Subdir + "/" + o.File
		if _, ok := at[key]; !ok {
			at[key], ops = len(ops), append(ops, o)
		}
		return &ops[at[key]]
	}
	const columns = "SELECT r.subdir, r.name, r.file_name, r.added, r.file_id, p.id"
	err = m.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var o backOp
		var added int64
		var file string
		if err := rows.Scan(&o.Subdir, &o.Name, &o.File, &added, &file, &o.packageID); err != nil {
			return err
		}
		to := op(o)
		to.Ends, to.endFile = added, file
		return nil
	}, columns+from+surplus, args...)
	if err != nil {
		return nil, fmt.Errorf("look what came to %s/%s since: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	var coming []File
	err = m.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var o backOp
		var added int64
		var file string
		var there bool
		if err := rows.Scan(&o.Subdir, &o.Name, &o.File, &added, &file, &o.packageID, &there); err != nil {
			return err
		}
		if !there {
			n := m.names[o.touched()]
			n.lost = append(n.lost, file)
			m.names[o.touched()] = n
			return nil
		}
		to := op(o)
		to.Begins, to.beginFile, to.packageID = added, file, o.packageID
		coming = append(coming, File{ID: file})
		return nil
	}, columns+", "+comes+from+missing, args...)
	if err != nil {
		return nil, fmt.Errorf("look what left %s/%s since: %w", m.channel.OwnerName, m.channel.Name, err)
	}
	if err := m.judgeMore(ctx, m.rollback, opPackages(ops)); err != nil {
		return nil, err
	}
	return ops, m.mayReplace(ctx, m.channel, coming)
}

func opPackages(ops []backOp) map[string]bool {
	packages := map[string]bool{}
	for i := range ops {
		packages[ops[i].packageID] = true
	}
	return packages
}

// judgeMore judges the packages of which nobody has asked yet whether the actor may
// write them.
func (m *manyBack) judgeMore(ctx context.Context, b *rollback, packages map[string]bool) error {
	packages = maps.Clone(packages)
	maps.DeleteFunc(packages, func(id string, _ bool) bool { return m.judged[id] })
	if len(packages) == 0 {
		return nil
	}
	list, err := sqldb.All(ctx, b.tx, func(rows *sqldb.Rows, p *Package) error { return rows.Scan(&p.ID, &p.Name, &p.Private) },
		"SELECT id, name, private FROM packages WHERE id IN (SELECT value FROM "+b.tx.EachText("$1")+" AS wanted)", slices.Sorted(maps.Keys(packages)))
	if err != nil {
		return fmt.Errorf("look whose files a roll-back of %s/%s changes: %w", b.channel.OwnerName, b.channel.Name, err)
	}
	if err := b.mayPutEach(list); err != nil {
		return err
	}
	maps.Copy(m.judged, packages)
	return nil
}

// write ends and begins the records of some files in the generation to come, and logs
// their names. Where somebody was quicker, the names are looked at again.
func (m *manyBack) write(ctx context.Context, ops []backOp) error {
	keys, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("write the names of files: %w", err)
	}
	var ended, begun map[string]bool
	err = m.within(ctx, func(tx *sqldb.DB, _ int64) error {
		key := func(rows *sqldb.Rows, key *string) error {
			var subdir, file string
			err := rows.Scan(&subdir, &file)
			*key = subdir + "/" + file
			return err
		}
		field := func(name string) string { return "CAST(w.value ->> '" + name + "' AS BIGINT)" }
		from := " FROM " + tx.EachObject("$2") + " AS w"
		went, err := sqldb.All(ctx, tx, key, `UPDATE records SET removed = $3 WHERE channel_id = $1 AND removed IS NULL AND added < $3
			AND (subdir, name, file_name, added) IN (SELECT w.value ->> 'subdir', w.value ->> 'name', w.value ->> 'file', `+field("ends")+from+
			") RETURNING subdir, file_name", m.channel.ID, string(keys), m.staging.generation)
		if err != nil {
			return fmt.Errorf("end records of %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
		}
		came, err := sqldb.All(ctx, tx, key, beginAgain("$3")+from+` CROSS JOIN records r JOIN files f ON f.id = r.file_id
			WHERE r.channel_id = $1 AND r.subdir = w.value ->> 'subdir' AND r.name = w.value ->> 'name' AND r.file_name = w.value ->> 'file'
			AND r.added = `+field("begins")+" AND "+comes+` AND NOT EXISTS (SELECT 1 FROM records o
				WHERE o.channel_id = $1 AND o.subdir = r.subdir AND o.name = r.name AND o.file_name = r.file_name AND o.removed IS NULL)
			RETURNING subdir, file_name`, m.channel.ID, string(keys), m.staging.generation)
		if err != nil {
			return fmt.Errorf("begin records of %s/%s again: %w", m.channel.OwnerName, m.channel.Name, err)
		}
		ended, begun = map[string]bool{}, map[string]bool{}
		for _, key := range went {
			ended[key] = true
		}
		for _, key := range came {
			begun[key] = true
		}
		names := map[touched]bool{}
		for i := range ops {
			names[ops[i].touched()] = true
		}
		return m.logAll(ctx, tx, names)
	})
	if err != nil {
		return err
	}
	for i := range ops {
		o := &ops[i]
		key := o.Subdir + "/" + o.File
		m.count(o, ended[key], begun[key])
	}
	return nil
}

// count notes what was written of a file name.
func (m *manyBack) count(o *backOp, ended, begun bool) {
	n := m.names[o.touched()]
	n.packageID, n.logged = o.packageID, true
	if ended {
		n.ended++
	}
	if begun {
		n.begun++
		delete(m.gone, o.beginFile) // should it go again
	}
	if same := o.endFile == o.beginFile; !same || !ended || !begun { // else its record alone is another
		if ended {
			n.off = append(n.off, o.endFile)
		}
		if begun {
			n.on = append(n.on, o.beginFile)
		}
	}
	m.names[o.touched()] = n
	if ended != (o.Ends > 0) || begun != (o.Begins > 0) {
		m.again[o.touched()] = true
	}
}

// within is that of the staging; fn is given the generation that is current, and the
// channel stays at it until the transaction ends. On PostgreSQL a file that somebody
// lists at the same moment could be listed twice without that.
func (m *manyBack) within(ctx context.Context, fn func(tx *sqldb.DB, generation int64) error) error {
	return m.staging.within(ctx, func(tx *sqldb.DB) error {
		var generation int64
		if err := tx.Row(ctx, "SELECT generation FROM channels WHERE id = $1"+tx.ForUpdate(), m.channel.ID).Scan(&generation); err != nil {
			return fmt.Errorf("read the generation of %s/%s: %w", m.channel.OwnerName, m.channel.Name, err)
		}
		return fn(tx, generation)
	})
}

// logAll is logNames for names of several subdirs.
func (m *manyBack) logAll(ctx context.Context, tx *sqldb.DB, names map[touched]bool) error {
	bySubdir := map[string][]string{}
	for t := range names {
		bySubdir[t.subdir] = append(bySubdir[t.subdir], t.name)
	}
	for subdir, list := range bySubdir {
		if err := m.staging.logNames(ctx, tx, subdir, sortedSet(list)); err != nil {
			return err
		}
	}
	return nil
}
