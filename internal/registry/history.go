package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// ChannelChange is one generation of a channel.
type ChannelChange struct {
	Generation int64
	At         time.Time
	By         string   // name of who caused it; may be ""
	Cause      string   // "upload", "delete", "label", "import", "rollback to 3" …
	Names      []string // some of the packages that it changed, sorted, as far as the caller may know of them
	Added      int64    // records that the caller may know of
	Removed    int64
	Subdirs    []SubdirChange
}

// SubdirChange counts what a generation changed in one subdir.
type SubdirChange struct {
	Name           string
	Added, Removed int64
}

// maxChangedNames bounds the names of one generation in a list of changes.
const maxChangedNames = 20

// FileChange is one difference between two generations of a channel.
type FileChange struct {
	Subdir, Package, FileName string
	// Kind is "added", "removed", "replaced" by a file of other bytes, or
	// "changed", where the record of the same file says something else.
	Kind string
}

// logged is the condition on rows n of generation_names that the caller may know
// of. The log has names only; whose files came or went, the records say.
func (o Opened) logged(db *sqldb.DB, arg func(any) string) string {
	where := "n.channel_id = " + arg(o.Records().ID)
	if o.Source != nil {
		where += " AND n.number <= " + arg(*o.Channel.FrozenAt)
	}
	if len(o.Hidden) > 0 {
		where += " AND n.name NOT IN (SELECT value FROM " + db.EachText(arg(o.Hidden)) + " AS hidden)"
	}
	if len(o.HiddenPackages) > 0 {
		where += " AND (n.name NOT IN (SELECT value FROM " + db.EachText(arg(o.HiddenPast)) + " AS past)" +
			" OR EXISTS (SELECT 1 FROM records rec JOIN files f ON f.id = rec.file_id WHERE rec.channel_id = n.channel_id AND rec.subdir = n.subdir AND rec.name = n.name" +
			" AND (rec.added = n.number OR rec.removed = n.number) AND f.package_id NOT IN (SELECT value FROM " + db.EachText(arg(o.HiddenPackages)) + " AS closed)))"
	}
	return where
}

// shown is the condition on records r of the names that logged lets through.
func (o Opened) shown(db *sqldb.DB, arg func(any) string) string {
	if len(o.HiddenPackages) == 0 {
		return "TRUE"
	}
	return "NOT EXISTS (SELECT 1 FROM files f WHERE f.id = r.file_id AND f.package_id IN (SELECT value FROM " + db.EachText(arg(o.HiddenPackages)) + " AS closed))"
}

