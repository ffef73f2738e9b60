package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// TestWithoutScript walks the way of somebody new, by forms alone.
func TestWithoutScript(t *testing.T) {
	app := apptest.New(t)
	b := open(t, app)

	b.want(b.get("/dashboard"), 200, "/login?next=%2Fdashboard", "Sign in")
	a := b.want(b.post("/signup", "username", "Nia", "email", "nia@uni.example", "password", "seven green ferns", "password2", "seven green ferns", "terms", "yes"),
		200, "/dashboard", "Your account is made.", "nia@uni.example is not verified yet.", "Publish your first package")
	if strings.Contains(a.body, "seven green ferns") {
		t.Error("the password stands in the page")
	}
	if a := b.get("/dashboard"); strings.Contains(a.body, "Your account is made.") {
		t.Error("what was said once is said again")
	}

	// Who is not verified publishes in private only.
	soil := condatest.Spec{Name: "soil", Version: "1.0", Subdir: "noarch"}
	files := map[string][]byte{soil.FileName(): condatest.Make(t, soil), "notes.txt": []byte("no package")}
	b.want(b.upload(map[string]string{"owner": "nia", "private": "no"}, []string{soil.FileName()}, files), 422, "/add", "1 file refused", "Verify your e-mail address first")
	b.want(b.upload(map[string]string{"owner": "nia", "private": "yes", "labels": "dev"}, []string{soil.FileName(), "notes.txt"}, files), 422, "/add",
		"1 file published, 1 refused", "nia/soil 1.0", "notes.txt is no conda package")
	b.want(b.get("/nia/soil"), 200, "", "Private", "nia/dev", "Upload a release")
	b.want(open(t, app).get("/nia/soil"), 404, "", "Nothing here, or it is not for you.")

	// Following the link in the mail changes nothing; the button does.
	link := app.Link(t, app.Mails(t, 1)[0], "/verify/")
	b.want(b.get(link), 200, link, "nia@uni.example belongs to your account")
	b.want(b.get("/dashboard"), 200, "", "is not verified yet")
	b.want(b.post(link), 200, link, "nia@uni.example is verified.")
	b.want(b.get(link), 410, link, "This link was used already.")

	// A token is shown once.
	a = b.want(b.post("/settings/tokens", "name", "ci", "scope", "api:read", "scope", "api:write", "ends", "30", "only", "nia"), 200, "/settings/tokens", "You will not see it again")
	secret := regexp.MustCompile(`tm-[a-z]+-[A-Za-z0-9-]+`).FindString(a.body)
	if secret == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("token %q, Cache-Control %q", secret, a.header.Get("Cache-Control"))
	}
	app.Want(t, 200, http.MethodGet, "/api/user", apptest.Request{Token: secret})
	a = b.want(b.get("/settings/tokens"), 200, "", "ci", "api:read, api:write")
	if strings.Contains(a.body, secret) {
		t.Error("the token is shown a second time")
	}
	id := regexp.MustCompile(`name="revoke" value="([^"]+)"`).FindStringSubmatch(a.body)
	b.want(b.post("/settings/tokens", "revoke", id[1]), 200, "/settings/tokens", "The token is revoked.")
	app.Want(t, 401, http.MethodGet, "/api/user", apptest.Request{Token: secret})

	// An organisation, and working as it.
	b.want(b.post("/settings/organizations/new", "name", "plants", "email", "plants@uni.example"), 200, "/dashboard", "plants is made.", "Packages of plants")
	b.want(b.post("/view", "owner", "nia", "next", "/dashboard"), 200, "/dashboard", "My packages")
	b.want(b.post("/view", "owner", "plants", "next", "/settings/profile"), 200, "/organization/plants/settings/profile", "You are its owner.")
	b.want(b.post("/organization/plants/settings/profile", "name", "Plant people", "url", "javascript:alert(1)"), 422, "", "begins with https:// or http://")
	b.want(b.post("/organization/plants/settings/profile", "name", "Plant people", "url", "https://plants.example"), 200, "", "The profile is saved.")
	b.want(open(t, app).get("/plants"), 200, "", "Plant people", "plants.example", "Nothing public here.")

	// Deleting asks first, and wants the name for a release.
	b.want(b.get("/nia/soil/releases/1.0/delete"), 200, "", "Delete nia/soil 1.0?", "Keep")
	b.want(b.post("/nia/soil/releases/1.0/delete", "typed", "soil"), 422, "", "Type soil 1.0.")
	b.want(b.post("/nia/soil/releases/1.0/delete", "typed", "soil 1.0"), 200, "/nia/soil/releases", "soil 1.0 is in the trash.", "No release yet.")

	// Sign out, and in again to where one came from.
	b.want(b.post("/logout"), 200, "/", "Find a conda package")
	b.want(b.get("/settings/tokens"), 200, "/login?next=%2Fsettings%2Ftokens", "Username or e-mail")
	b.want(b.post("/login", "username", "nia@uni.example", "password", "wrong", "next", "/settings/tokens"), 422, "/login", "Username or password is wrong.")
	b.want(b.post("/login", "username", "nia", "password", "seven green ferns", "next", "/settings/tokens"), 200, "/settings/tokens", "Tokens of nia")
}

