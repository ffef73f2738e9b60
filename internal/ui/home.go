package ui

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/home"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

const (
	homeRows     = 6
	homeChannels = 4
	allChannels  = 1000
	keepFront    = 30 * time.Second // how old the numbers of the front page may be
)

// front are the numbers of the front page that cost a walk over all files; they
// are the same for everybody.
type front struct {
	mu       sync.Mutex
	at       time.Time
	gone     []string // the owners that were deleted then
	stats    registry.Stats
	channels []registry.ListedChannel
}

// get gives the numbers, counted anew where they are too old or an owner was
// deleted, or brought back, since.
func (c *front) get(ctx context.Context, accounts *account.Accounts, reg *registry.Registry, now time.Time) (registry.Stats, []registry.ListedChannel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone, err := accounts.Gone(ctx)
	if err != nil {
		gone = c.gone // the database is away: what was known last
	}
	if !c.at.IsZero() && now.Sub(c.at) < keepFront && slices.Equal(c.gone, gone) && c.stats.Packages > 0 {
		return c.stats, c.channels, nil
	}
	stats, err := reg.Stats(ctx, access.Anonymous(""))
	if err != nil {
		return registry.Stats{}, nil, err
	}
	channels, err := reg.Featured(ctx, allChannels)
	if err != nil {
		return registry.Stats{}, nil, err
	}
	c.at, c.gone, c.stats, c.channels = now, gone, stats, channels
	return stats, channels, nil
}

// home is the front page; somebody signed in is sent to the Dashboard.
func (f *Face) home(w http.ResponseWriter, r *http.Request) error {
	if signedIn(r) && !r.URL.Query().Has("home") {
		return see(w, r, "/dashboard")
	}
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	p := home.Page{Page: v.frame}
	p.Page.NoSearch = true
	p.Page.Description = "Find and install conda packages from " + f.opts.InstanceName + "."
	stats, channels, err := f.front.get(r.Context(), f.accounts, f.registry, p.Page.Now)
	if err != nil {
		return err
	}
	p.Packages, p.Channels = int64(stats.Packages), int64(len(channels))
	if r.URL.Query().Get("channels") != "all" {
		channels = channels[:min(len(channels), homeChannels)]
	}
	for _, c := range channels {
		p.Listed = append(p.Listed, home.Channel{Owner: c.OwnerName, Name: c.Name, Kind: c.Kind, Description: c.Description, Packages: int64(c.Packages)})
	}
	if p.Packages == 0 {
		p.Upload = append(f.loginCommands(v.actor.Name), uploadCommand("", "", true))
	}
	p.Recent = f.homeList(r, "released")
	p.Popular = f.homeList(r, "downloads")
	p.Popular.Rows = popular(p.Popular.Rows)
	p.Recent.Rows = p.Recent.Rows[:min(len(p.Recent.Rows), homeRows)]
	switch {
	case len(p.Popular.Rows) > 0:
		top := p.Popular.Rows[0]
		p.Setup = andInstall(f.setupTools(r, top.Owner, "main", false), top.Name)
	case len(channels) > 0:
		p.Setup = f.setupTools(r, channels[0].OwnerName, channels[0].Name, false)
	}
	p.Samples = samples(p.Recent.Rows)
	return render(w, r, http.StatusOK, p.Page, home.View(p))
}

// homeList reads one of the lists of public packages. One that fails says so and
// leaves the page alone.
func (f *Face) homeList(r *http.Request, sort string) home.List {
	list, err := f.registry.Packages(r.Context(), access.Anonymous(""), registry.PackageFilter{Sort: sort, Limit: 4 * homeRows, RowsOnly: true})
	if err == nil {
		var rows []shared.PackageRow
		if rows, err = f.rows(r.Context(), access.Anonymous(""), list.Packages); err == nil {
			return home.List{Rows: rows}
		}
	}
	web.EventOf(r).Set("list", sort+": "+err.Error())
	return home.List{Failed: "This list cannot be read just now."}
}

// popular puts what was downloaded most in 30 days first, of those that were
// downloaded most ever.
func popular(rows []shared.PackageRow) []shared.PackageRow {
	slices.SortStableFunc(rows, func(a, b shared.PackageRow) int { return cmp.Compare(b.Downloads, a.Downloads) })
	rows = rows[:min(len(rows), homeRows)]
	for len(rows) > 0 && rows[len(rows)-1].Downloads == 0 {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// samples are three queries that find something here.
func samples(rows []shared.PackageRow) []shared.Link {
	if len(rows) == 0 {
		return nil
	}
	return []shared.Link{
		{Text: rows[0].Name, Href: shared.SearchURL(rows[0].Name)},
		{Text: "owner:" + rows[0].Owner, Href: shared.SearchURL("owner:" + rows[0].Owner)},
		{Text: "platform:noarch", Href: shared.SearchURL("platform:noarch")},
	}
}
