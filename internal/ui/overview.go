package ui

import (
	"cmp"
	"encoding/json/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/markdown"
	"terrarium/internal/ui/pages/overview"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

const (
	chartDays      = 45
	latestReleases = 6
	readmeLines    = 40
	firstNeeds     = 12
	unfoldedRows   = 12
)

// packagePage is the overview of a package at its newest release, or at the one
// that the query names.
func (f *Face) packagePage(w http.ResponseWriter, r *http.Request) error {
	return f.overview(w, r, r.URL.Query().Get("release"))
}

// releasePage is the overview at one release.
func (f *Face) releasePage(w http.ResponseWriter, r *http.Request) error {
	return f.overview(w, r, web.Param(r, "version"))
}

func (f *Face) overview(w http.ResponseWriter, r *http.Request, version string) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	s, err := f.subjectOf(r, v, version)
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	series, err := f.trend(r.Context(), v.actor, s.Package, chartDays)
	if err != nil {
		return err
	}
	v.frame.Title = s.Name + " · " + s.OwnerName
	v.frame.Description = s.Summary
	p := overview.Page{
		Page: v.frame, Head: s.head("Overview", lastDays(series, trendDays)), Downloads: dayCounts(v.frame.Now, series),
		ReleaseCount: len(s.releases),
	}
	if s.Private {
		readers, err := f.accounts.CountReaders(r.Context(), v.actor, packageObject(s.Package))
		if err != nil {
			return err
		}
		p.Head.Readers = shared.Of(readers, "person", "people") + " can read this"
	}
	var files []registry.File
	if s.chosen.Version != "" {
		if files, err = f.registry.FilesOf(r.Context(), v.actor, s.Package, s.chosen.Version); err != nil {
			return err
		}
	}
	var info registry.Info
	if shown, ok := shownFile(files, subdirOf(r)); ok {
		if info, err = f.registry.FileInfo(r.Context(), v.actor, shown); err != nil {
			return err
		}
		p.Dependencies = needs(s, shown)
		p.Head.Licence = cmp.Or(shown.License, p.Head.Licence)
	}
	p.Files = matrixOf(s, files)
	p.README = f.readme(r, s, info)
	about := aboutOf(info)
	p.Home, p.Source = cmp.Or(s.Settings().Home, about.Home), about.Dev
	p.Install = f.installCard(r, s)
	if p.Head.Licence != "" {
		p.Licence = shared.Link{Text: p.Head.Licence, Href: shared.SearchURL("licence:" + p.Head.Licence)}
		if strings.ContainsAny(p.Head.Licence, " \t") {
			p.Licence.Href = ""
		}
	}
	p.Channels = channelLinks(s.OwnerName, s.chosen.Channels)
	for i, x := range s.releases {
		if i < latestReleases {
			p.Releases = append(p.Releases, latest(x))
		}
		p.First = x.At
	}
	for _, x := range s.releases {
		if x.At.Before(p.First) {
			p.First = x.At
		}
	}
	if by := s.CreatedBy; by != "" && by != s.OwnerName {
		p.Maintainers = append(p.Maintainers, overview.Maintainer{Name: by, Href: shared.OwnerURL(by)})
	}
	return render(w, r, http.StatusOK, p.Page, overview.View(p))
}

func latest(x registry.ReleaseInfo) overview.Release {
	out := overview.Release{Version: x.Version, At: x.At}
	if list := states(x); len(list) > 0 {
		out.Badge = list[0]
	} else if len(x.Channels) > 0 {
		out.Badge = shared.Badge{Text: x.Channels[0]}
		if slices.Contains(x.Channels, "main") {
			out.Badge.Text = "main"
		}
	}
	return out
}

// installCard is the card with the command: the channels that hold the release,
// the chosen one, and how to pin.
func (f *Face) installCard(r *http.Request, s subject) overview.Install {
	var c overview.Install
	if !slices.Contains(s.Types, "conda") || s.chosen.Files == 0 || s.chosen.Withdrawn == s.chosen.Files {
		return c
	}
	channels := slices.Clone(s.chosen.Channels)
	slices.SortStableFunc(channels, func(a, b string) int { return cmp.Compare(notMain(a), notMain(b)) })
	if len(channels) == 0 {
		return c
	}
	chosen := channels[0]
	if asked, ok := strings.CutPrefix(r.URL.Query().Get("channel"), s.OwnerName+"/"); ok && slices.Contains(channels, asked) {
		chosen = asked
	}
	spec := s.Name
	if top := newest(s.releases); top.Version != s.chosen.Version {
		spec += "=" + s.chosen.Version
	}
	c.Install = f.installTools(r, s.OwnerName, chosen, spec, s.Private)
	for _, name := range channels {
		full := s.OwnerName + "/" + name
		c.Channels = append(c.Channels, shared.Option{Value: full, Label: full, Selected: name == chosen})
	}
	c.Channel = s.OwnerName + "/" + chosen
	c.SetupURL = shared.ChannelURL(s.OwnerName, chosen)
	c.Pin = s.Name + "=" + s.chosen.Version
	return c
}

