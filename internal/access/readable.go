package access

import (
	"fmt"
	"slices"

	"terrarium/internal/sqldb"
)

// ReadablePackages gives an SQL condition that holds for the packages that the
// actor may read through the API: Can as a filter of lists. The query must have
// the table packages under the given alias. arg takes a value and gives the
// placeholder under which the query will be given it, such as "$3".
func ReadablePackages(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	return ReadablePackagesVia(a, "api", arg, db, alias)
}

// ReadablePackagesVia is ReadablePackages behind the door of a family of scopes,
// "api", "conda" or "pypi".
func ReadablePackagesVia(a Actor, family string, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "TRUE"
	}
	open := fmt.Sprintf("NOT %s.private", alias)
	if a.Anonymous() || !a.Scopes.Allow(wanted(Read, Object{Scope: family})) {
		return open
	}
	owners, packages := []string{}, []string{}
	if a.ID != "" {
		owners = append(owners, a.ID)
	}
	for id, role := range a.Roles {
		if role.Administers() {
			owners = append(owners, id)
		}
	}
	for _, g := range a.Grants {
		switch {
		case !g.Verb.Valid():
		case g.ObjectKind == OnOwner:
			owners = append(owners, g.ObjectID)
		case g.ObjectKind == OnPackage:
			packages = append(packages, g.ObjectID)
		}
	}
	slices.Sort(owners)

	in := func(expression string, list []string) string {
		return fmt.Sprintf("%s IN (SELECT value FROM %s)", expression, db.EachText(arg(list)))
	}
	granted := in(alias+".owner_id", slices.Compact(owners))
	if len(packages) > 0 {
		granted = fmt.Sprintf("(%s OR %s)", granted, in(alias+".id", packages))
	}
	if a.OrgToken != "" {
		granted += fmt.Sprintf(" AND %s.owner_id = %s", alias, arg(a.OrgToken))
	}
	if len(a.Resources) > 0 {
		granted += fmt.Sprintf(" AND EXISTS (SELECT 1 FROM owners AS limited WHERE limited.id = %s.owner_id AND (%s OR %s))", alias,
			in("limited.name", a.Resources), in("limited.name || '/' || "+alias+".name", a.Resources))
	}
	return fmt.Sprintf("(%s OR %s)", open, granted)
}
