package ui_test

import (
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
)

const (
	generalOfSoil = "/acme/soil/settings/general"
	deleteSoil    = "/acme/soil/settings/admin/delete"
)

// TestPackageSettings changes by forms what a package says and who sees it.
func TestPackageSettings(t *testing.T) {
	app, ana, eve := garden(t)
	b, nobody := as(t, app, ana), open(t, app)

	if a := as(t, app, eve).get("/acme/soil"); strings.Contains(a.body, "/settings/general") {
		t.Error("who may only read is led to the settings")
	}
	b.want(as(t, app, eve).get(generalOfSoil), 403, "", "You may not administer acme/soil.")
	b.want(as(t, app, eve).get("/acme/secret/settings/general"), 404, "", "Nothing here, or it is not for you.")
	b.want(b.get(generalOfSoil), 200, "", "What everything grows on", "1 person can read and install it", "2 packages of acme need it", "acme/main")
	if !strings.Contains(b.get("/acme/soil").body, `href="`+generalOfSoil+`"`) {
		t.Error("the page of the package does not lead to its settings")
	}

	// What is wrong is said, and nothing is saved by halves.
	b.want(b.post(generalOfSoil, "summary", "Earth", "was_summary", "What everything grows on", "home", "soil.example", "visibility", "private", "was_visibility", "public"), 422, "", "begins with https:// or http://")
	b.want(b.post(generalOfSoil, "summary", "Earth", "was_summary", "What everything grows on"), 422, "", "Choose who may see the package.")
	b.want(b.post(generalOfSoil, "summary", strings.Repeat("x", 501), "visibility", "public"), 409, "", "Somebody else changed the summary meanwhile")
	b.want(b.post(generalOfSoil, "summary", strings.Repeat("x", 501), "was_summary", "What everything grows on", "visibility", "public", "was_visibility", "public"), 422, "", "the limit is 500")
	b.want(nobody.get("/acme/soil"), 200, "", "What everything grows on")

	b.want(b.post(generalOfSoil, "summary", "Earth", "was_summary", "What everything grows on", "home", "https://soil.example/", "visibility", "public", "was_visibility", "public"), 200, generalOfSoil, "The settings of acme/soil are saved.", "Earth")
	b.want(nobody.get("/acme/soil"), 200, "", "Earth", "soil.example")

	// Two people at once: the second sees both texts and chooses; what only one of
	// them touched stays as that one wanted it.
	a := b.want(b.post(generalOfSoil, "summary", "Ground", "was_summary", "What everything grows on", "home", "", "was_home", "", "visibility", "private", "was_visibility", "public"), 409, "",
		"Somebody else changed the summary meanwhile. Choose which one stays.", "Ground", "Earth")
	if !strings.Contains(a.body, `name="was_summary" value="Earth"`) {
		t.Error("the next form would not be measured against what is there now")
	}
	b.want(nobody.get("/acme/soil"), 200, "", "Earth")
	b.want(b.post(generalOfSoil, "summary", "Ground", "was_summary", "Earth", "home", "", "was_home", "", "visibility", "private", "was_visibility", "public"), 200, generalOfSoil, "are saved")
	b.want(b.get("/acme/soil"), 200, "", "Ground", "soil.example", "Private", "1 person can read this")
	b.want(nobody.get("/acme/soil"), 404, "", "Nothing here")
	app.Want(t, 404, "GET", "/conda/acme/noarch/soil-1.0-0.conda", apptest.Request{})

	// Whom a grant lets in is counted, once.
	group, err := app.Accounts.CreateGroup(t.Context(), ana.Actor(t), "acme", account.NewGroup{Name: "geo", Permission: access.Read, AllPackages: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		app.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", "eve", access.RoleMember),
		app.Accounts.AddGroupMember(t.Context(), ana.Actor(t), "acme", group.Name, "eve"),
		app.Accounts.AddGroupPackage(t.Context(), ana.Actor(t), "acme", group.Name, "soil"),
		app.Accounts.AddGroupMember(t.Context(), ana.Actor(t), "acme", group.Name, "ana"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.want(b.get(generalOfSoil), 200, "", "2 people can read and install it", "1 file in acme/main can be fetched by everybody at once")
	b.want(as(t, app, eve).get("/acme/soil"), 200, "", "2 people can read this")
	b.want(b.post(generalOfSoil, "summary", "Ground", "was_summary", "Ground", "home", "https://soil.example/", "was_home", "https://soil.example/", "visibility", "public", "was_visibility", "private"), 200, generalOfSoil, "are saved")
	b.want(nobody.get("/acme/soil"), 200, "", "Ground")
}

// TestDeletePackage wants the name typed, and gives the way to the trash.
func TestDeletePackage(t *testing.T) {
	app, ana, _ := garden(t)
	b := as(t, app, ana)
	b.want(b.get("/acme/soil/settings/admin"), 200, "", "Delete this package", "1 release with 1 file", "2 packages of acme need it")
	b.want(b.get(deleteSoil), 200, "", "Delete acme/soil?", "Keep")
	b.want(b.post(deleteSoil, "typed", "soil"), 422, "", "Type acme/soil.")
	b.want(b.get("/acme/soil"), 200, "")
	b.want(b.post(deleteSoil, "typed", "acme/soil"), 200, "/acme", "acme/soil is in the trash.", "Show the trash")
	b.want(b.get("/acme/soil"), 404, "")
	b.want(b.get("/organization/acme/settings/storage"), 200, "", "noarch/soil-1.0-0.conda")
}
