package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// owner is a user or an organisation, as far as packages need to know.
type owner struct{ ID, Name, Kind string }

// object is the owner as package access judges it.
func (o owner) object() access.Object {
	return access.Object{OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind}
}

// packageObject is a package of the owner that may not exist yet.
func (o owner) packageObject(name string, private bool) access.Object {
	obj := o.object()
	obj.PackageName, obj.Private = name, private
	return obj
}

// channelObject is a channel of the owner that may not exist.
func (o owner) channelObject(name string) access.Object {
	obj := o.object()
	obj.Channel = name
	return obj
}

func (p Package) object() access.Object {
	return access.Object{
		OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind,
		PackageID: p.ID, PackageName: p.Name, Private: p.Private, Closed: p.closed,
	}
}

func (f File) object() access.Object {
	return access.Object{
		OwnerID: f.OwnerID, OwnerName: f.OwnerName, OwnerKind: f.OwnerKind,
		PackageID: f.PackageID, PackageName: f.PackageName, Private: f.Private,
	}
}

func (c Channel) object() access.Object {
	return access.Object{
		OwnerID: c.OwnerID, OwnerName: c.OwnerName, OwnerKind: c.OwnerKind,
		ChannelID: c.ID, Channel: c.Name, Visibility: c.Visibility,
	}
}

// may gives the refusal of an actor, or nil.
func may(actor access.Actor, v access.Verb, o access.Object) error {
	return access.Can(actor, v, o).Err(o)
}

// loadOwner finds an owner by name; errs.NotFound.
func loadOwner(ctx context.Context, db *sqldb.DB, name string) (owner, error) {
	return lockOwner(ctx, db, name, "")
}

// loadOwner is the function of that name for what must not come after the deletion
// of the owner: that waits for the change to end, and the change sees one that has
// ended. The foreign key of a new file would take the lock anyway.
func (c *change) loadOwner(ctx context.Context, name string) (owner, error) {
	return lockOwner(ctx, c.tx, name, c.tx.ForKeyShare())
}

func lockOwner(ctx context.Context, db *sqldb.DB, name, lock string) (owner, error) {
	var o owner
	err := db.Row(ctx, "SELECT id, name, kind FROM owners WHERE name = $1 AND deleted_at IS NULL"+lock, strings.ToLower(name)).
		Scan(&o.ID, &o.Name, &o.Kind)
	if errors.Is(err, sqldb.ErrNoRows) {
		return owner{}, access.Absent(access.Object{OwnerName: name})
	}
	if err != nil {
		return owner{}, fmt.Errorf("read owner %q: %w", name, err)
	}
	return o, nil
}

const packageColumns = `SELECT p.id, p.owner_id, o.name, o.kind, p.name, p.private, p.summary, p.attrs, p.types, p.latest,
	p.license, p.platforms, p.downloads, p.created_by, p.created_at, p.modified_at, p.released_at`

const packageFrom = ` FROM packages p JOIN owners o ON o.id = p.owner_id`

func scanPackage(rows *sqldb.Rows, p *Package) error { return scanPackageAnd(rows, p) }

// scanPackageAnd is scanPackage for queries that name more columns behind those of
// a package.
func scanPackageAnd(rows *sqldb.Rows, p *Package, more ...any) error {
	var types, platforms jsonList
	err := rows.Scan(append([]any{
		&p.ID, &p.OwnerID, &p.OwnerName, &p.OwnerKind, &p.Name, &p.Private, &p.Summary, &p.Attrs, &types, &p.Latest,
		&p.License, &platforms, &p.Downloads, &p.CreatedBy, &p.CreatedAt, &p.ModifiedAt, &p.ReleasedAt,
	}, more...)...)
	p.Types, p.Platforms = types, platforms
	return err
}

