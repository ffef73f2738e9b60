package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/search"
	"terrarium/internal/ui/shared"
)

// filters are the words that narrow a search, in their order on the page. Each is
// also a value of the address.
func filters() []string { return []string{"owner", "platform", "licence", "kind"} }

// wanted is a query taken apart: what is searched for, and the filters.
type wanted struct {
	text    string
	filters map[string]string
	unknown string // a filter word that nobody knows
}

// parseQuery takes "licence:MIT platform:osx-arm64 raster" apart. Values of the
// address beat words of the query.
func parseQuery(q url.Values) wanted {
	w := wanted{filters: map[string]string{}}
	var words []string
	for word := range strings.FieldsSeq(q.Get("q")) {
		name, value, found := strings.Cut(word, ":")
		name = strings.ToLower(name)
		if name == "license" {
			name = "licence"
		}
		switch {
		case !found || name == "" || strings.Contains(word, "::") || strings.Contains(word, "//"):
			words = append(words, word)
		case value == "" || !slices.Contains(filters(), name):
			if w.unknown == "" {
				w.unknown = name
			}
		default:
			w.filters[name] = value
		}
	}
	for _, name := range filters() {
		if v := q[name]; len(v) > 0 && v[len(v)-1] != "" {
			w.filters[name] = v[len(v)-1]
		}
	}
	w.text = strings.Trim(strings.Join(words, " "), `"“”`)
	return w
}

// search finds packages.
func (f *Face) search(w http.ResponseWriter, r *http.Request) error {
	begun := time.Now()
	v, err := f.visit(w, r, "Search")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	want := parseQuery(q)
	p := search.Page{Page: v.frame}
	p.Page.Query = strings.TrimSpace(q.Get("q"))
	if p.Page.Query != "" {
		p.Page.Title = p.Page.Query + " · Search"
	}
	if want.unknown != "" {
		p.BadFilter = &search.BadFilter{Word: want.unknown, Known: filters()}
	}
	at := placeOf(r)
	sort := q.Get("sort")
	query := registry.Query{
		Text: want.text, Owner: want.filters["owner"], Type: want.filters["kind"], Platform: want.filters["platform"],
		License: want.filters["licence"], Sort: sort, After: at.after, Limit: pageRows,
	}
	found, err := f.registry.Search(r.Context(), v.actor, query)
	if errs.Is(err, errs.Invalid) {
		p.Page.Notices = append(p.Page.Notices, shared.Notice{Kind: "warn", Title: errs.Message(err)})
		query.Sort, query.Type, sort = "", "", ""
		if len(query.Text) > 256 {
			query.Text = ""
		}
		found, err = f.registry.Search(r.Context(), v.actor, query)
	}
	if err != nil {
		return err
	}
	trends, err := f.registry.Trends(r.Context(), v.actor, found.Hits, trendDays)
	if err != nil {
		return err
	}
	words := strings.Fields(want.text)
	for _, hit := range found.Hits {
		p.Results = append(p.Results, result(hit, trends[hit.ID], words))
	}
	p.Total = found.Total
	p.Facets = facets(found.Facets, want)
	p.Chips, p.ClearURL = chips(want)
	for _, o := range [][2]string{{"", "Best match"}, {"downloads", "Downloads"}, {"released", "Newest release"}, {"name", "Name"}} {
		p.Orders = append(p.Orders, shared.Option{Value: o[0], Label: o[1], Selected: o[0] == sort})
	}
	p.Took = time.Since(begun)
	if g := at.pager(r, len(found.Hits), found.Total, found.Next, p.Took); g != nil {
		p.Pages = *g
	}
	if len(p.Results) == 0 {
		if p.Nothing, err = f.nothing(r, v, query.Text, want); err != nil {
			return err
		}
	}
	p.Ways = []shared.Link{{Text: "Add it as a package", Href: "/add"}}
	if !v.frame.SignedIn() {
		p.Ways = []shared.Link{{Text: "Sign in to find private packages", Href: v.frame.SignInURL()}}
	}
	if partial(r) {
		return write(w, r, http.StatusOK, "no-store", search.Body(p))
	}
	return render(w, r, http.StatusOK, p.Page, search.View(p))
}

