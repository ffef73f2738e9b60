package registry

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/sqldb"
)

// ReleaseInfo is a release in a list, counted over the files that the caller may
// see.
type ReleaseInfo struct {
	Version   string
	By        string // name of who made it
	At        time.Time
	Files     int
	Size      int64 // bytes
	Downloads int64
	Withdrawn int      // files taken out of the index
	Why       string   // what was said of one of them
	Channels  []string // names of the channels that the caller may read, sorted
}

// ListedChannel is a channel among those of all owners.
type ListedChannel struct {
	Channel
	Packages int
	Changed  time.Time // when its newest file was first seen; zero without files
}

// Trends gives the downloads of packages over the last days, today included,
// oldest first, by the id of the package. The packages must be such as a list
// showed to the caller; their files in channels closed to it do not count.
func (r *Registry) Trends(ctx context.Context, actor access.Actor, packages []Package, days int) (map[string][]int64, error) {
	days = max(1, min(days, maxDays))
	first := r.now().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	series := map[string][]int64{}
	wanted := make([]string, len(packages))
	for i, p := range packages {
		wanted[i], series[p.ID] = p.ID, make([]int64, days)
	}
	if len(packages) == 0 {
		return series, nil
	}
	args := parameters{wanted, first.Format(time.DateOnly)}
	seen := " AND NOT " + access.ClosedOnce(actor, args.add, r.db, "f")
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, day string
		var n int64
		if err := rows.Scan(&id, &day, &n); err != nil {
			return err
		}
		at, err := time.Parse(time.DateOnly, day)
		if i := int(at.Sub(first) / (24 * time.Hour)); err == nil && i >= 0 && i < days {
			series[id][i] = n
		}
		return nil
	}, `SELECT f.package_id, d.day, CAST(sum(d.count) AS BIGINT) FROM files f JOIN download_days d ON d.file_id = f.id
		WHERE f.package_id IN (SELECT value FROM `+r.db.EachText("$1")+` AS wanted) AND d.day >= $2`+seen+" GROUP BY f.package_id, d.day", args...)
	if err != nil {
		return nil, fmt.Errorf("read downloads a day: %w", err)
	}
	return series, nil
}

// Look is Package without the list of versions, for pages that list releases
// anyway.
func (r *Registry) Look(ctx context.Context, actor access.Actor, owner, name string) (Package, error) {
	return loadPackage(ctx, r.db, actor, access.Read, owner, name)
}

// Allowed judges whether the caller may do something with a package, for doors
// where a call may ask for no change at all. It gives the refusal, or nil.
func (r *Registry) Allowed(ctx context.Context, actor access.Actor, v access.Verb, owner, name string) error {
	_, err := loadPackage(ctx, r.db, actor, v, owner, name)
	return err
}

// FilesOf is Files for a package that was just read, or for one version of it.
func (r *Registry) FilesOf(ctx context.Context, actor access.Actor, p Package, version string) ([]File, error) {
	if err := may(actor, access.Read, p.object()); err != nil {
		return nil, err
	}
	list, err := sqldb.All(ctx, r.db, scanFile, fileColumns+fileFrom+`
		WHERE f.package_id = $1 AND ($2 = '' OR f.version = $2) AND f.deleted_at IS NULL
		ORDER BY f.uploaded_at, f.id`, p.ID, version)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", p.FullName(), err)
	}
	return r.labelled(ctx, r.db, actor, list)
}

// FileNamed is a live file of a package that was just read, by its subdir ("" for
// files that have none) and name; errs.NotFound.
func (r *Registry) FileNamed(ctx context.Context, actor access.Actor, p Package, subdir, name string) (File, error) {
	absent := noFile(p, "", name)
	if err := may(actor, access.Read, p.object()); err != nil {
		return File{}, err
	}
	f, err := findFile(ctx, r.db, absent, " WHERE f.package_id = $1 AND f.subdir = $2 AND f.name_key = $3 AND f.deleted_at IS NULL ORDER BY f.uploaded_at DESC LIMIT 1",
		p.ID, subdir, strings.ToLower(name))
	if err != nil {
		return File{}, err
	}
	return r.seen(ctx, actor, f, absent)
}

// channelsOf lists the ids of the channels with files of a package, and of main,
// that the actor may read, and their names by version.
func (r *Registry) channelsOf(ctx context.Context, actor access.Actor, p Package) (open []string, names map[string][]string, err error) {
	verdicts, names := verdicts{}, map[string][]string{}
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var version string
		ch := Channel{OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind}
		if err := rows.Scan(&version, &ch.ID, &ch.Name, &ch.Visibility); err != nil {
			return err
		}
		if verdicts.opens(actor, ch) {
			names[version] = append(names[version], ch.Name)
		}
		return nil
	}, `SELECT DISTINCT f.version, c.id, c.name, c.visibility FROM files f JOIN file_channels fc ON fc.file_id = f.id JOIN channels c ON c.id = fc.channel_id
			WHERE f.package_id = $1 AND f.deleted_at IS NULL
		UNION SELECT '', m.id, m.name, m.visibility FROM channels m WHERE m.owner_id = $2 AND m.name = 'main' ORDER BY 3`, p.ID, p.OwnerID)
	if err != nil {
		return nil, nil, fmt.Errorf("list the channels of %s: %w", p.FullName(), err)
	}
	open = []string{}
	for id, opens := range verdicts {
		if opens {
			open = append(open, id)
		}
	}
	return open, names, nil
}

