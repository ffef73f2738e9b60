package account

import (
	"context"
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/sqldb"
)

// Log gives what happened to an owner and its things, newest first, and what to
// ask the next page with. The owner, its administrators and the operator may.
func (a *Accounts) Log(ctx context.Context, actor access.Actor, o Owner, f audit.Filter) ([]audit.Row, string, error) {
	return audit.ListFor(ctx, a.db, actor, o.Object(), f)
}

// MyOrganizations lists the organisations that the actor itself belongs to, by
// name, with its roles.
func (a *Accounts) MyOrganizations(ctx context.Context, actor access.Actor) ([]Organization, error) {
	orgs, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, g *Organization) error {
		return r.Scan(append(g.Owner.into(), &g.Email, &g.Role)...)
	}, "SELECT "+ownerColumns+`, g.email, m.role
		FROM memberships AS m JOIN organizations AS g ON g.owner_id = m.organization_id JOIN owners AS o ON o.id = g.owner_id
		WHERE m.user_id = $1 AND o.deleted_at IS NULL ORDER BY o.name`, actor.ID)
	if err != nil {
		return nil, fmt.Errorf("list one's organisations: %w", err)
	}
	return orgs, nil
}

// CountMembers counts the members of the organisations that the actor belongs to,
// by the id of the organisation.
func (a *Accounts) CountMembers(ctx context.Context, actor access.Actor) (map[string]int, error) {
	counts := map[string]int{}
	err := a.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var id string
		var n int
		err := r.Scan(&id, &n)
		counts[id] = n
		return err
	}, `SELECT m.organization_id, count(*) FROM memberships AS m JOIN memberships AS mine ON mine.organization_id = m.organization_id
		JOIN owners AS u ON u.id = m.user_id
		WHERE mine.user_id = $1 AND u.deleted_at IS NULL GROUP BY m.organization_id`, actor.ID)
	if err != nil {
		return nil, fmt.Errorf("count members: %w", err)
	}
	return counts, nil
}

// CheckVerify gives the address that a verification link would verify:
// errs.NotFound where the link is unknown, errs.Gone where it was used or ended.
func (a *Accounts) CheckVerify(ctx context.Context, code string) (email string, err error) {
	l, err := a.findLink(ctx, a.db, linkVerify, code)
	return l.Email, err
}
