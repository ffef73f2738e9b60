package api

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"terrarium/internal/registry"
)

// The documents below have the keys of anaconda.org (spec/anaconda-api.md §6.1):
// lists are never null, and keys that a client reads are always there.

// stamp writes a time the way anaconda.org does, always with its offset.
func stamp(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05.000000-07:00")
}

func optionalStamp(t *time.Time) *string {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}

// each gives a list with f applied to every element, never nil.
func each[S, T any](list []S, f func(S) T) []T {
	out := make([]T, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

// bag is a JSON object whose values are kept as a client sent them.
type bag map[string]jsontext.Value

// openBag reads attributes; what is no object is an empty one.
func openBag(raw jsontext.Value) bag {
	b := bag{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &b); err != nil || b == nil {
			return bag{}
		}
	}
	return b
}

// text is the string under a key, of a list its first, else "".
func (b bag) text(key string) string {
	var s string
	if err := json.Unmarshal(b[key], &s); err == nil {
		return s
	}
	var list []string
	if err := json.Unmarshal(b[key], &list); err == nil && len(list) > 0 {
		return list[0]
	}
	return ""
}

// license is the name of the licence: new packages carry an object, updates a
// string.
func (b bag) license() string {
	if s := b.text("license"); s != "" {
		return s
	}
	return openBag(b["license"]).text("name")
}

// distDocument is one file.
type distDocument struct {
	ID               string         `json:"_id"`
	Basename         string         `json:"basename"`
	Version          string         `json:"version"`
	Owner            string         `json:"owner"`
	Package          string         `json:"package"`
	FullName         string         `json:"full_name"`
	Type             string         `json:"type"`
	DistributionType string         `json:"distribution_type"`
	Description      string         `json:"description"`
	Attrs            jsontext.Value `json:"attrs"`
	Dependencies     jsontext.Value `json:"dependencies"`
	Labels           []string       `json:"labels"`
	MD5              string         `json:"md5"`
	SHA256           string         `json:"sha256"`
	Size             int64          `json:"size"`
	UploadTime       string         `json:"upload_time"`
	Downloads        int64          `json:"ndownloads"`
	DownloadURL      string         `json:"download_url"`
}

func (f *Face) distDocument(file registry.File) distDocument {
	d := distDocument{
		ID: file.ID, Basename: file.Basename, Version: file.Version, Owner: file.OwnerName, Package: file.PackageName,
		FullName: file.FullName(), Type: file.Type, DistributionType: file.Type, Description: file.Description,
		Attrs: file.Attrs, Dependencies: file.Dependencies, Labels: file.Labels, MD5: file.MD5, SHA256: file.SHA256,
		Size: file.Size, UploadTime: stamp(file.UploadedAt), Downloads: file.Downloads,
	}
	if len(d.Attrs) == 0 {
		d.Attrs = jsontext.Value(`{}`)
	}
	if len(d.Dependencies) == 0 {
		d.Dependencies = jsontext.Value(`{"depends":[]}`)
	}
	_, host, _ := strings.Cut(f.url, ":") // "//host": the scheme of whoever follows it
	d.DownloadURL = host + "/api/download/" + escape(file.OwnerName, file.PackageName, file.Version, file.Basename)
	return d
}

// escape joins parts to a path; slashes within a part stay.
func escape(parts ...string) string {
	u := url.URL{Path: strings.Join(parts, "/")}
	return u.EscapedPath()
}

// login is an owner where the client reads only the name.
type login struct {
	Login string `json:"login"`
	Name  string `json:"name"`
}

// packageCore are the keys that a package has wherever it is shown.
type packageCore struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	FullName       string   `json:"full_name"`
	Types          []string `json:"package_types"`
	Summary        string   `json:"summary"`
	Description    string   `json:"description"`
	Home           string   `json:"home"`
	Public         bool     `json:"public"`
	URL            string   `json:"url"`
	HTMLURL        string   `json:"html_url"`
	LatestVersion  string   `json:"latest_version"`
	CondaPlatforms []string `json:"conda_platforms"`
	License        string   `json:"license"`
	LicenseURL     string   `json:"license_url"`
	DevURL         string   `json:"dev_url"`
	DocURL         string   `json:"doc_url"`
	SourceGitURL   string   `json:"source_git_url"`
	SourceGitTag   string   `json:"source_git_tag"`
	Builds         []string `json:"builds"`
	Downloads      int64    `json:"ndownloads"`
	Revision       int64    `json:"revision"`
	CreatedAt      string   `json:"created_at"`
	ModifiedAt     string   `json:"modified_at"`
	AppEntry       struct{} `json:"app_entry"`
	AppType        struct{} `json:"app_type"`
	AppSummary     struct{} `json:"app_summary"`
	Watchers       int      `json:"watchers"`
	Upvoted        int      `json:"upvoted"`
}

