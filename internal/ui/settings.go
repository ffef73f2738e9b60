package ui

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/settings/neworganization"
	"terrarium/internal/ui/pages/settings/organizations"
	"terrarium/internal/ui/pages/settings/profile"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// settingsHead draws the frame of a settings page of an owner that the visitor
// administers.
func settingsHead(v *visit, owner shared.Owner, current string) shared.SettingsHead {
	h := shared.SettingsHead{Owner: owner}
	for _, o := range v.frame.Viewer.Choices {
		if !o.Organization || access.Role(o.Role).Administers() {
			h.Choices = append(h.Choices, o)
		}
	}
	links := []shared.SideLink{
		{Label: "Profile", Icon: "user", Href: "/settings/profile"},
		{Label: "Account", Icon: "mail", Href: "/settings/account"},
		{Label: "Security", Icon: "shield", Href: "/settings/security"},
		{Label: "Tokens", Icon: "key-round", Href: "/settings/tokens"},
		{Label: "Organizations", Icon: "users", Href: "/settings/organizations"},
		{Label: "Storage", Icon: "hard-drive", Href: "/settings/storage"},
	}
	if owner.Organization {
		base := strings.TrimSuffix(shared.SettingsURL(owner), "profile")
		h.Role = "You are its " + owner.Role + "."
		links = []shared.SideLink{
			{Label: "Profile", Icon: "user", Href: base + "profile"},
			{Label: "Account", Icon: "mail", Href: base + "account"},
			{Label: "Tokens", Icon: "key-round", Href: base + "tokens"},
			{Label: "Storage", Icon: "hard-drive", Href: base + "storage"},
		}
	}
	for i := range links {
		links[i].Current = links[i].Label == current
	}
	h.Groups = []shared.SideGroup{{Links: links}}
	return h
}

// settingsOf finds out whose settings the address names: the visitor's, or those
// of an organisation that the visitor administers. Members get 403, others 404.
func (f *Face) settingsOf(w http.ResponseWriter, r *http.Request, title string) (*visit, account.Owner, shared.Owner, error) {
	v, err := f.person(w, r, "")
	if err != nil {
		return nil, account.Owner{}, shared.Owner{}, err
	}
	name := web.Param(r, "org")
	if name == "" {
		name = v.actor.Name
	}
	o, err := f.accounts.Owner(r.Context(), name)
	if err != nil {
		return nil, o, shared.Owner{}, err
	}
	v.frame.Title, v.frame.Current = title+" · "+o.Name, "settings"
	shown := shared.Owner{Name: o.Name, Organization: o.Kind == access.Organization}
	if o.ID == v.actor.ID && web.Param(r, "org") == "" {
		return v, o, shown, nil
	}
	role, member := v.actor.Roles[o.ID]
	switch {
	case o.Kind != access.Organization || !member:
		return nil, o, shown, access.Absent(o.Object())
	case !role.Administers():
		return nil, o, shown, errs.New(errs.Forbidden, "You belong to %s, but its settings are for its owners and administrators.", o.Name)
	}
	shown.Role = string(role)
	return v, o, shown, nil
}

// profilePage shows what a profile says.
func (f *Face) profilePage(w http.ResponseWriter, r *http.Request) error {
	v, o, shown, err := f.settingsOf(w, r, "Profile")
	if err != nil {
		return err
	}
	p := profile.Page{Head: settingsHead(v, shown, "Profile"), Page: v.frame, FullName: o.FullName, Company: o.Company, Place: o.Location, Home: o.URL, Description: o.Description, Action: r.URL.Path}
	return render(w, r, http.StatusOK, p.Page, profile.View(p))
}

