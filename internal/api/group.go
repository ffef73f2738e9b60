package api

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

type groupName struct {
	Name       string      `json:"name"`
	Permission access.Verb `json:"permission"`
	Org        string      `json:"org"`
}

func (f *Face) groups(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	list, err := f.groupNames(r, actor, web.Param(r, "org"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, map[string][]groupName{"groups": list})
}

// myGroups lists the groups of all organisations that the caller administers.
func (f *Face) myGroups(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	orgs, err := f.accounts.OrganizationsOf(r.Context(), actor, actor.Name)
	if err != nil {
		return err
	}
	all := []groupName{}
	for _, org := range orgs {
		list, err := f.groupNames(r, actor, org.Name)
		if errs.Is(err, errs.Forbidden) {
			continue // a member of it, no more
		}
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	return web.JSON(w, http.StatusOK, map[string][]groupName{"groups": all})
}

func (f *Face) groupNames(r *http.Request, actor access.Actor, org string) ([]groupName, error) {
	list, err := f.accounts.Groups(r.Context(), actor, org)
	if err != nil {
		return nil, err
	}
	return each(list, func(g account.Group) groupName { return groupName{g.Name, g.Permission, org} }), nil
}

func (f *Face) group(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	g, err := f.accounts.Group(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Name       string      `json:"name"`
		Permission access.Verb `json:"permission"`
		Members    int         `json:"members_count"`
		Packages   int         `json:"repos_count"`
		All        bool        `json:"all_repos"`
	}{g.Name, g.Permission, g.Members, g.ChosenPackages, g.AllPackages})
}

func (f *Face) createGroup(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		Perms string `json:"perms"`
	}{Perms: string(access.Read)}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	_, err := f.accounts.CreateGroup(r.Context(), actor, web.Param(r, "org"),
		account.NewGroup{Name: web.Param(r, "group"), Permission: access.Verb(body.Perms)})
	if err != nil {
		return err
	}
	return noContent(w)
}

func (f *Face) deleteGroup(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.DeleteGroup(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group")); err != nil {
		return err
	}
	return noContent(w)
}

func (f *Face) groupMembers(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	list, err := f.accounts.GroupMembers(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(list, func(m account.Member) login { return login{m.Name, m.FullName} }))
}

func (f *Face) groupMember(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	list, err := f.accounts.GroupMembers(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"))
	if err != nil {
		return err
	}
	for _, m := range list {
		if strings.EqualFold(m.Name, web.Param(r, "user")) {
			return noContent(w)
		}
	}
	return errs.New(errs.NotFound, "%s is not in the group %s.", web.Param(r, "user"), web.Param(r, "group"))
}

func (f *Face) addGroupMember(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.AddGroupMember(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"), web.Param(r, "user")); err != nil {
		return err
	}
	return noContent(w)
}

func (f *Face) removeGroupMember(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.RemoveGroupMember(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"), web.Param(r, "user")); err != nil {
		return err
	}
	return noContent(w)
}

func (f *Face) groupPackages(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	org := web.Param(r, "org")
	list, err := f.accounts.GroupPackages(r.Context(), actor, org, web.Param(r, "group"))
	if err != nil {
		return err
	}
	type pkg struct {
		FullName string `json:"full_name"`
		Name     string `json:"name"`
		Summary  string `json:"summary"`
	}
	return web.JSON(w, http.StatusOK, each(list, func(p account.GroupPackage) pkg { return pkg{org + "/" + p.Name, p.Name, p.Summary} }))
}

func (f *Face) addGroupPackage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.AddGroupPackage(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"), web.Param(r, "package")); err != nil {
		return err
	}
	return noContent(w)
}

func (f *Face) removeGroupPackage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.RemoveGroupPackage(r.Context(), actor, web.Param(r, "org"), web.Param(r, "group"), web.Param(r, "package")); err != nil {
		return err
	}
	return noContent(w)
}