func notMain(name string) int {
	if name == "main" {
		return 0
	}
	return 1
}

// subdirOf guesses the reader's platform from what the browser says.
func subdirOf(r *http.Request) string {
	agent := r.UserAgent()
	arm := strings.Contains(agent, "aarch64") || strings.Contains(agent, "arm64")
	switch {
	case strings.Contains(agent, "Windows"):
		return "win-64"
	case strings.Contains(agent, "Macintosh"):
		return "osx-arm64" // browsers of every Mac say Intel
	case arm:
		return "linux-aarch64"
	default:
		return "linux-64"
	}
}

// shownFile chooses the file that speaks for a release: of the reader's platform,
// else noarch, else the first; of those the build that was made last.
func shownFile(files []registry.File, subdir string) (registry.File, bool) {
	var best registry.File
	rank := func(x registry.File) int {
		switch {
		case x.Type != "conda":
			return 1
		case x.Subdir == subdir:
			return 4
		case x.Subdir == "noarch":
			return 3
		default:
			return 2
		}
	}
	for _, x := range files {
		if best.ID == "" || cmp.Or(cmp.Compare(rank(x), rank(best)), cmp.Compare(x.BuildNumber, best.BuildNumber), cmp.Compare(x.Build, best.Build)) > 0 {
			best = x
		}
	}
	return best, best.ID != ""
}

// needs lists the first dependencies of a file.
func needs(s subject, file registry.File) overview.Dependencies {
	if file.Type != "conda" {
		return overview.Dependencies{For: file.Name}
	}
	depends := attributesOf(file).Depends
	d := overview.Dependencies{For: file.Subdir, Total: len(depends), Href: shared.PackageURL(s.OwnerName, s.Name) + "/dependencies?release=" + s.chosen.Version}
	if python := pythonOf(file.Build); python != "" {
		d.For += ", " + python
	}
	for _, spec := range depends[:min(len(depends), firstNeeds)] {
		name, rest := splitSpec(spec)
		d.Items = append(d.Items, shared.Dependency{Name: name, Spec: rest, Href: shared.SearchURL(name)})
	}
	return d
}

// splitSpec parts a dependency into name and version.
func splitSpec(spec string) (name, rest string) {
	m, err := conda.ParseDependency(spec)
	if err == nil {
		if n, ok := m.PackageName(); ok {
			return n, strings.TrimSpace(strings.TrimPrefix(spec, n))
		}
	}
	name, rest, _ = strings.Cut(spec, " ")
	return name, rest
}

var pythonBuild = regexp.MustCompile(`py(\d)(\d+)`)

// pythonOf reads the Python that a build is for out of its build string.
func pythonOf(build string) string {
	m := pythonBuild.FindStringSubmatch(build)
	if m == nil {
		return ""
	}
	return "Python " + m[1] + "." + m[2]
}

