package account_test

import (
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
)

func TestSignUp(t *testing.T) {
	eachWith(t, account.Options{RequireVerified: true}, func(t *testing.T, w *world) {
		ctx := t.Context()
		f := form("Ana")
		f.Email = "Ana@Example.org"
		u, err := w.SignUp(ctx, w.anonymous(), f)
		ok(t, err)
		if u.Name != "ana" || u.ID == "" || u.Operator || u.EmailVerifiedAt != nil {
			t.Errorf("got %+v", u)
		}
		if n := w.count("SELECT COUNT(*) FROM channels WHERE owner_id = $1 AND name = 'main' AND kind = 'local' AND visibility = 'public'", u.ID); n != 1 {
			t.Errorf("there are %d channels ana/main, want 1", n)
		}
		if n := w.count("SELECT COUNT(*) FROM users WHERE owner_id = $1 AND terms_version = '2026-01' AND terms_accepted_at IS NOT NULL", u.ID); n != 1 {
			t.Error("the accepted Terms are not stored")
		}
		o, err := w.Owner(ctx, "ANA")
		ok(t, err)
		if o.ID != u.ID || o.Kind != access.User {
			t.Errorf("got %+v", o)
		}

		// Until the address is verified nothing is published publicly.
		actor := w.actor(u.ID)
		if actor.MayPublish() == nil {
			t.Error("an unverified account may publish")
		}
		_, err = w.CreateOrganization(ctx, actor, "acme", "acme@example.org")
		wantKind(t, err, errs.Forbidden, "Verify your e-mail")
		first := w.code()
		ok(t, w.ResendVerification(ctx, actor))
		second := w.code()
		_, err = w.VerifyEmail(ctx, w.anonymous(), first)
		wantKind(t, err, errs.NotFound, "not known")
		_, err = w.VerifyEmail(ctx, w.anonymous(), second)
		ok(t, err)
		_, err = w.VerifyEmail(ctx, w.anonymous(), second)
		wantKind(t, err, errs.Gone, "used already")
		if err := w.actor(u.ID).MayPublish(); err != nil {
			t.Errorf("a verified account may not publish: %v", err)
		}
		wantKind(t, w.ResendVerification(ctx, w.actor(u.ID)), errs.Exists, "verified already")
	})
}

func TestSignUpRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.organization(w.user("bob"), "acme-lab")
		tests := []struct {
			name   string
			change func(*account.SignUp)
			field  string
			kind   errs.Kind
			says   string
		}{
			{"short", func(s *account.SignUp) { s.Password, s.Password2 = "hunt-9", "hunt-9" }, "password", errs.Invalid, "at least 7 characters"},
			{"short in characters", func(s *account.SignUp) { s.Password, s.Password2 = "äöüäöü", "äöüäöü" }, "password", errs.Invalid, "at least 7 characters"},
			{"long", func(s *account.SignUp) { s.Password = strings.Repeat("ab", 513); s.Password2 = s.Password }, "password", errs.Invalid, "at most 1024 bytes"},
			{"empty", func(s *account.SignUp) { s.Password, s.Password2 = "", "" }, "password", errs.Invalid, "at least 7"},
			{"common", func(s *account.SignUp) { s.Password, s.Password2 = "Password1", "Password1" }, "password", errs.Invalid, "Everybody tries"},
			{"one letter", func(s *account.SignUp) { s.Password, s.Password2 = "zzzzzzzzz", "zzzzzzzzz" }, "password", errs.Invalid, "Everybody tries"},
			{"like the name", func(s *account.SignUp) { s.Name, s.Password, s.Password2 = "longname", "LongName", "LongName" }, "password", errs.Invalid, "must not be your name"},
			{"unequal", func(s *account.SignUp) { s.Password2 = password + "x" }, "password2", errs.Invalid, "Type it again"},
			{"no terms", func(s *account.SignUp) { s.Terms = false }, "terms", errs.Invalid, "Accept the Terms"},
			{"no name", func(s *account.SignUp) { s.Name = " " }, "name", errs.Invalid, "Type a name"},
			{"bad name", func(s *account.SignUp) { s.Name = "a.b" }, "name", errs.Invalid, "may hold only"},
			{"reserved", func(s *account.SignUp) { s.Name = "admin" }, "name", errs.Invalid, "Free: admin-lab, admin1"},
			{"like a reserved", func(s *account.SignUp) { s.Name = "lab-el" }, "name", errs.Invalid, "reserved"},
			{"taken", func(s *account.SignUp) { s.Name = "bob" }, "name", errs.Exists, "Username bob is taken. Free: bob-lab, bob1."},
			{"taken by an organisation", func(s *account.SignUp) { s.Name = "acme-lab" }, "name", errs.Exists, "taken"},
			{"look-alike", func(s *account.SignUp) { s.Name = "b_o-b" }, "name", errs.Exists, "taken"},
			{"no address", func(s *account.SignUp) { s.Email = "cleo" }, "email", errs.Invalid, "not an e-mail address"},
			{"two addresses", func(s *account.SignUp) { s.Email = "a@b.org, c@d.org" }, "email", errs.Invalid, "not an e-mail"},
			{"header in the address", func(s *account.SignUp) { s.Email = "a@b.org\r\nBcc: c@d.org" }, "email", errs.Invalid, "not an e-mail"},
			{"taken address", func(s *account.SignUp) { s.Email = "BOB@example.org" }, "email", errs.Exists, "has an account already"},
		}
		users := w.count("SELECT COUNT(*) FROM users")
		for _, tt := range tests {
			f := form("cleo")
			tt.change(&f)
			_, err := w.SignUp(ctx, w.anonymous(), f)
			if field := account.Fields(err)[tt.field]; field == nil || field.Kind != tt.kind || !strings.Contains(field.Message, tt.says) {
				t.Errorf("%s: got %v (fields %v), want %q at %s", tt.name, err, account.Fields(err), tt.says, tt.field)
			}
			if err != nil && strings.Contains(err.Error(), f.Password) && f.Password != "" {
				t.Errorf("%s: the refusal %q holds the password", tt.name, err)
			}
		}
		if n := w.count("SELECT COUNT(*) FROM users"); n != users {
			t.Errorf("refusals made %d users", n-users)
		}

		// All that is wrong comes at once, and proposals are free.
		_, err := w.SignUp(ctx, w.anonymous(), account.SignUp{Name: "acme-lab", Email: "x", Password: "1"})
		fields := account.Fields(err)
		for _, field := range []string{"name", "email", "password", "terms"} {
			if fields[field] == nil {
				t.Errorf("nothing is said of %s", field)
			}
		}
		if len(errs.Details(err)) != 4 {
			t.Errorf("in %q: %q, want four sentences", errs.Message(err), errs.Details(err))
		}
		for _, said := range errs.Details(err) {
			if !strings.Contains(errs.Message(err), said) {
				t.Errorf("the sentence %q lacks %q", errs.Message(err), said)
			}
		}
		free := fields["name"].Details
		if len(free) != 2 {
			t.Fatalf("proposals: %q, want two", free)
		}
		for _, name := range free {
			ok(t, w.CheckName(ctx, name))
		}
		wantKind(t, w.CheckName(ctx, "ACME_lab"), errs.Exists, "taken")
	})
}