// loadPackage finds a live package of an owner and judges whether the actor may
// do verb with it.
func loadPackage(ctx context.Context, db *sqldb.DB, actor access.Actor, verb access.Verb, ownerName, name string) (Package, error) {
	return judgePackage(ctx, db, actor, actor, verb, ownerName, name)
}

// judgePackage is loadPackage for an actor to whom those channels are open that
// the viewer may read.
func judgePackage(ctx context.Context, db *sqldb.DB, actor, viewer access.Actor, verb access.Verb, ownerName, name string) (Package, error) {
	o, err := loadOwner(ctx, db, ownerName)
	if err != nil {
		return Package{}, err
	}
	p, err := findPackage(ctx, db, viewer, o, name)
	if err != nil {
		return Package{}, err
	}
	return p, may(actor, verb, p.object())
}

// findPackage is loadPackage without judging.
func findPackage(ctx context.Context, db *sqldb.DB, viewer access.Actor, o owner, name string) (Package, error) {
	name = packageName(name)
	c := &condition{where: []string{"p.deleted_at IS NULL"}}
	c.add("p.owner_id = %s", o.ID)
	c.add("p.name = %s", name)
	partly := access.PartlyClosed(viewer, c.arg, db, "p")
	closed := access.ClosedPackages(viewer, c.arg, db, "p")
	otherwise := access.SeenOtherwise(viewer, c.arg, db, "p")
	var seesOther bool
	list, err := sqldb.All(ctx, db, func(rows *sqldb.Rows, p *Package) error {
		return scanPackageAnd(rows, p, &p.partly, &p.closed, &seesOther)
	},
		packageColumns+", "+partly+", "+closed+", "+otherwise+packageFrom+c.text(), c.args...)
	if err != nil {
		return Package{}, fmt.Errorf("read package %s/%s: %w", o.Name, name, err)
	}
	if len(list) == 0 {
		return Package{}, access.Absent(o.packageObject(name, true))
	}
	p := list[0]
	if seesOther {
		where := &condition{}
		where.add("p.id = %s", p.ID)
		seen, err := sights(ctx, db, viewer, where)
		if err != nil {
			return Package{}, err
		}
		p.as(seen[p.ID])
	}
	return p, nil
}

// whole is the person behind a credential, whatever that is limited to. Changes
// look at packages with its eyes: a token that may only upload does so without
// reading, and what it may change is judged by itself.
func whole(actor access.Actor) access.Actor {
	return actor.Whole()
}

// vacant refuses, as errs.Exists, the name of a package that is there and that the
// caller may not read. Ask only for callers who may make packages here: nobody
// else may learn that it exists.
func vacant(ctx context.Context, db *sqldb.DB, o owner, name string) error {
	_, err := findPackage(ctx, db, access.System(), o, name)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errs.New(errs.Exists, "The name %s/%s is taken by a package that is not open to you.", o.Name, packageName(name)).On("name").Because("name-taken")
}

const releaseColumns = `SELECT r.id, r.package_id, o.name, p.name, r.version, r.attrs, r.description, r.created_by, r.created_at
	FROM releases r JOIN packages p ON p.id = r.package_id JOIN owners o ON o.id = p.owner_id`

func scanRelease(rows *sqldb.Rows, r *Release) error {
	return rows.Scan(&r.ID, &r.PackageID, &r.OwnerName, &r.PackageName, &r.Version, &r.Attrs, &r.Description, &r.CreatedBy, &r.CreatedAt)
}

// findRelease finds a live release of a package; errs.NotFound.
func findRelease(ctx context.Context, db *sqldb.DB, p Package, version string) (Release, error) {
	list, err := sqldb.All(ctx, db, scanRelease, releaseColumns+
		" WHERE r.package_id = $1 AND r.version = $2 AND r.deleted_at IS NULL", p.ID, version)
	if err != nil {
		return Release{}, fmt.Errorf("read release %s %s: %w", p.FullName(), version, err)
	}
	if len(list) == 0 {
		return Release{}, noRelease(p, version)
	}
	return list[0], nil
}

