package account

import (
	"context"
	"fmt"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// GroupPackages lists the packages that a group reaches, by name, as far as the
// actor may read them: the chosen ones, or all of the organisation.
func (a *Accounts) GroupPackages(ctx context.Context, actor access.Actor, org, group string) ([]GroupPackage, error) {
	o, err := a.seen(ctx, a.db, actor, org)
	if err != nil {
		return nil, err
	}
	g, err := a.Group(ctx, actor, org, group)
	if err != nil {
		return nil, err
	}
	args := []any{o.ID}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	condition := access.ReadablePackages(actor, arg, a.db, "p")
	if !g.AllPackages {
		condition += " AND p.id IN (SELECT object_id FROM grants WHERE subject_kind = 'group' AND object_kind = 'package' AND subject_id = " + arg(g.ID) + ")"
	}
	packages, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, p *GroupPackage) error {
		return r.Scan(&p.ID, &p.Name, &p.Summary, &p.Private)
	}, "SELECT p.id, p.name, p.summary, p.private FROM packages AS p WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND "+condition+" ORDER BY p.name", args...)
	if err != nil {
		return nil, fmt.Errorf("list the packages of a group: %w", err)
	}
	return packages, nil
}

// AddGroupPackage gives a group its permission on a package of the organisation.
// Having it already is no error.
func (a *Accounts) AddGroupPackage(ctx context.Context, actor access.Actor, org, group, pkg string) error {
	return a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		id, name, err := packageOf(ctx, tx, o, pkg)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			INSERT INTO grants (id, subject_kind, subject_id, object_kind, object_id, verb, created_at, created_by)
			VALUES ($1, 'group', $2, 'package', $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			access.NewID(a.now()), g.ID, id, string(g.Permission), a.now(), actor.ID)
		if err != nil {
			return fmt.Errorf("add %s to group %s: %w", name, g.Name, err)
		}
		if n == 0 {
			return nil
		}
		entry := groupEntry("group.add-package", o, g)
		entry.After = map[string]any{"package": name, "permission": g.Permission}
		return a.record(ctx, tx, actor, entry)
	})
}

// RemoveGroupPackage takes a chosen package from a group, errs.NotFound where it
// was not chosen.
func (a *Accounts) RemoveGroupPackage(ctx context.Context, actor access.Actor, org, group, pkg string) error {
	return a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		id, name, err := packageOf(ctx, tx, o, pkg)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "DELETE FROM grants WHERE subject_kind = 'group' AND subject_id = $1 AND object_kind = 'package' AND object_id = $2", g.ID, id)
		if err != nil {
			return fmt.Errorf("take %s from group %s: %w", name, g.Name, err)
		}
		if n == 0 {
			return errs.New(errs.NotFound, "The group %s has no package %s.", g.Name, name)
		}
		entry := groupEntry("group.remove-package", o, g)
		entry.Before = map[string]any{"package": name}
		return a.record(ctx, tx, actor, entry)
	})
}

// packageOf gives the id of a live package of an owner.
func packageOf(ctx context.Context, tx *sqldb.DB, o Owner, name string) (id, stored string, err error) {
	err = tx.Row(ctx, "SELECT id, name FROM packages WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL", o.ID, clean(strings.ToLower(name))).Scan(&id, &stored)
	if noRows(err) {
		return "", "", access.Absent(access.Object{OwnerID: o.ID, OwnerName: o.Name, PackageName: clip(name)})
	}
	if err != nil {
		return "", "", fmt.Errorf("look up package: %w", err)
	}
	return id, stored, nil
}
