package api

import (
	"net/http"
	"slices"

	"terrarium/internal/web"
)

// Routes is the table of contents. A `*` is the rest of the path: base names,
// names of tokens and labels may hold slashes.
func (f *Face) Routes() []web.Route {
	return slices.Concat(f.accountRoutes(), f.packageRoutes(), f.channelRoutes(), f.organizationRoutes(), f.noticeRoutes(), f.uploadRoutes(), f.v1)
}

func (f *Face) accountRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/api", Who: web.Anybody, Handle: f.probe},
		{Method: http.MethodGet, Pattern: "/api/", Who: web.Anybody, Handle: f.probe},
		{Method: http.MethodGet, Pattern: "/api/authentication-type", Who: web.Anybody, Handle: f.authenticationType},
		{Method: http.MethodGet, Pattern: "/api/scopes", Who: web.Anybody, Handle: f.scopes},
		{Method: http.MethodPost, Pattern: "/api/authentications", Who: web.Person, Mutates: true, Handle: f.logIn},
		{Method: http.MethodGet, Pattern: "/api/authentications", Who: web.Person, Handle: f.person(f.tokens)},
		{Method: http.MethodDelete, Pattern: "/api/authentications", Who: web.Person, Mutates: true, Handle: f.person(f.logOut)},
		{Method: http.MethodGet, Pattern: "/api/authentication", Who: web.Person, Handle: f.person(f.token)},
		{Method: http.MethodDelete, Pattern: "/api/authentications/name/*", Who: web.Person, Mutates: true, Handle: f.person(f.removeToken)},
		{Method: http.MethodDelete, Pattern: "/api/authentications/org/{org}/name/*", Who: web.Admin, Mutates: true, Handle: f.person(f.removeToken)},
		{Method: http.MethodGet, Pattern: "/api/user", Who: web.Person, Handle: f.person(f.me)},
		{Method: http.MethodGet, Pattern: "/api/user/orgs", Who: web.Person, Handle: f.person(f.organizationsOf)},
		{Method: http.MethodGet, Pattern: "/api/user/{login}", Who: web.Anybody, Handle: f.anyone(f.owner)},
		{Method: http.MethodGet, Pattern: "/api/users/{login}/orgs", Who: web.Anybody, Handle: f.anyone(f.organizationsOf)},
		{Method: http.MethodGet, Pattern: "/api/license", Who: web.Anybody, Handle: f.licenses},
	}
}

