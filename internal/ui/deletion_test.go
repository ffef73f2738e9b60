package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// TestDeleteAccount walks the way of somebody who deletes an account and keeps it
// after all, by forms alone.
func TestDeleteAccount(t *testing.T) {
	app, ana, eve := garden(t)
	soil := condatest.Spec{Name: "soil", Version: "1.0"}
	ana.Upload(t, "ana", soil, "")
	ana.Upload(t, "ana", condatest.Spec{Name: "soil", Version: "2.0"}, "")
	ana.Upload(t, "ana/dev", condatest.Spec{Name: "peat"}, "private=true")
	for range 3 {
		app.Want(t, http.StatusOK, "GET", "/conda/ana/noarch/"+soil.FileName(), apptest.Request{})
	}
	if err := app.Registry.FlushDownloads(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := as(t, app, ana)
	b.get("/settings/account").want(t, http.StatusOK, "Delete Account…")

	// acme has no other owner: there is no button, and the form is refused as well.
	page := b.get("/settings/account/delete")
	page.want(t, http.StatusOK, "2 packages with 3 files", "3 downloads", "you are their only owner", `href="/organization/acme/settings/account"`)
	if strings.Contains(page.body, "danger filled") {
		t.Error("there is a button to delete what cannot be deleted")
	}
	b.post("/settings/account/delete", "password", apptest.Password).want(t, http.StatusUnprocessableEntity, "ana is the only owner of acme.")
	if err := app.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", "eve", access.RoleOwner); err != nil {
		t.Fatal(err)
	}
	b.get("/settings/account/delete").want(t, http.StatusOK, `name="password"`, "danger filled", "Until "+day(app, 7), "reserved until "+day(app, 90))
	b.post("/settings/account/delete", "password", "not this one").want(t, http.StatusUnprocessableEntity, "This is not your password.", "2 packages with 3 files")
	app.Want(t, http.StatusOK, "GET", "/ana", apptest.Request{})

	b.post("/settings/account/delete", "password", apptest.Password).want(t, http.StatusOK, "ana is deleted.", "It is erased on "+day(app, 7))
	for _, path := range []string{"/ana", "/ana/soil", "/ana/-/channels/main"} {
		b.get(path).want(t, http.StatusNotFound)
	}
	for _, path := range []string{"/?home", "/?home&channels=all", "/search?q=soil", "/search?q=peat"} {
		if strings.Contains(b.get(path).body, "ana/") {
			t.Errorf("%s still has packages of ana", path)
		}
	}
	app.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: ana.Token})
	app.Want(t, http.StatusSeeOther, "GET", "/dashboard", apptest.Request{Token: ana.Cookie, Via: apptest.Cookie})
	mail := app.Mails(t, 1)[0]
	if !strings.Contains(mail, "To: <ana@example.com>") || !strings.Contains(mail, "Keep the account") || app.Link(t, mail, "/login") != "/login" {
		t.Errorf("the mail says\n%s", mail)
	}
	// Who is an owner beside her sees that she is gone.
	if people := as(t, app, eve).get("/acme/-/people"); strings.Contains(people.body, "ana") {
		t.Error("a deleted person is among the members")
	}

	// Signing in opens one page, whose cookie can do nothing else.
	b.get("/login/keep").want(t, http.StatusNotFound, "Sign In", "There is no account to be kept.")
	b.post("/login", "username", "ana", "password", "not this one").want(t, http.StatusUnprocessableEntity, "Username or password is wrong.")
	page = b.post("/login", "username", "ana@example.com", "password", apptest.Password)
	page.want(t, http.StatusOK, "ana was deleted", "Keep the account")
	if page.path != "/login/keep" {
		t.Errorf("signing in leads to %s", page.path)
	}
	for _, path := range []string{"/dashboard", "/settings/account", "/add"} {
		if got := b.get(path); !strings.HasPrefix(got.path, "/login") {
			t.Errorf("%s is open to somebody who was deleted: %s", path, got.path)
		}
	}
	b.post("/login/keep").want(t, http.StatusOK, "Your account is kept.")
	b.get("/ana/soil").want(t, http.StatusOK, "2.0")
	app.Want(t, http.StatusOK, "GET", "/api/user", apptest.Request{Token: ana.Token})
	app.Want(t, http.StatusSeeOther, "GET", "/dashboard", apptest.Request{Token: ana.Cookie, Via: apptest.Cookie})
	b.get("/login/keep").want(t, http.StatusOK) // there is nothing to be kept any more

	// Too late, the account is like none.
	b.post("/settings/account/delete", "password", apptest.Password).want(t, http.StatusOK, "ana is deleted.")
	b.post("/login", "username", "ana", "password", apptest.Password).want(t, http.StatusOK, "Keep the account")
	app.Clock.Pass(7*24*time.Hour + time.Minute)
	b.post("/login/keep").want(t, http.StatusNotFound, "Sign In")
	b.post("/login", "username", "ana", "password", apptest.Password).want(t, http.StatusUnprocessableEntity, "Username or password is wrong.")
	b.get("/ana").want(t, http.StatusNotFound)
}

// want fails the test where a page has another status or lacks some words.
func (a answer) want(t *testing.T, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d, want %d", a.path, a.status, status)
	}
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			t.Errorf("%s does not say %q:\n%s", a.path, word, a.body)
		}
	}
}

