package account_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func TestAuthenticate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		secret := w.token(ana, account.NewToken{Scopes: []string{"conda:download", "api:read", "api:read"}, Resources: []string{"Ana/x"}, MaxAge: time.Hour})
		if !regexp.MustCompile(`^tm-user-[0-9A-Za-z]{22}-[0-9A-Za-z]{6}$`).MatchString(secret) {
			t.Errorf("the token is %q", secret)
		}
		for _, scheme := range []string{"token", "bearer", "path", "basic"} {
			actor, err := w.Authenticate(ctx, account.Credential{Scheme: scheme, Value: secret, User: "whoever"}, w.from)
			ok(t, err)
			if actor.ID != ana.ID || actor.Name != "ana" || actor.Kind != access.KindPerson || actor.Remote != w.from.Remote ||
				actor.RequestID != "r-1" || actor.Credential != "token "+actor.TokenID || !slices.Equal(actor.Scopes, []string{"api:read", "conda:download"}) ||
				!slices.Equal(actor.Resources, []string{"ana/x"}) {
				t.Errorf("%s: got %+v", scheme, actor)
			}
		}
		nobody, err := w.Authenticate(ctx, account.Credential{}, w.from)
		ok(t, err)
		if !nobody.Anonymous() || nobody.Remote != w.from.Remote {
			t.Errorf("without a credential: got %+v", nobody)
		}

		typo := []byte(secret)
		typo[10] = map[bool]byte{true: 'x', false: 'y'}[typo[10] != 'x']
		other := w.token(ana, account.NewToken{Name: "other"})
		ok(t, w.RevokeToken(ctx, ana, "", "other"))
		bad := map[string]string{
			string(typo):         "typing error",
			secret[:20]:          "not whole",
			secret + "x":         "not whole",
			"tm-root-" + "x":     "not a token of this server",
			"hunter2":            "not a token of this server",
			strings.ToUpper("x"): "not a token",
			other:                "Token other was revoked on 21 Nov 2026, 10:00 UTC",
			"ey.a.b":             "not known here",
		}
		for value, says := range bad {
			_, err := w.by(value)
			wantKind(t, err, errs.Unauthenticated, says)
			if err != nil && strings.Contains(err.Error(), value) && len(value) > 8 {
				t.Errorf("the refusal %q holds the credential", err)
			}
		}
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "basic", User: "ana", Value: password}, w.from)
		wantKind(t, err, errs.Unauthenticated, "Use a token as the password")
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: secret}, w.from)
		wantKind(t, err, errs.Unauthenticated, "session has ended")

		// The end of a token is looked at also where everything else is cached.
		w.clock.pass(time.Hour - time.Second)
		_, err = w.by(secret)
		ok(t, err)
		w.clock.pass(time.Second)
		_, err = w.by(secret)
		wantKind(t, err, errs.Unauthenticated, "Token laptop ended on 21 Nov 2026, 11:00 UTC")
	})
}