func (f *Face) packageRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/api/packages", Who: web.Person, Door: true, Handle: f.person(f.packages)},
		{Method: http.MethodGet, Pattern: "/api/packages/{login}", Who: web.Anybody, Door: true, Handle: f.anyone(f.packages)},
		{Method: http.MethodGet, Pattern: "/api/package_listing", Who: web.Anybody, Door: true, Handle: f.anyone(f.packageListing)},
		{Method: http.MethodGet, Pattern: "/api/search", Who: web.Anybody, Door: true, Handle: f.anyone(f.search)},

		{Method: http.MethodGet, Pattern: "/api/package/{owner}/{package}", Who: web.Reader, Door: true, Handle: f.anyone(f.pkg)},
		{Method: http.MethodPost, Pattern: "/api/package/{owner}/{package}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.createPackage)},
		{Method: http.MethodPatch, Pattern: "/api/package/{owner}/{package}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.updatePackage)},
		{Method: http.MethodDelete, Pattern: "/api/package/{owner}/{package}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.deletePackage)},
		{Method: http.MethodGet, Pattern: "/api/package/{owner}/{package}/files", Who: web.Reader, Door: true, Handle: f.anyone(f.packageFiles)},

		{Method: http.MethodGet, Pattern: "/api/packages/{owner}/{package}/collaborators", Who: web.Admin, Door: true, Handle: f.anyone(f.collaborators)},
		{Method: http.MethodPut, Pattern: "/api/packages/{owner}/{package}/collaborators/{user}", Who: web.Admin, Mutates: true, Handle: f.anyone(f.addCollaborator)},
		{Method: http.MethodDelete, Pattern: "/api/packages/{owner}/{package}/collaborators/{user}", Who: web.Admin, Mutates: true, Handle: f.anyone(f.removeCollaborator)},

		{Method: http.MethodGet, Pattern: "/api/release/{owner}/{package}/{version}", Who: web.Reader, Door: true, Handle: f.anyone(f.release)},
		{Method: http.MethodPost, Pattern: "/api/release/{owner}/{package}/{version}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.createRelease)},
		{Method: http.MethodPatch, Pattern: "/api/release/{owner}/{package}/{version}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.updateRelease)},
		{Method: http.MethodDelete, Pattern: "/api/release/{owner}/{package}/{version}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.deleteRelease)},

		{Method: http.MethodGet, Pattern: "/api/dist/{owner}/{package}/{version}/*", Who: web.Reader, Door: true, Handle: f.anyone(f.dist)},
		{Method: http.MethodDelete, Pattern: "/api/dist/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.deleteDist)},
		{Method: http.MethodGet, Pattern: "/api/download/{owner}/{package}/{version}/*", Who: web.Reader, Door: true, Handle: f.anyone(f.download)},

		{Method: http.MethodPost, Pattern: "/api/copy/package/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.person(f.copy)},
		{Method: http.MethodPut, Pattern: "/api/copy/package/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.person(f.copy)},
		{Method: http.MethodPatch, Pattern: "/api/copy/package/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.person(f.copy)},
	}
}

func (f *Face) channelRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/api/channels/{owner}", Who: web.Reader, Door: true, Handle: f.anyone(f.labels)},
		{Method: http.MethodGet, Pattern: "/api/channels/{owner}/*", Who: web.Reader, Door: true, Handle: f.anyone(f.label)},
		// LABEL, LABEL/lock or FROM/copy/TO
		{Method: http.MethodPost, Pattern: "/api/channels/{owner}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.changeLabel)},
		{Method: http.MethodDelete, Pattern: "/api/channels/{owner}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.unchangeLabel)},
	}
}

func (f *Face) organizationRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/api/groups", Who: web.Person, Handle: f.person(f.myGroups)},
		{Method: http.MethodGet, Pattern: "/api/groups/{org}", Who: web.Member, Handle: f.person(f.groups)},
		{Method: http.MethodGet, Pattern: "/api/group/{org}/{group}", Who: web.Member, Handle: f.person(f.group)},
		{Method: http.MethodPost, Pattern: "/api/group/{org}/{group}", Who: web.Admin, Mutates: true, Handle: f.person(f.createGroup)},
		{Method: http.MethodDelete, Pattern: "/api/group/{org}/{group}", Who: web.Admin, Mutates: true, Handle: f.person(f.deleteGroup)},
		{Method: http.MethodGet, Pattern: "/api/group/{org}/{group}/members", Who: web.Member, Handle: f.person(f.groupMembers)},
		{Method: http.MethodGet, Pattern: "/api/group/{org}/{group}/members/{user}", Who: web.Member, Handle: f.person(f.groupMember)},
		{Method: http.MethodPut, Pattern: "/api/group/{org}/{group}/members/{user}", Who: web.Admin, Mutates: true, Handle: f.person(f.addGroupMember)},
		{Method: http.MethodDelete, Pattern: "/api/group/{org}/{group}/members/{user}", Who: web.Admin, Mutates: true, Handle: f.person(f.removeGroupMember)},
		{Method: http.MethodGet, Pattern: "/api/group/{org}/{group}/packages", Who: web.Member, Door: true, Handle: f.person(f.groupPackages)},
		{Method: http.MethodPut, Pattern: "/api/group/{org}/{group}/packages/{package}", Who: web.Admin, Mutates: true, Handle: f.person(f.addGroupPackage)},
		{Method: http.MethodDelete, Pattern: "/api/group/{org}/{group}/packages/{package}", Who: web.Admin, Mutates: true, Handle: f.person(f.removeGroupPackage)},
	}
}

func (f *Face) noticeRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/api/{owner}/notices", Who: web.Admin, Handle: f.person(f.notices)},
		{Method: http.MethodPost, Pattern: "/api/{owner}/notices", Who: web.Admin, Mutates: true, Handle: f.person(f.createNotice)},
		{Method: http.MethodGet, Pattern: "/api/{owner}/notices/{id}", Who: web.Admin, Handle: f.person(f.notice)},
		{Method: http.MethodPatch, Pattern: "/api/{owner}/notices/{id}", Who: web.Admin, Mutates: true, Handle: f.person(f.updateNotice)},
		{Method: http.MethodDelete, Pattern: "/api/{owner}/notices/{id}", Who: web.Admin, Mutates: true, Handle: f.person(f.deleteNotice)},
		{Method: http.MethodPost, Pattern: "/api/{owner}/notices/{id}/publish", Who: web.Admin, Mutates: true, Handle: f.person(f.publishNotice)},
		{Method: http.MethodPost, Pattern: "/api/{owner}/notices/{id}/archive", Who: web.Admin, Mutates: true, Handle: f.person(f.archiveNotice)},
	}
}

func (f *Face) uploadRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodPost, Pattern: "/api/stage/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.stage)},
		{Method: http.MethodPost, Pattern: "/api/_storage/{secret}", Who: web.SecretLink, Mutates: true, Handle: f.store},
		{Method: http.MethodPost, Pattern: "/api/commit/{owner}/{package}/{version}/*", Who: web.Writer, Mutates: true, Handle: f.person(f.commit)},

		{Method: http.MethodPost, Pattern: "/api/v1/upload/{owner}", Who: web.Writer, Mutates: true, Handle: f.anyone(f.upload)},
		{Method: http.MethodPost, Pattern: "/api/v1/upload/{owner}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.upload)},
		{Method: http.MethodPut, Pattern: "/conda/{owner}/*", Who: web.Writer, Mutates: true, Handle: f.anyone(f.put)},
	}
}
