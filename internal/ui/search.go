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
	filters map[string][]string // the values chosen of each
	unknown string              // a filter word that nobody knows
}

// parseQuery takes "licence:MIT platform:osx-arm64 raster" apart. Values of the
// address beat words of the query.
func parseQuery(q url.Values) wanted {
	w := wanted{filters: map[string][]string{}}
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
			w.choose(name, value)
		}
	}
	for _, name := range filters() {
		if chosen := slices.DeleteFunc(slices.Clone(q[name]), func(v string) bool { return v == "" }); len(chosen) > 0 {
			w.filters[name] = nil
			for _, v := range chosen {
				w.choose(name, v)
			}
		}
	}
	w.text = strings.Trim(strings.Join(words, " "), `"“”`)
	return w
}

// choose adds a value of a filter, once.
func (w *wanted) choose(name, value string) {
	if !w.chose(name, value) {
		w.filters[name] = append(w.filters[name], value)
	}
}

func (w *wanted) chose(name, value string) bool {
	return slices.ContainsFunc(w.filters[name], func(v string) bool { return strings.EqualFold(v, value) })
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
	p := search.Page{Page: v.frame, Text: want.text}
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
		Text: want.text, Owners: want.filters["owner"], Types: want.filters["kind"], Platforms: want.filters["platform"],
		Licenses: want.filters["licence"], Sort: sort, After: at.after, Limit: pageRows,
	}
	found, err := f.registry.Search(r.Context(), v.actor, query)
	if errs.Is(err, errs.Invalid) {
		p.Page.Notices = append(p.Page.Notices, shared.Notice{Kind: "warn", Title: errs.Message(err)})
		query.Sort, query.Owners, query.Types, query.Platforms, query.Licenses, sort = "", nil, nil, nil, nil, ""
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
	p.Facets = facets(r, found.Facets, want)
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

// shownOptions is how many values of a filter are shown before "more".
const shownOptions = 6

// facets draws the filters that what was found leaves, the chosen values among
// them. A filter with one value that is not chosen would change nothing.
func facets(r *http.Request, found registry.Facets, want wanted) []search.Facet {
	var list []search.Facet
	for _, g := range []struct {
		name, label string
		options     []registry.Facet
	}{{"owner", "Owner", found.Owners}, {"platform", "Platform", found.Platforms}, {"licence", "Licence", found.Licenses}, {"kind", "Kind", found.Types}} {
		facet := search.Facet{Name: g.name, Label: g.label}
		all := len(g.options) <= shownOptions || r.URL.Query().Get("more") == g.name
		for i, o := range g.options {
			chosen := want.chose(g.name, o.Value)
			if !all && !chosen && i >= shownOptions-1 {
				facet.More++
				continue
			}
			facet.Options = append(facet.Options, search.FacetOption{Value: o.Value, Label: o.Value, Count: o.Count, Checked: chosen})
		}
		for _, v := range want.filters[g.name] {
			if !slices.ContainsFunc(g.options, func(o registry.Facet) bool { return strings.EqualFold(o.Value, v) }) {
				facet.Options = append(facet.Options, search.FacetOption{Value: v, Label: v, Count: -1, Checked: true})
			}
		}
		if facet.More > 0 {
			facet.MoreURL = with(r, "more", g.name) + "#filters"
		}
		if len(facet.Options) > 1 || len(facet.Options) > 0 && facet.Options[0].Checked {
			list = append(list, facet)
		}
	}
	return list
}

// chips are the chosen filters, each with the address without it, and the address
// without any.
func chips(want wanted) (list []search.Chip, clearURL string) {
	for _, name := range filters() {
		for _, value := range want.filters[name] {
			list = append(list, search.Chip{Filter: name, Label: value, Href: without(want, name, value)})
		}
	}
	return list, without(want, "", "")
}

// without is the address of a search without one value of a filter, or without
// any filter where no name is given.
func without(want wanted, filter, value string) string {
	q := url.Values{}
	if want.text != "" {
		q.Set("q", want.text)
	}
	for _, name := range filters() {
		for _, v := range want.filters[name] {
			if filter != "" && (name != filter || v != value) {
				q.Add(name, v)
			}
		}
	}
	return (&url.URL{Path: "/search", RawQuery: q.Encode()}).String()
}

// nothing helps on from a search without results: which filter removes most, and
// a name close to the query.
func (f *Face) nothing(r *http.Request, v *visit, text string, want wanted) (*search.Nothing, error) {
	n := &search.Nothing{}
	if len(want.filters) > 0 {
		n.WithoutURL = without(want, "", "")
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