// TestRightsAreCached looks that a credential that was seen is not looked up
// again until rights change, by whichever process.
func TestRightsAreCached(t *testing.T) {
	url := sqldbtest.SQLite(t)
	open := func() *sqldb.DB {
		db, err := sqldb.Open(t.Context(), url, sqldb.Options{})
		ok(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	db := open()
	ok(t, db.Migrate(t.Context()))
	w, elsewhere := newWorld(t, db, account.Options{}), newWorld(t, open(), account.Options{})
	ana := w.user("ana")
	secret := w.token(ana, account.NewToken{})
	_, err := w.by(secret)
	ok(t, err)
	// A change that breaks the rule, made without a new generation, stays
	// unseen: nothing was looked up.
	_, err = db.Exec(t.Context(), "UPDATE users SET operator = TRUE WHERE owner_id = $1", ana.ID)
	ok(t, err)
	actor, err := w.by(secret)
	ok(t, err)
	if actor.Operator {
		t.Error("a cached credential was looked up again")
	}
	actor, err = elsewhere.by(secret)
	ok(t, err)
	ok(t, elsewhere.RevokeCurrent(t.Context(), actor))
	_, err = w.by(secret)
	wantKind(t, err, errs.Unauthenticated, "revoked")
}

func TestWhatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		owner, acme := w.organization(w.user("owner"), "acme")
		eli := w.user("eli")
		secret := w.token(eli, account.NewToken{})
		cookie, _, err := w.CreateSession(ctx, userOf(ctx, t, w, eli), w.from, false)
		ok(t, err)
		secretPkg, openPkg := w.pkg(acme.Owner, "shut", true), w.pkg(acme.Owner, "open", false)
		both := func(want bool, v access.Verb, o access.Object) {
			t.Helper()
			for _, c := range []account.Credential{{Scheme: "token", Value: secret}, {Scheme: "cookie", Value: cookie}} {
				actor, err := w.Authenticate(ctx, c, w.from)
				ok(t, err)
				if got := access.Can(actor, v, o).Allowed; got != want {
					t.Errorf("by %s, %s of %s: got %v, want %v", c.Scheme, v, o.PackageName, got, want)
				}
			}
		}
		both(false, access.Read, secretPkg)
		_, err = w.CreateGroup(ctx, owner, "acme", account.NewGroup{Name: "geo", Permission: access.Write, AllPackages: true})
		ok(t, err)
		ok(t, w.AddGroupMember(ctx, owner, "acme", "geo", "eli"))
		both(true, access.Write, secretPkg)
		ok(t, w.RemoveGroupMember(ctx, owner, "acme", "geo", "eli"))
		both(false, access.Read, secretPkg)
		ok(t, w.AddGroupMember(ctx, owner, "acme", "geo", "eli"))
		ok(t, w.Grant(ctx, owner, account.Subject{Kind: "user", Name: "eli"}, openPkg, access.Admin))
		both(true, access.Admin, openPkg)
		ok(t, w.SetRole(ctx, owner, "acme", "eli", access.RoleAdministrator))
		ofOrg := w.token(w.actor(eli.ID), account.NewToken{OrganizationName: "acme"})
		_, err = w.by(ofOrg)
		ok(t, err)
		// Who is removed keeps nothing: no group, no grant, no token of it.
		ok(t, w.RemoveMember(ctx, owner, "acme", "eli"))
		both(false, access.Read, secretPkg)
		both(false, access.Write, openPkg)
		_, err = w.by(ofOrg)
		wantKind(t, err, errs.Unauthenticated, "revoked")
		ok(t, w.AddMember(ctx, owner, "acme", "eli", access.RoleMember))
		both(false, access.Write, openPkg)

		ok(t, w.DisableUser(ctx, access.System(), "eli"))
		_, err = w.by(secret)
		wantKind(t, err, errs.Unauthenticated, "disabled")
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: cookie}, w.from)
		wantKind(t, err, errs.Unauthenticated, "session has ended")
		_, err = w.ActorOf(ctx, eli.ID, "password", w.from)
		wantKind(t, err, errs.Unauthenticated, "disabled")
		_, _, err = w.CreateToken(ctx, access.System(), account.NewToken{UserName: "eli", Name: "late"})
		wantKind(t, err, errs.Forbidden, "disabled")
		ok(t, w.EnableUser(ctx, access.System(), "eli"))
		_, err = w.by(secret)
		ok(t, err)
	})
}

func TestCreateTokenRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		owner, _ := w.organization(w.user("owner"), "acme")
		eli, stranger := w.user("eli"), w.user("stranger")
		ok(t, w.AddMember(ctx, owner, "acme", "eli", access.RoleMember))
		eli = w.actor(eli.ID)
		makers := 0
		limited := func(n account.NewToken) access.Actor {
			makers++
			n.Name = fmt.Sprintf("maker %d", makers)
			actor, err := w.by(w.token(owner, n))
			ok(t, err)
			return actor
		}
		tests := []struct {
			name  string
			actor access.Actor
			token account.NewToken
			kind  errs.Kind
			says  string
		}{
			{"anonymous", w.anonymous(), account.NewToken{Name: "x"}, errs.Unauthenticated, "Sign in"},
			{"no name", eli, account.NewToken{Name: " "}, errs.Invalid, "name"},
			{"long name", eli, account.NewToken{Name: strings.Repeat("x", 201)}, errs.Invalid, "at most 200"},
			{"unknown scope", eli, account.NewToken{Name: "x", Scopes: []string{"api:red"}}, errs.Invalid, "no scope"},
			{"bad resource", eli, account.NewToken{Name: "x", Resources: []string{"a/b/c"}}, errs.Invalid, "OWNER or OWNER/PACKAGE"},
			{"negative age", eli, account.NewToken{Name: "x", MaxAge: -1}, errs.Invalid, "at least"},
			{"eternal", eli, account.NewToken{Name: "x", MaxAge: 11 * 365 * 24 * time.Hour}, errs.Invalid, "at most 3650 days"},
			{"for somebody else", eli, account.NewToken{Name: "x", UserName: "owner"}, errs.Forbidden, "not for owner"},
			{"for nobody", access.System(), account.NewToken{Name: "x"}, errs.Invalid, "Say whose"},
			{"for somebody unknown", access.System(), account.NewToken{Name: "x", UserName: "zoe"}, errs.NotFound, "no user zoe"},
			{"a member for the organisation", eli, account.NewToken{Name: "x", OrganizationName: "acme"}, errs.Forbidden, "owners and administrators of acme"},
			{"a stranger for the organisation", stranger, account.NewToken{Name: "x", OrganizationName: "acme"}, errs.Forbidden, "no member"},
			{"for an organisation that is a user", owner, account.NewToken{Name: "x", OrganizationName: "eli"}, errs.NotFound, "a user, not"},
			{"by a token that reads", limited(account.NewToken{Scopes: []string{"api:read"}}), account.NewToken{Name: "x", Scopes: []string{"api:read"}}, errs.Forbidden, "api:write"},
			{"more than the maker", limited(account.NewToken{Scopes: []string{"api"}}), account.NewToken{Name: "x"}, errs.Forbidden, "itself only api"},
			{"other than the maker", limited(account.NewToken{Scopes: []string{"api:write"}}), account.NewToken{Name: "x", Scopes: []string{"conda"}}, errs.Forbidden, "itself only"},
			{"wider than the maker", limited(account.NewToken{Resources: []string{"owner"}}), account.NewToken{Name: "x"}, errs.Forbidden, "limited to owner"},
			{"beside the maker", limited(account.NewToken{Resources: []string{"owner"}}), account.NewToken{Name: "x", Resources: []string{"acme/x"}}, errs.Forbidden, "limited to owner"},
			{"out of the organisation", limited(account.NewToken{OrganizationName: "acme"}), account.NewToken{Name: "x"}, errs.Forbidden, "another organisation"},
		}
		for _, tt := range tests {
			_, secret, err := w.CreateToken(ctx, tt.actor, tt.token)
			if err == nil || errs.KindOf(err) != tt.kind || !strings.Contains(errs.Message(err), tt.says) || secret != "" {
				t.Errorf("%s: got %v, want %v with %q", tt.name, err, tt.kind, tt.says)
			}
		}
		narrow, err := w.by(w.token(limited(account.NewToken{Scopes: []string{"api"}, Resources: []string{"owner"}}),
			account.NewToken{Name: "narrower", Scopes: []string{"api:read"}, Resources: []string{"owner/x"}}))
		ok(t, err)
		if narrow.ID != owner.ID || narrow.Scopes.Allow("api:write") {
			t.Errorf("got %+v", narrow)
		}
	})
}