// verdicts remember by id which channels an actor may read.
type verdicts map[string]bool

func (v verdicts) opens(actor access.Actor, ch Channel) bool {
	opens, known := v[ch.ID]
	if !known {
		opens = access.Can(actor, access.Read, ch.object()).Allowed
		v[ch.ID] = opens
	}
	return opens
}

// ReleasesOf lists the releases of a package that was just read, newest first by
// conda's order. A release all of whose files are only in channels closed to the
// caller is left out.
func (r *Registry) ReleasesOf(ctx context.Context, actor access.Actor, p Package) ([]ReleaseInfo, error) {
	if err := may(actor, access.Read, p.object()); err != nil {
		return nil, err
	}
	open, channels, err := r.channelsOf(ctx, actor, p)
	if err != nil {
		return nil, err
	}
	c := releasesOf(actor, p, r.db)
	among := " IN (SELECT value FROM " + r.db.EachText(c.arg(open)) + " AS open)"
	seen := `(fc.file_id IS NOT NULL OR f.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM file_channels x WHERE x.file_id = f.id)
		AND EXISTS (SELECT 1 FROM channels m WHERE m.owner_id = f.owner_id AND m.name = 'main' AND m.id` + among + "))"
	list, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, i *ReleaseInfo) error {
		return rows.Scan(&i.Version, &i.By, &i.At, &i.Files, &i.Size, &i.Downloads, &i.Withdrawn, &i.Why)
	}, `SELECT r.version, r.created_by, r.created_at,
			CAST(coalesce(sum(CASE WHEN `+seen+` THEN 1 ELSE 0 END), 0) AS BIGINT),
			CAST(coalesce(sum(CASE WHEN `+seen+` THEN f.size ELSE 0 END), 0) AS BIGINT),
			CAST(coalesce(sum(CASE WHEN `+seen+` THEN f.downloads ELSE 0 END), 0) AS BIGINT),
			CAST(coalesce(sum(CASE WHEN `+seen+` AND f.withdrawn_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT),
			coalesce(max(CASE WHEN `+seen+` THEN f.withdrawn_why ELSE '' END), '')
		FROM releases r
		LEFT JOIN files f ON f.package_id = r.package_id AND f.version = r.version AND f.release_id = r.id AND f.deleted_at IS NULL
		LEFT JOIN (SELECT DISTINCT file_id FROM file_channels WHERE channel_id`+among+`) fc ON fc.file_id = f.id`+c.text()+`
		GROUP BY r.id, r.version, r.created_by, r.created_at`, c.args...)
	if err != nil {
		return nil, fmt.Errorf("list the releases of %s: %w", p.FullName(), err)
	}
	for i := range list {
		list[i].Channels = channels[list[i].Version]
	}
	slices.SortFunc(list, func(a, b ReleaseInfo) int {
		return cmp.Or(conda.CompareVersions(b.Version, a.Version), strings.Compare(b.Version, a.Version))
	})
	return list, nil
}

