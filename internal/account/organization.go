package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Organization is an organisation as its members see it.
type Organization struct {
	Owner
	Email string
	Role  access.Role // of the user whose organisations were asked for, or ""
}

// Member is a person in an organisation.
type Member struct {
	UserID   string
	Name     string
	FullName string
	Role     access.Role
	Since    time.Time
}

// organization gives an organisation by name, or errs.NotFound.
func organization(ctx context.Context, db *sqldb.DB, name string) (Owner, error) {
	o, err := owner(ctx, db, name)
	if err == nil && o.Kind != access.Organization {
		err = errs.New(errs.NotFound, "%s is a user, not an organisation.", o.Name)
	}
	return o, err
}

// CreateOrganization makes an organisation whose owner is the actor. Names are
// refused as those of users are; an unverified actor is errs.Forbidden.
func (a *Accounts) CreateOrganization(ctx context.Context, actor access.Actor, name, email string) (Organization, error) {
	if actor.Kind != access.KindPerson {
		return Organization{}, errs.New(errs.Unauthenticated, "Sign in to make an organisation.")
	}
	self := access.Object{OwnerID: actor.ID, OwnerName: actor.Name, OwnerKind: access.User}
	if err := access.Can(actor, access.Admin, self).Err(self); err != nil {
		return Organization{}, err
	}
	if err := actor.MayPublish(); err != nil {
		return Organization{}, err
	}
	name = strings.ToLower(strings.TrimSpace(name))
	var found problems
	found.add(a.free(ctx, a.db, name, "Name"))
	address, err := checkEmail(email)
	found.add(err)
	if err := found.err(); err != nil {
		return Organization{}, err
	}
	org := Organization{Email: address, Role: access.RoleOwner}
	err = a.change(ctx, func(tx *sqldb.DB) error {
		if err := a.free(ctx, tx, name, "Name"); err != nil {
			return err
		}
		now := a.now()
		org.Owner = Owner{ID: access.NewID(now), Name: name, Kind: access.Organization, CreatedAt: now}
		if err := a.insertOrganization(ctx, tx, actor, org.Owner, address, access.Public); err != nil {
			return err
		}
		return a.putMember(ctx, tx, org.ID, actor.ID, access.RoleOwner)
	})
	if err != nil {
		return Organization{}, err
	}
	return org, nil
}

// insertOrganization makes the rows of an organisation without members.
func (a *Accounts) insertOrganization(ctx context.Context, tx *sqldb.DB, actor access.Actor, o Owner, email, visibility string) error {
	if err := a.insertOwner(ctx, tx, o, visibility); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO organizations (owner_id, email, created_by) VALUES ($1, $2, $3)", o.ID, email, actor.ID)
	if err != nil {
		return fmt.Errorf("make organisation %s: %w", o.Name, err)
	}
	return a.record(ctx, tx, actor, audit.Entry{
		Action: "organization.create", OwnerID: o.ID, ObjectKind: "organization", ObjectID: o.ID, ObjectName: o.Name,
		After: map[string]any{"email": email, "owner": actor.Name},
	})
}

// OrganizationsOf lists the organisations that a user belongs to, by name, with
// the user's roles: all of them to the user itself and the operator, to others
// those to which they belong too, without the mail addresses.
func (a *Accounts) OrganizationsOf(ctx context.Context, actor access.Actor, user string) ([]Organization, error) {
	u, err := userNamed(ctx, a.db, user)
	if err != nil {
		return nil, err
	}
	orgs, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, g *Organization) error {
		return r.Scan(append(g.Owner.into(), &g.Email, &g.Role)...)
	}, "SELECT "+ownerColumns+`, g.email, m.role
		FROM memberships AS m JOIN organizations AS g ON g.owner_id = m.organization_id JOIN owners AS o ON o.id = g.owner_id
		WHERE m.user_id = $1 AND o.deleted_at IS NULL ORDER BY o.name`, u.ID)
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	if !actor.Anonymous() && actor.ID == u.ID || access.Operates(actor) == nil {
		return orgs, nil
	}
	shared := []Organization{}
	for _, o := range orgs {
		_, member := actor.Roles[o.ID]
		if member && !actor.Anonymous() && actor.Scopes.Allow("api:read") && (actor.OrgToken == "" || actor.OrgToken == o.ID) {
			o.Email = ""
			shared = append(shared, o)
		}
	}
	return shared, nil
}

