package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/web"
)

// v1Group is a group of an organisation.
type v1Group struct {
	Organization string    `json:"organization"`
	Name         string    `json:"name"`
	Permission   string    `json:"permission" enum:"read,write,admin" doc:"What its members may do with the packages that it reaches."`
	AllPackages  bool      `json:"all_packages" doc:"It reaches all packages of the organisation, not only the chosen ones."`
	Members      int       `json:"members"`
	Packages     int       `json:"packages" doc:"How many are chosen."`
	CreatedAt    time.Time `json:"created_at"`
}

func newV1Group(org string, g account.Group) v1Group {
	return v1Group{strings.ToLower(org), g.Name, string(g.Permission), g.AllPackages, g.Members, g.ChosenPackages, g.CreatedAt}
}

// v1GroupPackage is a package that a group reaches.
type v1GroupPackage struct {
	Owner      string `json:"owner"`
	Name       string `json:"name"`
	Summary    string `json:"summary"`
	Visibility string `json:"visibility" enum:"public,private"`
}

// GroupPath is the path of a group.
type GroupPath struct {
	Org  string `path:"org"`
	Name string `path:"name"`
}

func (v *v1) groups() {
	accounts, path := v.face.accounts, "/groups/{org}/{name}"
	handle(v, operation{verdict{web.Member, false}, "list-groups", http.MethodGet, "/groups", "List the groups of an organisation", "groups", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Organization string `query:"organization" required:"true"`
		},
		) (*list[v1Group], error) {
			all, err := accounts.Groups(ctx, actor, in.Organization)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(g account.Group) string { return g.Name }, func(g account.Group) v1Group {
				return newV1Group(in.Organization, g)
			}), nil
		})
	handle(v, operation{verdict{web.Admin, false}, "create-group", http.MethodPost, "/groups", "Make a group", "groups", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				Organization string `json:"organization"`
				Name         string `json:"name"`
				Permission   string `json:"permission,omitempty" enum:"read,write,admin" default:"read"`
				AllPackages  bool   `json:"all_packages,omitempty"`
			}
		},
		) (*made[v1Group], error) {
			org := in.Body.Organization
			g, err := accounts.CreateGroup(ctx, actor, org, account.NewGroup{
				Name: in.Body.Name, Permission: access.Verb(in.Body.Permission), AllPackages: in.Body.AllPackages,
			})
			if err != nil {
				return nil, err
			}
			return &made[v1Group]{v.at("groups", strings.ToLower(org), g.Name), newV1Group(org, g)}, nil
		})
	handle(v, operation{verdict{web.Member, false}, "get-group", http.MethodGet, path, "Show a group", "groups", 200, false},
		func(ctx context.Context, actor access.Actor, in *GroupPath) (*one[v1Group], error) {
			g, err := accounts.Group(ctx, actor, in.Org, in.Name)
			if err != nil {
				return nil, err
			}
			return &one[v1Group]{newV1Group(in.Org, g)}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "update-group", http.MethodPatch, path, "Rename a group, or change what it may do and reach", "groups", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			GroupPath
			Body struct {
				Name        *string `json:"name,omitempty"`
				Permission  *string `json:"permission,omitempty" enum:"read,write,admin"`
				AllPackages *bool   `json:"all_packages,omitempty"`
			}
		},
		) (*one[v1Group], error) {
			g, err := accounts.ChangeGroup(ctx, actor, in.Org, in.Name, account.GroupUpdate{
				Name: in.Body.Name, Permission: (*access.Verb)(in.Body.Permission), AllPackages: in.Body.AllPackages,
			})
			if err != nil {
				return nil, err
			}
			return &one[v1Group]{newV1Group(in.Org, g)}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "delete-group", http.MethodDelete, path, "Delete a group; its members stay in the organisation", "groups", 204, false},
		func(ctx context.Context, actor access.Actor, in *GroupPath) (*nothing, error) {
			return &nothing{}, accounts.DeleteGroup(ctx, actor, in.Org, in.Name)
		})
	v.groupMembers(path + "/members")
	v.groupPackages(path + "/packages")
}

func (v *v1) groupMembers(path string) {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Member, false}, "list-group-members", http.MethodGet, path, "List the members of a group", "groups", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			GroupPath
		},
		) (*list[v1Member], error) {
			all, err := accounts.GroupMembers(ctx, actor, in.Org, in.Name)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(m account.Member) string { return m.Name }, newV1Member), nil
		})
	type member struct {
		GroupPath
		User string `path:"user"`
	}
	path += "/{user}"
	handle(v, operation{verdict{web.Admin, false}, "add-group-member", http.MethodPut, path, "Put a user into a group, and into the organisation if need be", "groups", 204, false},
		func(ctx context.Context, actor access.Actor, in *member) (*nothing, error) {
			return &nothing{}, accounts.AddGroupMember(ctx, actor, in.Org, in.Name, in.User)
		})
	handle(v, operation{verdict{web.Admin, false}, "remove-group-member", http.MethodDelete, path, "Take a user out of a group", "groups", 204, false},
		func(ctx context.Context, actor access.Actor, in *member) (*nothing, error) {
			return &nothing{}, accounts.RemoveGroupMember(ctx, actor, in.Org, in.Name, in.User)
		})
}

func (v *v1) groupPackages(path string) {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Member, true}, "list-group-packages", http.MethodGet, path, "List the packages that a group reaches, as far as I may read them", "groups", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			GroupPath
		},
		) (*list[v1GroupPackage], error) {
			all, err := accounts.GroupPackages(ctx, actor, in.Org, in.Name)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(p account.GroupPackage) string { return p.Name }, func(p account.GroupPackage) v1GroupPackage {
				return v1GroupPackage{strings.ToLower(in.Org), p.Name, p.Summary, visibility(p.Private)}
			}), nil
		})
	type chosen struct {
		GroupPath
		Package string `path:"package"`
	}
	path += "/{package}"
	handle(v, operation{verdict{web.Admin, false}, "add-group-package", http.MethodPut, path, "Give a group its permission on a package", "groups", 204, false},
		func(ctx context.Context, actor access.Actor, in *chosen) (*nothing, error) {
			return &nothing{}, accounts.AddGroupPackage(ctx, actor, in.Org, in.Name, in.Package)
		})
	handle(v, operation{verdict{web.Admin, false}, "remove-group-package", http.MethodDelete, path, "Take a chosen package from a group", "groups", 204, false},
		func(ctx context.Context, actor access.Actor, in *chosen) (*nothing, error) {
			return &nothing{}, accounts.RemoveGroupPackage(ctx, actor, in.Org, in.Name, in.Package)
		})
}