func TestTokenNames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		const name = "binstar_client:ana@host/1"
		first := w.token(ana, account.NewToken{Name: name, MaxAge: time.Hour})
		_, _, err := w.CreateToken(ctx, ana, account.NewToken{Name: name})
		wantKind(t, err, errs.Exists, "exists already")
		_, err = w.by(first)
		ok(t, err)
		second := w.token(ana, account.NewToken{Name: name, MaxAge: time.Hour, Replace: true})
		_, err = w.by(first)
		wantKind(t, err, errs.Unauthenticated, "revoked")
		w.clock.pass(2 * time.Hour) // an ended one makes room by itself
		third := w.token(ana, account.NewToken{Name: name, Hostname: "host"})
		_, err = w.by(second)
		wantKind(t, err, errs.Unauthenticated, "revoked")
		actor, err := w.by(third)
		ok(t, err)

		ok(t, w.FlushUsed(ctx))
		tokens, err := w.Tokens(ctx, ana, "")
		ok(t, err)
		if len(tokens) != 1 {
			t.Fatalf("there are %d tokens, want 1", len(tokens))
		}
		got := tokens[0]
		if got.Name != name || got.Hostname != "host" || got.Last4 != third[len(third)-4:] || got.UserName != "ana" || got.CreatedFrom != w.from.Remote ||
			got.LastUsedAt == nil || !got.LastUsedAt.Equal(w.clock.Now()) || got.LastUsedFrom != w.from.Remote || got.LastUsedAgent != "test/1" ||
			got.ExpiresAt == nil || !got.ExpiresAt.Equal(w.clock.Now().Add(365*24*time.Hour)) {
			t.Errorf("got %+v", got)
		}
		current, err := w.CurrentToken(ctx, actor)
		ok(t, err)
		if current.ID != actor.TokenID || current.Name != name {
			t.Errorf("current token: %+v", current)
		}
		_, err = w.CurrentToken(ctx, ana)
		wantKind(t, err, errs.NotFound, "without a token")

		bob := w.user("bob")
		_, err = w.Tokens(ctx, bob, "ana")
		wantKind(t, err, errs.Forbidden, "")
		wantKind(t, w.RevokeToken(ctx, bob, "ana", got.ID), errs.Forbidden, "")
		wantKind(t, w.RevokeToken(ctx, bob, "", got.ID), errs.NotFound, "no token")
		wantKind(t, w.RevokeToken(ctx, w.anonymous(), "ana", got.ID), errs.Unauthenticated, "")
		op := w.operator("op")
		ok(t, w.RevokeToken(ctx, op, "ana", got.ID))
		_, err = w.by(third)
		wantKind(t, err, errs.Unauthenticated, "revoked")

		reader, err := w.by(w.token(ana, account.NewToken{Name: "reader", Scopes: []string{"api:read"}}))
		ok(t, err)
		_, err = w.Tokens(ctx, reader, "")
		ok(t, err)
		wantKind(t, w.RevokeToken(ctx, reader, "", "reader"), errs.Forbidden, "api:write")
		ok(t, w.RevokeCurrent(ctx, reader)) // signing out needs no scope
		wantKind(t, w.RevokeCurrent(ctx, reader), errs.NotFound, "")
	})
}

func TestOrganizationTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		owner, acme := w.organization(w.user("owner"), "acme")
		eli := w.user("eli")
		ok(t, w.AddMember(ctx, owner, "acme", "eli", access.RoleAdministrator))
		eli = w.actor(eli.ID)
		secret := w.token(eli, account.NewToken{Name: "ci", OrganizationName: "acme"})
		if kind, err := account.TokenType(secret); err != nil || kind != "org" {
			t.Errorf("the type is %q (%v), want org", kind, err)
		}
		actor, err := w.by(secret)
		ok(t, err)
		if !access.Can(actor, access.Write, w.pkg(acme.Owner, "x", true)).Allowed {
			t.Error("the token does not reach its organisation")
		}
		own, err := w.Owner(ctx, "eli")
		ok(t, err)
		if access.Can(actor, access.Write, w.pkg(own, "x", true)).Allowed {
			t.Error("the token of the organisation reaches its maker's own packages")
		}
		w.token(eli, account.NewToken{Name: "ci"}) // the names of owners do not meet
		tokens, err := w.Tokens(ctx, owner, "acme")
		ok(t, err)
		if len(tokens) != 1 || tokens[0].Organization != "acme" || tokens[0].UserName != "eli" {
			t.Errorf("got %+v", tokens)
		}
		ok(t, w.SetRole(ctx, owner, "acme", "eli", access.RoleMember))
		eli = w.actor(eli.ID)
		_, err = w.Tokens(ctx, eli, "acme")
		wantKind(t, err, errs.Forbidden, "")
		ok(t, w.RevokeToken(ctx, eli, "acme", "ci")) // one's own one may give up
		_, err = w.by(secret)
		wantKind(t, err, errs.Unauthenticated, "revoked")
		wantKind(t, w.RevokeToken(ctx, eli, "acme", "ci"), errs.NotFound, "")
		wantKind(t, w.RevokeToken(ctx, w.user("bob"), "acme", "ci"), errs.Forbidden, "")
	})
}

// TestRecordedToken is the road of tokens that another part makes, such as the
// JWT of the browser's login.
func TestRecordedToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ana := w.user("ana")
		const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
		if got := w.token(ana, account.NewToken{Secret: jwt}); got != jwt {
			t.Errorf("got %q", got)
		}
		actor, err := w.by(jwt)
		ok(t, err)
		if actor.ID != ana.ID {
			t.Errorf("got %+v", actor)
		}
		for _, bad := range []string{jwt + "x", jwt[:len(jwt)-1] + "!", "ey" + strings.Repeat("x", 9000) + ".a.b"} {
			_, err := w.by(bad)
			wantKind(t, err, errs.Unauthenticated, "")
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		u := userOf(ctx, t, w, ana)
		by := func(cookie string) (access.Actor, error) {
			return w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: cookie}, w.from)
		}
		before, _, err := w.BeginSession(ctx, w.from)
		ok(t, err)
		ok(t, w.SetSessionValues(ctx, before, map[string]string{"back": "/acme"}))
		nobody, err := by(before)
		ok(t, err)
		if !nobody.Anonymous() {
			t.Errorf("before sign-in: got %+v", nobody)
		}
		// Signing in gives another cookie: one that was planted opens nothing.
		short, ends, err := w.CreateSession(ctx, u, w.from, false)
		ok(t, err)
		if short == before || !ends.Equal(w.clock.Now().Add(24*time.Hour)) {
			t.Errorf("the session ends at %v", ends)
		}
		if nobody, err = by(before); err != nil || !nobody.Anonymous() {
			t.Errorf("the cookie before sign-in is %+v, %v", nobody, err)
		}
		ok(t, w.EndSession(ctx, nobody, before))
		values, err := w.SessionValues(ctx, before)
		ok(t, err)
		if len(values) != 0 {
			t.Errorf("an ended session has values %v", values)
		}
		kept, ends, err := w.CreateSession(ctx, u, access.Request{Remote: "192.0.2.8", Agent: "br\xffowser\x00"}, true)
		ok(t, err)
		if !ends.Equal(w.clock.Now().Add(30 * 24 * time.Hour)) {
			t.Errorf("the kept session ends at %v", ends)
		}
		third, _, err := w.CreateSession(ctx, u, w.from, true)
		ok(t, err)
		actor, err := by(kept)
		ok(t, err)
		if actor.ID != ana.ID || actor.Credential != "session" || len(actor.Scopes) != 0 {
			t.Errorf("got %+v", actor)
		}
		ok(t, w.SetSessionValues(ctx, kept, map[string]string{"flash": "Saved."}))
		values, err = w.SessionValues(ctx, kept)
		ok(t, err)
		if values["flash"] != "Saved." {
			t.Errorf("got %v", values)
		}
		wantKind(t, w.SetSessionValues(ctx, kept, map[string]string{"x": strings.Repeat("x", 20000)}), errs.TooLarge, "16384")
		wantKind(t, w.SetSessionValues(ctx, "guess", nil), errs.Unauthenticated, "")

		w.clock.pass(time.Minute)
		_, err = by(kept)
		ok(t, err)
		ok(t, w.FlushUsed(ctx))
		list, err := w.Sessions(ctx, actor, kept)
		ok(t, err)
		if len(list) != 3 || !list[0].Current || !list[0].LastUsedAt.Equal(w.clock.Now()) || list[0].Remote != "192.0.2.8" || list[1].Current {
			t.Errorf("got %+v", list)
		}
		bob := w.user("bob")
		wantKind(t, w.RevokeSession(ctx, bob, list[1].ID), errs.NotFound, "ended already")
		ok(t, w.RevokeSession(ctx, actor, list[1].ID))
		byToken, err := w.by(w.token(ana, account.NewToken{}))
		ok(t, err)
		_, err = w.Sessions(ctx, byToken, "")
		wantKind(t, err, errs.Forbidden, "not with a token")
		wantKind(t, w.RevokeSession(ctx, byToken, list[0].ID), errs.Forbidden, "not with a token")
		ok(t, w.RevokeSessions(ctx, actor, kept))
		for _, gone := range []string{short, third} {
			_, err = by(gone)
			wantKind(t, err, errs.Unauthenticated, "session has ended")
		}
		_, err = by(kept)
		ok(t, err)
		w.clock.pass(30 * 24 * time.Hour)
		_, err = by(kept)
		wantKind(t, err, errs.Unauthenticated, "session has ended")
		ok(t, w.Sweep(ctx))
		if n := w.count("SELECT COUNT(*) FROM sessions"); n != 0 {
			t.Errorf("%d sessions stay after sweeping", n)
		}
	})
}

