package registry

// Query is a search over packages. Text is matched against name, summary and
// keywords, without regard to case; every word must occur.
type Query struct {
	Text     string
	Owner    string
	Type     string
	Platform string
	License  string
	Sort     string // "" = best match, "downloads", "modified", "name"
	After    string // Next of the page before
	Limit    int    // 0 = 50, at most 1000
}

// SearchResult is one page of hits.
type SearchResult struct {
	Hits   []Package
	Total  int
	Next   string
	Facets Facets
}

// Facets counts the hits of a search by type, platform and owner.
type Facets struct {
	Types     []Facet
	Platforms []Facet
	Owners    []Facet
}

// Facet is one value and how many hits have it, most frequent first.
type Facet struct {
	Value string
	Count int
}
