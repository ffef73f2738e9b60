package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/sqldb"
)

// SubdirInfo is what a channel lists in one subdir.
type SubdirInfo struct {
	Name    string
	Records int64
	Size    int64 // bytes of the files
}

// Build is one build that a channel lists.
type Build struct {
	Name, Version, Build string
	BuildNumber          int64
	Subdir               string
}

// ChannelPackage is a package as a channel lists it.
type ChannelPackage struct {
	Name     string
	Version  string // newest by conda's order
	Summary  string
	Released time.Time // when its newest file was first seen here
}

// listed is the condition on records rec that an opened channel serves now: those
// of the current or frozen generation, without what the caller may not know of.
func (o Opened) listed(db *sqldb.DB, arg func(any) string) string {
	channel := arg(o.Records().ID)
	where := "rec.channel_id = " + channel
	if g := o.Channel.FrozenAt; g != nil {
		at := arg(*g)
		where += " AND rec.added <= " + at + " AND (rec.removed IS NULL OR rec.removed > " + at + ")"
	} else {
		where += " AND " + liveRecord("rec", channel)
	}
	if len(o.Hidden) > 0 {
		where += " AND rec.name NOT IN (SELECT value FROM " + db.EachText(arg(o.Hidden)) + " AS hidden)"
	}
	if o.Channel.FrozenAt != nil && len(o.HiddenPackages) > 0 {
		where += " AND NOT EXISTS (SELECT 1 FROM files f WHERE f.id = rec.file_id AND f.package_id IN (SELECT value FROM " + db.EachText(arg(o.HiddenPackages)) + " AS closed))"
	}
	return where
}

// parameters gathers the arguments of a query.
type parameters []any

func (p *parameters) add(v any) string {
	*p = append(*p, v)
	return "$" + strconv.Itoa(len(*p))
}

// ChannelSubdirs counts what an opened channel lists, by subdir.
func (r *Registry) ChannelSubdirs(ctx context.Context, o Opened) ([]SubdirInfo, error) {
	var args parameters
	query := "SELECT rec.subdir, count(*), CAST(sum(rec.size) AS BIGINT) FROM records rec WHERE " + o.listed(r.db, args.add) + " GROUP BY rec.subdir ORDER BY rec.subdir"
	list, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, s *SubdirInfo) error { return rows.Scan(&s.Name, &s.Records, &s.Size) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count the records of %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
	}
	return list, nil
}

// ChannelPackages lists the packages of an opened channel by name, those after a
// name, and gives how many there are in all.
func (r *Registry) ChannelPackages(ctx context.Context, o Opened, after string, limit int) (list []ChannelPackage, total int, err error) {
	wrap := func(err error) error {
		return fmt.Errorf("list the packages of %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
	}
	var args parameters
	listed := o.listed(r.db, args.add)
	if err := r.db.Row(ctx, "SELECT count(DISTINCT rec.name) FROM records rec WHERE "+listed, args...).Scan(&total); err != nil {
		return nil, 0, wrap(err)
	}
	page := "SELECT DISTINCT rec.name FROM records rec WHERE " + listed + " AND rec.name > " + args.add(after) + " ORDER BY rec.name LIMIT " + args.add(bounded(limit, 50))
	query := "SELECT rec.name, rec.version, coalesce(p.summary, ''), max(rec.indexed_ms) FROM records rec LEFT JOIN packages p ON p.owner_id = " + args.add(o.Records().OwnerID) +
		" AND p.name = rec.name AND p.deleted_at IS NULL WHERE " + listed + " AND rec.name IN (" + page + ") GROUP BY rec.name, rec.version, p.summary ORDER BY rec.name, rec.version"
	byName := map[string]int{}
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var p ChannelPackage
		var seen int64
		if err := rows.Scan(&p.Name, &p.Version, &p.Summary, &seen); err != nil {
			return err
		}
		p.Released = unixMilli(seen)
		i, known := byName[p.Name]
		switch {
		case !known:
			byName[p.Name] = len(list)
			list = append(list, p)
		case conda.CompareVersions(p.Version, list[i].Version) > 0:
			list[i] = p
		}
		return nil
	}, query, args...)
	if err != nil {
		return nil, 0, wrap(err)
	}
	return list, total, nil
}

// ChannelBuilds lists what an opened channel has of some names in a subdir and in
// noarch, newest first for each name.
func (r *Registry) ChannelBuilds(ctx context.Context, o Opened, subdir string, names []string) (map[string][]Build, error) {
	builds := map[string][]Build{}
	if len(names) == 0 {
		return builds, nil
	}
	var args parameters
	query := "SELECT DISTINCT rec.name, rec.version, rec.build, rec.build_number, rec.subdir FROM records rec WHERE " + o.listed(r.db, args.add) +
		" AND rec.subdir IN ('noarch', " + args.add(cmp.Or(subdir, "noarch")) + ") AND rec.name IN (SELECT value FROM " + r.db.EachText(args.add(sortedSet(names))) + " AS wanted)"
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var b Build
		if err := rows.Scan(&b.Name, &b.Version, &b.Build, &b.BuildNumber, &b.Subdir); err != nil {
			return err
		}
		builds[b.Name] = append(builds[b.Name], b)
		return nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("look for packages in %s/%s: %w", o.Channel.OwnerName, o.Channel.Name, err)
	}
	for _, list := range builds {
		slices.SortFunc(list, func(a, b Build) int {
			return cmp.Or(conda.CompareVersions(b.Version, a.Version), cmp.Compare(b.BuildNumber, a.BuildNumber), cmp.Compare(b.Build, a.Build))
		})
	}
	return builds, nil
}

// OwnerChannels lists the channels of an owner that the caller may read, main
// first, counted over the packages that the caller may read.
func (r *Registry) OwnerChannels(ctx context.Context, actor access.Actor, ownerName string) ([]ListedChannel, error) {
	o, err := loadOwner(ctx, r.db, ownerName)
	if err != nil {
		return nil, err
	}
	all, err := sqldb.All(ctx, r.db, scanChannel, channelColumns+" WHERE c.owner_id = $1 ORDER BY CASE WHEN c.name = 'main' THEN 0 ELSE 1 END, c.name", o.ID)
	if err != nil {
		return nil, fmt.Errorf("list the channels of %s: %w", o.Name, err)
	}
	args := parameters{o.ID}
	readable := access.ReadablePackagesVia(actor, "api", args.add, r.db, "p")
	type counted struct {
		packages int
		seen     int64
	}
	counts := map[string]counted{}
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id string
		var c counted
		err := rows.Scan(&id, &c.packages, &c.seen)
		counts[id] = c
		return err
	}, `SELECT fc.channel_id, count(DISTINCT p.id), max(f.indexed_ms) FROM packages p
		JOIN files f ON f.package_id = p.id AND f.deleted_at IS NULL JOIN file_channels fc ON fc.file_id = f.id
		WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND `+readable+" GROUP BY fc.channel_id", args...)
	if err != nil {
		return nil, fmt.Errorf("count the packages of %s: %w", o.Name, err)
	}
	if all, err = readableChannels(ctx, r.db, actor, all); err != nil {
		return nil, err
	}
	list := []ListedChannel{}
	for _, ch := range all {
		l := ListedChannel{Channel: ch, Packages: counts[ch.ID].packages}
		if l.Packages > 0 {
			l.Changed = unixMilli(counts[ch.ID].seen)
		}
		list = append(list, l)
	}
	return list, nil
}
