package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
)

// Limits of frequency, see design.md §7.
const (
	failuresOfName       = 10  // a minute
	failuresOfNetwork    = 100 // a minute
	forgottenPerHour     = 5   // for one address
	forgottenFromNetwork = 60  // an hour
)

// SignIn gives the account of a name or address if the password is right. A
// wrong password and an unknown name are the same errs.Unauthenticated and take
// as long; errs.TooMany after 10 failures a minute for a name or 100 for a
// network. The caller makes the session or the token. An account that was deleted
// and can be brought back is errs.Forbidden with the reason "account-deleted", and
// given too, for BeginKeeping; it has no other right. Where an operator deleted it the
// reason is "deleted-by-operator", and there is nothing to be done.
func (a *Accounts) SignIn(ctx context.Context, actor access.Actor, nameOrEmail, password string) (User, error) {
	typed := strings.ToLower(strings.TrimSpace(nameOrEmail))
	u, hash, err := a.byNameOrEmail(ctx, typed)
	if noRows(err) {
		u, hash, err = a.deletedByNameOrEmail(ctx, typed)
	}
	subject := typed
	switch {
	case err == nil:
		subject = u.ID // one counter, whichever way the account is named
	case !noRows(err):
		return User{}, fmt.Errorf("look up user: %w", err)
	}
	right, err := a.guarded(ctx, actor, subject, hash, password)
	if err != nil {
		return User{}, err
	}
	if !right {
		return User{}, errs.New(errs.Unauthenticated, "Username or password is wrong.").Because("sign-in")
	}
	if u.DisabledAt != nil {
		return User{}, errs.New(errs.Forbidden, "This account is disabled. Ask the operator.").Because("disabled")
	}
	if u.DeletedAt != nil {
		err := toBeErased(u)
		if u.byOperator {
			u = User{}
		}
		return u, err
	}
	now := a.now()
	u.LastSignInAt = &now
	err = a.db.Tx(ctx, func(tx *sqldb.DB) error {
		if _, err := tx.Exec(ctx, "UPDATE users SET last_sign_in_at = $1 WHERE owner_id = $2", now, u.ID); err != nil {
			return fmt.Errorf("store a sign-in: %w", err)
		}
		actor.ID, actor.Name = u.ID, u.Name
		return a.record(ctx, tx, actor, audit.Entry{Action: "user.sign-in", OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name})
	})
	return u, err
}

// byNameOrEmail gives a user by what was typed into a form, and the hash of the
// password; sqldb.ErrNoRows where there is none.
func (a *Accounts) byNameOrEmail(ctx context.Context, typed string) (User, string, error) {
	typed = clean(typed)
	return findUser(ctx, a.db, nameOrEmail(typed), typed)
}

func (a *Accounts) deletedByNameOrEmail(ctx context.Context, typed string) (User, string, error) {
	typed = clean(typed)
	return a.findDeleted(ctx, a.db, nameOrEmail(typed), typed)
}

// nameOrEmail is the condition of the user whom somebody who signs in means.
func nameOrEmail(typed string) string {
	if strings.Contains(typed, "@") {
		return "u.email_key = $1"
	}
	return "o.name = $1"
}

// guarded compares a password under the limits of sign-in. An attempt counts as
// a failure before it is looked at, so that many at once do not slip through.
func (a *Accounts) guarded(ctx context.Context, actor access.Actor, subject, hash, password string) (right bool, err error) {
	name := access.Bucket("sign-in-name", subject)
	from := access.Bucket("sign-in-network", network(actor.Remote))
	if actor.Remote != "" { // commands come from nowhere
		if err := a.limits.Allow(ctx, from, failuresOfNetwork, time.Minute); err != nil {
			return false, err
		}
	}
	if err := a.limits.Allow(ctx, name, failuresOfName, time.Minute); err != nil {
		return false, err
	}
	if right, err = a.hashing.matches(ctx, hash, password); err != nil || !right {
		return false, err
	}
	if err := a.limits.Reset(ctx, name); err != nil {
		return false, err
	}
	return true, a.limits.Forgive(ctx, from)
}

