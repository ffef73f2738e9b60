package account

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Owners is the group that every organisation has: its members of role owner. It
// has no row; whoever is put into it gets the role.
const Owners = "owners"

// Group is a set of members with one right on all or on chosen packages.
type Group struct {
	ID             string // "" for Owners
	Name           string
	Permission     access.Verb
	AllPackages    bool
	Members        int
	ChosenPackages int
	CreatedAt      time.Time
}

// NewGroup is a group to be made or the new state of one.
type NewGroup struct {
	Name        string
	Permission  access.Verb
	AllPackages bool
}

// GroupUpdate changes a group; what is nil stays.
type GroupUpdate struct {
	Name        *string
	Permission  *access.Verb
	AllPackages *bool
}

// GroupPackage is a package that a group reaches.
type GroupPackage struct {
	ID, Name, Summary string
	Private           bool
}

// modifyGroup is the scope of every change of a group.
const modifyGroup = "api:modify-group"

var groupName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func checkGroup(n NewGroup) (NewGroup, error) {
	n.Name = strings.ToLower(strings.TrimSpace(n.Name))
	var found problems
	if !groupName.MatchString(n.Name) {
		found.add(errs.New(errs.Invalid, "The name of a group holds letters, digits, dots, - and _, at most 64, and begins with a letter or a digit.").On("name"))
	}
	if !n.Permission.Valid() {
		found.add(errs.New(errs.Invalid, "A group may read, write or admin; %q is none of them.", clip(string(n.Permission))).On("permission"))
	}
	return n, found.err()
}

func ownersFixed() error {
	return errs.New(errs.Forbidden, "The group owners always exists and may do everything. It cannot be changed or deleted.").Because("owners-fixed")
}

// Groups lists the groups of an organisation for its members: Owners first, then
// by name.
func (a *Accounts) Groups(ctx context.Context, actor access.Actor, org string) ([]Group, error) {
	o, err := a.seen(ctx, a.db, actor, org)
	if err != nil {
		return nil, err
	}
	groups, err := findGroups(ctx, a.db, o, "TRUE")
	if err != nil {
		return nil, err
	}
	first, err := ownersGroup(ctx, a.db, o)
	if err != nil {
		return nil, err
	}
	return append([]Group{first}, groups...), nil
}

// Group gives one group of an organisation to its members.
func (a *Accounts) Group(ctx context.Context, actor access.Actor, org, group string) (Group, error) {
	o, err := a.seen(ctx, a.db, actor, org)
	if err != nil {
		return Group{}, err
	}
	if strings.EqualFold(group, Owners) {
		return ownersGroup(ctx, a.db, o)
	}
	return groupNamed(ctx, a.db, o, group)
}

func ownersGroup(ctx context.Context, db *sqldb.DB, o Owner) (Group, error) {
	g := Group{Name: Owners, Permission: access.Admin, AllPackages: true, CreatedAt: o.CreatedAt}
	err := db.Row(ctx, `
		SELECT COUNT(*) FROM memberships AS m JOIN owners AS u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND m.role = 'owner' AND u.deleted_at IS NULL`, o.ID).Scan(&g.Members)
	if err != nil {
		return Group{}, fmt.Errorf("count owners: %w", err)
	}
	return g, nil
}

// findGroups lists the groups of an organisation that a condition on groups s
// leaves; its parameters begin at $2.
func findGroups(ctx context.Context, db *sqldb.DB, o Owner, condition string, args ...any) ([]Group, error) {
	groups, err := sqldb.All(ctx, db, func(r *sqldb.Rows, g *Group) error {
		return r.Scan(&g.ID, &g.Name, &g.Permission, &g.AllPackages, &g.CreatedAt, &g.Members, &g.ChosenPackages)
	}, `
		SELECT s.id, s.name, s.permission, s.all_packages, s.created_at,
		       (SELECT COUNT(*) FROM group_members AS m JOIN owners AS u ON u.id = m.user_id WHERE m.group_id = s.id AND u.deleted_at IS NULL),
		       (SELECT COUNT(*) FROM grants AS g JOIN packages AS p ON p.id = g.object_id AND p.deleted_at IS NULL
		        WHERE g.subject_kind = 'group' AND g.subject_id = s.id AND g.object_kind = 'package')
		FROM groups AS s WHERE s.organization_id = $1 AND `+condition+" ORDER BY s.name", append([]any{o.ID}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return groups, nil
}

// groupNamed gives a group other than Owners by name, or errs.NotFound.
func groupNamed(ctx context.Context, db *sqldb.DB, o Owner, name string) (Group, error) {
	groups, err := findGroups(ctx, db, o, "s.name = $2", clean(strings.ToLower(name)))
	if err != nil {
		return Group{}, err
	}
	if len(groups) == 0 {
		return Group{}, errs.New(errs.NotFound, "There is no group %s in %s.", clip(name), o.Name)
	}
	return groups[0], nil
}

// changeGroup runs f on a group that the actor may change.
func (a *Accounts) changeGroup(ctx context.Context, actor access.Actor, org, group string, f func(tx *sqldb.DB, o Owner, g Group) error) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		o, err := a.groupOwner(ctx, tx, actor, org)
		if err != nil {
			return err
		}
		if strings.EqualFold(group, Owners) {
			return ownersFixed()
		}
		g, err := groupNamed(ctx, tx, o, group)
		if err != nil {
			return err
		}
		return f(tx, o, g)
	})
}

