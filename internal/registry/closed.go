package registry

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// What is said of a package counts all of its files, and is kept with it. Where
// some are in channels closed to a reader, the functions here work it out anew
// from the others.

// releasesOf is the condition of the live releases r of a package, without those
// whose files are all in channels closed to the actor.
func releasesOf(actor access.Actor, p Package, db *sqldb.DB) *condition {
	c := &condition{where: []string{"r.deleted_at IS NULL"}}
	c.add("r.package_id = %s", p.ID)
	if !p.partly {
		return c
	}
	live := "SELECT 1 FROM files f WHERE f.release_id = r.id AND f.deleted_at IS NULL"
	c.where = append(c.where, "(NOT EXISTS ("+live+") OR EXISTS ("+live+" AND NOT "+access.ClosedFiles(actor, c.arg, db, "f")+"))")
	return c
}

// releaseOpen refuses, as errs.NotFound, a version all of whose files are in
// channels closed to the actor.
func (r *Registry) releaseOpen(ctx context.Context, actor access.Actor, p Package, version string) error {
	if !p.partly {
		return nil
	}
	c := releasesOf(actor, p, r.db)
	c.add("r.version = %s", version)
	var n int
	if err := r.db.Row(ctx, "SELECT count(*) FROM releases r"+c.text(), c.args...).Scan(&n); err != nil {
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

// limitToOpen lets the packages of a list say only what the files say that the
// actor may read: latest version, licence, platforms, time of the newest upload.
func limitToOpen(ctx context.Context, db *sqldb.DB, actor access.Actor, list []Package) error {
	type seen struct {
		newest
		license   string
		platforms []string
		released  *time.Time
	}
	partly := map[string]*seen{}
	wanted := []string{}
	for _, p := range list {
		if p.partly {
			partly[p.ID] = &seen{}
			wanted = append(wanted, p.ID)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	c := &condition{where: []string{"f.deleted_at IS NULL"}}
	c.where = append(c.where, "f.package_id IN (SELECT value FROM "+db.EachText(c.arg(wanted))+" AS wanted)",
		"NOT "+access.ClosedFiles(actor, c.arg, db, "f"))
	err := db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, version, subdir, license string
		var at time.Time
		var main bool
		if err := rows.Scan(&id, &version, &subdir, &license, &at, &main); err != nil {
			return err
		}
		s := partly[id]
		if s.take(version, main) {
			s.license = license
		}
		if subdir != "" {
			s.platforms = append(s.platforms, subdir)
		}
		s.released = &at
		return nil
	}, `SELECT f.package_id, f.version, f.subdir, f.license, f.uploaded_at, EXISTS (SELECT 1 FROM file_channels x JOIN channels m ON m.id = x.channel_id
			WHERE x.file_id = f.id AND m.name = 'main')
		FROM files f`+c.text()+" ORDER BY f.uploaded_at, f.id", c.args...)
	if err != nil {
		return fmt.Errorf("look at the files of packages: %w", err)
	}
	for i := range list {
		if s := partly[list[i].ID]; s != nil {
			p := &list[i]
			p.Latest, p.License, p.Platforms, p.ReleasedAt = s.version, s.license, sortedSet(s.platforms), s.released
		}
	}
	return nil
}