func TestWhoMaySignUp(t *testing.T) {
	rules := []struct {
		signup, email string
		want          errs.Kind
		says          string
	}{
		{"closed", "ana@example.org", errs.Forbidden, "closed"},
		{"unknown-rule", "ana@example.org", errs.Forbidden, "closed"},
		{"invite", "ana@example.org", errs.Forbidden, "by invitation"},
		{"domain:example.com,example.net", "ana@example.org", errs.Forbidden, "example.com, example.net"},
		{"domain:example.com", "ana@sub.example.com", errs.Forbidden, "example.com"},
		{"domain:example.com,Example.org", "ana@EXAMPLE.org", 0, ""},
		{"open", "ana@example.org", 0, ""},
	}
	for _, tt := range rules {
		t.Run(tt.signup, func(t *testing.T) {
			eachWith(t, account.Options{Signup: tt.signup}, func(t *testing.T, w *world) {
				f := form("ana")
				f.Email = tt.email
				_, err := w.SignUp(t.Context(), w.anonymous(), f)
				if tt.says == "" {
					ok(t, err)
				} else {
					wantKind(t, err, tt.want, tt.says)
				}
			})
		})
	}
}

func TestInvitation(t *testing.T) {
	eachWith(t, account.Options{Signup: "invite", RequireVerified: true}, func(t *testing.T, w *world) {
		ctx := t.Context()
		op := w.operator("op")
		_, err := w.Invite(ctx, w.user("bob"), "ana@example.org")
		wantKind(t, err, errs.Forbidden, "Only the operator")
		link, err := w.Invite(ctx, op, "Ana@example.org")
		ok(t, err)
		f := form("ana")
		f.Invite = w.code()
		if !strings.HasSuffix(link, "/signup?invite="+f.Invite) {
			t.Errorf("the link %s is not the one that was mailed", link)
		}
		foreign := f
		foreign.Email = "eve@example.org"
		_, err = w.SignUp(ctx, w.anonymous(), foreign)
		wantKind(t, err, errs.Forbidden, "a…@example.org")
		short := f
		short.Password = "1"
		_, err = w.SignUp(ctx, w.anonymous(), short) // a refused form does not use the link up
		wantKind(t, err, errs.Invalid, "")
		u, err := w.SignUp(ctx, w.anonymous(), f)
		ok(t, err)
		if u.EmailVerifiedAt == nil {
			t.Error("who came by an invitation mail is not verified")
		}
		again := form("ana2")
		again.Invite, again.Email = f.Invite, "ana@example.org"
		_, err = w.SignUp(ctx, w.anonymous(), again)
		wantKind(t, err, errs.Gone, "used already")

		_, err = w.Invite(ctx, op, "dara@example.org")
		ok(t, err)
		late := form("dara")
		late.Invite = w.code()
		w.clock.pass(7 * 24 * time.Hour)
		_, err = w.SignUp(ctx, w.anonymous(), late)
		wantKind(t, err, errs.Gone, "ended on 28 Nov 2026")
	})
}

