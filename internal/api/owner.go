package api

import (
	"net/http"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/web"
)

// ownerDocument is a user or organisation as everybody may see it: the client
// prints every key.
type ownerDocument struct {
	Login       string `json:"login"`
	Name        string `json:"name"`
	Company     string `json:"company"`
	Location    string `json:"location"`
	URL         string `json:"url"`
	Description string `json:"description"`
	CreatedAt   string `json:"created_at"`
	UserType    string `json:"user_type"` // "user" or "org"
}

func newOwnerDocument(o account.Owner) ownerDocument {
	d := ownerDocument{
		Login: o.Name, Name: o.FullName, Company: o.Company, Location: o.Location, URL: o.URL,
		Description: o.Description, CreatedAt: stamp(o.CreatedAt), UserType: "user",
	}
	if o.Kind == access.Organization {
		d.UserType = "org"
	}
	return d
}

func (f *Face) me(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	return f.sendOwner(w, r, actor.Name)
}

func (f *Face) owner(w http.ResponseWriter, r *http.Request, _ access.Actor) error {
	return f.sendOwner(w, r, web.Param(r, "login"))
}

func (f *Face) sendOwner(w http.ResponseWriter, r *http.Request, name string) error {
	o, err := f.accounts.Owner(r.Context(), name)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, newOwnerDocument(o))
}

func (f *Face) organizationsOf(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	name := web.Param(r, "login")
	if name == "" {
		name = actor.Name
	}
	list, err := f.accounts.OrganizationsOf(r.Context(), actor, name)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(list, func(o account.Organization) ownerDocument { return newOwnerDocument(o.Owner) }))
}

// licenses are those that anaconda.org sold once; there are none here, and who
// asks does not matter: the client's own tests ask without a token.
func (f *Face) licenses(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, []string{})
}
