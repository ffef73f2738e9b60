package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
)

// TestSignUpRefusals sends every form that must be refused (accounts.md §6).
func TestSignUpRefusals(t *testing.T) {
	app := apptest.New(t)
	app.User(t, "green-fern")
	good := map[string]string{"username": "nia", "email": "nia@example.com", "password": "seven green ferns", "password2": "seven green ferns", "terms": "yes"}
	for _, test := range []struct {
		name, field, value, want string
	}{
		{"short password", "password", "six666", "Use at least 7 characters."},
		{"common password", "password", "password1", "Everybody tries this password first."},
		{"unequal passwords", "password2", "seven green fern", "This differs from the first one. Type it again."},
		{"taken name", "username", "green-fern", "Username green-fern is taken. Free: "},
		{"look-alike name", "username", "greenfern", "Username greenfern is taken. Free: "},
		{"reserved name", "username", "settings", "is reserved. Free: "},
		{"bad name", "username", "-x y", "name"},
		{"no address", "email", "nia", "This is not an e-mail address."},
		{"taken address", "email", "green-fern@example.com", "This e-mail address has an account already."},
		{"Terms", "terms", "", "Accept the Terms to sign up."},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t, app)
			var pairs []string
			for field, value := range good {
				if field == test.field {
					value = test.value
				}
				if field == "password2" && test.field == "password" {
					value = test.value
				}
				pairs = append(pairs, field, value)
			}
			a := b.post("/signup", pairs...)
			b.want(a, http.StatusUnprocessableEntity, "/signup", test.want)
			if !strings.Contains(a.body, `role="alert"`) || !strings.Contains(a.body, `aria-invalid="true"`) {
				t.Error("the refusal is not told beside its field")
			}
			for _, secret := range []string{"seven green", "six666", "password1"} {
				if strings.Contains(a.body, secret) {
					t.Errorf("the password %q is sent back", secret)
				}
			}
			if test.field != "email" && !strings.Contains(a.body, `value="nia@example.com"`) {
				t.Error("what was typed is lost")
			}
			if b.get("/dashboard").path == "/dashboard" {
				t.Error("somebody was signed in")
			}
		})
	}
}

// TestBruteForce is shut out for a while, for a name.
func TestBruteForce(t *testing.T) {
	app := apptest.New(t)
	app.User(t, "ana")
	b := open(t, app)
	for range 10 {
		b.want(b.post("/login", "username", "ana", "password", "guess"), http.StatusUnprocessableEntity, "", "Username or password is wrong.")
	}
	a := b.want(b.post("/login", "username", "ana", "password", apptest.Password), http.StatusTooManyRequests, "", "Too many attempts.")
	if a.header.Get("Retry-After") == "" {
		t.Error("nothing says when to try again")
	}
}

// TestSessionFixation: a session that somebody handed over is none after signing in.
func TestSessionFixation(t *testing.T) {
	app := apptest.New(t)
	app.User(t, "ana")
	mallory := app.User(t, "mallory")
	b := as(t, app, mallory)
	b.want(b.post("/login", "username", "ana", "password", apptest.Password), 200, "/dashboard", "View: a ana")
	b.want(as(t, app, mallory).get("/dashboard"), 200, "/login?next=%2Fdashboard")
}

// TestRemovedMember loses an organisation with the next request of an old session.
func TestRemovedMember(t *testing.T) {
	app := apptest.New(t)
	ana, ben := app.User(t, "ana"), app.User(t, "ben")
	app.Org(t, "acme", ana)
	if err := app.Accounts.AddMember(t.Context(), ana.Actor(t), "acme", "ben", access.RoleAdministrator); err != nil {
		t.Fatal(err)
	}
	b := as(t, app, ben)
	b.want(b.get("/organization/acme/settings/profile"), 200, "")
	if err := app.Accounts.SetRole(t.Context(), ana.Actor(t), "acme", "ben", access.RoleMember); err != nil {
		t.Fatal(err)
	}
	b.want(b.get("/organization/acme/settings/profile"), 403, "", "for its owners and administrators")
	if err := app.Accounts.RemoveMember(t.Context(), ana.Actor(t), "acme", "ben"); err != nil {
		t.Fatal(err)
	}
	b.want(b.get("/organization/acme/settings/profile"), 404, "", "Nothing here, or it is not for you.")
	b.want(b.get("/acme/-/people"), 404, "")
}

// TestInvitation lets the invited address sign up where sign-up is not open.
func TestInvitation(t *testing.T) {
	app := apptest.New(t, apptest.Setting("signup", "invite"))
	op := app.Operator(t, "op")
	address, err := app.Accounts.Invite(t.Context(), op.Actor(t), "nia@example.com")
	if err != nil {
		t.Fatal(err)
	}
	link := strings.TrimPrefix(address, app.Base)
	_, code, _ := strings.Cut(link, "invite=")
	b := open(t, app)
	b.want(b.get("/signup"), 200, "", "are made by invitation")
	b.want(b.get(link), 200, "", "Password again")
	form := func(email, invite string) []string {
		return []string{"username", "nia", "email", email, "password", "seven green ferns", "password2", "seven green ferns", "terms", "yes", "invite", invite}
	}
	b.want(b.post("/signup", form("eve@example.com", code)...), 422, "", "This invitation is for n…@example.com.")
	b.want(b.post("/signup", form("nia@example.com", "foreign")...), 422, "", "This link is not known here.")
	b.want(b.post("/signup", form("nia@example.com", code)...), 200, "/dashboard", "Your account is made.")
	b.want(open(t, app).post("/signup", "username", "eve", "email", "nia@example.com", "password", "seven green ferns", "password2", "seven green ferns", "terms", "yes", "invite", code),
		422, "", "This link was used already.")
}

// TestCrossSite refuses a form of another site.
func TestCrossSite(t *testing.T) {
	app := apptest.New(t)
	ana := app.User(t, "ana")
	a := app.Do(t, http.MethodPost, "/settings/tokens", apptest.Request{
		Token: ana.Cookie, Via: apptest.Cookie, Body: []byte("name=x&scope=all&ends=30"), Type: "application/x-www-form-urlencoded",
		Header: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
	})
	if a.Status != http.StatusForbidden {
		t.Errorf("%s; want 403", a)
	}
}

// TestNext leads only to pages of this server.
func TestNext(t *testing.T) {
	app := apptest.New(t)
	app.User(t, "ana")
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, "javascript:alert(1)", ""} {
		b := open(t, app)
		b.want(b.post("/login", "username", "ana", "password", apptest.Password, "next", next), 200, "/dashboard")
	}
}

// TestSecrets are shown on the page of a token alone and never logged.
func TestSecrets(t *testing.T) {
	app := apptest.New(t)
	ana := app.User(t, "ana")
	secret := ana.NewToken(t, account.NewToken{Name: "second"})
	b := as(t, app, ana)
	b.get("/settings/tokens")
	b.get("/settings/security")
	for _, text := range []string{secret, ana.Cookie, apptest.Password} {
		if strings.Contains(app.Logged(), text) {
			t.Errorf("the log holds the secret %q", text)
		}
	}
}
