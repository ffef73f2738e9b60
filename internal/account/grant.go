package account

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Subject is who gets a grant: a user by name, or a group of the owner.
type Subject struct {
	Kind string // "user" or "group"
	Name string
}

// Access is one grant on an object, as its administrators see it.
type Access struct {
	Subject   Subject
	SubjectID string
	FullName  string
	Verb      access.Verb
	Inherited bool // from a group that reaches all packages, or a grant on the owner
	Since     time.Time
	By        string // id of who gave it, where known
}

// target gives the kind and id of what an object is for grants.
func target(o access.Object) (kind, id string) {
	switch {
	case o.PackageID != "":
		return access.OnPackage, o.PackageID
	case o.ChannelID != "":
		return access.OnChannel, o.ChannelID
	default:
		return access.OnOwner, o.OwnerID
	}
}

// Grant gives a user or a group of the owner a right on a package, a channel or
// an owner at large; a grant that it has there is replaced. The actor must
// administer the object.
func (a *Accounts) Grant(ctx context.Context, actor access.Actor, s Subject, o access.Object, v access.Verb) error {
	if !v.Valid() {
		return errs.New(errs.Invalid, "A grant is read, write or admin; %q is none of them.", clip(string(v))).On("permission")
	}
	return a.changeGrant(ctx, actor, s, o, false, func(tx *sqldb.DB, subjectID string, _ access.Verb) (access.Verb, error) {
		kind, id := target(o)
		_, err := tx.Exec(ctx, `
			INSERT INTO grants (id, subject_kind, subject_id, object_kind, object_id, verb, created_at, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (subject_kind, subject_id, object_kind, object_id) DO UPDATE SET verb = excluded.verb`,
			access.NewID(a.now()), s.Kind, subjectID, kind, id, string(v), a.now(), actor.ID)
		return v, err
	})
}

// Revoke takes a right away again, errs.NotFound where there is none. The actor
// must administer the object. Who was deleted and can be brought back has it still.
func (a *Accounts) Revoke(ctx context.Context, actor access.Actor, s Subject, o access.Object) error {
	return a.changeGrant(ctx, actor, s, o, true, func(tx *sqldb.DB, subjectID string, had access.Verb) (access.Verb, error) {
		if had == "" {
			return "", errs.New(errs.NotFound, "%s has no grant of its own here.", clip(s.Name))
		}
		kind, id := target(o)
		_, err := tx.Exec(ctx, "DELETE FROM grants WHERE subject_kind = $1 AND subject_id = $2 AND object_kind = $3 AND object_id = $4",
			s.Kind, subjectID, kind, id)
		return "", err
	})
}

// changeGrant runs f between the checks and the audit row; f gives the right that
// the subject has afterwards. Where it only takes, the subject may be one who was
// deleted.
func (a *Accounts) changeGrant(ctx context.Context, actor access.Actor, s Subject, o access.Object, takes bool,
	f func(tx *sqldb.DB, subjectID string, had access.Verb) (access.Verb, error),
) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		o, err := storedObject(ctx, tx, o)
		if err != nil {
			return err
		}
		if err := access.Can(actor, access.Admin, o).Err(o); err != nil {
			return err
		}
		kind, id := target(o)
		subjectID, err := subjectOf(ctx, tx, s, o)
		if takes && err != nil && s.Kind == "user" {
			var u User
			u, err = a.departed(ctx, tx, s.Name, err, "SELECT COUNT(*) FROM grants WHERE subject_kind = 'user' AND subject_id = $1 AND object_kind = $2 AND object_id = $3", kind, id)
			subjectID = u.ID
		}
		if err != nil {
			return err
		}
		var had access.Verb
		err = tx.Row(ctx, "SELECT verb FROM grants WHERE subject_kind = $1 AND subject_id = $2 AND object_kind = $3 AND object_id = $4",
			s.Kind, subjectID, kind, id).Scan(&had)
		if err != nil && !noRows(err) {
			return fmt.Errorf("look up a grant: %w", err)
		}
		has, err := f(tx, subjectID, had)
		if err != nil {
			return fmt.Errorf("change a grant: %w", err)
		}
		entry := audit.Entry{Action: "grant.give", OwnerID: o.OwnerID, ObjectKind: kind, ObjectID: id, ObjectName: objectName(o)}
		if had != "" {
			entry.Before = map[string]any{s.Kind: s.Name, "right": had}
		}
		if has != "" {
			entry.After = map[string]any{s.Kind: s.Name, "right": has}
		} else {
			entry.Action = "grant.revoke"
		}
		return a.record(ctx, tx, actor, entry)
	})
}

func objectName(o access.Object) string {
	if o.PackageName != "" {
		return o.OwnerName + "/" + o.PackageName
	}
	if o.Channel != "" {
		return o.OwnerName + "/" + o.Channel
	}
	return o.OwnerName
}

