package registry

import (
	"cmp"
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// What is kept with a package is what everybody may know of it, see told.go. Where
// a caller reads other files, the functions here work it out anew from those.

// releasesOf is the condition of the live releases r of a package, without those
// whose files are all in channels closed to the actor, or were until they were
// deleted.
func releasesOf(actor access.Actor, p Package, db *sqldb.DB) *condition {
	c := &condition{where: []string{"r.deleted_at IS NULL"}}
	c.add("r.package_id = %s", p.ID)
	if !p.partly {
		return c
	}
	all := "SELECT 1 FROM files f WHERE f.package_id = r.package_id AND f.version = r.version AND f.release_id = r.id"
	live := all + " AND f.deleted_at IS NULL"
	c.where = append(c.where, "(NOT EXISTS ("+all+") OR EXISTS ("+live+" AND NOT "+access.ClosedFiles(actor, c.arg, db, "f")+")"+
		" OR NOT EXISTS ("+live+") AND EXISTS ("+all+" AND NOT "+access.ClosedOnce(actor, c.arg, db, "f")+"))")
	return c
}

// releaseOpen refuses, as errs.NotFound, a version all of whose files are in
// channels closed to the actor.
func releaseOpen(ctx context.Context, db *sqldb.DB, actor access.Actor, p Package, version string) error {
	if !p.partly {
		return nil
	}
	c := releasesOf(actor, p, db)
	c.add("r.version = %s", version)
	var n int
	if err := db.Row(ctx, "SELECT count(*) FROM releases r"+c.text(), c.args...).Scan(&n); err != nil {
		return fmt.Errorf("look for release %s of %s: %w", version, p.FullName(), err)
	}
	if n == 0 {
		return noRelease(p, version)
	}
	return nil
}

// noRelease is the refusal for a release that is not there.
func noRelease(p Package, version string) error {
	return errs.New(errs.NotFound, "There is no release %s of %s.", version, p.FullName())
}

// sight is what the files say of a package that one caller may read.
type sight struct {
	newest
	license          string
	types, platforms []string
	released         *time.Time
	file             string // id of the newest upload
	downloads        int64
}

// sights works out, by the id of the package, what an actor sees otherwise than
// everybody. where are further conditions on packages p of owners o.
func sights(ctx context.Context, db *sqldb.DB, actor access.Actor, where *condition) (map[string]*sight, error) {
	seen := map[string]*sight{}
	if actor.Anonymous() || actor.Kind == access.KindSystem {
		return seen, nil
	}
	where.where = append(where.where, access.SeenOtherwise(actor, where.arg, db, "p"))
	query := `SELECT p.id, coalesce(f.id, ''), coalesce(f.version, ''), coalesce(f.type, ''), coalesce(f.subdir, ''), coalesce(f.license, ''), coalesce(f.downloads, 0), f.uploaded_at, f.deleted_at IS NULL,
			EXISTS (SELECT 1 FROM file_channels x JOIN channels m ON m.id = x.channel_id WHERE x.file_id = f.id AND m.name = 'main')
		FROM packages p JOIN owners o ON o.id = p.owner_id LEFT JOIN files f ON f.package_id = p.id AND NOT ` + access.ClosedOnce(actor, where.arg, db, "f")
	err := db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, file, version, kind, subdir, license string
		var downloads int64
		var at *time.Time
		var live, main bool
		if err := rows.Scan(&id, &file, &version, &kind, &subdir, &license, &downloads, &at, &live, &main); err != nil {
			return err
		}
		s := seen[id]
		if s == nil {
			s = &sight{types: []string{}, platforms: []string{}}
			seen[id] = s
		}
		s.downloads += downloads
		if file == "" || !live {
			return nil
		}
		s.types = append(s.types, kind)
		if subdir != "" {
			s.platforms = append(s.platforms, subdir)
		}
		if s.take(version, main) || version == s.version {
			s.license = license
		}
		s.released, s.file = at, file
		return nil
	}, query+where.text()+" ORDER BY f.uploaded_at, f.id", where.args...)
	if err != nil {
		return nil, fmt.Errorf("look at the files of packages: %w", err)
	}
	for _, s := range seen {
		s.types, s.platforms = sortedSet(s.types), sortedSet(s.platforms)
	}
	return seen, nil
}

