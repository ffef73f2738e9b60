package access

import (
	"fmt"
	"slices"

	"terrarium/internal/sqldb"
)

// ReadablePackages gives an SQL condition that holds for the packages that the
// actor may read through the API: Can as a filter of lists, which leaves out
// private packages and those that ClosedPackages names, unless the actor holds a
// right on them. The query must have the table packages under the given alias.
// arg takes a value and gives the placeholder under which the query will be given
// it, such as "$3".
func ReadablePackages(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "TRUE"
	}
	open := fmt.Sprintf("NOT %s.private AND NOT %s", alias, ClosedPackages(a, arg, db, alias))
	return fmt.Sprintf("(%s OR %s)", open, granted(a, "api", arg, db, alias))
}

// ReadablePackagesVia looks at the packages alone, behind the door of a family of
// scopes, "api", "conda" or "pypi": for lists of what is in one channel, which has
// been judged.
func ReadablePackagesVia(a Actor, family string, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "TRUE"
	}
	return fmt.Sprintf("(NOT %s.private OR %s)", alias, granted(a, family, arg, db, alias))
}

// granted holds for the packages on which the actor has a right of its own,
// through the owner or a grant.
func granted(a Actor, family string, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Anonymous() || !a.Scopes.Allow(wanted(Read, Object{Scope: family})) {
		return "FALSE"
	}
	packages := a.granted(OnPackage)
	condition := among(alias+".owner_id", a.administered(), arg, db)
	if len(packages) > 0 {
		condition = fmt.Sprintf("(%s OR %s)", condition, among(alias+".id", packages, arg, db))
	}
	if a.OrgToken != "" {
		condition += fmt.Sprintf(" AND %s.owner_id = %s", alias, arg(a.OrgToken))
	}
	if len(a.Resources) > 0 {
		condition += fmt.Sprintf(" AND EXISTS (SELECT 1 FROM owners AS limited WHERE limited.id = %s.owner_id AND (%s OR %s))", alias,
			among("limited.name", a.Resources, arg, db), among("limited.name || '/' || "+alias+".name", a.Resources, arg, db))
	}
	return "(" + condition + ")"
}

// ClosedPackages gives an SQL condition that holds for the packages that are in
// no channel that the actor may read: what Can is told as Object.Closed. Files
// without a label count by the channel main of the owner, and so do packages
// without files. alias names the table packages.
func ClosedPackages(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "FALSE"
	}
	open := openChannels(a, arg, db)
	live := "SELECT 1 FROM files AS shown WHERE shown.package_id = " + alias + ".id AND shown.deleted_at IS NULL"
	return fmt.Sprintf(`(%[2]s
		AND NOT EXISTS (%[3]s AND %[4]s)
		AND (EXISTS (SELECT 1 FROM channels AS main WHERE main.owner_id = %[1]s.owner_id AND main.name = 'main' AND NOT %[5]s)
			OR EXISTS (%[3]s) AND NOT EXISTS (%[3]s AND %[6]s)))`,
		alias, hides(alias, open), live, listed(open("c")), open("main"), unlisted)
}

// PartlyClosed gives an SQL condition that holds for the packages that have, or
// had, files such as ClosedOnce names. alias names the table packages.
func PartlyClosed(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "FALSE"
	}
	return fmt.Sprintf("(%s AND EXISTS (SELECT 1 FROM files AS part WHERE part.package_id = %s.id AND %s))",
		hides(alias, openChannels(a, arg, db)), alias, ClosedOnce(a, arg, db, "part"))
}

// SeenOtherwise gives an SQL condition that holds for the packages of which the
// actor reads other files than those that count for everybody: the files in
// public channels, or all files where none is in one. It holds for none where the
// actor is nobody, and for few where it is a stranger. alias names the table
// packages.
func SeenOtherwise(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Anonymous() || a.Kind == KindSystem {
		return "FALSE"
	}
	open, public := openChannels(a, arg, db), openChannels(Anonymous(""), arg, db)
	owners := func(condition string) string {
		return alias + ".owner_id IN (SELECT other.owner_id FROM channels AS other WHERE " + condition + ")"
	}
	files := "SELECT 1 FROM files AS shown WHERE shown.package_id = " + alias + ".id AND "
	live := files + "shown.deleted_at IS NULL AND "
	shut := closedFiles(public, "shown")
	more := fmt.Sprintf("%s AND EXISTS (%sNOT %s) AND EXISTS (%s%s AND NOT %s)", owners(public("other")), live, shut, live, shut, closedFiles(open, "shown"))
	less := fmt.Sprintf("%s AND NOT EXISTS (%sNOT %s) AND EXISTS (%s%s)", hides(alias, open), live, shut, files, ClosedOnce(a, arg, db, "shown"))
	return fmt.Sprintf("(%s AND (%s OR %s))", owners("NOT "+public("other")+" AND "+open("other")), more, less)
}

// hides holds for packages, or files, whose owner has a channel that is not open. Most have
// none; the list of those that do is made once for all rows.
func hides(alias string, open func(string) string) string {
	return alias + ".owner_id IN (SELECT closed.owner_id FROM channels AS closed WHERE NOT " + open("closed") + ")"
}