const fileColumns = `SELECT f.id, f.owner_id, o.name, o.kind, f.package_id, p.name, p.private, f.release_id, f.type, f.subdir, f.name,
	f.basename, f.version, f.build, f.build_number, f.size, f.md5, f.sha256, f.stored, f.source_url, f.license, f.attrs,
	f.dependencies, f.description, f.uploaded_by, f.uploaded_at, f.indexed_ms, f.indexed_source, f.downloads,
	f.withdrawn_at, f.withdrawn_why, f.deleted_at, f.deleted_by`

const fileFrom = ` FROM files f JOIN packages p ON p.id = f.package_id JOIN owners o ON o.id = f.owner_id`

func scanFile(rows *sqldb.Rows, f *File) error { return scanFileAnd(rows, f) }

// scanFileAnd is scanFile for queries that name more columns behind those of a
// file.
func scanFileAnd(rows *sqldb.Rows, f *File, more ...any) error {
	var indexed int64
	err := rows.Scan(append([]any{
		&f.ID, &f.OwnerID, &f.OwnerName, &f.OwnerKind, &f.PackageID, &f.PackageName, &f.Private, &f.ReleaseID, &f.Type, &f.Subdir, &f.Name,
		&f.Basename, &f.Version, &f.Build, &f.BuildNumber, &f.Size, &f.MD5, &f.SHA256, &f.Stored, &f.SourceURL, &f.License, &f.Attrs,
		&f.Dependencies, &f.Description, &f.UploadedBy, &f.UploadedAt, &indexed, &f.IndexedSource, &f.Downloads,
		&f.WithdrawnAt, &f.WithdrawnWhy, &f.DeletedAt, &f.DeletedBy,
	}, more...)...)
	f.IndexedAt = unixMilli(indexed)
	return err
}

// findFile gives the only file that a query finds; errs.NotFound with the given
// sentence where it finds none.
func findFile(ctx context.Context, db *sqldb.DB, absent error, where string, args ...any) (File, error) {
	list, err := sqldb.All(ctx, db, scanFile, fileColumns+fileFrom+where, args...)
	if err != nil {
		return File{}, fmt.Errorf("read a file: %w", err)
	}
	if len(list) == 0 {
		return File{}, absent
	}
	return list[0], nil
}

// noFile is the refusal for a file that is not there.
func noFile(p Package, version, basename string) error {
	return errs.New(errs.NotFound, "There is no file %s/%s/%s.", p.FullName(), version, basename)
}

// packageName is a package's name as rows keep it.
func packageName(s string) string { return conda.NormalizeName(s) }

// loadPackage is the function of that name in a change: it locks the row of the
// package first, so that all changes of one package follow each other.
func (c *change) loadPackage(ctx context.Context, verb access.Verb, ownerName, name string) (Package, error) {
	if lock := c.tx.ForUpdate(); lock != "" {
		_, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT p.id FROM packages p JOIN owners o ON o.id = p.owner_id
			WHERE o.name = $1 AND p.name = $2 AND p.deleted_at IS NULL`+lock+" OF p", strings.ToLower(ownerName), packageName(name))
		if err != nil {
			return Package{}, fmt.Errorf("lock package %s/%s: %w", ownerName, name, err)
		}
	}
	return judgePackage(ctx, c.tx, c.actor, whole(c.actor), verb, ownerName, name)
}

// lockPackages is what loadPackage does first, for the packages whose ids a query
// gives: a file of theirs that is taken away on another replica meanwhile would be
// listed for ever by a change that does not see it go.
func (c *change) lockPackages(ctx context.Context, ids string, args ...any) error {
	lock := c.tx.ForUpdate()
	if lock == "" {
		return nil
	}
	_, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT id FROM package_rows WHERE id IN ("+ids+") ORDER BY id"+lock, args...)
	if err != nil {
		return fmt.Errorf("lock packages: %w", err)
	}
	return nil
}
