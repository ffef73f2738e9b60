package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// V1Token is a token without its secret.
type V1Token struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	User         string     `json:"user"`
	Organization string     `json:"organization,omitempty" doc:"The organisation that owns the token and to which it is limited."`
	Last4        string     `json:"last4"`
	Scopes       []string   `json:"scopes" doc:"Empty is everything."`
	Resources    []string   `json:"resources" doc:"OWNER or OWNER/PACKAGE to which it is limited; empty is everything."`
	CreatedAt    time.Time  `json:"created_at"`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty"`
}

func newV1Token(t account.Token) V1Token {
	return V1Token{
		ID: t.ID, Name: t.Name, User: t.UserName, Organization: t.Organization, Last4: t.Last4,
		Scopes: each(t.Scopes, same), Resources: each(t.Resources, same),
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt,
	}
}

func same(s string) string { return s }

// v1NewToken is a token with its secret, which is shown this once.
type v1NewToken struct {
	V1Token
	Token string `json:"token,omitempty" doc:"The secret. It is shown only now."`
}

// V1TokenWanted is a token that is to be made.
type V1TokenWanted struct {
	Name      string   `json:"name" doc:"What it is for; unique for its owner."`
	Scopes    []string `json:"scopes,omitempty" doc:"Empty is everything."`
	Resources []string `json:"resources,omitempty" doc:"OWNER or OWNER/PACKAGE; empty is everything."`
	ExpiresIn int64    `json:"expires_in,omitempty" doc:"Seconds; without it a year."`
}

// newToken makes a token, whose n says already whose it is.
func (v *v1) newToken(ctx context.Context, actor access.Actor, wanted V1TokenWanted, n account.NewToken) (*made[v1NewToken], error) {
	n.Name, n.Scopes, n.Resources = wanted.Name, wanted.Scopes, wanted.Resources
	if wanted.ExpiresIn != 0 {
		var err error
		if n.MaxAge, err = seconds(wanted.ExpiresIn); err != nil {
			return nil, err
		}
	}
	t, secret, err := v.face.accounts.CreateToken(ctx, actor, n)
	if err != nil {
		return nil, err
	}
	at := v.at("tokens", t.ID)
	if n.UserName != "" {
		at += "?owner=" + url.QueryEscape(t.UserName)
	}
	return &made[v1NewToken]{at, v1NewToken{newV1Token(t), secret}}, nil
}

func (v *v1) tokens() {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Person, false}, "list-tokens", http.MethodGet, "/tokens", "List my tokens, or those of an organisation", "tokens", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Owner string `query:"owner" doc:"An organisation; without it, I."`
		},
		) (*list[V1Token], error) {
			all, err := accounts.Tokens(ctx, actor, orMe(in.Owner, actor))
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(t account.Token) string { return t.ID }, newV1Token), nil
		})
	handle(v, operation{verdict{web.Person, false}, "create-token", http.MethodPost, "/tokens", "Make a token", "tokens", 201, true},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				V1TokenWanted
				Organization string `json:"organization,omitempty" doc:"Make it a token of an organisation."`
			}
		},
		) (*made[v1NewToken], error) {
			return v.newToken(ctx, actor, in.Body.V1TokenWanted, account.NewToken{OrganizationName: in.Body.Organization})
		})
	handle(v, operation{verdict{web.Operator, false}, "create-user-token", http.MethodPost, "/users/{name}/tokens", "Make a token for a user", "tokens", 201, true},
		func(ctx context.Context, actor access.Actor, in *struct {
			Name string `path:"name"`
			Body struct {
				V1TokenWanted
				Replace bool `json:"replace,omitempty" doc:"Revoke a token of this name."`
			}
		},
		) (*made[v1NewToken], error) {
			return v.newToken(ctx, actor, in.Body.V1TokenWanted, account.NewToken{UserName: in.Name, Replace: in.Body.Replace})
		})
	handle(v, operation{verdict{web.Person, false}, "get-token", http.MethodGet, "/tokens/{id}", "Show a token of mine or of an organisation", "tokens", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ID    string `path:"id"`
			Owner string `query:"owner"`
		},
		) (*one[V1Token], error) {
			all, err := accounts.Tokens(ctx, actor, orMe(in.Owner, actor))
			if err != nil {
				return nil, err
			}
			for _, t := range all {
				if t.ID == in.ID {
					return &one[V1Token]{newV1Token(t)}, nil
				}
			}
			return nil, errs.New(errs.NotFound, "%s has no token %s.", orMe(in.Owner, actor), in.ID)
		})
	handle(v, operation{verdict{web.Person, false}, "delete-token", http.MethodDelete, "/tokens/{id}", "Revoke a token, by id or name", "tokens", 204, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ID    string `path:"id"`
			Owner string `query:"owner"`
		},
		) (*nothing, error) {
			return &nothing{}, accounts.RevokeToken(ctx, actor, orMe(in.Owner, actor), in.ID)
		})
}

// orMe is an owner, or the caller where none was named.
func orMe(owner string, actor access.Actor) string {
	if owner == "" {
		return actor.Name
	}
	return owner
}