// Featured lists the channels of all owners that anybody may read and that hold
// something, those with the most packages first. Private packages do not count.
func (r *Registry) Featured(ctx context.Context, limit int) ([]ListedChannel, error) {
	list, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, c *ListedChannel) error {
		return rows.Scan(&c.OwnerName, &c.Name, &c.Kind, &c.Description, &c.Packages)
	}, `SELECT o.name, c.name, c.kind, CASE WHEN c.description <> '' OR c.name <> 'main' THEN c.description ELSE coalesce(nullif(o.description, ''), o.full_name) END,
			count(DISTINCT f.package_id) AS n
		FROM channels c JOIN owners o ON o.id = c.owner_id
		JOIN file_channels fc ON fc.channel_id = c.id
		JOIN files f ON f.id = fc.file_id AND f.deleted_at IS NULL
		JOIN packages p ON p.id = f.package_id AND NOT p.private
		WHERE c.visibility = 'public' AND o.deleted_at IS NULL
		GROUP BY c.id, o.name, c.name, c.kind, c.description, o.description, o.full_name
		ORDER BY n DESC, o.name, c.name LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list public channels: %w", err)
	}
	return list, nil
}

// SharedWith lists packages of others that the actor reaches by belonging to an
// organisation or by a grant, last released first, and how many there are. owner
// narrows to one.
func (r *Registry) SharedWith(ctx context.Context, actor access.Actor, owner string, limit int) ([]Package, int, error) {
	if actor.Anonymous() {
		return []Package{}, 0, nil
	}
	owners, packages := []string{}, []string{}
	for _, g := range actor.Grants {
		switch g.ObjectKind {
		case access.OnOwner:
			owners = append(owners, g.ObjectID)
		case access.OnPackage:
			packages = append(packages, g.ObjectID)
		}
	}
	c := r.readable(actor)
	if err := c.see(ctx, r.db, actor, owner); err != nil {
		return nil, 0, err
	}
	c.add("p.owner_id <> %s", actor.ID)
	c.where = append(c.where, "(p.owner_id IN (SELECT m.organization_id FROM memberships m WHERE m.user_id = "+c.arg(actor.ID)+
		") OR p.owner_id IN (SELECT value FROM "+r.db.EachText(c.arg(sortedSet(owners)))+
		" AS theirs) OR p.id IN (SELECT value FROM "+r.db.EachText(c.arg(sortedSet(packages)))+" AS granted))")
	if owner != "" {
		c.add("o.name = %s", strings.ToLower(owner))
	}
	list, next, err := r.page(ctx, c, c.column("released_at")+" DESC NULLS LAST, p.id", "", bounded(limit, 10))
	if err != nil || next == "" {
		return list, len(list), err
	}
	total, err := r.count(ctx, c)
	return list, total, err
}

// Dependent is a package whose newest release needs another one.
type Dependent struct {
	OwnerName string
	Name      string
	Version   string
	Spec      string // what it asks for
}

// Dependents lists the packages of p's owner whose newest release needs p, by
// name, and how many there are. The newest is the one that everybody sees, and
// only counts where the caller may read it.
func (r *Registry) Dependents(ctx context.Context, actor access.Actor, p Package, limit int) ([]Dependent, int, error) {
	if err := may(actor, access.Read, p.object()); err != nil {
		return nil, 0, err
	}
	c := r.readable(actor)
	c.add("p.owner_id = %s", p.OwnerID)
	// The texts narrow the files down; the specs themselves decide below.
	c.add(`CAST(f.attrs AS TEXT) LIKE %s ESCAPE '\'`, `%"`+likeEscape(p.Name)+"%")
	type row struct {
		Dependent
		attrs jsontext.Value
		in    Channel
	}
	rows, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, d *row) error {
		d.in = Channel{OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind}
		return rows.Scan(&d.OwnerName, &d.Name, &d.Version, &d.attrs, &d.in.ID, &d.in.Name, &d.in.Visibility)
	}, "SELECT o.name, p.name, f.version, f.attrs, ch.id, ch.name, ch.visibility"+packageFrom+`
		JOIN releases r ON r.package_id = p.id AND r.version = p.latest AND r.deleted_at IS NULL
		JOIN files f ON f.package_id = r.package_id AND f.version = r.version AND f.release_id = r.id AND f.deleted_at IS NULL AND f.type = 'conda'
		JOIN file_channels fc ON fc.file_id = f.id
		JOIN channels ch ON ch.id = fc.channel_id`+c.text()+" ORDER BY p.name", c.args...)
	if err != nil {
		return nil, 0, fmt.Errorf("look what needs %s: %w", p.FullName(), err)
	}
	list, verdicts := []Dependent{}, verdicts{}
	for _, row := range rows {
		if n := len(list); n > 0 && list[n-1].Name == row.Name || !verdicts.opens(actor, row.in) {
			continue
		}
		var needs struct {
			Depends []string `json:"depends"`
		}
		if json.Unmarshal(row.attrs, &needs) != nil {
			continue
		}
		for _, spec := range needs.Depends {
			m, err := conda.ParseDependency(spec)
			if err != nil {
				continue
			}
			if name, ok := m.PackageName(); ok && strings.EqualFold(name, p.Name) {
				row.Spec = spec
				list = append(list, row.Dependent)
				break
			}
		}
	}
	total := len(list)
	return list[:min(limit, total)], total, nil
}

// CountPackages counts the packages of the organisations that the actor belongs
// to, as far as it may read them, by the id of the organisation.
func (r *Registry) CountPackages(ctx context.Context, actor access.Actor) (map[string]int64, error) {
	counts := map[string]int64{}
	if len(actor.Roles) == 0 {
		return counts, nil
	}
	ids := []string{}
	for id := range actor.Roles {
		ids = append(ids, id)
	}
	c := r.readable(actor)
	c.where = append(c.where, "p.owner_id IN (SELECT value FROM "+r.db.EachText(c.arg(sortedSet(ids)))+" AS mine)")
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id string
		var n int64
		err := rows.Scan(&id, &n)
		counts[id] = n
		return err
	}, "SELECT p.owner_id, count(*)"+packageFrom+c.text()+" GROUP BY p.owner_id", c.args...)
	if err != nil {
		return nil, fmt.Errorf("count packages of organisations: %w", err)
	}
	return counts, nil
}