// groupOwner gives an organisation whose groups the actor may change.
func (a *Accounts) groupOwner(ctx context.Context, tx *sqldb.DB, actor access.Actor, org string) (Owner, error) {
	o, err := a.administered(ctx, tx, actor, org, modifyGroup)
	if err == nil && o.Kind != access.Organization {
		err = errs.New(errs.Invalid, "Only organisations have groups. Add a collaborator to the package instead.")
	}
	return o, err
}

func groupEntry(action string, o Owner, g Group) audit.Entry {
	return audit.Entry{Action: action, OwnerID: o.ID, ObjectKind: "group", ObjectID: g.ID, ObjectName: g.Name}
}

func (g Group) state() map[string]any {
	return map[string]any{"name": g.Name, "permission": g.Permission, "all_packages": g.AllPackages}
}

// CreateGroup makes a group; its name being taken is errs.Exists.
func (a *Accounts) CreateGroup(ctx context.Context, actor access.Actor, org string, n NewGroup) (Group, error) {
	n, err := checkGroup(n)
	if err != nil {
		return Group{}, err
	}
	var g Group
	err = a.change(ctx, func(tx *sqldb.DB) error {
		o, err := a.groupOwner(ctx, tx, actor, org)
		if err != nil {
			return err
		}
		if err := groupFree(ctx, tx, o, n.Name); err != nil {
			return err
		}
		now := a.now()
		g = Group{ID: access.NewID(now), Name: n.Name, Permission: n.Permission, AllPackages: n.AllPackages, CreatedAt: now}
		_, err = tx.Exec(ctx, `
			INSERT INTO groups (id, organization_id, name, permission, all_packages, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			g.ID, o.ID, g.Name, string(g.Permission), g.AllPackages, now)
		if err != nil {
			return fmt.Errorf("make group %s: %w", g.Name, err)
		}
		entry := groupEntry("group.create", o, g)
		entry.After = g.state()
		return a.record(ctx, tx, actor, entry)
	})
	return g, err
}

func groupFree(ctx context.Context, tx *sqldb.DB, o Owner, name string) error {
	groups, err := findGroups(ctx, tx, o, "s.name = $2", name)
	if err != nil {
		return err
	}
	if len(groups) > 0 || name == Owners {
		return errs.New(errs.Exists, "%s has a group %s already.", o.Name, name).On("name").Because("group-exists")
	}
	return nil
}

// UpdateGroup gives a group a whole new state.
func (a *Accounts) UpdateGroup(ctx context.Context, actor access.Actor, org, group string, n NewGroup) (Group, error) {
	return a.ChangeGroup(ctx, actor, org, group, GroupUpdate{&n.Name, &n.Permission, &n.AllPackages})
}

// ChangeGroup gives a group another name, permission or reach.
func (a *Accounts) ChangeGroup(ctx context.Context, actor access.Actor, org, group string, u GroupUpdate) (Group, error) {
	var after Group
	err := a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		n := NewGroup{g.Name, g.Permission, g.AllPackages}
		if u.Name != nil {
			n.Name = *u.Name
		}
		if u.Permission != nil {
			n.Permission = *u.Permission
		}
		if u.AllPackages != nil {
			n.AllPackages = *u.AllPackages
		}
		n, err := checkGroup(n)
		if err != nil {
			return err
		}
		if n.Name != g.Name {
			if err := groupFree(ctx, tx, o, n.Name); err != nil {
				return err
			}
		}
		after = g
		after.Name, after.Permission, after.AllPackages = n.Name, n.Permission, n.AllPackages
		_, err = tx.Exec(ctx, "UPDATE groups SET name = $1, permission = $2, all_packages = $3 WHERE id = $4",
			after.Name, string(after.Permission), after.AllPackages, g.ID)
		if err != nil {
			return fmt.Errorf("update group %s: %w", g.Name, err)
		}
		// A group has one permission, on all that it was given by choice.
		_, err = tx.Exec(ctx, "UPDATE grants SET verb = $1 WHERE subject_kind = 'group' AND subject_id = $2 AND object_kind = 'package'",
			string(after.Permission), g.ID)
		if err != nil {
			return fmt.Errorf("update the grants of group %s: %w", g.Name, err)
		}
		entry := groupEntry("group.update", o, after)
		entry.Before, entry.After = g.state(), after.state()
		return a.record(ctx, tx, actor, entry)
	})
	return after, err
}

// DeleteGroup deletes a group and what it grants. Its members stay members of the
// organisation.
func (a *Accounts) DeleteGroup(ctx context.Context, actor access.Actor, org, group string) error {
	return a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		for _, query := range []string{
			"DELETE FROM grants WHERE subject_kind = 'group' AND subject_id = $1",
			"DELETE FROM group_members WHERE group_id = $1",
			"DELETE FROM groups WHERE id = $1",
		} {
			if _, err := tx.Exec(ctx, query, g.ID); err != nil {
				return fmt.Errorf("delete group %s: %w", g.Name, err)
			}
		}
		entry := groupEntry("group.delete", o, g)
		entry.Before = g.state()
		return a.record(ctx, tx, actor, entry)
	})
}

// GroupMembers lists the members of a group by name, with their roles in the
// organisation, for its members.
func (a *Accounts) GroupMembers(ctx context.Context, actor access.Actor, org, group string) ([]Member, error) {
	o, err := a.seen(ctx, a.db, actor, org)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(group, Owners) {
		return members(ctx, a.db, `
			SELECT u.id, u.name, u.full_name, m.role, m.created_at FROM memberships AS m JOIN owners AS u ON u.id = m.user_id
			WHERE m.organization_id = $1 AND m.role = 'owner' AND u.deleted_at IS NULL ORDER BY u.name`, o.ID)
	}
	g, err := groupNamed(ctx, a.db, o, group)
	if err != nil {
		return nil, err
	}
	return members(ctx, a.db, `
		SELECT u.id, u.name, u.full_name, COALESCE(r.role, 'member'), m.created_at
		FROM group_members AS m JOIN owners AS u ON u.id = m.user_id
		LEFT JOIN memberships AS r ON r.organization_id = $2 AND r.user_id = m.user_id
		WHERE m.group_id = $1 AND u.deleted_at IS NULL ORDER BY u.name`, g.ID, o.ID)
}

// AddGroupMember puts a user into a group and, where it is none yet, makes it a
// member of the organisation. In Owners it gets the role. Who is in it already is
// no error.
func (a *Accounts) AddGroupMember(ctx context.Context, actor access.Actor, org, group, user string) error {
	if strings.EqualFold(group, Owners) {
		return a.changeOwners(ctx, actor, org, user, access.RoleOwner)
	}
	return a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		u, err := userNamed(ctx, tx, user)
		if err != nil {
			return err
		}
		role, err := roleOf(ctx, tx, o.ID, u.ID)
		if err != nil {
			return err
		}
		if role == "" {
			if err := a.setMember(ctx, tx, actor, o, u, "", access.RoleMember); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `
			INSERT INTO group_members (group_id, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, g.ID, u.ID, a.now())
		if err != nil {
			return fmt.Errorf("put %s into group %s: %w", u.Name, g.Name, err)
		}
		if n == 0 {
			return nil
		}
		entry := groupEntry("group.add-member", o, g)
		entry.After = map[string]any{"user": u.Name}
		return a.record(ctx, tx, actor, entry)
	})
}

// RemoveGroupMember takes a user out of a group, errs.NotFound where it is not in
// it. Out of Owners, it stays a member; the last owner stays owner. One who was
// deleted and can be brought back is in it as others are.
func (a *Accounts) RemoveGroupMember(ctx context.Context, actor access.Actor, org, group, user string) error {
	if strings.EqualFold(group, Owners) {
		return a.changeOwners(ctx, actor, org, user, access.RoleMember)
	}
	return a.changeGroup(ctx, actor, org, group, func(tx *sqldb.DB, o Owner, g Group) error {
		u, err := userNamed(ctx, tx, user)
		if err != nil {
			u, err = a.departed(ctx, tx, user, err, "SELECT COUNT(*) FROM group_members WHERE user_id = $1 AND group_id = $2", g.ID)
		}
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "DELETE FROM group_members WHERE group_id = $1 AND user_id = $2", g.ID, u.ID)
		if err != nil {
			return fmt.Errorf("take %s out of group %s: %w", u.Name, g.Name, err)
		}
		if n == 0 {
			return errs.New(errs.NotFound, "%s is not in the group %s.", u.Name, g.Name)
		}
		entry := groupEntry("group.remove-member", o, g)
		entry.Before = map[string]any{"user": u.Name}
		return a.record(ctx, tx, actor, entry)
	})
}

// changeOwners puts a user into the group owners or takes it out.
func (a *Accounts) changeOwners(ctx context.Context, actor access.Actor, org, user string, shall access.Role) error {
	if !actor.Scopes.Allow(modifyGroup) {
		return errs.New(errs.Forbidden, "This token lacks the scope %s. Make one that has it.", modifyGroup)
	}
	return a.changeRole(ctx, actor, org, user, shall != access.RoleOwner, func(name string, had access.Role) (access.Role, error) {
		if shall != access.RoleOwner && had != access.RoleOwner {
			return "", errs.New(errs.NotFound, "%s is not in the group owners.", name)
		}
		return shall, nil
	})
}
