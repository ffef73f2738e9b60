package account

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// UndoFor is how long the deletion of an owner can be undone; then it is erased.
const UndoFor = 7 * 24 * time.Hour

// nameKeptFor is how long the name of a deleted owner stays reserved, from the
// deletion on.
const nameKeptFor = 90 * 24 * time.Hour

// Deletion is what becomes of an owner that was deleted, or what would become of
// it now.
type Deletion struct {
	Owner
	DeletedAt  *time.Time // nil: it is not deleted
	DeletedBy  string     // name of who did it, "" for a command
	ByOperator bool       // an operator deleted it, and only an operator can undo that
	ErasedFrom time.Time  // from then on it cannot be undone and everything is erased
	NameFrom   time.Time  // from then on somebody else may have the name
	// Blocking are the organisations that would have no owner left: as long as
	// there are some, a person cannot be deleted.
	Blocking []string
}

// times fills in what follows from the moment of the deletion, or from now.
func (d *Deletion) times(now time.Time) {
	if d.DeletedAt != nil {
		now = *d.DeletedAt
	}
	d.ErasedFrom, d.NameFrom = now.Add(UndoFor), now.Add(nameKeptFor)
}

const deletionColumns = ownerColumns + ", o.deleted_at, o.deleted_by, " + byOperator

func (d *Deletion) into() []any {
	return append(d.Owner.into(), &d.DeletedAt, &d.DeletedBy, &d.ByOperator)
}

// byOperator is the condition of owners o that were deleted on behalf of the operator,
// and not by the person itself or by an owner of the organisation. Names of owners stay
// what they are, and so do the members of what is deleted.
const byOperator = `(o.deleted_at IS NOT NULL AND o.deleted_by <> o.name AND NOT EXISTS (
	SELECT 1 FROM memberships AS own JOIN owners AS who ON who.id = own.user_id
	WHERE own.organization_id = o.id AND own.role = 'owner' AND who.name = o.deleted_by))`

// undoable is the condition of owners o that were deleted and can be brought back;
// since gives its parameter.
const undoable = "o.deleted_at > %s AND o.erase_begun_at IS NULL"

// sinceUndoable is the moment after which an owner must have been deleted to be
// brought back.
func (a *Accounts) sinceUndoable() time.Time { return a.now().Add(-UndoFor) }

// present gives an owner that is there, or was deleted and can be brought back.
func (a *Accounts) present(ctx context.Context, db *sqldb.DB, name string) (Deletion, error) {
	name = clean(strings.ToLower(name))
	var d Deletion
	err := db.Row(ctx, "SELECT "+deletionColumns+" FROM owners AS o WHERE o.name = $1 AND (o.deleted_at IS NULL OR "+fmt.Sprintf(undoable, "$2")+")",
		name, a.sinceUndoable()).Scan(d.into()...)
	if noRows(err) {
		return Deletion{}, access.Absent(access.Object{OwnerName: clip(name)})
	}
	if err != nil {
		return Deletion{}, fmt.Errorf("look up an owner that may be deleted: %w", err)
	}
	d.times(a.now())
	return d, nil
}

// disposes refuses everybody who may neither delete an owner nor bring it back: an
// organisation belongs to its members of role owner, a person to itself, and the
// operator may both. What was deleted is absent for all others. scope is as in
// access.Object.
func (a *Accounts) disposes(ctx context.Context, db *sqldb.DB, actor access.Actor, d Deletion, scope string) error {
	if access.Operates(actor) == nil {
		return nil
	}
	object := d.Object()
	object.Scope = scope
	var role access.Role
	if d.Kind == access.Organization && actor.Kind == access.KindPerson {
		var err error
		if role, err = roleOf(ctx, db, d.ID, actor.ID); err != nil {
			return err
		}
		actor.Roles = maps.Clone(actor.Roles) // those of a deleted organisation are not in it
		if role != "" {
			actor.Roles[d.ID] = role
		}
	}
	verdict := access.Can(actor, access.Admin, object)
	switch {
	case d.DeletedAt != nil && actor.Anonymous():
		return errs.New(errs.Unauthenticated, "Sign in to do this.")
	case d.DeletedAt != nil && role != access.RoleOwner:
		return access.Absent(d.Object())
	case verdict.Allowed && d.Kind == access.Organization && role != access.RoleOwner:
		return errs.New(errs.Forbidden, "Only an owner of %s can delete it.", d.Name).Because("owners-only")
	}
	return verdict.Err(object)
}

// Deletion tells what became of an owner that was deleted, or what would become of
// one that is there, to whoever may delete it.
func (a *Accounts) Deletion(ctx context.Context, actor access.Actor, name string) (Deletion, error) {
	d, err := a.present(ctx, a.db, name)
	if err != nil {
		return Deletion{}, err
	}
	if err := a.disposes(ctx, a.db, actor, d, "api:read"); err != nil {
		return Deletion{}, err
	}
	d.Blocking, err = a.blocking(ctx, a.db, d)
	return d, err
}

