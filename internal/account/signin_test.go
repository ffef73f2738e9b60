package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldbtest"
)

func TestSignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		w.make(account.NewUser{Name: "robot", Email: "robot@example.org"}) // without a password
		for _, as := range []string{"ana", " ANA ", "Ana@Example.ORG"} {
			u, err := w.SignIn(ctx, w.anonymous(), as, password)
			ok(t, err)
			if u.ID != ana.ID || u.LastSignInAt == nil {
				t.Errorf("%q signs in as %+v", as, u)
			}
		}
		var sentences []string
		for _, try := range [][2]string{
			{"ana", "wrong password"},
			{"nobody", password},
			{"nobody@example.org", password},
			{"robot", ""},
			{"", ""},
			{"ana", ""},
			{"ana\x00", password},
			{"\xff", password},
			{"ana", strings.Repeat("x", 2000)},
		} {
			_, err := w.SignIn(ctx, w.anonymous(), try[0], try[1])
			wantKind(t, err, errs.Unauthenticated, "Username or password is wrong.")
			sentences = append(sentences, err.Error())
		}
		for _, s := range sentences {
			if s != sentences[0] {
				t.Errorf("refusals differ: %q and %q", s, sentences[0])
			}
		}

		ok(t, w.DisableUser(ctx, access.System(), "ana"))
		_, err := w.SignIn(ctx, w.anonymous(), "ana", "wrong password")
		wantKind(t, err, errs.Unauthenticated, "wrong")
		_, err = w.SignIn(ctx, w.anonymous(), "ana", password)
		wantKind(t, err, errs.Forbidden, "disabled")
		ok(t, w.EnableUser(ctx, access.System(), "ana"))
		_, err = w.SignIn(ctx, w.anonymous(), "ana", password)
		ok(t, err)
	})
}

func TestBruteForce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.user("ana")
		w.user("bob")
		// Ten for a name, whichever way it is written and from wherever.
		for i := range 10 {
			as := []string{"ana", "ana@example.org"}[i%2]
			_, err := w.SignIn(ctx, access.Anonymous("198.51.100.1"), as, "wrong password")
			wantKind(t, err, errs.Unauthenticated, "")
		}
		_, err := w.SignIn(ctx, access.Anonymous("203.0.113.9"), "ana", password)
		wantKind(t, err, errs.TooMany, "Try again in")
		wait := access.RetryAfter(err)
		w.clock.pass(wait)
		_, err = w.SignIn(ctx, access.Anonymous("203.0.113.9"), "ana", password)
		ok(t, err)

		// Many at once do not slip through.
		tried := 0
		for _, err := range atOnce(30, func(int) error {
			_, err := w.SignIn(ctx, access.Anonymous("203.0.113.9"), "bob", "wrong password")
			return err
		}) {
			if errs.KindOf(err) == errs.Unauthenticated {
				tried++
			}
		}
		if tried != 10 {
			t.Errorf("%d of 30 guesses at once were compared, want 10", tried)
		}
	})
}

func TestBruteForceFromANetwork(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.user("ana")
		for range 5 { // right ones do not count
			_, err := w.SignIn(ctx, access.Anonymous("2001:db8:1::1"), "ana", password)
			ok(t, err)
		}
		for i := range 100 {
			_, err := w.SignIn(ctx, access.Anonymous("2001:db8:1:"+string(rune('1'+i%9))+"::1"), "guess"+string(rune('a'+i)), "wrong password")
			wantKind(t, err, errs.Unauthenticated, "")
		}
		_, err := w.SignIn(ctx, access.Anonymous("2001:db8:1:ffff::2"), "ana", password)
		wantKind(t, err, errs.TooMany, "")
		_, err = w.SignIn(ctx, access.Anonymous("2001:db8:2::1"), "ana", password)
		ok(t, err)
	})
}

func TestForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		ok(t, w.ForgotUsername(ctx, w.anonymous(), "nobody@example.org"))
		ok(t, w.ForgotPassword(ctx, w.anonymous(), "nobody"))
		if err := w.Close(ctx); err != nil || w.mails.count() != 0 {
			t.Fatalf("somebody unknown got %d mails (%v)", w.mails.count(), err)
		}
		ok(t, w.ForgotUsername(ctx, w.anonymous(), "ANA@example.org"))
		ok(t, w.Close(ctx))
		if m := w.mails.last(t); m.To != "ana@example.org" || !strings.Contains(m.Text, "\nana\n") {
			t.Errorf("mailed %+v", m)
		}

		cookie, _, err := w.CreateSession(ctx, userOf(ctx, t, w, ana), w.from, true)
		ok(t, err)
		reset := func(as string) string {
			ok(t, w.ForgotPassword(ctx, w.anonymous(), as))
			ok(t, w.Close(ctx))
			return w.code()
		}
		first := reset("ana")
		code := reset("ana@example.org")
		wantKind(t, w.CheckReset(ctx, first), errs.NotFound, "not known") // the newest only
		ok(t, w.CheckReset(ctx, code))
		_, err = w.ResetPassword(ctx, w.anonymous(), code, "short", "short")
		wantKind(t, err, errs.Invalid, "at least 7")
		_, err = w.ResetPassword(ctx, w.anonymous(), code, "another horse 8", "another horse 9")
		wantKind(t, err, errs.Invalid, "Type it again")
		oneWins(t, atOnce(3, func(int) error {
			_, err := w.ResetPassword(ctx, w.anonymous(), code, "another horse 8", "another horse 8")
			return err
		}), errs.Gone)
		wantKind(t, w.CheckReset(ctx, code), errs.Gone, "used already")
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: cookie}, w.from)
		wantKind(t, err, errs.Unauthenticated, "session has ended")
		_, err = w.SignIn(ctx, w.anonymous(), "ana", password)
		wantKind(t, err, errs.Unauthenticated, "wrong")
		_, err = w.SignIn(ctx, w.anonymous(), "ana", "another horse 8")
		ok(t, err)

		late := reset("ana")
		w.clock.pass(time.Hour)
		_, err = w.ResetPassword(ctx, w.anonymous(), late, password, password)
		wantKind(t, err, errs.Gone, "ended on 21 Nov 2026, 11:00 UTC")
		wantKind(t, w.CheckReset(ctx, "guess"), errs.NotFound, "")

		// A verification link opens no password, nor the other way round.
		u, err := w.SignUp(ctx, w.anonymous(), form("bob"))
		ok(t, err)
		_, err = w.ResetPassword(ctx, w.anonymous(), w.code(), password, password)
		wantKind(t, err, errs.NotFound, "")
		foreign := reset("bob")
		_, err = w.VerifyEmail(ctx, w.anonymous(), foreign)
		wantKind(t, err, errs.NotFound, "")
		// Nor does a link that went to an address that is no longer the account's.
		if _, err := w.db.Exec(ctx, "UPDATE users SET email = 'new@example.org', email_key = 'new@example.org' WHERE owner_id = $1", u.ID); err != nil {
			t.Fatal(err)
		}
		_, err = w.ResetPassword(ctx, w.anonymous(), foreign, password, password)
		wantKind(t, err, errs.Gone, "no longer has")
	})
}

func TestForgottenIsLimited(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.user("ana")
		for _, as := range []string{"ana@example.org", "nobody@example.org"} {
			for range 5 {
				ok(t, w.ForgotPassword(ctx, access.Anonymous("198.51.100.1"), as))
			}
			wantKind(t, w.ForgotPassword(ctx, access.Anonymous("203.0.113.1"), as), errs.TooMany, "minutes")
		}
		for i := range 50 {
			ok(t, w.ForgotUsername(ctx, access.Anonymous("198.51.100.9"), "x"+strings.Repeat("y", i)+"@example.org"))
		}
		wantKind(t, w.ForgotUsername(ctx, access.Anonymous("198.51.100.10"), "z@example.org"), errs.TooMany, "")
	})
}

// slowMail takes until it is let go.
type slowMail struct{ let chan struct{} }

func (s slowMail) Send(context.Context, mail.Message) error {
	<-s.let
	return errors.New("the mail server is away")
}

// TestForgottenTakesAsLong looks that neither a slow mail server nor a quick one
// tells whether an address has an account: the answer comes after a set time.
func TestForgottenTakesAsLong(t *testing.T) {
	db := sqldbtest.Open(t)
	slow := slowMail{make(chan struct{})}
	const after = 150 * time.Millisecond
	a := account.New(db, account.Options{Mail: slow, AnswerAfter: after, PasswordMemory: 8})
	ctx := t.Context()
	_, err := a.CreateUser(ctx, access.System(), account.NewUser{Name: "ana", Email: "ana@example.org", Password: password})
	ok(t, err)
	for _, as := range []string{"ana@example.org", "nobody@example.org"} {
		begun := time.Now()
		ok(t, a.ForgotPassword(ctx, access.Anonymous("192.0.2.1"), as))
		if took := time.Since(begun); took < after {
			t.Errorf("%s was answered after %v, want %v", as, took, after)
		}
	}
	close(slow.let)
	ok(t, a.Close(ctx))
}

func TestChangePassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana := w.user("ana")
		u := userOf(ctx, t, w, ana)
		keep, _, err := w.CreateSession(ctx, u, w.from, false)
		ok(t, err)
		other, _, err := w.CreateSession(ctx, u, w.from, false)
		ok(t, err)
		wantKind(t, w.ChangePassword(ctx, ana, "not it", "another horse 8", "another horse 8", keep), errs.Invalid, "not your password")
		wantKind(t, w.ChangePassword(ctx, ana, password, "1", "1", keep), errs.Invalid, "at least")
		wantKind(t, w.ChangePassword(ctx, w.anonymous(), password, "another horse 8", "another horse 8", ""), errs.Unauthenticated, "")
		byToken, err := w.by(w.token(ana, account.NewToken{}))
		ok(t, err)
		wantKind(t, w.ChangePassword(ctx, byToken, password, "another horse 8", "another horse 8", ""), errs.Forbidden, "not with a token")
		ok(t, w.ChangePassword(ctx, ana, password, "another horse 8", "another horse 8", keep))
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: keep}, w.from)
		ok(t, err)
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: other}, w.from)
		wantKind(t, err, errs.Unauthenticated, "")
		for range 20 {
			err = w.ChangePassword(ctx, ana, "guess", "another horse 8", "another horse 8", keep)
		}
		wantKind(t, err, errs.TooMany, "")

		wantKind(t, w.SetPassword(ctx, ana, "ana", "third horse 7"), errs.Forbidden, "Only the operator")
		wantKind(t, w.SetPassword(ctx, access.System(), "ana", "1234567"), errs.Invalid, "Everybody")
		ok(t, w.SetPassword(ctx, access.System(), "ana", "third horse 7"))
		_, err = w.Authenticate(ctx, account.Credential{Scheme: "cookie", Value: keep}, w.from)
		wantKind(t, err, errs.Unauthenticated, "")
		w.clock.pass(2 * time.Minute)
		_, err = w.SignIn(ctx, w.anonymous(), "ana", "third horse 7")
		ok(t, err)
	})
}

func userOf(ctx context.Context, t *testing.T, w *world, a access.Actor) account.User {
	t.Helper()
	u, err := w.User(ctx, access.System(), a.Name)
	ok(t, err)
	return u
}

func TestUsers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, name := range []string{"cleo", "ana", "bob"} {
			w.user(name)
		}
		op := w.operator("op")
		page, next, err := w.Users(ctx, op, account.UserFilter{Limit: 3})
		ok(t, err)
		rest, end, err := w.Users(ctx, op, account.UserFilter{Limit: 3, After: next})
		ok(t, err)
		var names []string
		for _, u := range append(page, rest...) {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != "ana bob cleo op" || next == "" || end != "" {
			t.Errorf("got %s, next %q, end %q", got, next, end)
		}
		_, _, err = w.Users(ctx, w.anonymous(), account.UserFilter{})
		wantKind(t, err, errs.Unauthenticated, "")
		ana, err := w.User(ctx, op, "ana")
		ok(t, err)
		_, _, err = w.Users(ctx, w.actor(ana.ID), account.UserFilter{})
		wantKind(t, err, errs.Forbidden, "")
		_, err = w.User(ctx, w.actor(ana.ID), "bob")
		wantKind(t, err, errs.Forbidden, "")
		_, err = w.User(ctx, w.actor(ana.ID), "ana")
		ok(t, err)
		_, err = w.CreateUser(ctx, w.actor(ana.ID), account.NewUser{Name: "eve", Email: "eve@example.org"})
		wantKind(t, err, errs.Forbidden, "Only the operator")
		_, err = w.CreateUser(ctx, op, account.NewUser{Name: "dara", Email: "x", Password: "1"})
		wantKind(t, err, errs.Invalid, "")
		limited, err := w.by(w.token(op, account.NewToken{Scopes: []string{"api:read"}}))
		ok(t, err)
		wantKind(t, w.DisableUser(ctx, limited, "ana"), errs.Forbidden, "limited")
		wantKind(t, w.DisableUser(ctx, op, "op"), errs.Forbidden, "last operator")
		wantKind(t, w.DisableUser(ctx, op, "nobody"), errs.NotFound, "no user nobody")
		w.operator("op2")
		ok(t, w.DisableUser(ctx, op, "op2"))
		wantKind(t, w.DisableUser(ctx, op, "op"), errs.Forbidden, "last operator")
	})
}
