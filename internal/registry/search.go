package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Query is a search over packages. Text is matched against name, summary and
// keywords, without regard to case; every word must occur.
type Query struct {
	Text      string
	Owners    []string // any of them; none: all
	Types     []string
	Platforms []string
	Licenses  []string
	Sort      string // "" = best match, "downloads", "modified", "name"
	After     string // Next of the page before
	Limit     int    // 0 = 50, at most 1000
	HitsOnly  bool   // leave Total and Facets empty; they cost a walk over all hits
}

// One makes a choice of a Query from a value that may be empty.
func One(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// SearchResult is one page of hits.
type SearchResult struct {
	Hits   []Package
	Total  int
	Next   string
	Facets Facets
}

// Facets counts the hits of a search by type, platform, owner and licence. Hits
// that state no licence are not counted there.
type Facets struct {
	Types     []Facet
	Platforms []Facet
	Owners    []Facet
	Licenses  []Facet
}

// Facet is one value and how many hits have it, most frequent first.
type Facet struct {
	Value string
	Count int
}

// condition gathers the WHERE of a list and its arguments.
type condition struct {
	where []string
	args  []any
	join  string            // what the caller sees otherwise than everybody, see the method see
	seen  map[string]*sight // the same by the id of the package
}

// arg takes a value and gives its placeholder.
func (c *condition) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *condition) add(format string, values ...any) {
	for i, v := range values {
		values[i] = c.arg(v)
	}
	c.where = append(c.where, fmt.Sprintf(format, values...))
}

// text is the WHERE.
func (c *condition) text() string { return " WHERE " + strings.Join(c.where, " AND ") }

// readable begins the condition of every list of packages.
func (r *Registry) readable(actor access.Actor) *condition {
	c := &condition{where: []string{"p.deleted_at IS NULL", "o.deleted_at IS NULL"}}
	c.where = append(c.where, access.ReadablePackages(actor, c.arg, r.db, "p"))
	return c
}

// filter adds what lists and searches filter by.
func (c *condition) filter(db *sqldb.DB, q Query) error {
	var kinds []string
	for _, kind := range q.Types {
		name, err := packageType(kind)
		if err != nil {
			return err
		}
		kinds = append(kinds, name)
	}
	if err := c.among("o.name = %s", lower(q.Owners), "owner"); err != nil {
		return err
	}
	if err := c.among("EXISTS (SELECT 1 FROM "+db.EachText(c.column("types"))+" AS t WHERE t.value = %s)", kinds, "type"); err != nil {
		return err
	}
	if err := c.among("EXISTS (SELECT 1 FROM "+db.EachText(c.column("platforms"))+" AS s WHERE s.value = %s)", q.Platforms, "platform"); err != nil {
		return err
	}
	return c.among("lower("+c.column("license")+") = %s", lower(q.Licenses), "licence")
}

// maxChoices is how many values of one filter can be chosen at once.
const maxChoices = 20