// storedObject reads what an object is, so that a grant never rests on what the
// caller remembers of it.
func storedObject(ctx context.Context, tx *sqldb.DB, o access.Object) (access.Object, error) {
	stored := access.Object{Scope: o.Scope}
	var err error
	switch kind, id := target(o); kind {
	case access.OnPackage:
		err = tx.Row(ctx, `
			SELECT w.id, w.name, w.kind, p.id, p.name, p.private FROM packages AS p JOIN owners AS w ON w.id = p.owner_id
			WHERE p.id = $1 AND p.deleted_at IS NULL AND w.deleted_at IS NULL`, id).
			Scan(&stored.OwnerID, &stored.OwnerName, &stored.OwnerKind, &stored.PackageID, &stored.PackageName, &stored.Private)
	case access.OnChannel:
		err = tx.Row(ctx, `
			SELECT w.id, w.name, w.kind, c.id, c.name, c.visibility FROM channels AS c JOIN owners AS w ON w.id = c.owner_id
			WHERE c.id = $1 AND w.deleted_at IS NULL`, id).
			Scan(&stored.OwnerID, &stored.OwnerName, &stored.OwnerKind, &stored.ChannelID, &stored.Channel, &stored.Visibility)
	default:
		err = tx.Row(ctx, "SELECT w.id, w.name, w.kind FROM owners AS w WHERE w.id = $1 AND w.deleted_at IS NULL", id).
			Scan(&stored.OwnerID, &stored.OwnerName, &stored.OwnerKind)
	}
	if noRows(err) {
		return access.Object{}, access.Absent(o)
	}
	if err != nil {
		return access.Object{}, fmt.Errorf("look up what a grant is on: %w", err)
	}
	return stored, nil
}

// subjectOf gives the id of who gets a grant on an object.
func subjectOf(ctx context.Context, tx *sqldb.DB, s Subject, o access.Object) (string, error) {
	switch s.Kind {
	case "user":
		u, err := userNamed(ctx, tx, s.Name)
		if err == nil && u.ID == o.OwnerID {
			err = errs.New(errs.Invalid, "%s owns this and needs no grant.", u.Name).On("user")
		}
		return u.ID, err
	case "group":
		if o.OwnerKind != access.Organization {
			return "", errs.New(errs.Invalid, "Only organisations have groups. Add the users one by one.").On("group")
		}
		g, err := groupNamed(ctx, tx, Owner{ID: o.OwnerID, Name: o.OwnerName}, s.Name)
		return g.ID, err
	default:
		return "", errs.New(errs.Invalid, "A grant goes to a user or a group, not to %q.", clip(s.Kind))
	}
}

// AccessTo lists who holds a grant on an object, for its administrators: groups
// first, then users, by name. Owners and administrators of an organisation have
// all rights and are not among them.
func (a *Accounts) AccessTo(ctx context.Context, actor access.Actor, o access.Object) ([]Access, error) {
	o, err := storedObject(ctx, a.db, o)
	if err != nil {
		return nil, err
	}
	read := o
	read.Scope = "api:read" // to see them needs the right to administer and a scope to read
	if err := access.Can(actor, access.Admin, read).Err(o); err != nil {
		return nil, err
	}
	kind, id := target(o)
	list, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, g *Access) error {
		return r.Scan(&g.Subject.Kind, &g.SubjectID, &g.Subject.Name, &g.FullName, &g.Verb, &g.Inherited, &g.Since, &g.By)
	}, `
		SELECT g.subject_kind, g.subject_id, COALESCE(u.name, s.name), COALESCE(u.full_name, ''), g.verb, g.object_id <> $2, g.created_at, g.created_by
		FROM grants AS g
		LEFT JOIN owners AS u ON g.subject_kind = 'user' AND u.id = g.subject_id
		LEFT JOIN groups AS s ON g.subject_kind = 'group' AND s.id = g.subject_id
		WHERE (g.object_kind = $1 AND g.object_id = $2 OR g.object_kind = 'owner' AND g.object_id = $3)
		  AND COALESCE(u.name, s.name) IS NOT NULL AND u.deleted_at IS NULL
		UNION ALL
		SELECT 'group', s.id, s.name, '', s.permission, $1 <> 'owner', s.created_at, ''
		FROM groups AS s WHERE s.organization_id = $3 AND s.all_packages
		ORDER BY 1, 3`, kind, id, o.OwnerID)
	if err != nil {
		return nil, fmt.Errorf("list who has access: %w", err)
	}
	return list, nil
}

// CountReaders counts the people who may read an object that is closed to
// everybody else: its owner, or the owners and administrators of the
// organisation, and whoever a grant lets in. The actor must be one of them.
func (a *Accounts) CountReaders(ctx context.Context, actor access.Actor, o access.Object) (n int, err error) {
	if err := access.Can(actor, access.Read, o).Err(o); err != nil {
		return 0, err
	}
	kind, id := target(o)
	const here = "(g.object_kind = $2 AND g.object_id = $3 OR g.object_kind = 'owner' AND g.object_id = $1)"
	err = a.db.Row(ctx, `
		SELECT COUNT(*) FROM users AS u JOIN owners AS w ON w.id = u.owner_id
		WHERE w.deleted_at IS NULL AND u.disabled_at IS NULL AND u.owner_id IN (
			SELECT CAST($1 AS TEXT)
			UNION SELECT m.user_id FROM memberships AS m WHERE m.organization_id = $1 AND m.role IN ('owner', 'administrator')
			UNION SELECT g.subject_id FROM grants AS g WHERE g.subject_kind = 'user' AND `+here+`
			UNION SELECT m.user_id FROM grants AS g JOIN group_members AS m ON m.group_id = g.subject_id WHERE g.subject_kind = 'group' AND `+here+`
			UNION SELECT m.user_id FROM groups AS s JOIN group_members AS m ON m.group_id = s.id WHERE s.organization_id = $1 AND s.all_packages)`,
		o.OwnerID, kind, id).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count who may read %s: %w", objectName(o), err)
	}
	return n, nil
}