// saveProfile writes it.
func (f *Face) saveProfile(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, o, shown, err := f.settingsOf(w, r, "Profile")
	if err != nil {
		return err
	}
	p := profile.Page{Head: settingsHead(v, shown, "Profile"), Page: v.frame, FullName: typed(r, "name"), Company: typed(r, "company"), Place: typed(r, "location"), Home: typed(r, "url"), Description: typed(r, "description"), Action: r.URL.Path}
	err = f.accounts.UpdateProfile(r.Context(), v.actor, o.Name, account.Profile{FullName: p.FullName, Company: p.Company, Location: p.Place, URL: p.Home, Description: p.Description})
	if err != nil {
		list, status, ok := problems(err, map[string]string{"full_name": "name"})
		if !ok {
			return err
		}
		p.Errors = inOrder(list, "name", "company", "location", "url", "description")
		return render(w, r, status, p.Page, profile.View(p))
	}
	f.say(w, shared.Notice{Kind: "ok", Title: "The profile is saved."})
	return see(w, r, r.URL.Path)
}

// organizationsPage lists the organisations that the visitor administers.
func (f *Face) organizationsPage(w http.ResponseWriter, r *http.Request) error {
	v, _, shown, err := f.settingsOf(w, r, "Organizations")
	if err != nil {
		return err
	}
	p := organizations.Page{Head: settingsHead(v, shown, "Organizations"), Page: v.frame}
	counts, err := f.registry.CountPackages(r.Context(), v.actor)
	if err != nil {
		return err
	}
	members, err := f.accounts.CountMembers(r.Context(), v.actor)
	if err != nil {
		return err
	}
	for _, o := range v.orgs {
		if o.Role.Administers() {
			p.Rows = append(p.Rows, organizations.Organization{
				Owner: shared.Owner{Name: o.Name, Organization: true, Role: string(o.Role)}, Members: members[o.ID], Packages: counts[o.ID],
			})
		}
	}
	deleted, err := f.accounts.Deleted(r.Context(), v.actor)
	if err != nil {
		return err
	}
	operates := access.Operates(v.actor) == nil
	for _, d := range deleted {
		if d.Kind == access.Organization {
			p.Deleted = append(p.Deleted, organizations.Deleted{Name: d.Name, By: d.DeletedBy, At: *d.DeletedAt, Erased: d.ErasedFrom, Locked: d.ByOperator && !operates})
		}
	}
	if err := v.actor.MayPublish(); err != nil {
		p.Why = "Verify your e-mail address first; then you can create organisations."
	}
	return render(w, r, http.StatusOK, p.Page, organizations.View(p))
}

// newOrganizationPage shows the form that makes an organisation.
func (f *Face) newOrganizationPage(w http.ResponseWriter, r *http.Request) error {
	v, _, shown, err := f.settingsOf(w, r, "New organization")
	if err != nil {
		return err
	}
	p := neworganization.Page{Head: settingsHead(v, shown, "Organizations"), Page: v.frame}
	return render(w, r, http.StatusOK, p.Page, neworganization.View(p))
}

// newOrganization makes it; its creator is its owner, works as it from then on
// and lands on its dashboard.
func (f *Face) newOrganization(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, _, shown, err := f.settingsOf(w, r, "New organization")
	if err != nil {
		return err
	}
	p := neworganization.Page{Head: settingsHead(v, shown, "Organizations"), Page: v.frame, Name: typed(r, "name"), Email: typed(r, "email")}
	org, err := f.accounts.CreateOrganization(r.Context(), v.actor, p.Name, p.Email)
	if err != nil {
		list, status, ok := problems(err, nil)
		if !ok {
			return err
		}
		p.Errors = inOrder(list, "name", "email")
		return render(w, r, status, p.Page, neworganization.View(p))
	}
	if v.actor.Credential == "session" {
		values := map[string]string{valueView: org.Name}
		if err := f.accounts.SetSessionValues(r.Context(), f.sessionCookie(r), values); err != nil {
			return err
		}
	}
	f.say(w, shared.Notice{Kind: "ok", Title: org.Name + " is made.", Text: "You are its owner."})
	return see(w, r, "/dashboard")
}