func result(p registry.Package, trend []int64, words []string) search.Result {
	platforms := shared.Of(len(p.Platforms), "platform")
	if len(p.Platforms) == 1 {
		platforms = p.Platforms[0]
	}
	res := search.Result{
		Owner: p.OwnerName, Name: p.Name, NameSpans: shared.Mark(p.Name, words...), Version: p.Latest, Summary: shared.Mark(p.Summary, words...),
		Licence: p.License, Platforms: platforms, Released: released(p), Spark: spark(trend), Downloads: sum(trend),
	}
	if len(p.Platforms) == 0 {
		res.Platforms = strings.Join(p.Types, ", ")
	}
	if p.Private {
		res.Badges = append(res.Badges, shared.Badge{Icon: "lock", Text: "Private"})
	}
	return res
}

// facets draws the filters that what was found leaves. A filter that is chosen
// stands alone, as each takes one value.
func facets(found registry.Facets, want wanted) []search.Facet {
	var list []search.Facet
	for _, g := range []struct {
		name, label string
		options     []registry.Facet
	}{{"owner", "Owner", found.Owners}, {"platform", "Platform", found.Platforms}, {"licence", "Licence", found.Licenses}, {"kind", "Kind", found.Types}} {
		chosen := want.filters[g.name]
		facet := search.Facet{Name: g.name, Label: g.label}
		for _, o := range g.options {
			if chosen == "" || strings.EqualFold(chosen, o.Value) {
				facet.Options = append(facet.Options, search.FacetOption{Value: o.Value, Label: o.Value, Count: o.Count, Checked: chosen != ""})
			}
		}
		if len(facet.Options) > 1 || chosen != "" && len(facet.Options) > 0 {
			list = append(list, facet)
		}
	}
	return list
}

// chips are the chosen filters, each with the address without it, and the address
// without any.
func chips(want wanted) (list []search.Chip, clearURL string) {
	for _, name := range filters() {
		if value, chosen := want.filters[name]; chosen {
			list = append(list, search.Chip{Label: name + ": " + value, Href: without(want, name)})
		}
	}
	return list, without(want, filters()...)
}

// without is the address of a search without some of its filters.
func without(want wanted, names ...string) string {
	q := url.Values{}
	if want.text != "" {
		q.Set("q", want.text)
	}
	for _, name := range filters() {
		if value := want.filters[name]; value != "" && !slices.Contains(names, name) {
			q.Set(name, value)
		}
	}
	return (&url.URL{Path: "/search", RawQuery: q.Encode()}).String()
}

// nothing helps on from a search without results: which filter removes most, and
// a name close to the query.
func (f *Face) nothing(r *http.Request, v *visit, text string, want wanted) (*search.Nothing, error) {
	n := &search.Nothing{}
	if len(want.filters) > 0 {
		n.WithoutURL = without(want, filters()...)
		bare := registry.Query{Text: text, Limit: 1, HitsOnly: true}
		found, err := f.registry.Search(r.Context(), v.actor, bare)
		if err != nil || len(found.Hits) > 0 {
			return n, err
		}
		n.WithoutURL = ""
	}
	// A name that begins as the query does, for those who typed too much.
	if typed := []rune(text); len(typed) > 3 {
		short := string(typed[:len(typed)-1])
		list, err := f.registry.Search(r.Context(), v.actor, registry.Query{Text: short, Limit: 1, HitsOnly: true})
		if err != nil {
			return n, err
		}
		if len(list.Hits) > 0 {
			n.DidYouMean = &shared.Link{Text: list.Hits[0].Name, Href: shared.SearchURL(list.Hits[0].Name)}
		}
	}
	return n, nil
}