// seen gives an organisation if the actor may see who belongs to it: its members
// and the operator may.
func (a *Accounts) seen(ctx context.Context, db *sqldb.DB, actor access.Actor, org string) (Owner, error) {
	o, err := organization(ctx, db, org)
	if err != nil {
		return Owner{}, err
	}
	_, member := actor.Roles[o.ID]
	switch {
	case access.Operates(actor) == nil:
		return o, nil
	case actor.Anonymous():
		return Owner{}, errs.New(errs.Unauthenticated, "Sign in to see the members and groups of %s.", o.Name)
	case !member, actor.OrgToken != "" && actor.OrgToken != o.ID:
		return Owner{}, errs.New(errs.Forbidden, "Only members of %s see its members and groups.", o.Name)
	case !actor.Scopes.Allow("api:read"):
		return Owner{}, errs.New(errs.Forbidden, "This token lacks the scope api:read. Make one that has it.")
	}
	return o, nil
}

// Members lists the members of an organisation by name, for members and the
// operator.
func (a *Accounts) Members(ctx context.Context, actor access.Actor, org string) ([]Member, error) {
	o, err := a.seen(ctx, a.db, actor, org)
	if err != nil {
		return nil, err
	}
	return members(ctx, a.db, `
		SELECT u.id, u.name, u.full_name, m.role, m.created_at FROM memberships AS m JOIN owners AS u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND u.deleted_at IS NULL ORDER BY u.name`, o.ID)
}

func members(ctx context.Context, db *sqldb.DB, query string, args ...any) ([]Member, error) {
	list, err := sqldb.All(ctx, db, func(r *sqldb.Rows, m *Member) error {
		return r.Scan(&m.UserID, &m.Name, &m.FullName, &m.Role, &m.Since)
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	return list, nil
}

// AddMember takes a user into an organisation. Owners and administrators may;
// only owners make owners. Who belongs to it already is errs.Exists.
func (a *Accounts) AddMember(ctx context.Context, actor access.Actor, org, user string, role access.Role) error {
	return a.changeRole(ctx, actor, org, user, false, func(name string, had access.Role) (access.Role, error) {
		if had != "" {
			return "", errs.New(errs.Exists, "%s belongs to %s already.", name, org)
		}
		return role, checkRole(role)
	})
}

// SetRole gives a member another role. Only owners make and unmake owners; the
// last one stays, errs.Forbidden.
func (a *Accounts) SetRole(ctx context.Context, actor access.Actor, org, user string, role access.Role) error {
	return a.changeRole(ctx, actor, org, user, false, func(name string, had access.Role) (access.Role, error) {
		if had == "" {
			return "", errs.New(errs.NotFound, "%s is no member of %s.", name, org)
		}
		return role, checkRole(role)
	})
}

// RemoveMember takes a user out of an organisation, with the places in its
// groups, the grants on what it holds and its tokens. Members may leave; the last
// owner may not, errs.Forbidden. One who was deleted and can be brought back is a
// member as others are.
func (a *Accounts) RemoveMember(ctx context.Context, actor access.Actor, org, user string) error {
	return a.changeRole(ctx, actor, org, user, true, func(name string, had access.Role) (access.Role, error) {
		if had == "" {
			return "", errs.New(errs.NotFound, "%s is no member of %s.", name, org)
		}
		return "", nil
	})
}

func checkRole(role access.Role) error {
	if !role.Valid() {
		return errs.New(errs.Invalid, "A member is owner, administrator or member, not %q.", clip(string(role))).On("role")
	}
	return nil
}

// changeRole is the one road of every change of a membership: decide gets the
// role that the user has ("" none) and gives the one that it shall have. Where it
// only takes, the user may be one who was deleted.
func (a *Accounts) changeRole(ctx context.Context, actor access.Actor, org, user string, takes bool,
	decide func(name string, had access.Role) (access.Role, error),
) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		o, err := organization(ctx, tx, org)
		if err != nil {
			return err
		}
		u, err := userNamed(ctx, tx, user)
		if takes && err != nil {
			if _, denied := a.administered(ctx, tx, actor, o.Name, ""); denied == nil {
				u, err = a.departed(ctx, tx, user, err, "SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND organization_id = $2", o.ID)
			}
		}
		if err != nil {
			return err
		}
		had, err := roleOf(ctx, tx, o.ID, u.ID)
		if err != nil {
			return err
		}
		// Everybody may leave; anything else is for administrators.
		shall, err := decide(u.Name, had)
		leaves := err == nil && shall == "" && actor.Kind == access.KindPerson && actor.ID == u.ID &&
			actor.Scopes.Allow("api:write") && len(actor.Resources) == 0 && (actor.OrgToken == "" || actor.OrgToken == o.ID)
		if !leaves {
			if _, err := a.administered(ctx, tx, actor, o.Name, ""); err != nil {
				return err
			}
		}
		if err != nil || shall == had {
			return err
		}
		if err := a.mayMakeOwners(actor, o, had, shall, leaves); err != nil {
			return err
		}
		if had == access.RoleOwner {
			if err := notLastOwner(ctx, tx, o, u.ID); err != nil {
				return err
			}
		}
		return a.setMember(ctx, tx, actor, o, u, had, shall)
	})
}