func FuzzTokenType(f *testing.F) {
	f.Add("tm-user-0123456789ABCDEFGHIJKL-000000")
	f.Add("tm-org--")
	f.Add("tm-user-\xff")
	f.Add("")
	whole := regexp.MustCompile(`^tm-(user|org)-[0-9A-Za-z]{22}-[0-9A-Za-z]{6}$`)
	f.Fuzz(func(t *testing.T, token string) {
		kind, err := account.TokenType(token)
		if err != nil {
			if errs.KindOf(err) != errs.Unauthenticated {
				t.Errorf("%q: %v is no refusal", token, err)
			}
			return
		}
		if !whole.MatchString(token) || !strings.HasPrefix(token, "tm-"+kind+"-") {
			t.Errorf("%q is taken for a token of type %q", token, kind)
		}
		// One wrong character never passes.
		for i := range token {
			wrong := []byte(token)
			wrong[i] ^= 1
			if _, err := account.TokenType(string(wrong)); err == nil {
				t.Errorf("%q passes like %q", wrong, token)
			}
		}
	})
}

// BenchmarkAuthenticate is what a request with a known token pays.
func BenchmarkAuthenticate(b *testing.B) {
	db := sqldbtest.Open(b)
	a := account.New(db, account.Options{PasswordMemory: 8})
	ctx := b.Context()
	if _, err := a.CreateUser(ctx, access.System(), account.NewUser{Name: "ana", Email: "ana@example.org"}); err != nil {
		b.Fatal(err)
	}
	_, secret, err := a.CreateToken(ctx, access.System(), account.NewToken{Name: "ci", UserName: "ana"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := a.Authenticate(ctx, account.Credential{Scheme: "token", Value: secret}, access.Request{Remote: "192.0.2.1"}); err != nil {
			b.Fatal(err)
		}
	}
}