// ClosedFiles gives an SQL condition that holds for the files that carry labels,
// all of them of channels that the actor may not read, and for those without a
// label where the actor may not read the channel main of the owner. alias names
// the table files.
func ClosedFiles(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "FALSE"
	}
	open := openChannels(a, arg, db)
	return "(" + hides(alias, open) + " AND " + closedFiles(open, alias) + ")"
}

func closedFiles(open func(string) string, alias string) string {
	labels := "SELECT 1 FROM file_channels AS fc JOIN channels AS c ON c.id = fc.channel_id WHERE fc.file_id = " + alias + ".id"
	return closed(open, alias, labels)
}

// ClosedOnce is ClosedFiles for deleted files too, which count by the labels that
// they had.
func ClosedOnce(a Actor, arg func(any) string, db *sqldb.DB, alias string) string {
	if a.Kind == KindSystem {
		return "FALSE"
	}
	open := openChannels(a, arg, db)
	labels := fmt.Sprintf("SELECT 1 FROM %s AS had JOIN channels AS c ON c.owner_id = %s.owner_id AND c.name = had.value WHERE TRUE",
		db.EachText(alias+".trashed_labels"), alias)
	return fmt.Sprintf("(%s AND CASE WHEN %s.deleted_at IS NULL THEN %s ELSE %s END)", hides(alias, open), alias, closedFiles(open, alias), closed(open, alias, labels))
}

// closed holds for files none of whose labels is open; labels selects them as c.
func closed(open func(string) string, alias, labels string) string {
	return fmt.Sprintf(`(NOT EXISTS (%[2]s AND %[3]s)
		AND (EXISTS (%[2]s) OR EXISTS (SELECT 1 FROM channels AS main WHERE main.owner_id = %[1]s.owner_id AND main.name = 'main' AND NOT %[4]s)))`,
		alias, labels, open("c"), open("main"))
}

// listed holds for files "shown" in a channel c for which the condition holds.
func listed(condition string) string {
	return "EXISTS (SELECT 1 FROM file_channels AS fc JOIN channels AS c ON c.id = fc.channel_id WHERE fc.file_id = shown.id AND " + condition + ")"
}

// unlisted holds for files "shown" in no channel.
const unlisted = "NOT EXISTS (SELECT 1 FROM file_channels AS fc WHERE fc.file_id = shown.id)"

// openChannels makes, for an alias of the table channels, the SQL condition that
// holds for the channels that the actor may read through the API.
func openChannels(a Actor, arg func(any) string, db *sqldb.DB) func(alias string) string {
	if a.Anonymous() {
		return func(alias string) string { return "(" + alias + ".visibility = 'public')" }
	}
	open := func(alias string) string { return alias + ".visibility IN ('public', 'authenticated')" }
	if !a.Scopes.Allow(wanted(Read, Object{})) {
		return func(alias string) string { return "(" + open(alias) + ")" }
	}
	belongs := []string{}
	for id := range a.Roles {
		belongs = append(belongs, id)
	}
	if a.ID != "" {
		belongs = append(belongs, a.ID)
	}
	slices.Sort(belongs)
	channels := arg(a.granted(OnChannel))
	owners, members := arg(a.administered()), arg(belongs)
	in := func(expression, list string) string {
		return fmt.Sprintf("%s IN (SELECT value FROM %s)", expression, db.EachText(list))
	}
	organization, resources := "", ""
	if a.OrgToken != "" {
		organization = arg(a.OrgToken)
	}
	if len(a.Resources) > 0 {
		resources = arg(a.Resources)
	}
	return func(alias string) string {
		limits := ""
		if organization != "" {
			limits += " AND " + alias + ".owner_id = " + organization
		}
		if resources != "" {
			limits += " AND EXISTS (SELECT 1 FROM owners AS limited WHERE limited.id = " + alias + ".owner_id AND " + in("limited.name", resources) + ")"
		}
		return fmt.Sprintf("(%s OR (%s OR %s OR %s.visibility = 'internal' AND %s)%s)", open(alias),
			in(alias+".owner_id", owners), in(alias+".id", channels), alias, in(alias+".owner_id", members), limits)
	}
}

// administered lists the ids of the owners on all of which the actor holds a
// right.
func (a Actor) administered() []string {
	owners := a.granted(OnOwner)
	if a.ID != "" {
		owners = append(owners, a.ID)
	}
	for id, role := range a.Roles {
		if role.Administers() {
			owners = append(owners, id)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// granted lists the ids of the objects of a kind on which a grant gives a right.
func (a Actor) granted(kind string) []string {
	list := []string{}
	for _, g := range a.Grants {
		if g.Verb.Valid() && g.ObjectKind == kind && g.ObjectID != "" {
			list = append(list, g.ObjectID)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// among holds where an expression is one of the texts.
func among(expression string, list []string, arg func(any) string, db *sqldb.DB) string {
	return fmt.Sprintf("%s IN (SELECT value FROM %s)", expression, db.EachText(arg(list)))
}
