package api

import (
	"context"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/web"
)

// v1Organization is an organisation and what the caller is in it.
type v1Organization struct {
	V1Owner
	Email string `json:"email,omitempty"`
	Role  string `json:"role,omitempty" enum:"owner,administrator,member"`
}

func newV1Organization(o account.Organization) v1Organization {
	return v1Organization{newV1Owner(o.Owner), o.Email, string(o.Role)}
}

// v1Member is a person in an organisation.
type v1Member struct {
	Name     string    `json:"name"`
	FullName string    `json:"full_name,omitempty"`
	Role     string    `json:"role" enum:"owner,administrator,member"`
	Since    time.Time `json:"since"`
}

// v1NewMember is a person who shall belong to an organisation.
type v1NewMember struct {
	Name string `json:"name"`
	Role string `json:"role,omitempty" enum:"owner,administrator,member" default:"member"`
}

func newV1Member(m account.Member) v1Member {
	return v1Member{m.Name, m.FullName, string(m.Role), m.Since}
}

func (v *v1) organizations() {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Person, false}, "list-organizations", http.MethodGet, "/organizations", "List the organisations that I belong to", "organizations", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct{ Paging }) (*list[v1Organization], error) {
			all, err := accounts.OrganizationsOf(ctx, actor, actor.Name)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(o account.Organization) string { return o.Name }, newV1Organization), nil
		})
	handle(v, operation{verdict{web.Person, false}, "create-organization", http.MethodPost, "/organizations", "Make an organisation that I own", "organizations", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				Name  string `json:"name"`
				Email string `json:"email"`
			}
		},
		) (*made[v1Organization], error) {
			o, err := accounts.CreateOrganization(ctx, actor, in.Body.Name, in.Body.Email)
			if err != nil {
				return nil, err
			}
			return &made[v1Organization]{v.at("organizations", o.Name), newV1Organization(o)}, nil
		})
	handle(v, operation{verdict{web.Anybody, false}, "get-organization", http.MethodGet, "/organizations/{name}", "Show an organisation", "organizations", 200, false},
		func(ctx context.Context, _ access.Actor, in *struct {
			Name string `path:"name"`
		},
		) (*one[V1Owner], error) {
			o, err := accounts.Owner(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			if o.Kind != access.Organization {
				return nil, access.Absent(access.Object{OwnerName: in.Name})
			}
			return &one[V1Owner]{newV1Owner(o)}, nil
		})
	handle(v, operation{verdict{web.Member, false}, "list-members", http.MethodGet, "/organizations/{name}/members", "List the members of an organisation", "organizations", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Name string `path:"name"`
		},
		) (*list[v1Member], error) {
			all, err := accounts.Members(ctx, actor, in.Name)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(m account.Member) string { return m.Name }, newV1Member), nil
		})
	handle(v, operation{verdict{web.Admin, false}, "add-member", http.MethodPost, "/organizations/{name}/members", "Add a member to an organisation", "organizations", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Name string `path:"name"`
			Body v1NewMember
		},
		) (*made[v1NewMember], error) {
			if err := accounts.AddMember(ctx, actor, in.Name, in.Body.Name, access.Role(in.Body.Role)); err != nil {
				return nil, err
			}
			return &made[v1NewMember]{v.at("organizations", in.Name, "members", in.Body.Name), in.Body}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "update-member", http.MethodPatch, "/organizations/{name}/members/{user}", "Change the role of a member", "organizations", 204, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Name string `path:"name"`
			User string `path:"user"`
			Body struct {
				Role string `json:"role" enum:"owner,administrator,member"`
			}
		},
		) (*nothing, error) {
			return &nothing{}, accounts.SetRole(ctx, actor, in.Name, in.User, access.Role(in.Body.Role))
		})
	handle(v, operation{verdict{web.Admin, false}, "remove-member", http.MethodDelete, "/organizations/{name}/members/{user}", "Take a member out of an organisation", "organizations", 204, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Name string `path:"name"`
			User string `path:"user"`
		},
		) (*nothing, error) {
			return &nothing{}, accounts.RemoveMember(ctx, actor, in.Name, in.User)
		})
}
