package ui

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/registry"
	"terrarium/internal/ui/shared"
)

const (
	pageRows  = 50 // of a list
	trendDays = 30 // of a sparkline
	maxTrail  = 40 // pages that one can go back
)

// place is where a list that is read page by page stands: after which row, how
// many rows came before, and where the pages before began.
type place struct {
	after  string
	before int
	trail  []string
}

// placeOf reads the place out of an address.
func placeOf(r *http.Request) place {
	q := r.URL.Query()
	p := place{after: q.Get("after")}
	if p.after == "" {
		return p
	}
	p.before, _ = strconv.Atoi(q.Get("from")) // what is no number is the beginning
	p.before = max(0, p.before)
	if t := q.Get("trail"); t != "" {
		p.trail = strings.Split(t, "~")
	}
	p.trail = p.trail[:min(len(p.trail), maxTrail)]
	return p
}

// pager leads to the neighbours of a page; next is where the next one begins, ""
// at the end. nil where all fits on one page.
func (p place) pager(r *http.Request, shown, total int, next string, took time.Duration) *shared.Pager {
	if shown == 0 || next == "" && p.after == "" {
		if took == 0 || shown == 0 {
			return nil
		}
		return &shared.Pager{From: 1, To: shown, Total: total, Took: took}
	}
	g := &shared.Pager{From: p.before + 1, To: p.before + shown, Total: max(total, p.before+shown), Took: took}
	if next != "" {
		g.Next = with(r, "after", next, "from", strconv.Itoa(g.To), "trail", strings.Join(append(p.trail, p.after), "~"))
	}
	switch n := len(p.trail); {
	case p.after == "":
	case n == 0 || p.trail[n-1] == "":
		g.Prev = with(r, "after", "", "from", "", "trail", "")
	default:
		g.Prev = with(r, "after", p.trail[n-1], "from", strconv.Itoa(max(0, p.before-pageRows)), "trail", strings.Join(p.trail[:n-1], "~"))
	}
	return g
}

// with gives the address of the request with some values of its query changed;
// an empty one is taken out.
func with(r *http.Request, pairs ...string) string {
	q := r.URL.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	u := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: q.Encode()}
	return u.String()
}

// sortURL is the address that the name of an order is added to.
func sortURL(r *http.Request) string {
	u := with(r, "sort", "", "after", "", "from", "", "trail", "")
	if strings.Contains(u, "?") {
		return u + "&sort="
	}
	return u + "?sort="
}

// rows makes the rows of a list of packages, with their downloads of 30 days.
func (f *Face) rows(ctx context.Context, actor access.Actor, packages []registry.Package) ([]shared.PackageRow, error) {
	trends, err := f.registry.Trends(ctx, actor, packages, trendDays)
	if err != nil {
		return nil, err
	}
	list := make([]shared.PackageRow, len(packages))
	for i, p := range packages {
		list[i] = shared.PackageRow{
			Owner: p.OwnerName, Name: p.Name, Version: p.Latest, Summary: p.Summary, Released: released(p),
			Downloads: sum(trends[p.ID]), Spark: spark(trends[p.ID]), Private: p.Private,
		}
	}
	return list, nil
}

// released is when a package changed last for those who install it.
func released(p registry.Package) time.Time {
	if p.ReleasedAt != nil {
		return *p.ReleasedAt
	}
	return p.CreatedAt
}

func sum(days []int64) (n int64) {
	for _, d := range days {
		n += d
	}
	return n
}

// spark gives a series to draw, or nil where there is nothing to see.
func spark(days []int64) []int64 {
	if sum(days) == 0 {
		return nil
	}
	return days
}
