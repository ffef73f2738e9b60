package account

import (
	"context"
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// RestoreOwner undoes the deletion of an owner, on behalf of an organisation's owner
// or the operator. Everything is as it was, tokens too; sessions stay ended. What an
// operator deleted is errs.Forbidden to others. One that was not deleted is
// errs.Conflict, and so is an organisation whose owners were all deleted themselves;
// one that cannot be brought back any more is errs.NotFound.
func (a *Accounts) RestoreOwner(ctx context.Context, actor access.Actor, name string) (Owner, error) {
	return a.restoreOwner(ctx, actor, name, "")
}

// RestoreOrganization is RestoreOwner for an organisation that a user is to own from
// then on, beside those who did: for one of whose owners nobody is left.
func (a *Accounts) RestoreOrganization(ctx context.Context, actor access.Actor, name, owner string) (Owner, error) {
	if owner == "" {
		return Owner{}, errs.New(errs.Invalid, "Say who is to own %s.", clip(name)).On("owner")
	}
	return a.restoreOwner(ctx, actor, name, owner)
}

func (a *Accounts) restoreOwner(ctx context.Context, actor access.Actor, name, owner string) (Owner, error) {
	var d Deletion
	err := a.change(ctx, func(tx *sqldb.DB) error {
		var err error
		if d, err = a.present(ctx, tx, name); err != nil {
			return err
		}
		if err := a.disposes(ctx, tx, actor, d, ""); err != nil {
			return err
		}
		if d.DeletedAt == nil {
			return errs.New(errs.Conflict, "%s is not deleted.", d.Name).Because("not-deleted")
		}
		if d.ByOperator && access.Operates(actor) != nil {
			return errs.New(errs.Forbidden, "%s was deleted by an operator, and only an operator can undo that.", d.Name).Because("deleted-by-operator")
		}
		if err := a.restore(ctx, tx, actor, d); err != nil {
			return err
		}
		if owner != "" {
			return a.giveTo(ctx, tx, actor, d, owner)
		}
		return a.owned(ctx, tx, d)
	})
	return d.Owner, err
}

// giveTo makes a user an owner of an organisation that is brought back.
func (a *Accounts) giveTo(ctx context.Context, tx *sqldb.DB, actor access.Actor, d Deletion, name string) error {
	if d.Kind != access.Organization {
		return errs.New(errs.Invalid, "%s is a user, whom nobody owns.", d.Name).On("owner")
	}
	u, err := userNamed(ctx, tx, name)
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, "%s", errs.Message(err)).On("owner")
	}
	if err != nil {
		return err
	}
	had, err := roleOf(ctx, tx, d.ID, u.ID)
	if err != nil || had == access.RoleOwner {
		return err
	}
	return a.setMember(ctx, tx, actor, d.Owner, u, had, access.RoleOwner)
}

// owned refuses to bring back an organisation that nobody could administer. Its owners
// may have been deleted while it was, since nothing of theirs depended on them then;
// they are erased before long.
func (a *Accounts) owned(ctx context.Context, tx *sqldb.DB, d Deletion) error {
	if d.Kind != access.Organization || access.MirrorName(d.Name) {
		return nil
	}
	owners := 0
	err := tx.Row(ctx, `SELECT COUNT(*) FROM memberships AS m JOIN owners AS u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND m.role = 'owner' AND u.deleted_at IS NULL`, d.ID).Scan(&owners)
	if err != nil {
		return fmt.Errorf("count owners: %w", err)
	}
	if owners == 0 {
		return errs.New(errs.Conflict, "The owners of %[1]s were deleted too, and nobody could administer it. Bring one of them back first, or say who is to own it: `terrarium owner restore %[1]s --owner NAME`, or ?owner=NAME in the API.", d.Name).
			Because("no-owner")
	}
	return nil
}

// restore brings a deleted owner back.
func (a *Accounts) restore(ctx context.Context, tx *sqldb.DB, actor access.Actor, d Deletion) error {
	n, err := tx.Exec(ctx, "UPDATE owners SET deleted_at = NULL, deleted_by = '' WHERE id = $1 AND erase_begun_at IS NULL", d.ID)
	if err != nil {
		return fmt.Errorf("bring %s back: %w", d.Name, err)
	}
	if n == 0 { // its erasing has begun at this moment
		return access.Absent(d.Object())
	}
	return a.record(ctx, tx, actor, audit.Entry{
		Action: d.Kind + ".restore", OwnerID: d.ID, ObjectKind: d.Kind, ObjectID: d.ID, ObjectName: d.Name,
		Before: map[string]any{"deleted": d.DeletedAt, "by": d.DeletedBy},
	})
}
