package ui

import (
	"net/http"

	"terrarium/internal/web"
)

// Routes is the table of contents: every page, who may see it, and whether it
// changes something. A page of an owner that is no package stands behind "-",
// which no package can be called.
func (f *Face) Routes() []web.Route {
	get, post := http.MethodGet, http.MethodPost
	return []web.Route{
		// Everybody.
		{Method: get, Pattern: "/", Who: web.Anybody, Door: true, Handle: f.home},
		{Method: get, Pattern: "/search", Who: web.Anybody, Door: true, Handle: f.search},
		{Method: get, Pattern: "/help", Who: web.Anybody, Handle: f.help},
		{Method: get, Pattern: "/terms", Who: web.Anybody, Handle: f.textPage("terms", "Terms and Conditions")},
		{Method: get, Pattern: "/privacy", Who: web.Anybody, Handle: f.textPage("privacy", "Privacy")},
		{Method: get, Pattern: "/status", Who: web.Anybody, Handle: f.status},
		{Method: get, Pattern: "/robots.txt", Who: web.Anybody, Handle: f.robots},
		{Method: get, Pattern: "/favicon.ico", Who: web.Anybody, Handle: f.favicon},
		{Method: get, Pattern: AssetPrefix + "*", Who: web.Anybody, Handle: f.asset},
		{Method: post, Pattern: "/theme", Who: web.Anybody, Handle: f.setTheme},
		{Method: post, Pattern: "/tool", Who: web.Anybody, Handle: f.setTool},
		{Method: post, Pattern: "/keys", Who: web.Anybody, Handle: f.setKeys},

		// Coming in.
		{Method: get, Pattern: "/login", Who: web.Anybody, Handle: f.signInPage},
		{Method: post, Pattern: "/login", Who: web.Anybody, Mutates: true, Handle: f.signIn},
		{Method: get, Pattern: "/login/keep", Who: web.Anybody, Handle: f.keepPage},
		{Method: post, Pattern: "/login/keep", Who: web.Anybody, Mutates: true, Handle: f.keepAccount},
		{Method: post, Pattern: "/logout", Who: web.Anybody, Mutates: true, Handle: f.signOut},
		{Method: get, Pattern: "/signup", Who: web.Anybody, Handle: f.signUpPage},
		{Method: get, Pattern: "/signup/username", Who: web.Anybody, Handle: f.checkUsername},
		{Method: post, Pattern: "/signup", Who: web.Anybody, Mutates: true, Handle: f.signUp},
		{Method: get, Pattern: "/forgot/username", Who: web.Anybody, Handle: f.forgotPage(false)},
		{Method: post, Pattern: "/forgot/username", Who: web.Anybody, Mutates: true, Handle: f.forgot(false)},
		{Method: get, Pattern: "/forgot/password", Who: web.Anybody, Handle: f.forgotPage(true)},
		{Method: post, Pattern: "/forgot/password", Who: web.Anybody, Mutates: true, Handle: f.forgot(true)},
		{Method: get, Pattern: "/reset/{code}", Who: web.SecretLink, Handle: f.resetPage},
		{Method: post, Pattern: "/reset/{code}", Who: web.SecretLink, Mutates: true, Handle: f.reset},
		{Method: get, Pattern: "/verify/{code}", Who: web.SecretLink, Handle: f.verifyPage},
		{Method: post, Pattern: "/verify/{code}", Who: web.SecretLink, Mutates: true, Handle: f.verify},
		{Method: get, Pattern: "/setup/{code}", Who: web.SecretLink, Handle: f.setupPage},
		{Method: post, Pattern: "/setup/{code}", Who: web.SecretLink, Mutates: true, Handle: f.setup},
		{Method: post, Pattern: "/setup/{code}/mail", Who: web.SecretLink, Mutates: true, Handle: f.testMail},

		// Signed in.
		{Method: get, Pattern: "/dashboard", Who: web.Person, Door: true, Handle: f.dashboard},
		{Method: get, Pattern: "/add", Who: web.Person, Handle: f.addPage},
		{Method: post, Pattern: "/add", Who: web.Person, Mutates: true, Handle: f.add},
		{Method: post, Pattern: "/view", Who: web.Person, Handle: f.viewAs},
		{Method: post, Pattern: "/verify", Who: web.Person, Mutates: true, Handle: f.verifyAgain},
		{Method: get, Pattern: "/settings/profile", Who: web.Person, Handle: f.profilePage},
		{Method: post, Pattern: "/settings/profile", Who: web.Person, Mutates: true, Handle: f.saveProfile},
		{Method: get, Pattern: "/settings/account", Who: web.Person, Handle: f.accountPage},
		{Method: get, Pattern: "/settings/account/delete", Who: web.Person, Handle: f.deleteAccountPage},
		{Method: post, Pattern: "/settings/account/delete", Who: web.Person, Mutates: true, Handle: f.deleteAccount},
		{Method: get, Pattern: "/settings/security", Who: web.Person, Handle: f.securityPage},
		{Method: post, Pattern: "/settings/security/password", Who: web.Person, Mutates: true, Handle: f.changePassword},
		{Method: post, Pattern: "/settings/security/sessions", Who: web.Person, Mutates: true, Handle: f.endSessions},
		{Method: get, Pattern: "/settings/tokens", Who: web.Person, Handle: f.tokensPage},
		{Method: post, Pattern: "/settings/tokens", Who: web.Person, Mutates: true, Handle: f.changeTokens},
		{Method: get, Pattern: "/settings/storage", Who: web.Person, Door: true, Handle: f.storagePage},
		{Method: post, Pattern: "/settings/storage", Who: web.Person, Mutates: true, Handle: f.restore},
		{Method: get, Pattern: "/settings/organizations", Who: web.Person, Handle: f.organizationsPage},
		{Method: post, Pattern: "/settings/organizations/undo", Who: web.Person, Mutates: true, Handle: f.undoDelete},
		{Method: get, Pattern: "/settings/organizations/new", Who: web.Person, Handle: f.newOrganizationPage},
		{Method: post, Pattern: "/settings/organizations/new", Who: web.Person, Mutates: true, Handle: f.newOrganization},

		// Organisations.
		{Method: get, Pattern: "/organization/{org}/settings/profile", Who: web.Admin, Handle: f.profilePage},
		{Method: post, Pattern: "/organization/{org}/settings/profile", Who: web.Admin, Mutates: true, Handle: f.saveProfile},
		{Method: get, Pattern: "/organization/{org}/settings/account", Who: web.Admin, Handle: f.accountPage},
		{Method: get, Pattern: "/organization/{org}/settings/account/delete", Who: web.Admin, Handle: f.deleteAccountPage},
		{Method: post, Pattern: "/organization/{org}/settings/account/delete", Who: web.Admin, Mutates: true, Handle: f.deleteAccount},
		{Method: get, Pattern: "/organization/{org}/settings/tokens", Who: web.Admin, Handle: f.tokensPage},
		{Method: post, Pattern: "/organization/{org}/settings/tokens", Who: web.Admin, Mutates: true, Handle: f.changeTokens},
		{Method: get, Pattern: "/organization/{org}/settings/storage", Who: web.Admin, Door: true, Handle: f.storagePage},
		{Method: post, Pattern: "/organization/{org}/settings/storage", Who: web.Admin, Mutates: true, Handle: f.restore},

		// Owners and channels.
		{Method: get, Pattern: "/{owner}", Who: web.Anybody, Door: true, Handle: f.ownerPackages},
		{Method: get, Pattern: "/{owner}/-/channels", Who: web.Anybody, Door: true, Handle: f.ownerChannels},
		{Method: get, Pattern: "/{owner}/-/channels/*", Who: web.Reader, Door: true, Handle: f.channelPage},
		{Method: get, Pattern: "/{owner}/-/history/*", Who: web.Reader, Door: true, Handle: f.historyPage},
		{Method: get, Pattern: "/{owner}/-/changes/*", Who: web.Reader, Door: true, Handle: f.changesPage},
		{Method: get, Pattern: "/{owner}/-/rollback/*", Who: web.Writer, Door: true, Handle: f.rollbackPage},
		{Method: post, Pattern: "/{owner}/-/rollback/*", Who: web.Writer, Mutates: true, Handle: f.rollback},
		{Method: get, Pattern: "/{owner}/-/freeze/*", Who: web.Admin, Door: true, Handle: f.freezePage},
		{Method: post, Pattern: "/{owner}/-/freeze/*", Who: web.Admin, Mutates: true, Handle: f.freeze},
		{Method: get, Pattern: "/{owner}/-/snapshot/*", Who: web.Admin, Door: true, Handle: f.snapshotPage},
		{Method: post, Pattern: "/{owner}/-/snapshot/*", Who: web.Admin, Mutates: true, Handle: f.makeSnapshot},
		{Method: get, Pattern: "/{owner}/-/people", Who: web.Member, Handle: f.ownerPeople},
		{Method: get, Pattern: "/{owner}/repo", Who: web.Anybody, Handle: f.oldAddress},
		{Method: get, Pattern: "/{owner}/labels", Who: web.Anybody, Handle: f.oldAddress},

		// Packages.
		{Method: get, Pattern: "/{owner}/{package}", Who: web.Reader, Door: true, Handle: f.packagePage},
		{Method: get, Pattern: "/{owner}/{package}/releases", Who: web.Reader, Door: true, Handle: f.releasesPage},
		{Method: get, Pattern: "/{owner}/{package}/releases/{version}", Who: web.Reader, Door: true, Handle: f.releasePage},
		{Method: get, Pattern: "/{owner}/{package}/releases/{version}/delete", Who: web.Writer, Door: true, Handle: f.deleteReleasePage},
		{Method: post, Pattern: "/{owner}/{package}/releases/{version}/delete", Who: web.Writer, Mutates: true, Handle: f.deleteRelease},
		{Method: get, Pattern: "/{owner}/{package}/files", Who: web.Reader, Door: true, Handle: f.filesPage},
		{Method: get, Pattern: "/{owner}/{package}/files/{subdir}/{file}", Who: web.Reader, Door: true, Handle: f.filePage},
		{Method: get, Pattern: "/{owner}/{package}/files/{subdir}/{file}/download", Who: web.Reader, Door: true, Handle: f.download},
		{Method: get, Pattern: "/{owner}/{package}/files/{subdir}/{file}/delete", Who: web.Writer, Door: true, Handle: f.deleteFilePage},
		{Method: post, Pattern: "/{owner}/{package}/files/{subdir}/{file}/delete", Who: web.Writer, Mutates: true, Handle: f.deleteFile},
		{Method: post, Pattern: "/{owner}/{package}/files/{subdir}/{file}/yank", Who: web.Writer, Mutates: true, Handle: f.yank},
		{Method: get, Pattern: "/{owner}/{package}/dependencies", Who: web.Reader, Door: true, Handle: f.dependenciesPage},
		{Method: get, Pattern: "/{owner}/{package}/settings/general", Who: web.Admin, Door: true, Handle: f.generalPage},
		{Method: post, Pattern: "/{owner}/{package}/settings/general", Who: web.Admin, Mutates: true, Handle: f.saveGeneral},
		{Method: get, Pattern: "/{owner}/{package}/settings/admin", Who: web.Admin, Door: true, Handle: f.adminPage},
		{Method: get, Pattern: "/{owner}/{package}/settings/admin/delete", Who: web.Admin, Door: true, Handle: f.deletePackagePage},
		{Method: post, Pattern: "/{owner}/{package}/settings/admin/delete", Who: web.Admin, Mutates: true, Handle: f.deletePackage},
		{Method: get, Pattern: "/{owner}/{package}/badges/{badge}", Who: web.Anybody, Door: true, Handle: f.badge},
	}
}
