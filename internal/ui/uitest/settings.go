package uitest

import (
	"strings"
	"time"

	"terrarium/internal/ui/pages/settings/account"
	"terrarium/internal/ui/pages/settings/neworganization"
	"terrarium/internal/ui/pages/settings/organizations"
	"terrarium/internal/ui/pages/settings/profile"
	"terrarium/internal/ui/pages/settings/security"
	"terrarium/internal/ui/pages/settings/storage"
	"terrarium/internal/ui/pages/settings/tokens"
	"terrarium/internal/ui/shared"
)

func settingsHead(current string) shared.SettingsHead {
	links := []shared.SideLink{
		{Label: "Profile", Icon: "user", Href: "/settings/profile"},
		{Label: "Account", Icon: "settings", Href: "/settings/account"},
		{Label: "Security", Icon: "shield", Href: "/settings/security"},
		{Label: "Tokens", Icon: "key-round", Href: "/settings/tokens", Count: 3},
		{Label: "Organizations", Icon: "building-2", Href: "/settings/organizations", Count: 2},
		{Label: "Storage", Icon: "hard-drive", Href: "/settings/storage"},
	}
	for i := range links {
		links[i].Current = links[i].Label == current
	}
	return shared.SettingsHead{
		Owner: shared.Owner{Name: "ana"}, Choices: []shared.Owner{{Name: "ana"}, {Name: "acme", Organization: true, Role: "administrator"}},
		Groups: []shared.SideGroup{{Title: "Your account", Links: links}},
	}
}

