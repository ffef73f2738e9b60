package ui

import (
	"cmp"
	"context"
	"encoding/json/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/releases"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// subject is the package that a page is about, as the visitor sees it.
type subject struct {
	registry.Package
	releases []registry.ReleaseInfo // newest first
	chosen   registry.ReleaseInfo   // the release shown; Version "" where there is none
	writes   bool                   // the visitor may upload and delete
	admins   bool                   // the visitor may change its settings
}

// subjectOf reads the package of the address and chooses the release to show: the
// one that the address names, else the newest that is no pre-release.
func (f *Face) subjectOf(r *http.Request, v *visit, version string) (subject, error) {
	p, err := f.registry.Look(r.Context(), v.actor, web.Param(r, "owner"), web.Param(r, "package"))
	if err != nil {
		return subject{}, err
	}
	object := packageObject(p)
	s := subject{Package: p, writes: access.Can(v.actor, access.Write, object).Allowed}
	s.admins = v.actor.Kind == access.KindPerson && access.Can(v.actor, access.Admin, object).Allowed
	if s.releases, err = f.registry.ReleasesOf(r.Context(), v.actor, p); err != nil {
		return subject{}, err
	}
	if version != "" {
		i := slices.IndexFunc(s.releases, func(x registry.ReleaseInfo) bool { return x.Version == version })
		if i < 0 {
			return subject{}, access.Absent(packageObject(p))
		}
		s.chosen = s.releases[i]
		return s, nil
	}
	s.chosen = newest(s.releases)
	return s, nil
}

// newest chooses the newest release with files, a pre-release only where there is
// no other.
func newest(list []registry.ReleaseInfo) registry.ReleaseInfo {
	var first registry.ReleaseInfo
	for _, x := range list {
		if first.Version == "" || first.Files == 0 && x.Files > 0 {
			first = x
		}
		if ver, err := conda.ParseVersion(x.Version); x.Files > 0 && x.Withdrawn < x.Files && (err != nil || !ver.Prerelease()) {
			return x
		}
	}
	return first
}

func packageObject(p registry.Package) access.Object {
	return access.Object{OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind, PackageID: p.ID, PackageName: p.Name, Private: p.Private}
}

// canonical gives where a package's page lies if the address spells it otherwise,
// or "".
func (s subject) canonical(r *http.Request) string {
	asked := "/" + web.Param(r, "owner") + "/" + web.Param(r, "package")
	if proper := "/" + s.FullName(); asked != proper {
		if rest, found := strings.CutPrefix(r.URL.Path, asked); found {
			return (&url.URL{Path: proper + rest, RawQuery: r.URL.RawQuery}).String()
		}
	}
	return ""
}

// head draws the top of a package's pages. downloads are those of 30 days.
func (s subject) head(tab string, downloads int64) shared.PackageHead {
	base := shared.PackageURL(s.OwnerName, s.Name)
	h := shared.PackageHead{
		Owner: s.OwnerName, Name: s.Name, Version: s.chosen.Version, Private: s.Private, Kinds: s.kinds(), Summary: s.Summary,
		Licence: s.License, Released: s.chosen.At, By: s.chosen.By, Downloads: downloads,
		Tabs: []shared.Tab{
			{Label: "Overview", Href: base},
			{Label: "Releases", Href: base + "/releases", Count: shared.Count(len(s.releases))},
			{Label: "Files", Href: base + "/files", Count: shared.Count(s.files())},
		},
	}
	if slices.Contains(s.Types, "conda") {
		h.Tabs = append(h.Tabs, shared.Tab{Label: "Dependencies", Href: base + "/dependencies"})
	}
	if s.admins {
		h.Tabs = append(h.Tabs, shared.Tab{Label: "Settings", Href: base + "/settings/general"})
	}
	for i := range h.Tabs {
		h.Tabs[i].Current = h.Tabs[i].Label == tab
	}
	for _, x := range s.releases {
		h.Versions = append(h.Versions, shared.Option{Value: x.Version, Label: x.Version, Selected: x.Version == s.chosen.Version})
	}
	if s.chosen.Files > 0 && s.chosen.Withdrawn == s.chosen.Files {
		h.Yanked = cmp.Or(s.chosen.Why, "It is not in the index any more. Its files can still be fetched by their address.")
	}
	if s.writes {
		h.UploadURL = "/add?owner=" + url.QueryEscape(s.OwnerName)
	}
	return h
}

// kinds are the package types in people's words.
func (s subject) kinds() []string {
	words := map[string]string{"pypi": "wheel", "r": "R", "ipynb": "notebook", "env": "environment"}
	var list []string
	for _, t := range s.Types {
		list = append(list, cmp.Or(words[t], t))
	}
	return list
}

func (s subject) files() (n int) {
	for _, x := range s.releases {
		n += x.Files
	}
	return n
}

// trend gives the downloads of a package over the last days.
func (f *Face) trend(ctx context.Context, actor access.Actor, p registry.Package, days int) ([]int64, error) {
	series, err := f.registry.Trends(ctx, actor, []registry.Package{p}, days)
	return series[p.ID], err
}

// lastDays sums the newest days of a series.
func lastDays(series []int64, days int) int64 { return sum(series[max(0, len(series)-days):]) }

// dayCounts puts dates to a series that ends today.
func dayCounts(now time.Time, series []int64) []shared.DayCount {
	list := make([]shared.DayCount, len(series))
	for i, n := range series {
		list[i] = shared.DayCount{Day: now.UTC().AddDate(0, 0, i-len(series)+1), Count: n}
	}
	return list
}

// channelLinks leads to channels of an owner.
func channelLinks(owner string, names []string) []shared.Link {
	var list []shared.Link
	for _, n := range names {
		list = append(list, shared.Link{Text: owner + "/" + n, Href: shared.ChannelURL(owner, n)})
	}
	return list
}

// indexed are the members of a conda file's attributes that pages show.
type indexed struct {
	Depends    []string `json:"depends"`
	Constrains []string `json:"constrains"`
	Timestamp  any      `json:"timestamp"`
}

// attributesOf reads what a file says of itself; what cannot be read is empty.
func attributesOf(file registry.File) indexed {
	var a indexed
	if err := json.Unmarshal(file.Attrs, &a); err != nil {
		return indexed{}
	}
	return a
}

// releasesPage lists the releases.
func (f *Face) releasesPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	s, err := f.subjectOf(r, v, "")
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	series, err := f.trend(r.Context(), v.actor, s.Package, trendDays)
	if err != nil {
		return err
	}
	v.frame.Title = "Releases · " + s.Name + " · " + s.OwnerName
	p := releases.Page{Page: v.frame, Head: s.head("Releases", sum(series))}
	p.Head.Short = true
	at := placeOf(r)
	start := 1 + slices.IndexFunc(s.releases, func(x registry.ReleaseInfo) bool { return x.Version == at.after })
	end, next := min(len(s.releases), start+pageRows), ""
	if end < len(s.releases) {
		next = s.releases[end-1].Version
	}
	p.Pages = at.pager(r, end-start, len(s.releases), next, 0)
	for _, x := range s.releases[start:end] {
		row := releases.Release{Version: x.Version, At: x.At, By: x.By, Files: x.Files, Size: x.Size, Downloads: x.Downloads, States: states(x)}
		for _, link := range channelLinks(s.OwnerName, x.Channels) {
			_, link.Text, _ = strings.Cut(link.Text, "/")
			row.Channels = append(row.Channels, link)
		}
		if s.writes {
			row.DeleteURL = shared.ReleaseURL(s.OwnerName, s.Name, x.Version) + "/delete"
		}
		p.Rows = append(p.Rows, row)
	}
	return render(w, r, http.StatusOK, p.Page, releases.View(p))
}

// states says what is unusual about a release.
func states(x registry.ReleaseInfo) []shared.Badge {
	switch x.Withdrawn {
	case 0:
		return nil
	case x.Files:
		return []shared.Badge{{Kind: "warn", Icon: "triangle-alert", Text: "Yanked", Hint: x.Why}}
	default:
		return []shared.Badge{{Kind: "warn", Icon: "triangle-alert", Text: shared.Of(x.Withdrawn, "file") + " yanked", Hint: x.Why}}
	}
}