// Deleted lists the owners that were deleted and can be brought back, by name: to the
// operator all of them, to others the organisations that they own, those too that only
// the operator can bring back.
func (a *Accounts) Deleted(ctx context.Context, actor access.Actor) ([]Deletion, error) {
	if actor.Anonymous() {
		return nil, errs.New(errs.Unauthenticated, "Sign in to see what was deleted.")
	}
	whose, all := "o.id IN (SELECT m.organization_id FROM memberships AS m WHERE m.user_id = $2 AND m.role = 'owner')", false
	if access.Operates(actor) == nil {
		all = true
	}
	list, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, d *Deletion) error { return r.Scan(d.into()...) },
		"SELECT "+deletionColumns+" FROM owners AS o WHERE "+fmt.Sprintf(undoable, "$1")+" AND ($3 OR "+whose+") ORDER BY o.name",
		a.sinceUndoable(), actor.ID, all)
	if err != nil {
		return nil, fmt.Errorf("list deleted owners: %w", err)
	}
	open := []Deletion{}
	for _, d := range list {
		d.times(a.now())
		if err := a.disposes(ctx, a.db, actor, d, "api:read"); err == nil {
			open = append(open, d)
		}
	}
	return open, nil
}

// Gone gives the ids of the owners that were deleted and are not erased yet, for
// whoever keeps something of all owners for a moment.
func (a *Accounts) Gone(ctx context.Context) ([]string, error) {
	ids, err := sqldb.All(ctx, a.db, sqldb.Scalar[string], "SELECT id FROM owners WHERE deleted_at IS NOT NULL AND erased_at IS NULL ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list deleted owners: %w", err)
	}
	return ids, nil
}

// blocking lists the organisations that would have no owner without a person.
func (a *Accounts) blocking(ctx context.Context, db *sqldb.DB, d Deletion) ([]string, error) {
	if d.Kind != access.User {
		return nil, nil
	}
	names, err := sqldb.All(ctx, db, sqldb.Scalar[string], `
		SELECT o.name FROM memberships AS m JOIN owners AS o ON o.id = m.organization_id
		WHERE m.user_id = $1 AND m.role = 'owner' AND o.deleted_at IS NULL AND NOT EXISTS (
			SELECT 1 FROM memberships AS n JOIN owners AS u ON u.id = n.user_id JOIN users AS x ON x.owner_id = n.user_id
			WHERE n.organization_id = m.organization_id AND n.role = 'owner' AND n.user_id <> $1 AND u.deleted_at IS NULL AND x.disabled_at IS NULL)
		ORDER BY o.name`, d.ID)
	if err != nil {
		return nil, fmt.Errorf("look for organisations without another owner: %w", err)
	}
	return names, nil
}

// DeleteAccount deletes the account of the actor. The password must be shown;
// wrong ones count against the limit of sign-in. An organisation without another
// owner is errs.Conflict.
func (a *Accounts) DeleteAccount(ctx context.Context, actor access.Actor, password string) (Deletion, error) {
	if actor.Kind != access.KindPerson {
		return Deletion{}, errs.New(errs.Unauthenticated, "Sign in to delete your account.")
	}
	if actor.TokenID != "" {
		return Deletion{}, errs.New(errs.Forbidden, "An account is deleted on the web page, not with a token.")
	}
	u, hash, err := findUser(ctx, a.db, "o.id = $1", actor.ID)
	if err != nil {
		return Deletion{}, fmt.Errorf("look up user: %w", err)
	}
	right, err := a.guarded(ctx, actor, u.ID, hash, password)
	if err != nil {
		return Deletion{}, err
	}
	if !right {
		return Deletion{}, errs.New(errs.Invalid, "This is not your password.").On("password")
	}
	return a.delete(ctx, actor, u.Name)
}

// DeleteOwner deletes an organisation on behalf of one of its owners, or any owner
// on behalf of the operator. typed is the name again, errs.Invalid where it is
// another.
func (a *Accounts) DeleteOwner(ctx context.Context, actor access.Actor, name, typed string) (Deletion, error) {
	d, err := a.present(ctx, a.db, name)
	if err != nil {
		return Deletion{}, err
	}
	if err := a.mayDelete(ctx, a.db, actor, d); err != nil {
		return Deletion{}, err
	}
	if strings.ToLower(strings.TrimSpace(typed)) != d.Name {
		return Deletion{}, errs.New(errs.Invalid, "This is not the name. Type %s.", d.Name).On("confirm")
	}
	return a.delete(ctx, actor, d.Name)
}

// mayDelete judges whether the actor may delete an owner without its password.
func (a *Accounts) mayDelete(ctx context.Context, db *sqldb.DB, actor access.Actor, d Deletion) error {
	if d.DeletedAt != nil {
		return access.Absent(d.Object())
	}
	if d.Kind == access.User && actor.ID == d.ID && access.Operates(actor) != nil {
		return errs.New(errs.Forbidden, "An account is deleted on the web page, under Settings, Account, with its password.").Because("password-needed")
	}
	return a.disposes(ctx, db, actor, d, "")
}

