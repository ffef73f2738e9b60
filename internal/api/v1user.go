package api

import (
	"context"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/web"
)

// v1User is an account as its holder and the operator see it.
type v1User struct {
	Name       string     `json:"name"`
	FullName   string     `json:"full_name,omitempty"`
	Email      string     `json:"email,omitempty"`
	Verified   bool       `json:"verified" doc:"The e-mail address is known to be theirs."`
	Operator   bool       `json:"operator"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
	LastSignIn *time.Time `json:"last_sign_in_at,omitempty"`
}

func newV1User(u account.User) v1User {
	return v1User{
		Name: u.Name, FullName: u.FullName, Email: u.Email, Verified: u.EmailVerifiedAt != nil, Operator: u.Operator,
		CreatedAt: u.CreatedAt, DisabledAt: u.DisabledAt, LastSignIn: u.LastSignInAt,
	}
}

// V1Owner is a user or an organisation as everybody sees it.
type V1Owner struct {
	Name        string    `json:"name"`
	Kind        string    `json:"kind" enum:"user,organization"`
	FullName    string    `json:"full_name,omitempty"`
	Company     string    `json:"company,omitempty"`
	Location    string    `json:"location,omitempty"`
	URL         string    `json:"url,omitempty"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

func newV1Owner(o account.Owner) V1Owner {
	return V1Owner{
		Name: o.Name, Kind: o.Kind, FullName: o.FullName, Company: o.Company, Location: o.Location, URL: o.URL,
		Description: o.Description, CreatedAt: o.CreatedAt,
	}
}

func (v *v1) users() {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Operator, false}, "list-users", http.MethodGet, "/users", "List all accounts", "users", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct{ Paging }) (*list[v1User], error) {
			users, next, err := accounts.Users(ctx, actor, account.UserFilter{After: in.After, Limit: in.Limit})
			if err != nil {
				return nil, err
			}
			return page(ctx, each(users, newV1User), next), nil
		})
	handle(v, operation{verdict{web.Operator, false}, "create-user", http.MethodPost, "/users", "Make an account", "users", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				Name     string `json:"name"`
				Email    string `json:"email"`
				Password string `json:"password,omitempty" doc:"Without one the account cannot sign in with a password."`
				FullName string `json:"full_name,omitempty"`
				Operator bool   `json:"operator,omitempty"`
			}
		},
		) (*made[v1User], error) {
			u, err := accounts.CreateUser(ctx, actor, account.NewUser{
				Name: in.Body.Name, Email: in.Body.Email, Password: in.Body.Password, FullName: in.Body.FullName, Operator: in.Body.Operator,
			})
			if err != nil {
				return nil, err
			}
			return &made[v1User]{v.at("users", u.Name), newV1User(u)}, nil
		})
	handle(v, operation{verdict{web.Person, false}, "get-me", http.MethodGet, "/users/me", "Say who I am", "users", 200, false},
		func(ctx context.Context, actor access.Actor, _ *struct{}) (*one[v1User], error) {
			u, err := accounts.User(ctx, actor, actor.Name)
			if err != nil {
				return nil, err
			}
			return &one[v1User]{newV1User(u)}, nil
		})
	handle(v, operation{verdict{web.Anybody, false}, "get-user", http.MethodGet, "/users/{name}", "Show a user or an organisation", "users", 200, false},
		func(ctx context.Context, _ access.Actor, in *struct {
			Name string `path:"name"`
		},
		) (*one[V1Owner], error) {
			o, err := accounts.Owner(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return &one[V1Owner]{newV1Owner(o)}, nil
		})
	handle(v, operation{verdict{web.Operator, false}, "update-user", http.MethodPatch, "/users/{name}", "Disable an account, or set its password", "users", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Name string `path:"name"`
			Body struct {
				Disabled *bool   `json:"disabled,omitempty"`
				Password *string `json:"password,omitempty"`
			}
		},
		) (*one[v1User], error) {
			if in.Body.Password != nil {
				if err := accounts.SetPassword(ctx, actor, in.Name, *in.Body.Password); err != nil {
					return nil, err
				}
			}
			find := accounts.User
			if in.Body.Disabled != nil {
				change := accounts.EnableUser
				find = accounts.UserOrDeleted
				if *in.Body.Disabled {
					change = accounts.DisableUser
				}
				if err := change(ctx, actor, in.Name); err != nil {
					return nil, err
				}
			}
			u, err := find(ctx, actor, in.Name)
			if err != nil {
				return nil, err
			}
			return &one[v1User]{newV1User(u)}, nil
		})
}

// at is the address of a resource, for Location.
func (v *v1) at(parts ...string) string { return v.face.url + prefix + "/" + escape(parts...) }