func (f *Face) packageCore(p registry.Package) packageCore {
	attrs := openBag(p.Attrs)
	license := p.License
	if license == "" {
		license = attrs.license()
	}
	return packageCore{
		ID: p.ID, Name: p.Name, FullName: p.FullName(), Types: p.Types, Summary: p.Summary,
		Description: attrs.text("description"), Home: attrs.text("home"), Public: !p.Private,
		URL:           f.url + "/api/package/" + escape(p.OwnerName, p.Name),
		HTMLURL:       f.page(p.OwnerName, p.Name),
		LatestVersion: p.Latest, CondaPlatforms: p.Platforms, License: license,
		LicenseURL: attrs.text("license_url"), DevURL: attrs.text("dev_url"), DocURL: attrs.text("doc_url"),
		SourceGitURL: attrs.text("source_git_url"), SourceGitTag: attrs.text("source_git_tag"),
		Builds: []string{}, Downloads: p.Downloads, Revision: p.ModifiedAt.UnixMilli(),
		CreatedAt: stamp(p.CreatedAt), ModifiedAt: stamp(p.ModifiedAt),
	}
}

// page is the address of a package for people.
func (f *Face) page(owner, name string) string { return f.url + "/" + escape(owner, name) }

// packageSummary is a package in a list: its owner is a string.
type packageSummary struct {
	packageCore
	Owner string `json:"owner"`
}

func (f *Face) packageSummary(p registry.Package) packageSummary {
	return packageSummary{f.packageCore(p), p.OwnerName}
}

// packageDocument is a package asked for by name: its owner is an object.
type packageDocument struct {
	packageCore
	Owner     login             `json:"owner"`
	Versions  []string          `json:"versions"`
	Platforms map[string]string `json:"platforms"` // subdir -> newest version
	Releases  []releaseName     `json:"releases"`
	Files     []distDocument    `json:"files"`
}

type releaseName struct {
	Version  string `json:"version"`
	FullName string `json:"full_name"`
	URL      string `json:"url"`
}

func (f *Face) packageDocument(p registry.Package, releases []registry.Release, files []registry.File) packageDocument {
	d := packageDocument{
		packageCore: f.packageCore(p), Owner: login{Login: p.OwnerName}, Versions: p.Versions,
		Platforms: map[string]string{}, Files: each(files, f.distDocument),
		Releases: each(releases, func(r registry.Release) releaseName {
			return releaseName{r.Version, p.FullName() + "/" + r.Version, f.url + "/api/release/" + escape(p.OwnerName, p.Name, r.Version)}
		}),
	}
	rank := make(map[string]int, len(p.Versions)) // they come sorted, oldest first
	for i, v := range p.Versions {
		rank[v] = i
	}
	for _, file := range files {
		if file.Subdir != "" {
			if v, ok := d.Platforms[file.Subdir]; !ok || rank[v] < rank[file.Version] {
				d.Platforms[file.Subdir] = file.Version
			}
		}
		if file.Build != "" && file.Version == p.Latest {
			d.Builds = append(d.Builds, file.Build)
		}
	}
	slices.Sort(d.Builds)
	d.Builds = slices.Compact(d.Builds)
	return d
}

// releaseDocument is one version of a package.
type releaseDocument struct {
	Version       string         `json:"version"`
	FullName      string         `json:"full_name"`
	Owner         login          `json:"owner"`
	Description   string         `json:"description"`
	Requirements  []string       `json:"requirements"`
	Announce      *string        `json:"announce"`
	PublicAttrs   jsontext.Value `json:"public_attrs"`
	Distributions []distDocument `json:"distributions"`
	CreatedAt     string         `json:"created_at"`
	URL           string         `json:"url"`
}

func (f *Face) releaseDocument(r registry.Release, files []registry.File) releaseDocument {
	d := releaseDocument{
		Version: r.Version, FullName: r.OwnerName + "/" + r.PackageName + "/" + r.Version, Owner: login{Login: r.OwnerName},
		Description: r.Description, Requirements: []string{}, PublicAttrs: r.Attrs,
		Distributions: each(files, f.distDocument), CreatedAt: stamp(r.CreatedAt),
		URL: f.url + "/api/release/" + escape(r.OwnerName, r.PackageName, r.Version),
	}
	if len(d.PublicAttrs) == 0 {
		d.PublicAttrs = jsontext.Value(`{}`)
	}
	return d
}