// matrixOf lays the files of a release out as builds against platforms.
func matrixOf(s subject, files []registry.File) overview.Files {
	out := overview.Files{Count: len(files)}
	type key struct{ label, build string }
	cells := map[key]map[string]registry.File{}
	var keys []key
	for _, x := range files {
		out.Size += x.Size
		href := shared.FileURL(s.OwnerName, s.Name, x.Subdir, x.Name)
		switch {
		case x.Type != "conda":
			out.Other = append(out.Other, shared.NoarchFile{Label: x.Name, Href: href, Size: x.Size})
		case x.Subdir == "noarch":
			out.Noarch = append(out.Noarch, shared.NoarchFile{Label: x.Build, Build: "build " + shared.Count(x.BuildNumber), Href: href, Size: x.Size})
		default:
			if !slices.Contains(out.Platforms, x.Subdir) {
				out.Platforms = append(out.Platforms, x.Subdir)
			}
			k := key{cmp.Or(pythonOf(x.Build), "any"), "build " + shared.Count(x.BuildNumber)}
			if cells[k] == nil {
				cells[k] = map[string]registry.File{}
				keys = append(keys, k)
			}
			if old, there := cells[k][x.Subdir]; !there || formatOf(old.Name) != ".conda" {
				cells[k][x.Subdir] = x
			}
		}
	}
	slices.Sort(out.Platforms)
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(conda.CompareVersions(versionWord(b.label), versionWord(a.label)), cmp.Compare(b.build, a.build))
	})
	var rows []shared.MatrixRow
	for _, k := range keys {
		row := shared.MatrixRow{Label: k.label, Build: k.build}
		if k.label == "any" {
			row.Label = "All"
		}
		for _, subdir := range out.Platforms {
			x, there := cells[k][subdir]
			cell := shared.MatrixCell{}
			if there {
				cell = shared.MatrixCell{Size: x.Size, Href: shared.FileURL(s.OwnerName, s.Name, x.Subdir, x.Name)}
				if x.WithdrawnAt != nil {
					cell.Note = "yanked"
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		rows = append(rows, row)
	}
	out.Groups = folded(rows)
	return out
}

// folded groups a long matrix by its labels, the first group open.
func folded(rows []shared.MatrixRow) []shared.MatrixGroup {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) <= unfoldedRows {
		return []shared.MatrixGroup{{Rows: rows}}
	}
	var groups []shared.MatrixGroup
	for _, row := range rows {
		if n := len(groups); n == 0 || groups[n-1].Rows[0].Label != row.Label {
			groups = append(groups, shared.MatrixGroup{Open: n == 0})
		}
		last := &groups[len(groups)-1]
		last.Rows = append(last.Rows, row)
		last.Title = row.Label + ", " + shared.Of(len(last.Rows), "build")
	}
	return groups
}

// versionWord gives the version in "Python 3.12", for sorting; 0 for the rest.
func versionWord(label string) string {
	if v, ok := strings.CutPrefix(label, "Python "); ok {
		return v
	}
	return "0"
}

// formatOf is the extension of a conda package.
func formatOf(name string) string {
	if strings.HasSuffix(name, ".tar.bz2") {
		return ".tar.bz2"
	}
	return ".conda"
}

// about are the members of about.json that pages show.
type about struct {
	Home, Dev string
}

func aboutOf(info registry.Info) about {
	var members struct {
		Home   any `json:"home"`
		DevURL any `json:"dev_url"`
	}
	if info.About == nil || json.Unmarshal(info.About, &members) != nil {
		return about{}
	}
	return about{Home: text(members.Home), Dev: text(members.DevURL)}
}

// text reads a member that recipes write as a text or as a list of texts.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if len(v) > 0 {
			return text(v[0])
		}
	}
	return ""
}

// readme makes the README of an archive fit to stand in the page: its first
// lines, or all of it where the query asks.
func (f *Face) readme(r *http.Request, s subject, info registry.Info) overview.README {
	out := overview.README{From: s.chosen.Version}
	if strings.TrimSpace(info.README) == "" {
		if s.writes && s.chosen.Files > 0 {
			out.HowToIt = "Put a README.md beside the recipe and name it in the about section as readme; the next release shows it here."
		}
		return out
	}
	options := markdown.Options{MaxLines: readmeLines}
	if r.URL.Query().Get("readme") == "all" {
		options.MaxLines = 0
	}
	draw := markdown.Plain
	if name := strings.ToLower(info.READMEName); name == "" || strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".markdown") {
		draw = markdown.Render
	}
	result := draw([]byte(info.README), options)
	out.HTML, out.Cut = result.HTML, result.Cut
	out.AllURL = with(r, "readme", "all") + "#readme"
	return out
}

// oldAddress sends an address of anaconda.org to the page that it means.
func (f *Face) oldAddress(w http.ResponseWriter, r *http.Request) error {
	o, err := f.accounts.Owner(r.Context(), web.Param(r, "owner"))
	if err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/repo"):
		return moved(w, r, shared.OwnerURL(o.Name))
	case strings.HasSuffix(r.URL.Path, "/labels"):
		return moved(w, r, shared.OwnerURL(o.Name)+"/-/channels")
	}
	return errs.New(errs.NotFound, nothingHere)
}