func TestSignUpIsLimitedByNetwork(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		name := func(i int) string { return "user" + strings.Repeat("x", i%30) + string(rune('a'+i/30)) }
		for i := range 60 {
			_, err := w.SignUp(ctx, access.Anonymous("198.51.100."+string(rune('1'+i%9))), form(name(i)))
			ok(t, err)
		}
		_, err := w.SignUp(ctx, access.Anonymous("198.51.100.77"), form("late"))
		wantKind(t, err, errs.TooMany, "Try again in")
		if access.RetryAfter(err) <= 0 {
			t.Error("the refusal has no waiting time")
		}
		_, err = w.SignUp(ctx, access.Anonymous("203.0.113.1"), form("late"))
		ok(t, err)
	})
}

func TestTwoSignUpsOfOneName(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		errors := atOnce(4, func(i int) error {
			f := form("ana")
			f.Email = string(rune('a'+i)) + "@example.org"
			if i%2 == 1 {
				f.Name = "a-na" // looks the same
			}
			_, err := w.SignUp(t.Context(), w.anonymous(), f)
			return err
		})
		oneWins(t, errors, errs.Exists)
		if n := w.count("SELECT COUNT(*) FROM owners"); n != 1 {
			t.Errorf("there are %d owners, want 1", n)
		}
	})
}

func TestSetup(t *testing.T) {
	eachWith(t, account.Options{Signup: "closed", RequireVerified: true}, func(t *testing.T, w *world) {
		ctx := t.Context()
		first, err := w.SetupLink(ctx)
		ok(t, err)
		second, err := w.SetupLink(ctx)
		ok(t, err)
		ok(t, w.CheckSetup(ctx, first))
		wantKind(t, w.CheckSetup(ctx, "wrong"), errs.NotFound, "Restart with `terrarium serve`")
		_, err = w.CreateOperator(ctx, w.anonymous(), "wrong", form("root1"))
		wantKind(t, err, errs.NotFound, "")
		bad := form("root1")
		bad.Password2 = "other"
		_, err = w.CreateOperator(ctx, w.anonymous(), first, bad)
		wantKind(t, err, errs.Invalid, "Type it again")
		if has, err := w.HasOperator(ctx); err != nil || has {
			t.Errorf("there is an operator: %v, %v", has, err)
		}

		codes := []string{first, second, first, second}
		oneWins(t, atOnce(4, func(i int) error {
			_, err := w.CreateOperator(ctx, w.anonymous(), codes[i], form("root"+string(rune('a'+i))))
			return err
		}), errs.NotFound)
		if n := w.count("SELECT COUNT(*) FROM users WHERE operator AND email_verified_at IS NOT NULL"); n != 1 {
			t.Errorf("there are %d operators, want 1", n)
		}
		for _, code := range codes[:2] {
			wantKind(t, w.CheckSetup(ctx, code), errs.NotFound, "")
		}
		_, err = w.SetupLink(ctx)
		wantKind(t, err, errs.Exists, "has an operator")
	})
}

func TestSetupLinkEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		code, err := w.SetupLink(t.Context())
		ok(t, err)
		w.clock.pass(8 * 24 * time.Hour)
		_, err = w.CreateOperator(t.Context(), w.anonymous(), code, form("root1"))
		wantKind(t, err, errs.NotFound, "")
	})
}

func TestMirrorOwners(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		op := w.operator("op")
		for _, err := range atOnce(3, func(int) error { return w.EnsureMirrorOwners(ctx) }) {
			ok(t, err)
		}
		ok(t, w.EnsureMirrorOwners(ctx))
		if n := w.count("SELECT COUNT(*) FROM channels WHERE name = 'main' AND visibility = 'authenticated'"); n != 3 {
			t.Errorf("there are %d mirror channels, want 3", n)
		}
		o, err := w.Owner(ctx, "msys2")
		ok(t, err)
		if !access.Can(w.actor(op.ID), access.Admin, o.Object()).Allowed {
			t.Error("the operator does not administer the mirrors")
		}
		if access.Can(w.user("ana"), access.Write, o.Object()).Allowed {
			t.Error("everybody may write into the mirrors")
		}
	})
}