// delete is the switch: one short transaction, however much there is. From then on
// nothing of the owner is found, and a person's sessions and tokens open nothing.
func (a *Accounts) delete(ctx context.Context, actor access.Actor, name string) (Deletion, error) {
	var d Deletion
	err := a.db.Tx(ctx, func(tx *sqldb.DB) error {
		// Uploads that have seen the owner end first; they may begin an access
		// generation themselves, hence before that.
		_, err := sqldb.All(ctx, tx, sqldb.Scalar[string], "SELECT id FROM owners WHERE name = $1"+tx.ForUpdate(), clean(strings.ToLower(name)))
		if err != nil {
			return fmt.Errorf("lock an owner: %w", err)
		}
		if err := access.Bump(ctx, tx); err != nil {
			return err
		}
		if d, err = a.present(ctx, tx, name); err != nil {
			return err
		}
		own := d.Kind == access.User && actor.ID == d.ID // has shown the password
		if !own || d.DeletedAt != nil {
			if err := a.mayDelete(ctx, tx, actor, d); err != nil {
				return err
			}
		}
		if err := a.deletable(ctx, tx, d); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE owners SET deleted_at = $2, deleted_by = $3 WHERE id = $1", d.ID, a.now(), actor.Name); err != nil {
			return fmt.Errorf("delete %s: %w", d.Name, err)
		}
		if d, err = a.present(ctx, tx, d.Name); err != nil {
			return err
		}
		if d.Kind == access.User {
			if err := endSessions(ctx, tx, d.ID, nil); err != nil {
				return err
			}
			if err := dropLinks(ctx, tx, linkReset, d.ID); err != nil {
				return err
			}
		}
		return a.record(ctx, tx, actor, audit.Entry{
			Action: d.Kind + ".delete", OwnerID: d.ID, ObjectKind: d.Kind, ObjectID: d.ID, ObjectName: d.Name,
			After: map[string]any{"erased_from": d.ErasedFrom},
		})
	})
	if err != nil {
		return Deletion{}, err
	}
	a.tellDeleted(ctx, d)
	return d, nil
}

// deletable refuses to delete what others depend on.
func (a *Accounts) deletable(ctx context.Context, tx *sqldb.DB, d Deletion) error {
	if access.MirrorName(d.Name) {
		return errs.New(errs.Forbidden, "%s belongs to the instance and cannot be deleted.", d.Name).Because("instance-owner")
	}
	blocking, err := a.blocking(ctx, tx, d)
	if err != nil {
		return err
	}
	if len(blocking) > 0 {
		return errs.New(errs.Conflict, "%s is the only owner of %s. Make somebody else owner, or delete the organisation, first.", d.Name, strings.Join(blocking, ", ")).
			Because("last-owner").With(blocking...)
	}
	if d.Kind != access.User {
		return nil
	}
	u, err := userNamed(ctx, tx, d.Name)
	if err != nil || !u.Operator {
		return err
	}
	return notLastOperator(ctx, tx, u)
}

// notLastOperator refuses to take the last operator away who can sign in.
func notLastOperator(ctx context.Context, tx *sqldb.DB, u User) error {
	others := 0
	err := tx.Row(ctx, `SELECT COUNT(*) FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE u.operator AND u.disabled_at IS NULL AND o.deleted_at IS NULL AND u.owner_id <> $1`, u.ID).Scan(&others)
	if err != nil {
		return fmt.Errorf("count operators: %w", err)
	}
	if others == 0 {
		return errs.New(errs.Forbidden, "%s is the last operator. Make another one first.", u.Name).Because("last-operator")
	}
	return nil
}

// tellDeleted mails until when a deletion can be undone, and how: to the person, or
// to the address and the owners of an organisation.
func (a *Accounts) tellDeleted(ctx context.Context, d Deletion) {
	how := "Owners of it undo that under Settings, Organizations:\n\n" + a.opts.URL + "/settings/organizations"
	query := `SELECT g.email FROM organizations AS g WHERE g.owner_id = $1
		UNION SELECT u.email FROM memberships AS m JOIN users AS u ON u.owner_id = m.user_id JOIN owners AS o ON o.id = u.owner_id
		WHERE m.organization_id = $1 AND m.role = 'owner' AND o.deleted_at IS NULL`
	if d.Kind == access.User {
		how = "To keep the account, sign in before then and choose \"Keep the account\":\n\n" + a.opts.URL + "/login"
		query = "SELECT email FROM users WHERE owner_id = $1"
	}
	addresses, err := sqldb.All(ctx, a.db, sqldb.Scalar[string], query, d.ID)
	if err != nil {
		a.opts.Log.ErrorContext(ctx, "look whom to tell of a deletion", "error", err)
		return
	}
	slices.Sort(addresses)
	by := ""
	switch {
	case d.ByOperator:
		by, how = " by an operator", "Only an operator can undo that. Ask them before then if it must not be."
	case d.DeletedBy != d.Name:
		by = " by " + d.DeletedBy
	}
	for i, to := range addresses {
		m := deletionMail(to, fmt.Sprintf("%s on %s was deleted%s.", d.Name, a.host(), by), d, how)
		if i < len(addresses)-1 {
			a.post(ctx, m)
		} else {
			a.send(ctx, m)
		}
	}
}
