package registry

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Package is a name under an owner.
type Package struct {
	ID         string
	OwnerID    string
	OwnerName  string
	OwnerKind  string
	Name       string
	Private    bool
	Summary    string
	Attrs      jsontext.Value // public_attrs, as a client sent them
	Types      []string       // package types, sorted, never nil
	Latest     string         // the version to install, see newest; "" without files
	License    string         // of the newest release
	Platforms  []string       // subdirs with a live file, sorted, never nil
	Downloads  int64
	CreatedBy  string
	CreatedAt  time.Time
	ModifiedAt time.Time
	ReleasedAt *time.Time // newest upload
	Versions   []string   // oldest first by conda's order; only from Package

	closed bool // in no channel that the reader may read
	partly bool // some files are in no channel that the reader may read
}

// FullName is OWNER/NAME.
func (p Package) FullName() string { return p.OwnerName + "/" + p.Name }

// NewPackage is what a client says about a package to be made.
type NewPackage struct {
	Private bool
	Attrs   jsontext.Value // a JSON object or empty
}

// PackageFilter chooses and orders packages for a list. The zero value lists
// all that the caller may read, by name.
type PackageFilter struct {
	Owner    string // name of the owner; "" = all
	Type     string // package type; "" = all
	Platform string // subdir with a live file; "" = all
	Access   string // "", "public" or "private"
	Sort     string // "name" (default), "downloads", "modified", "released"
	After    string // Next of the page before
	Limit    int    // 0 = 100, at most 1000
	RowsOnly bool   // leave Total 0; it costs a walk over all packages
}

// PackageList is one page of packages.
type PackageList struct {
	Packages []Package
	Total    int    // over all pages
	Next     string // After of the next page, "" at the end
}

// Package is one package with the versions that the caller may read; errs.NotFound for what the caller
// may not read.
func (r *Registry) Package(ctx context.Context, actor access.Actor, owner, name string) (Package, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, name)
	if err != nil {
		return Package{}, err
	}
	c := releasesOf(actor, p, r.db)
	p.Versions, err = sqldb.All(ctx, r.db, sqldb.Scalar[string], "SELECT r.version FROM releases r"+c.text(), c.args...)
	if err != nil {
		return Package{}, fmt.Errorf("list the versions of %s: %w", p.FullName(), err)
	}
	slices.SortFunc(p.Versions, conda.CompareVersions)
	return p, nil
}

// CreatePackage makes a package; write on the owner is needed. One that is there
// already is given unchanged with created = false, so that two uploads may race.
func (r *Registry) CreatePackage(ctx context.Context, actor access.Actor, owner, name string, n NewPackage) (p Package, created bool, err error) {
	attrs, err := attributes(n.Attrs, "public_attrs")
	if err != nil {
		return Package{}, false, err
	}
	name = packageName(name)
	if err := checkName(name); err != nil {
		return Package{}, false, err
	}
	if _, err := declaredTypes(attrs); err != nil {
		return Package{}, false, err
	}
	err = r.change(ctx, actor, "package", func(ctx context.Context, c *change) error {
		created = false
		o, err := loadOwner(ctx, c.tx, owner)
		if err != nil {
			return err
		}
		p, err = c.loadPackage(ctx, access.Write, owner, name)
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := may(c.actor, access.Write, o.packageObject(name, n.Private)); err != nil {
			return err
		}
		if err := vacant(ctx, c.tx, o, name); err != nil {
			return err
		}
		created = true
		p, err = c.createPackage(ctx, o, name, n.Private, attrs)
		return err
	})
	if err != nil {
		return Package{}, false, err
	}
	return p, created, nil
}

// createPackage writes the row of a package.
func (c *change) createPackage(ctx context.Context, o owner, name string, private bool, attrs jsontext.Value) (Package, error) {
	types, err := declaredTypes(attrs)
	if err != nil {
		return Package{}, err
	}
	p := Package{
		ID: access.NewID(c.now), OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind, Name: name, Private: private,
		Summary: summaryOf(attrs), Attrs: attrs, Types: types, License: licenseOf(attrs), Platforms: []string{},
		CreatedBy: c.actor.Name, CreatedAt: c.now, ModifiedAt: c.now,
	}
	adopted, err := c.adopt(ctx, "package_rows", "owner_id = $1 AND name = $2", o.ID, name)
	if err != nil {
		return Package{}, err
	}
	if adopted != "" {
		p.ID = adopted
		// One that is private where it is loaded from stays so.
		err = c.tx.Row(ctx, `UPDATE package_rows SET private = (private OR $2), summary = $3, attrs = $4, types = $5, license = $6, platforms = $7, latest = '', released_at = NULL, search_text = $8,
			created_by = $9, created_at = $10, modified_at = $10 WHERE id = $1 RETURNING private`,
			p.ID, p.Private, p.Summary, p.Attrs, p.Types, p.License, p.Platforms, searchText(p), p.CreatedBy, p.CreatedAt).Scan(&p.Private)
	} else {
		_, err = c.exec(ctx, `INSERT INTO package_rows (id, owner_id, name, private, summary, attrs, types, license, platforms, search_text, created_by, created_at, modified_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)`,
			p.ID, p.OwnerID, p.Name, p.Private, p.Summary, p.Attrs, p.Types, p.License, p.Platforms, searchText(p), p.CreatedBy, p.CreatedAt)
	}
	if err != nil {
		return Package{}, fmt.Errorf("insert package %s: %w", p.FullName(), err)
	}
	if p.Private {
		c.bumpAccess()
	}
	return p, c.audit(ctx, audit.Entry{
		Action: "package.create", OwnerID: p.OwnerID, ObjectKind: "package", ObjectID: p.ID, ObjectName: p.FullName(),
		After: map[string]any{"private": p.Private, "summary": p.Summary},
	})
}

