package account

import (
	"context"
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/sqldb"
)

// eraseBatch is how many rows of an owner one transaction removes.
const eraseBatch = 500

// DueOwners gives the owners whose deletion can be undone no more and of whom there
// is something left, and makes sure that nobody brings them back.
func (a *Accounts) DueOwners(ctx context.Context) ([]Owner, error) {
	_, err := a.db.Exec(ctx, "UPDATE owners SET erase_begun_at = $1 WHERE deleted_at <= $2 AND erase_begun_at IS NULL", a.now(), a.sinceUndoable())
	if err != nil {
		return nil, fmt.Errorf("begin to erase owners: %w", err)
	}
	due, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, o *Owner) error { return r.Scan(o.into()...) },
		"SELECT "+ownerColumns+" FROM owners AS o WHERE o.deleted_at IS NOT NULL AND o.erase_begun_at IS NOT NULL AND o.erased_at IS NULL ORDER BY o.deleted_at, o.id")
	if err != nil {
		return nil, fmt.Errorf("list the owners that are to be erased: %w", err)
	}
	return due, nil
}

// CountDue counts what DueOwners would give.
func (a *Accounts) CountDue(ctx context.Context) (n int, err error) {
	err = a.db.Row(ctx, "SELECT COUNT(*) FROM owners WHERE deleted_at <= $1 AND erased_at IS NULL", a.sinceUndoable()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the owners that are to be erased: %w", err)
	}
	return n, nil
}

// EraseRights removes what an owner of DueOwners could and was given: grants,
// groups, memberships, tokens, sessions, links. It works in short transactions and
// may be cut off and begun again. It comes before the packages, which some grants
// are found by.
func (a *Accounts) EraseRights(ctx context.Context, o Owner) error {
	for _, rows := range []struct{ table, key, condition string }{
		{"grants", "id", "subject_kind = 'user' AND subject_id = $1"},
		{"grants", "id", "subject_kind = 'group' AND subject_id IN (SELECT s.id FROM groups AS s WHERE s.organization_id = $1)"},
		{"grants", "id", "object_kind = 'owner' AND object_id = $1"},
		{"grants", "id", "object_kind = 'channel' AND object_id IN (SELECT c.id FROM channels AS c WHERE c.owner_id = $1)"},
		{"grants", "id", "object_kind = 'package' AND object_id IN (SELECT p.id FROM package_rows AS p WHERE p.owner_id = $1)"},
		{"group_members", "user_id, group_id", "user_id = $1"},
		{"group_members", "user_id, group_id", "group_id IN (SELECT s.id FROM groups AS s WHERE s.organization_id = $1)"},
		{"groups", "id", "organization_id = $1"},
		{"memberships", "user_id, organization_id", "user_id = $1 OR organization_id = $1"},
		{"tokens", "id", "user_id = $1 OR organization_id = $1"},
		{"sessions", "hash", "user_id = $1"},
		{"links", "hash", "user_id = $1"},
		{"idempotency", "actor_id, key", "actor_id = $1"},
	} {
		query := fmt.Sprintf("DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE %[3]s LIMIT $2)", rows.table, rows.key, rows.condition)
		for {
			n, err := a.db.Exec(ctx, query, o.ID, eraseBatch)
			if err != nil {
				return fmt.Errorf("erase the %s of %s: %w", rows.table, o.Name, err)
			}
			if n < eraseBatch {
				break
			}
		}
	}
	return nil
}

// quoting are the deeds on an owner whose rows in the log have what it said of itself,
// or its address.
func quoting() []string {
	return []string{
		"user.create", "user.sign-up", "user.create-operator", "user.verify-email", "user.update",
		"organization.create", "organization.update",
	}
}

// EndErasing removes what a person or an organisation said of itself, the address
// and the password's hash, from the log too, and writes down that the owner is
// erased. held is what the caller has removed of it, for the log. The name stays
// reserved.
func (a *Accounts) EndErasing(ctx context.Context, actor access.Actor, o Owner, held map[string]any) error {
	var address string
	err := a.db.Row(ctx, "SELECT email_key FROM users WHERE owner_id = $1", o.ID).Scan(&address)
	if err != nil && !noRows(err) {
		return fmt.Errorf("look up the address of %s: %w", o.Name, err)
	}
	var named []string
	if address != "" { // outside the transaction: it walks through the log
		named, err = audit.OnAddresses(ctx, a.db, func(s string) bool { return emailKey(s) == address })
		if err != nil {
			return err
		}
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		if err := audit.Blank(ctx, tx, o.ID, quoting(), named); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM links WHERE email = $1 AND email <> ''", address); err != nil {
			return fmt.Errorf("erase the invitations of %s: %w", o.Name, err)
		}
		for _, query := range []string{
			"DELETE FROM users WHERE owner_id = $1",
			"DELETE FROM organizations WHERE owner_id = $1",
		} {
			if _, err := tx.Exec(ctx, query, o.ID); err != nil {
				return fmt.Errorf("erase %s: %w", o.Name, err)
			}
		}
		n, err := tx.Exec(ctx, `
			UPDATE owners SET full_name = '', company = '', location = '', url = '', description = '', erased_at = $2 WHERE id = $1 AND erased_at IS NULL`, o.ID, a.now())
		if err != nil {
			return fmt.Errorf("erase what %s said of itself: %w", o.Name, err)
		}
		if n == 0 {
			return nil // another process was quicker
		}
		return a.record(ctx, tx, actor, audit.Entry{
			Action: o.Kind + ".erase", OwnerID: o.ID, ObjectKind: o.Kind, ObjectID: o.ID, ObjectName: o.Name, Before: held,
		})
	})
}

// FreeNames gives the names free of owners that were deleted 90 days ago. Their rows
// stay under a name that nobody can have: the log refers to them.
func (a *Accounts) FreeNames(ctx context.Context) (int, error) {
	n, err := a.db.Exec(ctx, `
		UPDATE owners SET name = '~' || id, name_key = '~' || id WHERE deleted_at <= $1 AND erased_at IS NOT NULL AND name <> '~' || id`, a.now().Add(-nameKeptFor))
	if err != nil {
		return 0, fmt.Errorf("free the names of deleted owners: %w", err)
	}
	return int(n), nil
}