// TestSetup makes the first operator from the link of the first start.
func TestSetup(t *testing.T) {
	app := apptest.New(t)
	code, err := app.Accounts.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, app)
	b.want(b.get("/setup/wrong"), 404, "", "Restart with terrarium serve to print a new link.")
	b.want(b.get("/setup/"+code), 200, "", "Set up this server", app.Base)
	b.want(b.post("/setup/"+code, "username", "root", "email", "root@example.com", "password", "short", "password2", "short"), 422, "", "Use at least 7 characters.")
	b.want(b.post("/setup/"+code, "username", "ola", "email", "ola@example.com", "password", "seven green ferns", "password2", "seven green ferns"), 200, "/dashboard", "is set up.")
	b.want(open(t, app).get("/setup/"+code), 404, "")
}

// TestForgotten resets a password by mail; all sessions end.
func TestForgotten(t *testing.T) {
	app := apptest.New(t)
	ana := app.User(t, "ana")
	inside, b := as(t, app, ana), open(t, app)

	known := b.want(b.post("/forgot/password", "who", "ana"), 200, "", "If that address has an account, a mail is on its way.", "The link works once, for 1 hour.")
	unknown := b.want(b.post("/forgot/password", "who", "nobody@example.com"), 200, "")
	if known.body != unknown.body {
		t.Error("the answer tells whether the address has an account")
	}
	link := app.Link(t, app.Mails(t, 1)[0], "/reset/")
	if a := b.want(b.get(link), 200, link, "New password"); a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers of a secret link: %v", a.header)
	}
	b.want(b.post(link, "password", "nine blue herons", "password2", "nine blue heron"), 422, link, "This differs from the first one. Type it again.")
	b.want(b.post(link, "password", "nine blue herons", "password2", "nine blue herons"), 200, "/login", "Your password is set.")
	b.want(b.post(link, "password", "nine blue herons", "password2", "nine blue herons"), 410, link, "This link was used already.", "Mail me a new link")
	b.want(b.get("/reset/foreign"), 404, "", "This link is not known here.")
	b.want(inside.get("/dashboard"), 200, "/login?next=%2Fdashboard")
	b.want(b.post("/login", "username", "ana", "password", "nine blue herons"), 200, "/dashboard")

	b.want(b.post("/forgot/username", "email", "ana@example.com"), 200, "", "a mail is on its way")
	if mails := app.Mails(t, 2); !strings.Contains(mails[1], "ana") {
		t.Errorf("the mail does not name the user: %s", mails[1])
	}
}