// TestDeletedByOperator: what an operator deleted comes back by an operator only, and the
// pages and mails say so.
func TestDeletedByOperator(t *testing.T) {
	app, ana, eve := garden(t)
	root := app.Operator(t, "root")
	if err := app.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", "eve", access.RoleOwner); err != nil {
		t.Fatal(err)
	}
	drop := func(actor access.Actor, name string) {
		t.Helper()
		if _, err := app.Accounts.DeleteOwner(t.Context(), actor, name, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, actor := range []access.Actor{root.Actor(t), access.System()} { // a person, and a command
		drop(actor, "acme")
		b := as(t, app, ana)
		if page := b.get("/settings/organizations"); !strings.Contains(page.body, "Only an operator can undo this") || strings.Contains(page.body, "organizations/undo") {
			t.Errorf("the page of an owner: %s", page.body)
		}
		b.post("/settings/organizations/undo", "name", "acme").want(t, http.StatusForbidden, "acme was deleted by an operator, and only an operator can undo that.")
		as(t, app, root).post("/settings/organizations/undo", "name", "acme").want(t, http.StatusOK, "acme is back.")
		b.get("/acme").want(t, http.StatusOK)

		// A session in which the account could be kept is of no use after that.
		early := as(t, app, eve)
		early.post("/settings/account/delete", "password", apptest.Password).want(t, http.StatusOK, "eve is deleted.")
		early.post("/login", "username", "eve", "password", apptest.Password).want(t, http.StatusOK, "Keep the account")
		if _, err := app.Accounts.RestoreOwner(t.Context(), root.Actor(t), "eve"); err != nil {
			t.Fatal(err)
		}
		drop(actor, "eve")
		early.post("/login/keep").want(t, http.StatusNotFound, "There is no account to be kept.")

		late := open(t, app)
		late.post("/login", "username", "eve", "password", "not this one").want(t, http.StatusUnprocessableEntity, "Username or password is wrong.")
		page := late.post("/login", "username", "eve", "password", apptest.Password)
		page.want(t, http.StatusUnprocessableEntity, "The account eve was deleted by an operator and will be erased on "+day(app, 7)+". Only an operator can undo that.")
		late.get("/login/keep").want(t, http.StatusNotFound)
		late.post("/login/keep").want(t, http.StatusNotFound)
		if _, err := app.Accounts.RestoreOwner(t.Context(), actor, "eve"); err != nil {
			t.Fatal(err)
		}
		late.post("/login", "username", "eve", "password", apptest.Password).want(t, http.StatusOK)
		eve.Cookie = eve.NewSession(t)
	}
	if mails := strings.Join(app.Mails(t, 10), "\n"); strings.Count(mails, "Only an operator can undo that") != 8 {
		t.Errorf("the mails say:\n%s", mails)
	}
}

func day(app *apptest.App, n int) string {
	return app.Clock.Now().AddDate(0, 0, n).UTC().Format("2 January 2006")
}

// TestDeleteOrganization: an owner deletes by typing the name, an administrator does
// not, and each owner can undo it.
func TestDeleteOrganization(t *testing.T) {
	app, ana, eve := garden(t)
	for role, name := range map[access.Role]string{access.RoleOwner: "oleg", access.RoleAdministrator: "adam"} {
		app.User(t, name)
		if err := app.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", name, role); err != nil {
			t.Fatal(err)
		}
	}
	session := func(name string) *browser {
		b := open(t, app)
		b.post("/login", "username", name, "password", apptest.Password).want(t, http.StatusOK)
		return b
	}
	adam, oleg, b := session("adam"), session("oleg"), as(t, app, ana)
	const path = "/organization/acme/settings/account"
	if page := adam.get(path); page.status != http.StatusOK || strings.Contains(page.body, "Delete Account") {
		t.Errorf("an administrator is offered to delete: %d", page.status)
	}
	adam.get(path+"/delete").want(t, http.StatusForbidden, "Only an owner of acme can delete it.")
	adam.post(path+"/delete", "typed", "acme").want(t, http.StatusForbidden)
	as(t, app, eve).get(path+"/delete").want(t, http.StatusNotFound)

	b.get(path).want(t, http.StatusOK, "Delete Account…")
	b.get(path+"/delete").want(t, http.StatusOK, "3 packages with 3 files", "Type acme")
	b.post(path+"/delete", "typed", "acm").want(t, http.StatusUnprocessableEntity, "This is not the name. Type acme.")
	b.get("/acme").want(t, http.StatusOK)
	page := b.post(path+"/delete", "typed", "acme")
	page.want(t, http.StatusOK, "acme is deleted.", "Undo")
	b.get("/acme").want(t, http.StatusNotFound)
	b.get(path).want(t, http.StatusNotFound)
	if list := adam.get("/settings/organizations"); strings.Contains(list.body, "acme") {
		t.Error("an administrator can undo it, or still has it in the list")
	}
	adam.post("/settings/organizations/undo", "name", "acme").want(t, http.StatusNotFound)
	mails := strings.Join(app.Mails(t, 3), "\n")
	for _, to := range []string{"acme@example.com", "ana@example.com", "oleg@example.com"} {
		if !strings.Contains(mails, "To: <"+to+">") {
			t.Errorf("%s was not told", to)
		}
	}

	oleg.get("/settings/organizations").want(t, http.StatusOK, "Undo", url.PathEscape("acme"))
	oleg.post("/settings/organizations/undo", "name", "acme").want(t, http.StatusOK, "acme is back.")
	oleg.post("/settings/organizations/undo", "name", "acme").want(t, http.StatusOK) // pressed twice
	b.get("/acme/soil").want(t, http.StatusOK, "1.0")
	adam.get(path).want(t, http.StatusOK)
}
