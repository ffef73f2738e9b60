package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// v1Package is a package.
type v1Package struct {
	Owner      string     `json:"owner"`
	Name       string     `json:"name"`
	Visibility string     `json:"visibility" enum:"public,private"`
	Summary    string     `json:"summary"`
	License    string     `json:"license,omitempty"`
	Types      []string   `json:"types"`
	Latest     string     `json:"latest,omitempty" doc:"The newest version."`
	Versions   []string   `json:"versions,omitempty" doc:"Oldest first; only where one package is shown."`
	Subdirs    []string   `json:"subdirs"`
	Downloads  int64      `json:"downloads"`
	CreatedAt  time.Time  `json:"created_at"`
	ModifiedAt time.Time  `json:"modified_at"`
	ReleasedAt *time.Time `json:"released_at,omitempty" doc:"When the newest file came."`
	Page       string     `json:"page" doc:"Its page for people."`
}

func visibility(private bool) string {
	if private {
		return access.Private
	}
	return access.Public
}

func (v *v1) pkg(p registry.Package) v1Package {
	return v1Package{
		Owner: p.OwnerName, Name: p.Name, Visibility: visibility(p.Private), Summary: p.Summary, License: p.License, Types: each(p.Types, same),
		Latest: p.Latest, Versions: p.Versions, Subdirs: each(p.Platforms, same), Downloads: p.Downloads, CreatedAt: p.CreatedAt,
		ModifiedAt: p.ModifiedAt, ReleasedAt: p.ReleasedAt, Page: v.face.page(p.OwnerName, p.Name),
	}
}

// Named is the path of a package.
type Named struct {
	Owner string `path:"owner"`
	Name  string `path:"name"`
}

func (v *v1) packages() {
	reg := v.face.registry
	handle(v, operation{verdict{web.Anybody, true}, "list-packages", http.MethodGet, "/packages", "List or search the packages that I may read", "packages", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Text   string `query:"q" doc:"Words to search for."`
			Owner  string `query:"owner"`
			Type   string `query:"type"`
			Subdir string `query:"subdir"`
			Sort   string `query:"sort" enum:"name,downloads,modified" doc:"Without it: the best match first where words are given, else by name."`
		},
		) (*list[v1Package], error) {
			if in.Text != "" {
				found, err := reg.Search(ctx, actor, registry.Query{
					Text: in.Text, Owners: registry.One(in.Owner), Types: registry.One(in.Type), Platforms: registry.One(in.Subdir), Sort: in.Sort, After: in.After, Limit: in.Limit,
				})
				if err != nil {
					return nil, err
				}
				return page(ctx, each(found.Hits, v.pkg), found.Next), nil
			}
			found, err := reg.Packages(ctx, actor, registry.PackageFilter{
				Owner: in.Owner, Type: in.Type, Platform: in.Subdir, Sort: in.Sort, After: in.After, Limit: in.Limit,
			})
			if err != nil {
				return nil, err
			}
			return page(ctx, each(found.Packages, v.pkg), found.Next), nil
		})
	handle(v, operation{verdict{web.Writer, false}, "create-package", http.MethodPost, "/packages", "Make a package without files", "packages", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				Owner      string `json:"owner"`
				Name       string `json:"name"`
				Summary    string `json:"summary,omitempty"`
				Visibility string `json:"visibility,omitempty" enum:"public,private" default:"public"`
			}
		},
		) (*made[v1Package], error) {
			attrs, err := json.Marshal(map[string]string{"summary": in.Body.Summary})
			if err != nil {
				return nil, err
			}
			p, isNew, err := reg.CreatePackage(ctx, actor, in.Body.Owner, in.Body.Name,
				registry.NewPackage{Private: in.Body.Visibility == access.Private, Attrs: attrs})
			if err != nil {
				return nil, err
			}
			if !isNew {
				return nil, existsError("The package", p.FullName())
			}
			return &made[v1Package]{v.at("packages", p.OwnerName, p.Name), v.pkg(p)}, nil
		})
	handle(v, operation{verdict{web.Reader, true}, "get-package", http.MethodGet, "/packages/{owner}/{name}", "Show a package", "packages", 200, false},
		func(ctx context.Context, actor access.Actor, in *Named) (*one[v1Package], error) {
			p, err := reg.Package(ctx, actor, in.Owner, in.Name)
			if err != nil {
				return nil, err
			}
			return &one[v1Package]{v.pkg(p)}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "update-package", http.MethodPatch, "/packages/{owner}/{name}", "Make a package private or public, or change its summary", "packages", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Named
			Body struct {
				Visibility *string `json:"visibility,omitempty" enum:"public,private"`
				Summary    *string `json:"summary,omitempty"`
			}
		},
		) (*one[v1Package], error) {
			// Everything is judged before anything changes.
			verb := access.Write
			if in.Body.Visibility != nil {
				verb = access.Admin
			}
			if err := reg.Allowed(ctx, actor, verb, in.Owner, in.Name); err != nil {
				return nil, err
			}
			if in.Body.Summary != nil {
				attrs, err := json.Marshal(map[string]string{"summary": *in.Body.Summary})
				if err != nil {
					return nil, err
				}
				if _, err := reg.UpdatePackage(ctx, actor, in.Owner, in.Name, attrs); err != nil {
					return nil, err
				}
			}
			if in.Body.Visibility != nil {
				if _, err := reg.SetPrivate(ctx, actor, in.Owner, in.Name, *in.Body.Visibility == access.Private); err != nil {
					return nil, err
				}
			}
			p, err := reg.Package(ctx, actor, in.Owner, in.Name)
			if err != nil {
				return nil, err
			}
			return &one[v1Package]{v.pkg(p)}, nil
		})
	handle(v, operation{verdict{web.Writer, false}, "delete-package", http.MethodDelete, "/packages/{owner}/{name}", "Put all files of a package into the trash", "packages", 204, false},
		func(ctx context.Context, actor access.Actor, in *Named) (*nothing, error) {
			return &nothing{}, reg.DeletePackage(ctx, actor, in.Owner, in.Name)
		})
	handle(v, operation{verdict{web.Reader, true}, "list-package-files", http.MethodGet, "/packages/{owner}/{name}/files", "List the files of a package", "packages", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Named
			Version string `query:"version"`
		},
		) (*list[v1File], error) {
			all, err := reg.Files(ctx, actor, in.Owner, in.Name, in.Version)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(f registry.File) string { return f.ID }, v.face.v1File), nil
		})
}