// ForgotUsername mails the username to an address that has an account. It
// answers the same, after the same time, whether there is one; errs.TooMany after
// 5 an hour for an address and 60 for a network.
func (a *Accounts) ForgotUsername(ctx context.Context, actor access.Actor, email string) error {
	begun := time.Now()
	email = emailKey(email)
	if err := a.mayForget(ctx, actor, "forgot-username", email); err != nil {
		return err
	}
	u, _, err := findUser(ctx, a.db, "u.email_key = $1", clean(email))
	switch {
	case err == nil:
		a.post(ctx, mail.Message{To: u.Email, Subject: "Your username", Text: fmt.Sprintf(
			"Your username on %s is\n\n%s\n\nSign in here:\n\n%s/login\n", a.host(), u.Name, a.opts.URL)})
	case !noRows(err):
		return fmt.Errorf("look up user: %w", err)
	}
	return a.pause(ctx, begun)
}

// ForgotPassword mails a link that sets a new password to the account of a name
// or address. It works once, for an hour, and ends the ones before it. Answers
// and limits are those of ForgotUsername.
func (a *Accounts) ForgotPassword(ctx context.Context, actor access.Actor, nameOrEmail string) error {
	begun := time.Now()
	typed := emailKey(nameOrEmail)
	if err := a.mayForget(ctx, actor, "forgot-password", typed); err != nil {
		return err
	}
	u, _, err := a.byNameOrEmail(ctx, typed)
	if err != nil && !noRows(err) {
		return fmt.Errorf("look up user: %w", err)
	}
	if err == nil && u.DisabledAt == nil {
		var code string
		err := a.db.Tx(ctx, func(tx *sqldb.DB) error {
			if err := dropLinks(ctx, tx, linkReset, u.ID); err != nil {
				return err
			}
			if code, err = a.newLink(ctx, tx, linkReset, link{UserID: u.ID, Email: u.Email}, resetLife); err != nil {
				return err
			}
			return a.record(ctx, tx, actor, audit.Entry{Action: "user.forgot-password", OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name})
		})
		if err != nil {
			return err
		}
		a.post(ctx, mail.Message{To: u.Email, Subject: "Set a new password", Text: fmt.Sprintf(
			"Somebody, probably you, forgot the password of %s on %s. Open this link to set a new one:\n\n%s/reset/%s\n\nIt works once, for 1 hour. If it was not you, leave it.\n",
			u.Name, a.host(), a.opts.URL, code)})
	}
	return a.pause(ctx, begun)
}

func (a *Accounts) mayForget(ctx context.Context, actor access.Actor, kind, subject string) error {
	if err := a.limits.Allow(ctx, access.Bucket("forgot-network", network(actor.Remote)), forgottenFromNetwork, time.Hour); err != nil {
		return err
	}
	return a.limits.Allow(ctx, access.Bucket(kind, subject), forgottenPerHour, time.Hour)
}

// pause waits until AnswerAfter has passed since begun.
func (a *Accounts) pause(ctx context.Context, begun time.Time) error {
	timer := time.NewTimer(a.opts.AnswerAfter - time.Since(begun))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CheckReset reports whether a reset link can still be used: errs.NotFound where
// it is unknown, errs.Gone where it was used or ended.
func (a *Accounts) CheckReset(ctx context.Context, code string) error {
	_, err := a.findLink(ctx, a.db, linkReset, code)
	return err
}

// ResetPassword sets a new password from a mailed link, ends all sessions of the
// account and gives it. The link is used up only by a password that is good.
func (a *Accounts) ResetPassword(ctx context.Context, actor access.Actor, code, password, password2 string) (User, error) {
	l, err := a.findLink(ctx, a.db, linkReset, code)
	if err != nil {
		return User{}, err
	}
	u, err := a.userOfLink(ctx, a.db, l)
	if err != nil {
		return User{}, err
	}
	if err := a.checkPasswords(password, password2, u.Name, u.Email); err != nil {
		return User{}, err
	}
	hash, err := a.hashing.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	err = a.change(ctx, func(tx *sqldb.DB) error {
		if _, err := a.spendLink(ctx, tx, linkReset, code); err != nil {
			return err
		}
		if u, err = a.userOfLink(ctx, tx, l); err != nil {
			return err
		}
		actor.ID, actor.Name = u.ID, u.Name
		if err := a.verified(ctx, tx, actor, &u); err != nil {
			return err
		}
		return a.writePassword(ctx, tx, actor, u, hash, nil)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}