// settings are the settings pages of a user.
func (f frames) settings() []Case {
	frame := func(title, path string) shared.Page {
		p := f.member(title, path, "ana")
		p.Current = "settings"
		return p
	}
	full := profile.Page{Page: frame("Profile", "/settings/profile"), Head: settingsHead("Profile"), Action: "/settings/profile", FullName: "Ana Quiroga", Company: "Acme", Place: "Bilbao", Home: "https://ana.example", Description: "Maps and rasters."}
	full.Notices = []shared.Notice{{Kind: "ok", Title: "Saved."}}
	bad := full
	bad.Notices = nil
	bad.Home, bad.Description = "javascript:alert(1)", strings.Repeat("x", 501)
	bad.Errors = shared.Problems{{Field: "url", Text: "This is no web address. Begin it with https://."}, {Field: "description", Summary: "The description is too long", Text: "Use at most 500 characters; these are 501."}}

	accountPage := account.Page{Page: frame("Account", "/settings/account"), Head: settingsHead("Account"), RenameURL: "/settings/account/username", EmailURL: "/settings/account/email", Email: "ana@acme.example", Verified: true, DeleteURL: "/settings/account/delete"}
	accountBad := accountPage
	accountBad.Verified, accountBad.VerifyURL, accountBad.NewName = false, "/verify", "acme"
	accountBad.Errors = shared.Problems{{Field: "username", Text: "Username acme is taken. Free: acme-lab, acme1."}}

	sessions := security.Page{Page: frame("Security", "/settings/security"), Head: settingsHead("Security"), Minimum: 7, Sessions: []security.Session{
		{ID: "s1", Client: "Firefox on Linux", Place: "192.0.2.7", Started: ago(3), Used: ago(0), Here: true},
		{ID: "s2", Client: "Safari on iPhone", Place: "198.51.100.4", Started: ago(40), Used: ago(1.5)},
	}}
	alone := sessions
	alone.Sessions = sessions.Sessions[:1]
	wrong := sessions
	wrong.Errors = shared.Problems{{Field: "old", Text: "This is not your password."}}

	list := tokens.Page{
		Page: frame("Tokens", "/settings/tokens"), Head: settingsHead("Tokens"), Action: "/settings/tokens",
		Scopes: []shared.Option{{Value: "conda:download", Label: "Download private packages", Hint: "conda:download", Selected: true}, {Value: "api:write", Label: "Upload, label and remove files", Hint: "api:write"}, {Value: "all", Label: "Everything that you may do", Hint: "all"}},
		Ends:   []shared.Option{{Value: "30", Label: "in 30 days"}, {Value: "90", Label: "in 90 days", Selected: true}, {Value: "365", Label: "in a year"}},
		Rows: []tokens.Token{
			{ID: "t1", Name: "ci-upload", Last4: "x7Qd", Scopes: "upload", Limited: "acme/rasterio", Made: ago(84), Ends: Now().Add(6 * 24 * time.Hour), Used: ago(0.1), UsedBy: "203.0.113.9, anaconda-client 1.16"},
			{ID: "t2", Name: "laptop", Last4: "k2Ff", Scopes: "everything", Made: ago(200), Used: ago(9)},
			{ID: "t3", Name: "notebook", Last4: "aa01", Scopes: "download", Made: ago(2), Ends: Now().Add(88 * 24 * time.Hour)},
		},
	}
	made := list
	made.New = &tokens.New{Name: "ci-download", Value: "tm-user-4fGk2LmQ8rT1vXz0Yb3CdE-9a1c", Commands: []string{"conda config --prepend channels https://conda.acme.example/t/$TOKEN/conda/acme"}}
	none := list
	none.Rows = nil
	none.Errors = shared.Problems{{Field: "name", Text: "Give the token a name."}, {Field: "scope", Text: "Choose at least one thing that it may do."}}

	use := storage.Page{
		Page: frame("Storage", "/settings/storage"), Head: settingsHead("Storage"), Action: "/settings/storage", Days: 14,
		Files: 1204, Bytes: 3_200_000_000, Trashed: 52, TrashedBytes: 91_000_000,
		Largest: []storage.Package{{Name: "rasterio", Files: 980, Bytes: 3_000_000_000}, {Name: "internal-tools-with-a-long-name", Private: true, Files: 3, Bytes: 12_000_000}},
		Trash: []storage.Deleted{
			{ID: "f1", Name: "linux-64/rasterio-1.4.3-py312h1234567_0.conda", Package: "rasterio", Version: "1.4.3", At: ago(0.2), By: "ana", Ends: Now().Add(13 * 24 * time.Hour), Bytes: 8_400_000},
			{ID: "f2", Name: "noarch/affine-2.4.0-pyhd8ed1ab_0.conda", Package: "affine", Version: "2.4.0", At: ago(13.5), Ends: Now().Add(12 * time.Hour), Bytes: 19_000},
		},
		Pages: &shared.Pager{From: 1, To: 50, Total: 52, Next: "/settings/storage?after=x"},
	}
	refused := use
	refused.Errors = shared.Problems{{Text: "rasterio-1.4.3-py312h1234567_0.conda exists already with other contents. Raise the build number."}}
	unused := storage.Page{Page: frame("Storage", "/settings/storage"), Head: settingsHead("Storage"), Action: "/settings/storage", Days: 14}

	orgs := organizations.Page{Page: frame("Organizations", "/settings/organizations"), Head: settingsHead("Organizations"), Rows: []organizations.Organization{{Owner: shared.Owner{Name: "acme", Organization: true, Role: "owner"}, Members: 58, Packages: 412}}}
	oneGone := orgs
	oneGone.Deleted = []organizations.Deleted{
		{Name: "oldlab", By: "ana", At: ago(2), Erased: Now().Add(5 * 24 * time.Hour)},
		{Name: "squatters", By: "root", At: ago(1), Erased: Now().Add(6 * 24 * time.Hour), Locked: true},
	}
	noOrgs := organizations.Page{Page: frame("Organizations", "/settings/organizations"), Head: settingsHead("Organizations"), Why: "Verify your e-mail before you make an organisation."}
	newOrg := neworganization.Page{Page: frame("Create a new organization", "/settings/organizations/new"), Head: settingsHead("Organizations")}
	taken := newOrg
	taken.Name, taken.Email = "Acme Lab", "lab"
	taken.Errors = shared.Problems{{Field: "name", Text: "A name has no spaces and no capitals. Free: acme-lab."}, {Field: "email", Text: "This is no e-mail address."}}
	return []Case{
		{"profile-full", profile.View(full)},
		{"profile-empty", profile.View(profile.Page{Page: frame("Profile", "/settings/profile"), Head: settingsHead("Profile"), Action: "/settings/profile"})},
		{"profile-error", profile.View(bad)},
		{"account-full", account.View(accountPage)},
		{"account-error", account.View(accountBad)},
		{"security-full", security.View(sessions)},
		{"security-alone", security.View(alone)},
		{"security-error", security.View(wrong)},
		{"tokens-full", tokens.View(list)},
		{"tokens-new", tokens.View(made)},
		{"tokens-error", tokens.View(none)},
		{"storage-full", storage.View(use)},
		{"storage-error", storage.View(refused)},
		{"storage-empty", storage.View(unused)},
		{"organizations-full", organizations.View(orgs)},
		{"organizations-deleted", organizations.View(oneGone)},
		{"organizations-empty", organizations.View(noOrgs)},
		{"neworganization-empty", neworganization.View(newOrg)},
		{"neworganization-error", neworganization.View(taken)},
	}
}
