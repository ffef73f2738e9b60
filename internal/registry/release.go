package registry

import (
	"context"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Release is a version of a package.
type Release struct {
	ID          string
	PackageID   string
	OwnerName   string
	PackageName string
	Version     string
	Attrs       jsontext.Value // as a client sent them
	Description string
	CreatedBy   string
	CreatedAt   time.Time
}

// NewRelease is what a client says about a release to be made.
type NewRelease struct {
	Attrs       jsontext.Value // a JSON object or empty
	Description string
}

// ReleaseUpdate holds what is to change; nil leaves a value as it is. The keys
// of Attrs are laid over those that are there.
type ReleaseUpdate struct {
	Attrs       jsontext.Value
	Description *string
}

// Release is one version of a package; errs.NotFound for what the caller may not
// read.
func (r *Registry) Release(ctx context.Context, actor access.Actor, owner, pkg, version string) (Release, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, pkg)
	if err != nil {
		return Release{}, err
	}
	if err := releaseOpen(ctx, r.db, actor, p, version); err != nil {
		return Release{}, err
	}
	return findRelease(ctx, r.db, p, version)
}

// Releases lists the versions of a package that the caller may read, oldest
// first by conda's order.
func (r *Registry) Releases(ctx context.Context, actor access.Actor, owner, pkg string) ([]Release, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, pkg)
	if err != nil {
		return nil, err
	}
	c := releasesOf(actor, p, r.db)
	list, err := sqldb.All(ctx, r.db, scanRelease, releaseColumns+c.text(), c.args...)
	if err != nil {
		return nil, fmt.Errorf("list the releases of %s: %w", p.FullName(), err)
	}
	slices.SortFunc(list, func(a, b Release) int { return conda.CompareVersions(a.Version, b.Version) })
	return list, nil
}

// LatestRelease is the release really called "latest", else the latest version
// among the files labelled main that the caller may read: a pre-release only
// where there is no other.
func (r *Registry) LatestRelease(ctx context.Context, actor access.Actor, owner, pkg string) (Release, error) {
	rel, err := r.Release(ctx, actor, owner, pkg, "latest")
	if !errs.Is(err, errs.NotFound) {
		return rel, err
	}
	files, err := r.Files(ctx, actor, owner, pkg, "")
	if err != nil {
		return Release{}, err
	}
	var latest newest
	for _, f := range files {
		if slices.Contains(f.Labels, mainLabel) {
			latest.take(f.Version, true)
		}
	}
	if latest.version == "" {
		return Release{}, errs.New(errs.NotFound, "%s/%s has no file labelled main.", owner, pkg)
	}
	return r.Release(ctx, actor, owner, pkg, latest.version)
}

// CreateRelease makes a release; write on the package is needed. The one that is
// there is given unchanged with created = false.
func (r *Registry) CreateRelease(ctx context.Context, actor access.Actor, owner, pkg, version string, n NewRelease) (rel Release, created bool, err error) {
	if n.Attrs, err = attributes(n.Attrs, "public_attrs"); err != nil {
		return Release{}, false, err
	}
	if err := checkVersion(version); err != nil {
		return Release{}, false, err
	}
	err = r.change(ctx, actor, "release", func(ctx context.Context, c *change) error {
		created = false
		p, err := c.loadPackage(ctx, access.Write, owner, pkg)
		if err != nil {
			return err
		}
		rel, err = findRelease(ctx, c.tx, p, version)
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		created = true
		rel, err = c.createRelease(ctx, p, version, n)
		return err
	})
	if err != nil {
		return Release{}, false, err
	}
	return rel, created, nil
}

