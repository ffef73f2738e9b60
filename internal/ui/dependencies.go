package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/dependencies"
	"terrarium/internal/ui/shared"
)

// dependentsShown bounds the list of packages that need one.
const dependentsShown = 100

// dependenciesPage says what a build needs and what needs the package.
func (f *Face) dependenciesPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	s, err := f.subjectOf(r, v, q.Get("release"))
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	v.frame.Title = "Dependencies · " + s.Name + " · " + s.OwnerName
	p := dependencies.Page{Page: v.frame, Head: s.head("Dependencies", 0)}
	p.Head.Short = true
	var files []registry.File
	if s.chosen.Version != "" {
		if files, err = f.registry.FilesOf(r.Context(), v.actor, s.Package, s.chosen.Version); err != nil {
			return err
		}
	}
	files = slices.DeleteFunc(files, func(x registry.File) bool { return x.Type != "conda" })
	build, found := shownFile(files, cmp.Or(q.Get("subdir"), subdirOf(r)))
	if i := slices.IndexFunc(files, func(x registry.File) bool {
		return x.Subdir == cmp.Or(q.Get("subdir"), x.Subdir) && x.Build == q.Get("build")
	}); i >= 0 {
		build = files[i]
	}
	if found {
		p.Subdirs, p.Builds = choices(files, build)
		if err := f.fillNeeds(r, v, s, build, &p); err != nil {
			return err
		}
	}
	dependents, total, err := f.registry.Dependents(r.Context(), v.actor, s.Package, dependentsShown)
	if err != nil {
		return err
	}
	p.Total = total
	for _, d := range dependents {
		p.Dependents = append(p.Dependents, dependencies.Dependent{Owner: d.OwnerName, Name: d.Name, Version: d.Version, Spec: d.Spec})
	}
	return render(w, r, http.StatusOK, p.Page, dependencies.View(p))
}

// choices are the platforms of a release, and the builds of the chosen one.
func choices(files []registry.File, chosen registry.File) (subdirs, builds []shared.Option) {
	for _, x := range files {
		if !slices.ContainsFunc(subdirs, func(o shared.Option) bool { return o.Value == x.Subdir }) {
			subdirs = append(subdirs, shared.Option{Value: x.Subdir, Label: x.Subdir, Selected: x.Subdir == chosen.Subdir})
		}
		if x.Subdir == chosen.Subdir && !slices.ContainsFunc(builds, func(o shared.Option) bool { return o.Value == x.Build }) {
			builds = append(builds, shared.Option{Value: x.Build, Label: x.Build, Selected: x.Build == chosen.Build})
		}
	}
	slices.SortFunc(subdirs, func(a, b shared.Option) int { return cmp.Compare(a.Value, b.Value) })
	slices.SortFunc(builds, func(a, b shared.Option) int { return cmp.Compare(b.Value, a.Value) })
	return subdirs, builds
}

// fillNeeds lists what a build needs and constrains, each with the newest release
// of the channel that satisfies it.
func (f *Face) fillNeeds(r *http.Request, v *visit, s subject, build registry.File, p *dependencies.Page) error {
	a := attributesOf(build)
	channel := "main"
	if len(build.Labels) > 0 && !slices.Contains(build.Labels, channel) {
		channel = build.Labels[0]
	}
	builds := map[string][]registry.Build{}
	if len(build.Labels) > 0 {
		open, err := f.registry.OpenChannelOf(r.Context(), v.actor, s.Package, channel)
		if err != nil {
			return err
		}
		var names []string
		for _, spec := range slices.Concat(a.Depends, a.Constrains) {
			name, _ := splitSpec(spec)
			names = append(names, name)
		}
		if builds, err = f.registry.ChannelBuilds(r.Context(), open, build.Subdir, names); err != nil {
			return err
		}
	}
	list := func(specs []string) (out []dependencies.Need) {
		for _, spec := range specs {
			name, rest := splitSpec(spec)
			n := dependencies.Need{Dependency: shared.Dependency{Name: name, Spec: rest, Href: shared.SearchURL(name)}, Where: s.OwnerName + "/" + channel}
			if strings.HasPrefix(name, "__") {
				n.Href = "" // a fact of the machine, no package
			}
			if here := builds[name]; len(here) > 0 {
				n.Href = shared.PackageURL(s.OwnerName, name)
			}
			n.Newest = fitting(spec, builds[name])
			out = append(out, n)
		}
		return out
	}
	p.Depends, p.Constrains = list(a.Depends), list(a.Constrains)
	return nil
}

// fitting gives the newest version among builds, newest first, that a spec takes,
// or "".
func fitting(spec string, builds []registry.Build) string {
	m, err := conda.ParseDependency(spec)
	if err != nil {
		return ""
	}
	for _, b := range builds {
		version, err := conda.ParseVersion(b.Version)
		if err != nil {
			continue
		}
		if m.Match(conda.MatchTarget{Name: b.Name, Version: version, Build: b.Build, BuildNumber: b.BuildNumber, Subdir: b.Subdir}) {
			return b.Version
		}
	}
	return ""
}
