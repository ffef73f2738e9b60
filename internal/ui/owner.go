package ui

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/owner"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// ownerPage draws what the tabs of an owner have in common.
func (f *Face) ownerPage(w http.ResponseWriter, r *http.Request, tab string) (*visit, account.Owner, owner.Page, error) {
	v, err := f.visit(w, r, "")
	if err != nil {
		return nil, account.Owner{}, owner.Page{}, err
	}
	o, err := f.accounts.Owner(r.Context(), web.Param(r, "owner"))
	if err != nil {
		return nil, o, owner.Page{}, err
	}
	v.frame.Title = o.Name
	if tab != "Packages" {
		v.frame.Title = tab + " · " + o.Name
	}
	p := owner.Page{Page: v.frame, Head: shared.OwnerHead{
		Owner: shared.Owner{Name: o.Name, Organization: o.Kind == access.Organization}, FullName: o.FullName,
		Description: o.Description, Place: strings.Join(nonEmpty(o.Company, o.Location), ", "), Home: o.URL, MayEdit: v.administers(o),
	}}
	base := shared.OwnerURL(o.Name)
	p.Head.Tabs = []shared.Tab{{Label: "Packages", Href: base}, {Label: "Channels", Href: base + "/-/channels"}}
	if f.seesPeople(v, o) {
		p.Head.Tabs = append(p.Head.Tabs, shared.Tab{Label: "People", Href: base + "/-/people"})
	}
	for i := range p.Head.Tabs {
		p.Head.Tabs[i].Current = p.Head.Tabs[i].Label == tab
	}
	p.Setup = f.setupTools(r, o.Name, "main", false)
	return v, o, p, nil
}

// seesPeople reports whether the visitor may know who belongs to an organisation.
func (f *Face) seesPeople(v *visit, o account.Owner) bool {
	_, member := v.actor.Roles[o.ID]
	return o.Kind == access.Organization && (member || v.actor.Operator)
}

// ownerPackages is the page of an owner: its packages.
func (f *Face) ownerPackages(w http.ResponseWriter, r *http.Request) error {
	v, o, p, err := f.ownerPage(w, r, "Packages")
	if err != nil {
		return err
	}
	if name := web.Param(r, "owner"); name != o.Name {
		return moved(w, r, shared.OwnerURL(o.Name))
	}
	at := placeOf(r)
	list, filter, err := f.packagesOf(r, v, o.Name, at)
	if err != nil {
		return err
	}
	rows, err := f.rows(r.Context(), v.actor, list.Packages)
	if err != nil {
		return err
	}
	tab := &owner.Packages{Filter: filter, Total: list.Total, Pages: at.pager(r, len(rows), list.Total, list.Next, 0), Table: table(r, "Packages of "+o.Name, rows)}
	if len(rows) == 0 && access.Can(v.actor, access.Write, o.Object()).Allowed {
		tab.Upload = append(f.loginCommands(v.actor.Name), uploadCommand(o.Name, "", o.ID == v.actor.ID))
	}
	p.PackageTab = tab
	if partial(r) {
		return write(w, r, http.StatusOK, "no-store", owner.List(p, *tab))
	}
	return render(w, r, http.StatusOK, p.Page, owner.View(p))
}

// packagesOf lists packages of an owner in the order and with the filter that the
// address names.
func (f *Face) packagesOf(r *http.Request, v *visit, name string, at place) (registry.PackageList, string, error) {
	q := r.URL.Query()
	filter, sort := strings.TrimSpace(q.Get("filter")), order(r)
	if filter == "" {
		list, err := f.registry.Packages(r.Context(), v.actor, registry.PackageFilter{Owner: name, Sort: sort, After: at.after, Limit: pageRows})
		return list, "", err
	}
	filter = filter[:min(len(filter), 100)]
	found, err := f.registry.Search(r.Context(), v.actor, registry.Query{Owners: registry.One(name), Text: filter, Sort: sort, After: at.after, Limit: pageRows})
	return registry.PackageList{Packages: found.Hits, Total: found.Total, Next: found.Next}, filter, err
}

// order is the order of a list of packages; one that nobody knows is by name.
func order(r *http.Request) string {
	switch s := r.URL.Query().Get("sort"); s {
	case "released", "downloads":
		return s
	default:
		return "name"
	}
}

func table(r *http.Request, caption string, rows []shared.PackageRow) shared.PackageTable {
	return shared.PackageTable{Caption: caption, Rows: rows, Sort: order(r), SortURL: sortURL(r)}
}

// ownerChannels lists the channels of an owner.
func (f *Face) ownerChannels(w http.ResponseWriter, r *http.Request) error {
	v, o, p, err := f.ownerPage(w, r, "Channels")
	if err != nil {
		return err
	}
	channels, err := f.registry.OwnerChannels(r.Context(), v.actor, o.Name)
	if err != nil {
		return err
	}
	tab := &owner.Channels{}
	for _, c := range channels {
		tab.Rows = append(tab.Rows, owner.Channel{
			Name: c.Name, Kind: c.Kind, Readers: readers(c.Channel), Private: c.Visibility != access.Public,
			Packages: int64(c.Packages), Changed: c.Changed, Frozen: c.FrozenAt != nil,
		})
	}
	p.ChannelTab = tab
	return render(w, r, http.StatusOK, p.Page, owner.View(p))
}

// readers says who may read a channel.
func readers(c registry.Channel) string {
	switch c.Visibility {
	case access.Public:
		return "Everybody"
	case access.Authenticated:
		return "Everybody with an account"
	case access.Internal:
		return "Members of " + c.OwnerName
	default:
		return "Only who was given access"
	}
}

// ownerPeople lists the members of an organisation for those who may know them.
func (f *Face) ownerPeople(w http.ResponseWriter, r *http.Request) error {
	v, o, p, err := f.ownerPage(w, r, "People")
	if err != nil {
		return err
	}
	if !f.seesPeople(v, o) {
		return access.Absent(o.Object())
	}
	members, err := f.accounts.Members(r.Context(), v.actor, o.Name)
	if err != nil {
		return err
	}
	tab := &owner.People{Total: len(members)}
	for _, m := range members {
		tab.Members = append(tab.Members, shared.Owner{Name: m.Name, Role: string(m.Role)})
	}
	p.PeopleTab = tab
	return render(w, r, http.StatusOK, p.Page, owner.View(p))
}

func nonEmpty(texts ...string) []string {
	var list []string
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}