// among adds that the test holds for one of the values; none leaves all.
func (c *condition) among(test string, values []string, field string) error {
	if len(values) == 0 {
		return nil
	}
	if len(values) > maxChoices {
		return errs.New(errs.Invalid, "At most %d values of the filter %s can be chosen at once.", maxChoices, field).On(field)
	}
	var tests []string
	for _, v := range values {
		tests = append(tests, fmt.Sprintf(test, c.arg(v)))
	}
	c.where = append(c.where, "("+strings.Join(tests, " OR ")+")")
	return nil
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// likeEscape makes text match itself in LIKE … ESCAPE '\'.
func likeEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// orders are the columns by which packages can be sorted, all ending in the id so
// that pages never lose or repeat a row. A page begins after the row that After
// names, wherever that stands by now.
func (c *condition) orders(sort string) (string, error) {
	switch sort {
	case "", "name":
		return "p.name, o.name, p.id", nil
	case "downloads":
		return c.column("downloads") + " DESC, p.name, p.id", nil
	case "modified":
		return c.column("modified_at") + " DESC, p.id", nil
	case "released":
		return c.column("released_at") + " DESC NULLS LAST, p.id", nil
	}
	return "", errs.New(errs.Invalid, "Packages are sorted by name, downloads, modified or released, and not by %q.", clip(sort)).On("sort")
}

// page reads one page of an ordered list of packages. With After it numbers the
// rows and begins behind the named one.
func (r *Registry) page(ctx context.Context, c *condition, order, after string, limit int) ([]Package, string, error) {
	args := slices.Clone(c.args)
	query := packageColumns + c.from() + c.text() + " ORDER BY " + order
	if after != "" {
		args = append(args, after)
		ranked := "SELECT p.id, row_number() OVER (ORDER BY " + order + ") AS place" + c.from() + c.text()
		query = "WITH ranked AS (" + ranked + ") " + packageColumns + packageFrom + ` JOIN ranked ON ranked.id = p.id
			WHERE ranked.place > (SELECT here.place FROM ranked AS here WHERE here.id = $` + strconv.Itoa(len(args)) + `) ORDER BY ranked.place`
	}
	args = append(args, limit+1)
	list, err := sqldb.All(ctx, r.db, scanPackage, query+" LIMIT $"+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, "", fmt.Errorf("list packages: %w", err)
	}
	next := ""
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	for i := range list {
		list[i].as(c.seen[list[i].ID])
	}
	return append([]Package{}, list...), next, nil
}

func (r *Registry) count(ctx context.Context, c *condition) (n int, err error) {
	if err = r.db.Row(ctx, "SELECT count(*)"+c.from()+c.text(), c.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count packages: %w", err)
	}
	return n, nil
}

// Packages lists packages that the caller may read. A named owner that is not
// there is errs.NotFound.
func (r *Registry) Packages(ctx context.Context, actor access.Actor, f PackageFilter) (PackageList, error) {
	if f.Owner != "" {
		if _, err := loadOwner(ctx, r.db, f.Owner); err != nil {
			return PackageList{}, err
		}
	}
	c := r.readable(actor)
	if err := c.see(ctx, r.db, actor, f.Owner); err != nil {
		return PackageList{}, err
	}
	if err := c.filter(r.db, Query{Owners: One(f.Owner), Types: One(f.Type), Platforms: One(f.Platform)}); err != nil {
		return PackageList{}, err
	}
	switch f.Access {
	case "":
	case "public":
		c.add("NOT p.private")
	case "private":
		c.add("p.private")
	default:
		return PackageList{}, errs.New(errs.Invalid, "The access of packages is public or private, and not %q.", clip(f.Access)).On("access")
	}
	order, err := c.orders(f.Sort)
	if err != nil {
		return PackageList{}, err
	}
	var l PackageList
	if l.Packages, l.Next, err = r.page(ctx, c, order, f.After, bounded(f.Limit, 100)); err != nil {
		return PackageList{}, err
	}
	switch {
	case f.RowsOnly:
	case f.After == "" && l.Next == "":
		l.Total = len(l.Packages)
	default:
		l.Total, err = r.count(ctx, c)
	}
	return l, err
}

// bounded gives the size of a page.
func bounded(limit, usual int) int {
	if limit <= 0 {
		return usual
	}
	return min(limit, 1000)
}

// Search finds packages that the caller may read: every word of the text must
// occur. The name itself comes first, then names that begin with the text, names
// that hold it, and the rest; within each the most downloaded.
func (r *Registry) Search(ctx context.Context, actor access.Actor, q Query) (SearchResult, error) {
	text := strings.ToLower(strings.TrimSpace(q.Text))
	if len(text) > 256 {
		return SearchResult{}, errs.New(errs.Invalid, "The text to search for has %d bytes; the limit is 256.", len(text)).On("q")
	}
	seen, err := sights(ctx, r.db, actor, ofOwner(q.Owners))
	if err != nil {
		return SearchResult{}, err
	}
	c, err := r.found(actor, seen, text, q)
	if err != nil {
		return SearchResult{}, err
	}
	filters := *c // the order may add to its arguments
	order := c.column("downloads") + " DESC, p.name, p.id"
	switch {
	case q.Sort != "":
		if order, err = c.orders(q.Sort); err != nil {
			return SearchResult{}, err
		}
	case text != "":
		name := c.arg(text)
		order = fmt.Sprintf(`CASE WHEN p.name = %s THEN 0 WHEN p.name LIKE %s ESCAPE '\' THEN 1 WHEN p.name LIKE %s ESCAPE '\' THEN 2 ELSE 3 END, %s`,
			name, c.arg(likeEscape(text)+"%"), c.arg("%"+likeEscape(text)+"%"), order)
	}
	var result SearchResult
	if result.Hits, result.Next, err = r.page(ctx, c, order, q.After, bounded(q.Limit, 50)); err != nil || q.HitsOnly {
		return result, err
	}
	result.Total = len(result.Hits)
	if q.After != "" || result.Next != "" {
		if result.Total, err = r.count(ctx, &filters); err != nil {
			return SearchResult{}, err
		}
	}
	result.Facets, err = r.facets(ctx, actor, seen, text, q)
	return result, err
}

// found is the condition of the packages that a query leaves.
func (r *Registry) found(actor access.Actor, seen map[string]*sight, text string, q Query) (*condition, error) {
	c := r.readable(actor)
	if err := c.show(r.db, seen); err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(text) {
		c.add(`p.search_text LIKE %s ESCAPE '\'`, "%"+likeEscape(word)+"%")
	}
	return c, c.filter(r.db, q)
}

// maxFacet is how many values of a facet are counted out.
const maxFacet = 20

// facets counts for each filter what each of its values would leave: the filter
// itself is left out of the query, so that further values can be chosen.
func (r *Registry) facets(ctx context.Context, actor access.Actor, seen map[string]*sight, text string, q Query) (f Facets, err error) {
	types, platforms, owners, licenses := q, q, q, q
	types.Types, platforms.Platforms, owners.Owners, licenses.Licenses = nil, nil, nil, nil
	for _, one := range []struct {
		to    *[]Facet
		query Query
		value string // "" = the licence
		list  string // the column whose values are unfolded
	}{
		{&f.Types, types, "v.value", "types"},
		{&f.Platforms, platforms, "v.value", "platforms"},
		{&f.Owners, owners, "o.name", ""},
		{&f.Licenses, licenses, "", ""},
	} {
		c, err := r.found(actor, seen, text, one.query)
		if err != nil {
			return Facets{}, err
		}
		value, from := cmp.Or(one.value, c.column("license")), c.from()
		if one.list != "" {
			from += " CROSS JOIN " + r.db.EachText(c.column(one.list)) + " AS v"
		}
		*one.to, err = sqldb.All(ctx, r.db, func(rows *sqldb.Rows, f *Facet) error { return rows.Scan(&f.Value, &f.Count) },
			"SELECT "+value+", count(*) AS n"+from+c.text()+" GROUP BY "+value+" ORDER BY n DESC, "+value+" LIMIT "+strconv.Itoa(maxFacet), c.args...)
		if err != nil {
			return Facets{}, fmt.Errorf("count what was found: %w", err)
		}
	}
	f.Licenses = slices.DeleteFunc(f.Licenses, func(x Facet) bool { return x.Value == "" })
	return f, nil
}