// declaredTypes reads package_types, which stand for a package as long as it has
// no files.
func declaredTypes(attrs jsontext.Value) ([]string, error) {
	types := []string{}
	for _, t := range attrTexts(attrs, "package_types") {
		name, err := packageType(t)
		if err != nil {
			return nil, err
		}
		types = append(types, name)
	}
	return sortedSet(types), nil
}

// licenseOf reads the licence of public attributes: a text, or an object with a
// name.
func licenseOf(attrs jsontext.Value) string {
	if s := attrText(attrs, "license"); s != "" {
		return s
	}
	var members struct {
		License jsontext.Value `json:"license"`
	}
	if json.Unmarshal(attrs, &members) != nil || members.License.Kind() != '{' {
		return ""
	}
	return attrText(members.License, "name")
}

// MaxSummary bounds the summary that lists show, in runes; the attributes keep
// what was sent.
const MaxSummary = 500

func summaryOf(attrs jsontext.Value) string {
	s := attrText(attrs, "summary")
	if r := []rune(s); len(r) > MaxSummary {
		return string(r[:MaxSummary-1]) + "…"
	}
	return s
}

// searchText is what Search looks in: name, summary and keywords in lower case.
func searchText(p Package) string {
	return strings.ToLower(strings.Join(append([]string{p.Name, p.Summary}, attrTexts(p.Attrs, "keywords")...), " "))
}

// UpdatePackage lays the keys of attrs over the package's public attributes;
// write is needed.
func (r *Registry) UpdatePackage(ctx context.Context, actor access.Actor, owner, name string, attrs jsontext.Value) (p Package, err error) {
	attrs, err = attributes(attrs, "public_attrs")
	if err != nil {
		return Package{}, err
	}
	if _, err := declaredTypes(attrs); err != nil {
		return Package{}, err
	}
	err = r.change(ctx, actor, "package", func(ctx context.Context, c *change) error {
		if p, err = c.loadPackage(ctx, access.Write, owner, name); err != nil {
			return err
		}
		p, err = c.describe(ctx, p, attrs)
		return err
	})
	if err != nil {
		return Package{}, err
	}
	return r.Package(ctx, actor, owner, name)
}

// SetPrivate makes a package private or public; admin is needed. Every index of
// the owner shows it at the next request.
func (r *Registry) SetPrivate(ctx context.Context, actor access.Actor, owner, name string, private bool) (p Package, err error) {
	err = r.change(ctx, actor, "package", func(ctx context.Context, c *change) error {
		if p, err = c.loadPackage(ctx, access.Admin, owner, name); err != nil {
			return err
		}
		if !private {
			if err := c.actor.MayPublish(); err != nil {
				return err
			}
		}
		p, err = c.setPrivate(ctx, p, private)
		return err
	})
	return p, err
}

// DeletePackage puts all files of the package into the trash and frees its name;
// write is needed. While an import brings files of it, it is errs.Unavailable.
func (r *Registry) DeletePackage(ctx context.Context, actor access.Actor, owner, name string) error {
	return r.change(ctx, actor, "delete", func(ctx context.Context, c *change) error {
		p, err := c.loadPackage(ctx, access.Write, owner, name)
		if err != nil {
			return err
		}
		if err := c.unloaded(ctx, "Files of "+p.FullName()+" are", p.OwnerName, "f.package_id = $1", p.ID); err != nil {
			return err
		}
		// Their ids alone, which an index has: of thousands of files, everybody waits
		// for what is read of each.
		files, err := sqldb.All(ctx, c.tx, func(rows *sqldb.Rows, f *File) error {
			f.OwnerName = p.OwnerName
			return rows.Scan(&f.ID)
		}, "SELECT id FROM files WHERE package_id = $1 AND deleted_at IS NULL ORDER BY id", p.ID)
		if err != nil {
			return fmt.Errorf("list the files of %s: %w", p.FullName(), err)
		}
		if err := c.trash(ctx, files, ""); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "UPDATE release_rows SET deleted_at = $2 WHERE package_id = $1 AND deleted_at IS NULL", p.ID, c.now); err != nil {
			return fmt.Errorf("delete the releases of %s: %w", p.FullName(), err)
		}
		if _, err := c.exec(ctx, "UPDATE package_rows SET deleted_at = $2 WHERE id = $1", p.ID, c.now); err != nil {
			return fmt.Errorf("delete package %s: %w", p.FullName(), err)
		}
		if p.Private {
			c.bumpAccess()
		}
		return c.audit(ctx, audit.Entry{
			Action: "package.delete", OwnerID: p.OwnerID, ObjectKind: "package", ObjectID: p.ID, ObjectName: p.FullName(),
			Before: map[string]any{"files": len(files)},
		})
	})
}