// as lets a package say what one caller sees of its files.
func (p *Package) as(s *sight) {
	if s == nil {
		return
	}
	p.Latest, p.License, p.Platforms, p.ReleasedAt, p.Downloads = s.version, cmp.Or(s.license, licenseOf(p.Attrs)), s.platforms, s.released, s.downloads
	if len(s.types) > 0 {
		p.Types = s.types
	}
	if s.released != nil && s.released.After(p.ModifiedAt) {
		p.ModifiedAt = *s.released
	}
}

// ofOwner begins the condition of sights: the packages of one owner, or of all
// where there are none or several.
func ofOwner(owners []string) *condition {
	where := &condition{where: []string{"p.deleted_at IS NULL"}}
	if len(owners) == 1 {
		where.add("o.name = %s", strings.ToLower(owners[0]))
	}
	return where
}

// see lets the condition of a list look at packages as the actor sees them. owner
// is the name of the only one that matters, "" for all.
func (c *condition) see(ctx context.Context, db *sqldb.DB, actor access.Actor, owner string) error {
	seen, err := sights(ctx, db, actor, ofOwner(One(owner)))
	if err != nil {
		return err
	}
	return c.show(db, seen)
}

// show is see for sights that are known already.
func (c *condition) show(db *sqldb.DB, seen map[string]*sight) error {
	if c.seen = seen; len(seen) == 0 {
		return nil
	}
	type row struct {
		ID        string `json:"id"`
		License   string `json:"license"`
		Types     string `json:"types"`
		Platforms string `json:"platforms"`
		File      string `json:"file"`
		Downloads int64  `json:"downloads"`
	}
	rows := make([]row, 0, len(c.seen))
	for _, id := range slices.Sorted(maps.Keys(c.seen)) {
		s := c.seen[id]
		rows = append(rows, row{id, s.license, jsonText(s.types), jsonText(s.platforms), s.file, s.downloads})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("write what is seen of packages: %w", err)
	}
	// SQLite takes a JSON list for a short one and would look through the whole of it
	// for each package; beside a table it makes an index. No package has no name.
	c.join = ` LEFT JOIN (SELECT CAST(value ->> 'id' AS TEXT) AS id, value ->> 'license' AS license, value ->> 'types' AS types, value ->> 'platforms' AS platforms,
			value ->> 'file' AS file, CAST(value ->> 'downloads' AS BIGINT) AS downloads FROM ` + db.EachObject(c.arg(string(text))) + ` AS each
			UNION ALL SELECT id, '', '', '', '', downloads FROM packages WHERE name = '') AS seen ON seen.id = p.id
		LEFT JOIN files AS newest ON newest.id = seen.file`
	return nil
}

// jsonText is a list of texts as JSON.
func jsonText(list []string) string {
	text, err := json.Marshal(list)
	if err != nil {
		return "[]" // texts that are no UTF-8; the database holds none
	}
	return string(text)
}

// from is the FROM of a list, and column the value of one of a package as the
// caller sees it.
func (c *condition) from() string { return packageFrom + c.join }

func (c *condition) column(name string) string {
	switch {
	case c.join == "":
		return "p." + name
	case name == "modified_at":
		return "CASE WHEN newest.uploaded_at > p.modified_at THEN newest.uploaded_at ELSE p.modified_at END"
	case name == "released_at":
		return "CASE WHEN seen.id IS NULL THEN p.released_at ELSE newest.uploaded_at END"
	case name == "types", name == "platforms":
		return "coalesce(seen." + name + ", CAST(p." + name + " AS TEXT))"
	default:
		return "coalesce(seen." + name + ", p." + name + ")"
	}
}