// createRelease writes the row of a release.
func (c *change) createRelease(ctx context.Context, p Package, version string, n NewRelease) (Release, error) {
	if len(n.Attrs) == 0 {
		n.Attrs = jsontext.Value("{}")
	}
	rel := Release{
		ID: access.NewID(c.now), PackageID: p.ID, OwnerName: p.OwnerName, PackageName: p.Name, Version: version,
		Attrs: n.Attrs, Description: n.Description, CreatedBy: c.actor.Name, CreatedAt: c.now,
	}
	adopted, err := c.adopt(ctx, "release_rows", "package_id = $1 AND version = $2", p.ID, version)
	if err != nil {
		return Release{}, err
	}
	if adopted != "" {
		rel.ID = adopted
		_, err = c.exec(ctx, "UPDATE release_rows SET attrs = $2, description = $3, created_by = $4, created_at = $5 WHERE id = $1",
			rel.ID, rel.Attrs, rel.Description, rel.CreatedBy, rel.CreatedAt)
	} else {
		_, err = c.exec(ctx, "INSERT INTO release_rows (id, package_id, version, attrs, description, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			rel.ID, rel.PackageID, rel.Version, rel.Attrs, rel.Description, rel.CreatedBy, rel.CreatedAt)
	}
	if err != nil {
		return Release{}, fmt.Errorf("insert release %s %s: %w", p.FullName(), version, err)
	}
	return rel, c.audit(ctx, audit.Entry{
		Action: "release.create", OwnerID: p.OwnerID, ObjectKind: "release", ObjectID: rel.ID,
		ObjectName: p.FullName() + "/" + version,
	})
}

// UpdateRelease changes what is said about a release; write is needed.
func (r *Registry) UpdateRelease(ctx context.Context, actor access.Actor, owner, pkg, version string, u ReleaseUpdate) (rel Release, err error) {
	if u.Attrs, err = attributes(u.Attrs, "public_attrs"); err != nil {
		return Release{}, err
	}
	err = r.change(ctx, actor, "release", func(ctx context.Context, c *change) error {
		p, err := c.loadPackage(ctx, access.Write, owner, pkg)
		if err != nil {
			return err
		}
		if err := releaseOpen(ctx, c.tx, whole(c.actor), p, version); err != nil {
			return err
		}
		if rel, err = findRelease(ctx, c.tx, p, version); err != nil {
			return err
		}
		before := rel.Description
		if rel.Attrs, err = overlay(rel.Attrs, u.Attrs); err != nil {
			return err
		}
		if len(rel.Attrs) > maxAttrs {
			return errs.New(errs.TooLarge, "The attributes of %s %s would have %d bytes; at most %d are kept.", p.FullName(), version, len(rel.Attrs), maxAttrs)
		}
		if u.Description != nil {
			rel.Description = *u.Description
		}
		if _, err := c.exec(ctx, "UPDATE release_rows SET attrs = $2, description = $3 WHERE id = $1", rel.ID, rel.Attrs, rel.Description); err != nil {
			return fmt.Errorf("change release %s %s: %w", p.FullName(), version, err)
		}
		return c.audit(ctx, audit.Entry{
			Action: "release.update", OwnerID: p.OwnerID, ObjectKind: "release", ObjectID: rel.ID,
			ObjectName: p.FullName() + "/" + version, Before: map[string]any{"description": clip(before)}, After: map[string]any{"description": clip(rel.Description)},
		})
	})
	return rel, err
}

// DeleteRelease puts all files of a version into the trash and frees it; write is
// needed. While an import brings files of it, it is errs.Unavailable.
func (r *Registry) DeleteRelease(ctx context.Context, actor access.Actor, owner, pkg, version string) error {
	return r.change(ctx, actor, "delete", func(ctx context.Context, c *change) error {
		p, err := c.loadPackage(ctx, access.Write, owner, pkg)
		if err != nil {
			return err
		}
		if err := releaseOpen(ctx, c.tx, whole(c.actor), p, version); err != nil {
			return err
		}
		rel, err := findRelease(ctx, c.tx, p, version)
		if err != nil {
			return err
		}
		err = c.unloaded(ctx, "Files of "+p.FullName()+" "+version+" are", p.OwnerName, "f.package_id = $1 AND f.version = $2 AND f.release_id = $3", p.ID, version, rel.ID)
		if err != nil {
			return err
		}
		files, err := sqldb.All(ctx, c.tx, scanFile, fileColumns+fileFrom+" WHERE f.package_id = $1 AND f.version = $2 AND f.release_id = $3 AND f.deleted_at IS NULL ORDER BY f.id", p.ID, version, rel.ID)
		if err != nil {
			return fmt.Errorf("list the files of %s %s: %w", p.FullName(), version, err)
		}
		if err := c.trash(ctx, files, ""); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "UPDATE release_rows SET deleted_at = $2 WHERE id = $1", rel.ID, c.now); err != nil {
			return fmt.Errorf("delete release %s %s: %w", p.FullName(), version, err)
		}
		if err := c.tell(ctx, p.ID, true); err != nil {
			return err
		}
		return c.audit(ctx, audit.Entry{
			Action: "release.delete", OwnerID: p.OwnerID, ObjectKind: "release", ObjectID: rel.ID,
			ObjectName: p.FullName() + "/" + version, Before: map[string]any{"files": len(files)},
		})
	})
}
