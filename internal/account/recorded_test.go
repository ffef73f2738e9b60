package account_test

import (
	"encoding/json/jsontext"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/audit"
	"terrarium/internal/sqldb"
)

// tables lists all tables of the domain with an SQL text that spells a row out.
func (w *world) tables() map[string]string {
	w.t.Helper()
	query := `SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'`
	if w.db.Postgres() {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`
	}
	rows, err := sqldb.All(w.t.Context(), w.db, func(r *sqldb.Rows, c *[2]string) error { return r.Scan(&c[0], &c[1]) }, query+" ORDER BY 1, 2")
	ok(w.t, err)
	tables := map[string]string{}
	for _, c := range rows {
		if strings.HasPrefix(c[0], "river") || strings.HasPrefix(c[0], "sqlite_") || strings.HasPrefix(c[0], "goose") {
			continue
		}
		cell := fmt.Sprintf(`COALESCE(CAST("%s" AS TEXT), '')`, c[1])
		if tables[c[0]] != "" {
			cell = tables[c[0]] + " || '|' || " + cell
		}
		tables[c[0]] = cell
	}
	return tables
}

// dump spells every row of every table out.
func (w *world) dump(tables map[string]string) map[string][]string {
	w.t.Helper()
	dump := map[string][]string{}
	for table, row := range tables {
		rows, err := sqldb.All(w.t.Context(), w.db, sqldb.Scalar[string], "SELECT "+row+" FROM "+table+" ORDER BY 1")
		ok(w.t, err)
		dump[table] = rows
	}
	return dump
}

// TestEveryChangeIsRecorded calls every method of Accounts once in a way that
// works and compares all tables before and after: what changed something must
// have written an audit row and, unless it is about a browser or a mail only,
// begun a new access generation; what says that it reads must have changed
// nothing. A method that has no step here fails the test. At the end no table may
// hold any of the secrets that were handed out.
func TestEveryChangeIsRecorded(t *testing.T) {
	eachWith(t, account.Options{RequireVerified: true}, func(t *testing.T, w *world) {
		ctx := t.Context()
		var ana, op access.Actor
		var acme account.Organization
		var dara account.User
		var pkg access.Object
		var code, cookie, cookie2, token string
		secrets := []string{password, "another horse 8", "third horse 7"}
		keep := func(into *string, secret string, err error) error {
			*into = secret
			secrets = append(secrets, secret)
			return err
		}
		mailed := func(err error) error { return keep(&code, w.code(), err) }
		eli := account.Subject{Kind: "user", Name: "eli"}

		const (
			reads   = "reads"
			changes = "changes"      // audit row and new generation
			notes   = "audit row"    // of a browser or a mail: nobody's rights change
			mails   = "mail"         // audit row and nothing else: a mail went out
			keeps   = "housekeeping" // neither
		)
		steps := []struct {
			method, what string
			do           func() error
		}{
			{"HasOperator", reads, func() error { _, err := w.HasOperator(ctx); return err }},
			{"SetupLink", changes, func() error { c, err := w.SetupLink(ctx); return keep(&code, c, err) }},
			{"CheckSetup", reads, func() error { return w.CheckSetup(ctx, code) }},
			{"TestMail", mails, func() error { return w.TestMail(ctx, w.anonymous(), code, "boss@example.com") }},
			{"CreateOperator", changes, func() error {
				u, err := w.CreateOperator(ctx, w.anonymous(), code, form("op"))
				op = w.actor(u.ID)
				return err
			}},
			{"EnsureMirrorOwners", changes, func() error { return w.EnsureMirrorOwners(ctx) }},
			{"EnsureMirrorOwners", reads, func() error { return w.EnsureMirrorOwners(ctx) }},
			{"InstanceID", keeps, func() error { _, err := w.InstanceID(ctx); return err }},
			{"InstanceID", reads, func() error { _, err := w.InstanceID(ctx); return err }},
			{"SetInstanceID", keeps, func() error {
				return w.db.Tx(ctx, func(tx *sqldb.DB) error { return w.SetInstanceID(ctx, tx, "of the place") })
			}},
			{"Empty", reads, func() error { _, err := w.Empty(ctx, ""); return err }},
			{"EnsureOrganization", changes, func() error { return w.EnsureOrganization(ctx, "sample", "To look at.") }},
			{"CheckName", reads, func() error { return w.CheckName(ctx, "ana") }},
			{"SignUp", changes, func() error {
				u, err := w.SignUp(ctx, w.anonymous(), form("ana"))
				ana = w.actor(u.ID)
				return mailed(err)
			}},
			{"ResendVerification", notes, func() error { return mailed(w.ResendVerification(ctx, ana)) }},
			{"CheckVerify", reads, func() error { _, err := w.CheckVerify(ctx, code); return err }},
			{"VerifyEmail", changes, func() error { _, err := w.VerifyEmail(ctx, w.anonymous(), code); return err }},
			{"ActorOf", reads, func() error { var err error; ana, err = w.ActorOf(ctx, ana.ID, "session", w.from); return err }},
			{"CreateUser", changes, func() error {
				_, err := w.CreateUser(ctx, op, account.NewUser{Name: "eli", Email: "eli@example.org", Password: password})
				return err
			}},
			{"Invite", changes, func() error { _, err := w.Invite(ctx, op, "dara@example.org"); return mailed(err) }},
			{"SignUp", changes, func() error {
				f := form("dara")
				f.Invite = code
				_, err := w.SignUp(ctx, w.anonymous(), f)
				return err
			}},
			{"SignIn", notes, func() error { _, err := w.SignIn(ctx, w.anonymous(), "ana", password); return err }},
			{"BeginSession", keeps, func() error { c, _, err := w.BeginSession(ctx, w.from); return keep(&cookie, c, err) }},
			{"SetSessionValues", keeps, func() error { return w.SetSessionValues(ctx, cookie, map[string]string{"back": "/"}) }},
			{"SessionValues", reads, func() error { _, err := w.SessionValues(ctx, cookie); return err }},
			{"EndSession", keeps, func() error { return w.EndSession(ctx, w.anonymous(), cookie) }},
			{"CreateSession", notes, func() error {
				c, _, err := w.CreateSession(ctx, userOf(ctx, t, w, ana), w.from, true)
				return keep(&cookie, c, err)
			}},
			{"CreateSession", notes, func() error {
				c, _, err := w.CreateSession(ctx, userOf(ctx, t, w, ana), w.from, true)
				return keep(&cookie2, c, err)
			}},
			{"Sessions", reads, func() error { _, err := w.Sessions(ctx, ana, cookie); return err }},
			{"RevokeSession", changes, func() error {
				list, err := w.Sessions(ctx, ana, cookie)
				ok(t, err)
				i := slices.IndexFunc(list, func(s account.Session) bool { return !s.Current })
				return w.RevokeSession(ctx, ana, list[i].ID)
			}},
			{"RevokeSessions", changes, func() error { return w.RevokeSessions(ctx, ana, cookie) }},
			{"EndSession", changes, func() error { return w.EndSession(ctx, ana, cookie) }},
			{"ForgotUsername", reads, func() error { return w.ForgotUsername(ctx, w.anonymous(), "ana@example.org") }},
			{"ForgotPassword", notes, func() error {
				err := w.ForgotPassword(ctx, w.anonymous(), "ana")
				ok(t, w.Close(ctx))
				return mailed(err)
			}},
			{"CheckReset", reads, func() error { return w.CheckReset(ctx, code) }},
			{"ResetPassword", changes, func() error {
				_, err := w.ResetPassword(ctx, w.anonymous(), code, "another horse 8", "another horse 8")
				return err
			}},
			{"ChangePassword", changes, func() error {
				return w.ChangePassword(ctx, ana, "another horse 8", "third horse 7", "third horse 7", "")
			}},
			{"SetPassword", changes, func() error { return w.SetPassword(ctx, op, "ana", password) }},
			{"User", reads, func() error { _, err := w.User(ctx, ana, "ana"); return err }},
			{"UserOrDeleted", reads, func() error { _, err := w.UserOrDeleted(ctx, op, "ana"); return err }},
			{"Users", reads, func() error { _, _, err := w.Users(ctx, op, account.UserFilter{}); return err }},
			{"DisableUser", changes, func() error { return w.DisableUser(ctx, op, "dara") }},
			{"EnableUser", changes, func() error { return w.EnableUser(ctx, op, "dara") }},
			{"CreateOrganization", changes, func() error {
				var err error
				acme, err = w.CreateOrganization(ctx, ana, "acme", "acme@example.org")
				ana = w.actor(ana.ID)
				pkg = w.pkg(acme.Owner, "x", true)
				return err
			}},
			{"MyOrganizations", reads, func() error { _, err := w.MyOrganizations(ctx, ana); return err }},
			{"OrganizationsOf", reads, func() error { _, err := w.OrganizationsOf(ctx, ana, "ana"); return err }},
			{"Owner", reads, func() error { _, err := w.Owner(ctx, "acme"); return err }},
			{"OwnerByID", reads, func() error { _, err := w.OwnerByID(ctx, acme.ID); return err }},
			{"UpdateProfile", changes, func() error { return w.UpdateProfile(ctx, ana, "acme", account.Profile{FullName: "Acme"}) }},
			{"AddMember", changes, func() error { return w.AddMember(ctx, ana, "acme", "eli", access.RoleMember) }},
			{"SetRole", changes, func() error { return w.SetRole(ctx, ana, "acme", "eli", access.RoleAdministrator) }},
			{"Members", reads, func() error { _, err := w.Members(ctx, ana, "acme"); return err }},
			{"CreateGroup", changes, func() error {
				_, err := w.CreateGroup(ctx, ana, "acme", account.NewGroup{Name: "geo", Permission: access.Read})
				return err
			}},
			{"UpdateGroup", changes, func() error {
				_, err := w.UpdateGroup(ctx, ana, "acme", "geo", account.NewGroup{Name: "geo", Permission: access.Write})
				return err
			}},
			{"ChangeGroup", changes, func() error {
				all := true
				_, err := w.ChangeGroup(ctx, ana, "acme", "geo", account.GroupUpdate{AllPackages: &all})
				return err
			}},
			{"AddGroupMember", changes, func() error { return w.AddGroupMember(ctx, ana, "acme", "geo", "dara") }},
			{"AddGroupMember", changes, func() error { return w.AddGroupMember(ctx, ana, "acme", "owners", "eli") }},
			{"RemoveGroupMember", changes, func() error { return w.RemoveGroupMember(ctx, ana, "acme", "owners", "eli") }},
			{"RemoveGroupMember", changes, func() error { return w.RemoveGroupMember(ctx, ana, "acme", "geo", "dara") }},
			{"AddGroupPackage", changes, func() error { return w.AddGroupPackage(ctx, ana, "acme", "geo", "x") }},
			{"Groups", reads, func() error { _, err := w.Groups(ctx, ana, "acme"); return err }},
			{"Group", reads, func() error { _, err := w.Group(ctx, ana, "acme", "geo"); return err }},
			{"GroupMembers", reads, func() error { _, err := w.GroupMembers(ctx, ana, "acme", "geo"); return err }},
			{"GroupPackages", reads, func() error { _, err := w.GroupPackages(ctx, ana, "acme", "geo"); return err }},
			{"RemoveGroupPackage", changes, func() error { return w.RemoveGroupPackage(ctx, ana, "acme", "geo", "x") }},
			{"DeleteGroup", changes, func() error { return w.DeleteGroup(ctx, ana, "acme", "geo") }},
			{"Grant", changes, func() error { return w.Grant(ctx, ana, eli, pkg, access.Read) }},
			{"AccessTo", reads, func() error { _, err := w.AccessTo(ctx, ana, pkg); return err }},
			{"CountReaders", reads, func() error { _, err := w.CountReaders(ctx, ana, pkg); return err }},
			{"Revoke", changes, func() error { return w.Revoke(ctx, ana, eli, pkg) }},
			{"RemoveMember", changes, func() error { return w.RemoveMember(ctx, ana, "acme", "eli") }},
			{"CreateToken", changes, func() error {
				_, s, err := w.CreateToken(ctx, ana, account.NewToken{Name: "ci"})
				return keep(&token, s, err)
			}},
			{"CreateToken", changes, func() error {
				_, s, err := w.CreateToken(ctx, ana, account.NewToken{Name: "ci", OrganizationName: "acme"})
				return keep(&token, s, err)
			}},
			{"Authenticate", reads, func() error { var err error; ana, err = w.by(token); return err }},
			{"FlushUsed", keeps, func() error { return w.FlushUsed(ctx) }},
			{"CurrentToken", reads, func() error { _, err := w.CurrentToken(ctx, ana); return err }},
			{"RevokeCurrent", changes, func() error { return w.RevokeCurrent(ctx, ana) }},
			{"Tokens", reads, func() error { _, err := w.Tokens(ctx, w.actor(ana.ID), ""); return err }},
			{"RevokeToken", changes, func() error { return w.RevokeToken(ctx, w.actor(ana.ID), "", "ci") }},
			{"CountMembers", reads, func() error { _, err := w.CountMembers(ctx, ana); return err }},
			{"Log", reads, func() error { _, _, err := w.Log(ctx, op, acme.Owner, audit.Filter{}); return err }},
			{"Trail", reads, func() error { _, _, err := w.Trail(ctx, op, "acme", audit.Filter{}); return err }},
			{"ClaimKey", keeps, func() error { _, _, err := w.ClaimKey(ctx, ana, "k", []byte("digest")); return err }},
			{"KeepAnswer", keeps, func() error {
				return w.KeepAnswer(ctx, ana, "k", account.Answer{Status: 201, Header: jsontext.Value("{}"), Body: []byte("made")})
			}},
			{"ClaimKey", keeps, func() error { _, _, err := w.ClaimKey(ctx, ana, "k2", []byte("digest")); return err }},
			{"ReleaseKey", keeps, func() error { return w.ReleaseKey(ctx, ana, "k2") }},
			{"Deletion", reads, func() error { _, err := w.Deletion(ctx, w.actor(ana.ID), "acme"); return err }},
			{"DeleteOwner", changes, func() error { _, err := w.DeleteOwner(ctx, w.actor(ana.ID), "acme", "acme"); return err }},
			{"Deleted", reads, func() error { _, err := w.Deleted(ctx, w.actor(ana.ID)); return err }},
			{"Gone", reads, func() error { _, err := w.Gone(ctx); return err }},
			{"Renew", reads, func() error {
				return w.db.ReadTx(ctx, func(tx *sqldb.DB) error { _, err := w.Renew(ctx, tx, w.actor(ana.ID)); return err })
			}},
			{"RestoreOwner", changes, func() error { _, err := w.RestoreOwner(ctx, w.actor(ana.ID), "acme"); return err }},
			{"DeleteOwner", changes, func() error { _, err := w.DeleteOwner(ctx, w.actor(ana.ID), "acme", "acme"); return err }},
			{"RestoreOrganization", changes, func() error { _, err := w.RestoreOrganization(ctx, w.actor(ana.ID), "acme", "ana"); return err }},
			{"DeleteAccount", changes, func() error {
				u, err := w.User(ctx, op, "dara")
				ok(t, err)
				dara = u
				_, err = w.DeleteAccount(ctx, w.actor(dara.ID), password)
				return err
			}},
			{"BeginKeeping", keeps, func() error { c, err := w.BeginKeeping(ctx, dara, w.from); return keep(&cookie, c, err) }},
			{"Keeping", reads, func() error { _, err := w.Keeping(ctx, cookie); return err }},
			{"Keep", changes, func() error { _, err := w.Keep(ctx, w.anonymous(), cookie); return err }},
			{"DeleteAccount", changes, func() error { _, err := w.DeleteAccount(ctx, w.actor(dara.ID), password); return err }},
			{"CountDue", reads, func() error { w.clock.pass(8 * 24 * time.Hour); _, err := w.CountDue(ctx); return err }},
			{"DueOwners", keeps, func() error { _, err := w.DueOwners(ctx); return err }},
			{"EraseRights", keeps, func() error { return w.EraseRights(ctx, dara.Owner) }}, // a member of acme
			{"EndErasing", changes, func() error { return w.EndErasing(ctx, access.System(), dara.Owner, map[string]any{"packages": 0}) }},
			{"FreeNames", keeps, func() error { w.clock.pass(90 * 24 * time.Hour); _, err := w.FreeNames(ctx); return err }},
			{"Sweep", keeps, func() error { w.clock.pass(60 * 24 * time.Hour); return w.Sweep(ctx) }},
			{"Close", reads, func() error { return w.Close(ctx) }},
			{"Run", reads, func() error { return nil }}, // a loop around FlushUsed and Sweep
		}

		tables := w.tables()
		called := map[string]bool{}
		var everything strings.Builder
		for _, step := range steps {
			called[step.method] = true
			before := w.dump(tables)
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.method, err)
			}
			after := w.dump(tables)
			fmt.Fprintln(&everything, after)
			audited := len(after["audit"]) > len(before["audit"])
			bumped := !slices.Equal(before["access_state"], after["access_state"])
			var changed []string
			for table := range tables {
				housekeeping := table == "limits" || table == "audit" || table == "access_state" || table == "packages"
				if !housekeeping && !slices.Equal(before[table], after[table]) {
					changed = append(changed, table)
				}
			}
			slices.Sort(changed)
			want := map[string][3]bool{ // changed, audited, bumped
				reads: {false, false, false}, keeps: {true, false, step.method == "EndSession"}, notes: {true, true, false}, mails: {false, true, false}, changes: {true, true, true},
			}[step.what]
			if got := [3]bool{len(changed) > 0, audited, bumped}; got != want && step.method != "RevokeSessions" {
				t.Errorf("%s (%s) changed %v, audited %v, new generation %v", step.method, step.what, changed, audited, bumped)
			}
			for _, old := range before["audit"] {
				if !slices.Contains(after["audit"], old) && step.method != "EndErasing" { // which blanks some, see audit.Blank
					t.Errorf("%s changed the audit row %s", step.method, old)
				}
			}
		}
		for i := range reflect.TypeFor[*account.Accounts]().NumMethod() {
			if name := reflect.TypeFor[*account.Accounts]().Method(i).Name; !called[name] {
				t.Errorf("the method %s has no step here", name)
			}
		}

		text := everything.String()
		for _, secret := range slices.Sorted(maps.Keys(setOf(secrets))) {
			if secret == "" || strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("the secret %q lies in a table", secret)
			}
		}
	})
}

func setOf(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}