// ChannelHistory gives generations of an opened channel, newest first: those below
// before (0 = all). One that only touched packages hidden from the caller is left
// out, and what is hidden is not counted. more is set where there are older ones.
func (r *Registry) ChannelHistory(ctx context.Context, o Opened, before int64, limit int) (list []ChannelChange, more bool, err error) {
	wrap := func(err error) error {
		return fmt.Errorf("read the changes of %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
	}
	limit = min(bounded(limit, 50), 200)
	var args parameters
	query := "SELECT DISTINCT g.number FROM generations g WHERE g.channel_id = " + args.add(o.Records().ID)
	if before > 0 {
		query += " AND g.number < " + args.add(before)
	}
	if o.ViewKey != "" || o.Source != nil {
		query += " AND EXISTS (SELECT 1 FROM generation_names n WHERE " + o.logged(r.db, args.add) + " AND n.number = g.number AND n.subdir = g.subdir)"
	}
	numbers, err := sqldb.All(ctx, r.db, sqldb.Scalar[int64], query+" ORDER BY g.number DESC LIMIT "+args.add(limit+1), args...)
	if err != nil {
		return nil, false, wrap(err)
	}
	if more = len(numbers) > limit; more {
		numbers = numbers[:limit]
	}
	if len(numbers) == 0 {
		return []ChannelChange{}, false, nil
	}
	if list, err = r.countChanges(ctx, o, numbers); err != nil {
		return nil, false, wrap(err)
	}
	if err := r.nameChanges(ctx, o, list); err != nil {
		return nil, false, wrap(err)
	}
	return list, more, nil
}

// ChannelChanges gives the last generations of an opened channel, newest first.
func (r *Registry) ChannelChanges(ctx context.Context, o Opened, limit int) ([]ChannelChange, error) {
	list, _, err := r.ChannelHistory(ctx, o, 0, limit)
	return list, err
}

// ChannelGeneration gives one generation of an opened channel; errs.NotFound for
// one that the log does not have or that the caller may not know of.
func (r *Registry) ChannelGeneration(ctx context.Context, o Opened, number int64) (ChannelChange, error) {
	if number > 0 {
		list, _, err := r.ChannelHistory(ctx, o, number+1, 1)
		if err != nil {
			return ChannelChange{}, err
		}
		if len(list) == 1 && list[0].Generation == number {
			return list[0], nil
		}
	}
	return ChannelChange{}, errs.New(errs.NotFound, "No change of %s/%s made a generation %d.", o.Channel.OwnerName, o.Channel.Name, number)
}

// countChanges reads what the log says of generations, and what they added and removed
// as far as the caller may know: where something is hidden the records are counted.
func (r *Registry) countChanges(ctx context.Context, o Opened, numbers []int64) ([]ChannelChange, error) {
	texts := make([]string, len(numbers))
	list := make([]ChannelChange, len(numbers))
	at := map[int64]*ChannelChange{}
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
		list[i].Generation = n
		at[n] = &list[i]
	}
	among := func(args *parameters) string {
		return " IN (SELECT CAST(value AS BIGINT) FROM " + r.db.EachText(args.add(texts)) + " AS numbers)"
	}
	var args parameters
	query := "SELECT g.number, g.subdir, g.at, g.actor_name, g.cause, g.added, g.removed FROM generations g WHERE g.channel_id = " + args.add(o.Records().ID) +
		" AND g.number" + among(&args)
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var number int64
		var one ChannelChange
		var s SubdirChange
		if err := rows.Scan(&number, &s.Name, &one.At, &one.By, &one.Cause, &s.Added, &s.Removed); err != nil {
			return err
		}
		c := at[number]
		c.At, c.By, c.Cause = one.At, one.By, one.Cause
		if o.ViewKey == "" {
			c.Subdirs = append(c.Subdirs, s)
		} else if strings.Contains(c.By+c.Cause, ", ") {
			c.By, c.Cause = "", "" // several shared it, and some may have changed what is hidden
		}
		return nil
	}, query+" ORDER BY g.number, g.subdir", args...)
	if err != nil {
		return nil, err
	}
	if o.ViewKey != "" {
		var args parameters
		err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
			var number int64
			var s SubdirChange
			if err := rows.Scan(&number, &s.Name, &s.Added, &s.Removed); err != nil {
				return err
			}
			at[number].Subdirs = append(at[number].Subdirs, s)
			return nil
		}, `SELECT n.number, n.subdir, count(CASE WHEN r.added = n.number THEN 1 END), count(CASE WHEN r.removed = n.number THEN 1 END)
			FROM generation_names n LEFT JOIN records r ON r.channel_id = n.channel_id AND r.subdir = n.subdir AND r.name = n.name AND `+o.shown(r.db, args.add)+`
			WHERE `+o.logged(r.db, args.add)+" AND n.number"+among(&args)+" GROUP BY n.number, n.subdir ORDER BY n.number, n.subdir", args...)
		if err != nil {
			return nil, err
		}
	}
	for i := range list {
		for _, s := range list[i].Subdirs {
			list[i].Added += s.Added
			list[i].Removed += s.Removed
		}
	}
	return list, nil
}

// nameChanges adds to generations some of the names that they changed: a large import
// has more than anybody reads, and is not read through for them.
func (r *Registry) nameChanges(ctx context.Context, o Opened, list []ChannelChange) error {
	var args parameters
	where := o.logged(r.db, args.add)
	parts := make([]string, len(list))
	at := map[int64]*ChannelChange{}
	for i := range list {
		at[list[i].Generation] = &list[i]
		parts[i] = "SELECT number, name FROM (SELECT DISTINCT n.number, n.name FROM generation_names n WHERE " + where +
			" AND n.number = " + args.add(list[i].Generation) + " LIMIT " + strconv.Itoa(maxChangedNames+1) + ") AS part" + strconv.Itoa(i)
	}
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var number int64
		var name string
		if err := rows.Scan(&number, &name); err != nil {
			return err
		}
		at[number].Names = append(at[number].Names, name)
		return nil
	}, strings.Join(parts, " UNION ALL "), args...)
	for i := range list {
		slices.Sort(list[i].Names)
	}
	return err
}

