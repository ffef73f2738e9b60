package uitest

import (
	"terrarium/internal/ui/pages/add"
	"terrarium/internal/ui/pages/confirm"
	"terrarium/internal/ui/pages/dashboard"
	"terrarium/internal/ui/shared"
)

// working are the pages for people with a session.
func (f frames) working() []Case {
	frame := f.member("Dashboard", "/dashboard", "ana")
	frame.Current = "dashboard"
	notebooks := row("ana", "survey-notebooks", "2026.11", "", 14, 18)
	notebooks.Private = true
	themes := row("ana", "cartopy-themes", "0.2.1", "", 125, 207)
	themes.Badges = []shared.Badge{{Text: "Release candidate in rc"}}
	gdal := row("acme", "gdal", "3.10.3", "", 1.2, 23190)
	gdal.Badges = []shared.Badge{{Kind: "warn", Icon: "triangle-alert", Text: "1 CVE"}}
	tiles := row("acme", "raster-tiles", "0.8.2", "", 6, 412)
	tiles.Private = true
	full := dashboard.Page{
		Page: frame,
		Mine: dashboard.List{Title: "My packages", Total: 3, Table: shared.PackageTable{Caption: "My packages", Sort: "name", SortURL: "/dashboard?sort=", Rows: []shared.PackageRow{row("ana", "cookiecutter-geo", "0.4.0", "", 3, 96), notebooks, themes}}},
		Shared: &dashboard.List{Total: 14, Table: shared.PackageTable{Caption: "Shared with me", Sort: "name", SortURL: "/dashboard?sharedsort=", Rows: []shared.PackageRow{
			row("acme", "rasterio", "1.4.3", "", 3, 11482), row("acme", "rioxarray", "0.19.0", "", 21, 6204), gdal, tiles, row("acme", "pyproj", "3.7.1", "", 2, 8740),
		}}},
		SharedOwners: []shared.Option{{Value: "acme", Label: "acme", Selected: true}, {Value: "bio", Label: "bio"}}, SharedURL: "/dashboard?shared=acme",
		Activity: []shared.Activity{
			{Actor: "ci-bot", Verb: "uploaded", Object: "acme/gdal 3.10.3, 20 files", Href: "/acme/gdal", At: ago(1.1)},
			{Actor: "ana", Verb: "moved", Object: "acme/pyproj 3.7.1 from rc to main", Href: "/acme/pyproj", At: ago(2.1)},
			{Actor: "ben", Verb: "released", Object: "acme/rasterio 1.4.3", Href: "/acme/rasterio", At: ago(3.1)},
		},
		Notifications: []dashboard.Notification{
			{Kind: "info", Icon: "users", Sentence: "You were added to the group geo of acme with Read-Write.", By: "ben", At: ago(0.1), Action: shared.Link{Text: "See what you can reach", Href: "/acme"}},
			{Kind: "bad", Icon: "shield-alert", Sentence: "acme/gdal 3.9.2 ships libtiff with CVE-2023-52356 (7.5).", At: ago(1.2), Action: shared.Link{Text: "3 files, fix in 3.10.3", Href: "/acme/gdal"}},
			{Kind: "warn", Icon: "key-round", Sentence: "Token ci-upload ends in 6 days.", At: ago(1.3), Action: shared.Link{Text: "Renew it", Href: "/settings/tokens"}},
		},
		NotifyURL:     "/notifications",
		Plan:          &dashboard.Plan{Name: "free", ChangeURL: "/settings/billing", Uses: []shared.Use{{Label: "Storage", Words: "1.24 of 3 GB", Part: 41}, {Label: "Private packages", Words: "1 of 0", Part: 100, Note: "You have one private package from an earlier plan. It stays; a further one needs another plan."}}},
		Storage:       &dashboard.Storage{Files: 12, Bytes: 1_240_000_000, Trashed: 2, Href: "/settings/storage"},
		Organizations: []dashboard.Organization{{Owner: shared.Owner{Name: "acme", Organization: true, Role: "administrator"}, SettingsURL: "/organization/acme/settings/profile"}, {Owner: shared.Owner{Name: "bio", Organization: true, Role: "member"}}},
	}
	fresh := f.newcomer("Dashboard", "/dashboard")
	fresh.Current = "dashboard"
	fresh.Notices = []shared.Notice{{Kind: "ok", Title: "Your account is made.", Text: "You are signed in as nia."}}
	start := dashboard.Page{Page: fresh, VerifyEmail: "nia@uni.example", Steps: []dashboard.Step{
		{Title: "Tell anaconda-client about this server", Code: shared.Code{Lines: []string{"anaconda config --set url https://conda.acme.example/api"}, Prompt: true}},
		{Title: "Log in", Code: shared.Code{Lines: []string{"anaconda login --username nia"}, Prompt: true}},
		{Title: "Upload", Text: "The file that conda-build or rattler-build has made.", Code: shared.Code{Lines: []string{"anaconda upload mypackage-1.0-0.conda"}, Prompt: true}},
	}}
	none := full
	none.Filter, none.Mine.Table.Rows = "zzz", nil
	none.Activity, none.Notifications, none.Plan = nil, nil, nil
	upload := add.Page{
		Page: f.member("Add a package", "/add", "ana"), Limit: "up to 1 GB a file; 1.76 of 3 GB are free",
		Owners:  []shared.Option{{Value: "ana", Label: "ana", Selected: true}, {Value: "acme", Label: "acme"}},
		Private: []shared.Option{{Value: "no", Label: "Everybody", Hint: "Public", Selected: true}, {Value: "yes", Label: "Only whom you let in", Hint: "Private; 9 of 10 are left"}},
		Login:   []string{"anaconda login --at https://conda.acme.example"}, Upload: []string{"anaconda upload mypackage-1.0-0.conda"}, CI: []string{"ANACONDA_API_KEY=…  # a token of yours", "anaconda upload *.conda"},
	}
	upload.Current, upload.Scripts = "add", []string{"upload.js"}
	results := upload
	results.Results = []add.Result{
		{File: "rasterio-1.4.3-py312_0.conda", Owner: "acme", Package: "rasterio", Version: "1.4.3", Subdir: "linux-64", Size: 7_900_000},
		{File: "rasterio-1.4.3-py313_0.conda", Reasons: []string{"rasterio-1.4.3-py313_0.conda exists already with other contents.", "The file says linux-64, the upload says osx-64."}, Remedy: "Raise the build number."},
	}
	lonely := upload
	lonely.Owners, lonely.Private, lonely.CI = nil, nil, nil
	lonely.Errors = shared.Problems{{Field: "file", Text: "Choose at least one file."}}
	question := confirm.Page{
		Page: f.member("Delete acme/rasterio?", "/acme/rasterio/delete", "acme"), Question: "Delete acme/rasterio?", Sentence: "31 packages depend on it. It stays in the trash for 14 days.",
		Trail: []shared.Link{{Text: "acme", Href: "/acme"}, {Text: "rasterio", Href: "/acme/rasterio"}, {Text: "Delete"}},
		Ends:  []string{"23 releases with 402 files, 3.1 GB", "11,482 downloads in 30 days go unanswered"}, Typed: "acme/rasterio", Action: "/acme/rasterio/delete", Verb: "Delete acme/rasterio", KeepURL: "/acme/rasterio",
	}
	mistyped := question
	mistyped.Errors = shared.Problems{{Field: "typed", Text: "Type acme/rasterio exactly."}}
	password := confirm.Page{
		Page: f.member("Delete", "/settings/account/delete", "ana"), Question: "Delete ana?", Sentence: "Until 28 November 2026 it can be undone.",
		Ends: []string{"12 packages with 340 files.", "5,200 downloads in the last 30 days."}, Password: true,
		Action: "/settings/account/delete", Verb: "Delete ana", KeepURL: "/settings/account",
		Errors: shared.Problems{{Field: "password", Text: "This is not your password."}},
	}
	stuck := password
	stuck.Errors, stuck.Blocked, stuck.Blocking = nil, "First make somebody else owner of these organisations, or delete them: you are their only owner.", []shared.Link{{Text: "acme", Href: "/organization/acme/settings/account"}}
	plain := confirm.Page{Page: f.member("End the session?", "/settings/security", "ana"), Question: "End the session?", Sentence: "The browser is signed out.", Action: "/settings/security/sessions", Verb: "End the session", KeepURL: "/settings/security"}
	return []Case{
		{"add-full", add.View(upload)},
		{"add-results", add.View(results)},
		{"add-error", add.View(lonely)},
		{"confirm-full", confirm.View(question)},
		{"confirm-error", confirm.View(mistyped)},
		{"confirm-plain", confirm.View(plain)},
		{"confirm-password", confirm.View(password)},
		{"confirm-blocked", confirm.View(stuck)},
		{"dashboard-full", dashboard.View(full)},
		{"dashboard-new", dashboard.View(start)},
		{"dashboard-none", dashboard.View(none)},
	}
}