// mayMakeOwners refuses everybody but owners and the operator who would make or
// unmake an owner.
func (a *Accounts) mayMakeOwners(actor access.Actor, o Owner, had, shall access.Role, leaves bool) error {
	if had != access.RoleOwner && shall != access.RoleOwner || leaves {
		return nil
	}
	if actor.Roles[o.ID] == access.RoleOwner || access.Operates(actor) == nil {
		return nil
	}
	return errs.New(errs.Forbidden, "Only an owner of %s makes or removes owners.", o.Name).Because("owners-only")
}

func notLastOwner(ctx context.Context, tx *sqldb.DB, o Owner, userID string) error {
	var others int
	err := tx.Row(ctx, `
		SELECT COUNT(*) FROM memberships AS m JOIN owners AS u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND m.role = 'owner' AND m.user_id <> $2 AND u.deleted_at IS NULL`, o.ID, userID).Scan(&others)
	if err != nil {
		return fmt.Errorf("count owners: %w", err)
	}
	if others == 0 {
		return errs.New(errs.Forbidden, "This is the last owner of %s. Make somebody else owner first.", o.Name).Because("last-owner")
	}
	return nil
}

// setMember writes a membership, or ends it where shall is "".
func (a *Accounts) setMember(ctx context.Context, tx *sqldb.DB, actor access.Actor, o Owner, u User, had, shall access.Role) error {
	entry := audit.Entry{Action: "member.set-role", OwnerID: o.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name}
	switch {
	case shall == "":
		entry.Action = "member.remove"
		if err := a.expel(ctx, tx, actor, o, u); err != nil {
			return err
		}
	case had == "":
		entry.Action = "member.add"
		fallthrough
	default:
		if err := a.putMember(ctx, tx, o.ID, u.ID, shall); err != nil {
			return err
		}
	}
	if had != "" {
		entry.Before = map[string]any{"role": had}
	}
	if shall != "" {
		entry.After = map[string]any{"role": shall}
	}
	return a.record(ctx, tx, actor, entry)
}

func (a *Accounts) putMember(ctx context.Context, tx *sqldb.DB, organizationID, userID string, role access.Role) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO memberships (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role`,
		organizationID, userID, string(role), a.now())
	if err != nil {
		return fmt.Errorf("store a membership: %w", err)
	}
	return nil
}

// expel ends all that a user holds in an organisation.
func (a *Accounts) expel(ctx context.Context, tx *sqldb.DB, actor access.Actor, o Owner, u User) error {
	tokens, err := findTokens(ctx, tx, "t.organization_id = $1 AND t.user_id = $2", o.ID, u.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := a.revoke(ctx, tx, actor, o.ID, t.ID, t.Name); err != nil {
			return err
		}
	}
	for _, query := range []string{
		"DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2",
		"DELETE FROM group_members WHERE user_id = $2 AND group_id IN (SELECT id FROM groups WHERE organization_id = $1)",
		`DELETE FROM grants WHERE subject_kind = 'user' AND subject_id = $2 AND (
			object_kind = 'owner' AND object_id = $1
			OR object_kind = 'channel' AND object_id IN (SELECT id FROM channels WHERE owner_id = $1)
			OR object_kind = 'package' AND object_id IN (SELECT id FROM packages WHERE owner_id = $1))`,
	} {
		if _, err := tx.Exec(ctx, query, o.ID, u.ID); err != nil {
			return fmt.Errorf("take %s out of %s: %w", u.Name, o.Name, err)
		}
	}
	return nil
}

// roleOf gives the role of a user in an organisation, "" where it has none.
func roleOf(ctx context.Context, db *sqldb.DB, organizationID, userID string) (access.Role, error) {
	var role access.Role
	err := db.Row(ctx, "SELECT role FROM memberships WHERE organization_id = $1 AND user_id = $2", organizationID, userID).Scan(&role)
	if err != nil && !noRows(err) {
		return "", fmt.Errorf("look up a role: %w", err)
	}
	return role, nil
}