// ChannelDifferences lists the files by which an opened channel at one generation
// differs from an earlier one, by subdir, package and file name: those behind
// after. next is empty on the last page. What generation n changed is the difference of n from n-1, whether or
// not there was a change of that number.
func (r *Registry) ChannelDifferences(ctx context.Context, o Opened, from, to int64, after FileChange, limit int) (list []FileChange, next FileChange, err error) {
	if from > to {
		return nil, FileChange{}, errs.New(errs.Invalid, "The first of two generations is the older one, and %d comes after %d.", from, to).On("from")
	}
	limit = bounded(limit, 100)
	var args parameters
	a, b := args.add(from), args.add(to)
	came := "r.added > " + a + " AND r.added <= " + b + " AND (r.removed IS NULL OR r.removed > " + b + ")"
	went := "r.added <= " + a + " AND r.removed > " + a + " AND r.removed <= " + b
	query := `SELECT r.subdir, r.name, r.file_name, coalesce(max(CASE WHEN ` + came + ` THEN r.file_id END), ''), coalesce(max(CASE WHEN ` + went + ` THEN r.file_id END), ''),
			coalesce(max(CASE WHEN ` + came + ` THEN r.added END), 0), coalesce(max(CASE WHEN ` + went + ` THEN r.added END), 0)
		FROM (SELECT DISTINCT n.channel_id, n.subdir, n.name FROM generation_names n WHERE ` + o.logged(r.db, args.add) + " AND n.number > " + a + " AND n.number <= " + b + `) t
		JOIN records r ON r.channel_id = t.channel_id AND r.subdir = t.subdir AND r.name = t.name
		WHERE (` + came + " OR " + went + ") AND " + o.shown(r.db, args.add) +
		" AND (r.subdir, r.name, r.file_name) > (" + args.add(after.Subdir) + ", " + args.add(after.Package) + ", " + args.add(after.FileName) + `)
		GROUP BY r.subdir, r.name, r.file_name ORDER BY r.subdir, r.name, r.file_name LIMIT ` + args.add(limit+1)
	type pair struct {
		FileChange
		came, went         string
		cameSince, wentHad int64
	}
	pairs, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, p *pair) error {
		return rows.Scan(&p.Subdir, &p.Package, &p.FileName, &p.came, &p.went, &p.cameSince, &p.wentHad)
	}, query, args...)
	if err != nil {
		return nil, FileChange{}, fmt.Errorf("compare generations of %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
	}
	if len(pairs) > limit {
		pairs = pairs[:limit]
		next = pairs[limit-1].FileChange
	}
	list = []FileChange{}
	for _, p := range pairs {
		switch {
		case p.went == "":
			p.Kind = "added"
		case p.came == "":
			p.Kind = "removed"
		case p.came != p.went:
			p.Kind = "replaced"
		default:
			p.Kind = "changed"
			var same bool
			err := r.db.Row(ctx, `SELECT EXISTS (SELECT 1 FROM records a JOIN records b ON b.channel_id = a.channel_id AND b.subdir = a.subdir AND b.name = a.name AND b.file_name = a.file_name
				WHERE a.channel_id = $1 AND a.subdir = $2 AND a.name = $3 AND a.file_name = $4 AND a.added = $5 AND b.added = $6 AND a.json = b.json)`,
				o.Records().ID, p.Subdir, p.Package, p.FileName, p.cameSince, p.wentHad).Scan(&same)
			if err != nil {
				return nil, FileChange{}, fmt.Errorf("compare records of %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
			}
			if same {
				continue // it went and came again
			}
		}
		list = append(list, p.FileChange)
	}
	return list, next, nil
}
