// Package search is the page that finds packages.
package search

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is a search with its results. The query itself is shared.Page.Query.
type Page struct {
	shared.Page
	Text      string // the query without the words that filter
	Total     int
	Facets    []Facet
	Chips     []Chip
	ClearURL  string // the query without facets
	Orders    []shared.Option
	Results   []Result
	Pages     shared.Pager
	Took      time.Duration
	BadFilter *BadFilter    // a filter word of the query is not known
	Nothing   *Nothing      // there are no results
	Ways      []shared.Link // further ways to a package that is not here; may be empty
}

// Facet is one group of filters.
type Facet struct {
	Name    string // name of the query's value, "platform"
	Label   string
	Options []FacetOption
	More    int    // how many options are not shown
	MoreURL string // shows them
}

// FacetOption is one filter with the number of packages it leaves.
type FacetOption struct {
	Value, Label string
	Count        int // negative: not known
	Checked      bool
}

// Chip is a chosen value of a filter; its link takes it away.
type Chip struct {
	Filter, Label, Href string
}

// Result is one package found.
type Result struct {
	Owner, Name string
	NameSpans   []shared.Span // the name with the match marked; empty draws Name
	Version     string
	Summary     []shared.Span
	Licence     string
	Platforms   string // "5 platforms" or "noarch"
	Released    time.Time
	Badges      []shared.Badge
	Spark       []int64
	Downloads   int64
}

// BadFilter names a filter word that is not known.
type BadFilter struct {
	Word  string
	Known []string
}

// Nothing helps on from a search without results.
type Nothing struct {
	Facet      *Chip        // the filter that removes most
	WithoutURL string       // the query without any filter; empty if there is none
	DidYouMean *shared.Link // a name close to the query
}

func (p Page) heading() string {
	switch {
	case p.Query == "" && p.Total == 0:
		return "No packages"
	case p.Query == "":
		return shared.Of(p.Total, "package")
	case p.Total == 0:
		return "No packages for “" + p.Query + "”"
	default:
		return shared.Of(p.Total, "package") + " for “" + p.Query + "”"
	}
}
