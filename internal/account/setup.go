package account

import (
	"context"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
)

// HasOperator reports whether an operator exists who can sign in.
func (a *Accounts) HasOperator(ctx context.Context) (bool, error) { return hasOperator(ctx, a.db) }

func hasOperator(ctx context.Context, db *sqldb.DB) (bool, error) {
	var n int
	err := db.Row(ctx, `
		SELECT COUNT(*) FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE u.operator AND u.disabled_at IS NULL AND o.deleted_at IS NULL`).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for an operator: %w", err)
	}
	return n > 0, nil
}

// SetupLink makes the code of a one-time link, /setup/CODE, that creates the
// first operator. It lives 7 days and only as long as there is no operator; once
// there is, SetupLink is errs.Exists.
func (a *Accounts) SetupLink(ctx context.Context) (code string, err error) {
	err = a.change(ctx, func(tx *sqldb.DB) error {
		if err := noOperator(ctx, tx); err != nil {
			return err
		}
		if code, err = a.newLink(ctx, tx, linkSetup, link{}, setupLife); err != nil {
			return err
		}
		return a.record(ctx, tx, access.System(), audit.Entry{Action: "setup.link", ObjectKind: "instance"})
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

func noOperator(ctx context.Context, db *sqldb.DB) error {
	has, err := hasOperator(ctx, db)
	if err == nil && has {
		err = errs.New(errs.Exists, "This instance has an operator already.").Because("operator-exists")
	}
	return err
}

// CheckSetup reports whether a set-up link can still be used: errs.NotFound where
// not, whatever the reason.
func (a *Accounts) CheckSetup(ctx context.Context, code string) error {
	_, err := a.findLink(ctx, a.db, linkSetup, code)
	if err == nil {
		err = noOperator(ctx, a.db)
	}
	return setupRefusal(err)
}

// TestMail mails a line to an address, for whoever holds a set-up link and wants to
// know whether mail works before people depend on it. Unlike other mail it is
// waited for: errs.Invalid where the address is refused, errs.Unavailable where
// the server or the folder does not take it, errs.TooMany after 5 an hour.
func (a *Accounts) TestMail(ctx context.Context, actor access.Actor, code, email string) error {
	if err := a.CheckSetup(ctx, code); err != nil {
		return err
	}
	email, err := checkEmail(email)
	if err != nil {
		return err
	}
	if err := a.limits.Allow(ctx, access.Bucket("test-mail", "instance"), testMailsPerHour, time.Hour); err != nil {
		return err
	}
	err = a.db.Tx(ctx, func(tx *sqldb.DB) error {
		return a.record(ctx, tx, actor, audit.Entry{Action: "setup.test-mail", ObjectKind: "email", ObjectName: email})
	})
	if err != nil || a.opts.Mail == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testMailPatience)
	defer cancel()
	err = a.opts.Mail.Send(ctx, mail.Message{
		To: email, Subject: "Mail from " + a.host() + " arrives",
		Text: fmt.Sprintf("This is the test mail of the set-up page of %s. Links in further mails lead to\n\n%s\n", a.host(), a.opts.URL),
	})
	if err != nil {
		a.opts.Log.Error("send the test mail", "error", err)
	}
	return err
}

const (
	testMailsPerHour = 5
	testMailPatience = 30 * time.Second // with a mail server that does not answer
)

// CreateOperator makes the first account of an instance from a set-up link. Of
// two who try at once, one becomes operator. Rules of sign-up do not hold; those
// of names and passwords do.
func (a *Accounts) CreateOperator(ctx context.Context, actor access.Actor, code string, s SignUp) (User, error) {
	if err := a.CheckSetup(ctx, code); err != nil {
		return User{}, err
	}
	s.Terms = true // the operator sets them
	s, err := a.checkSignUp(ctx, s)
	if err != nil {
		return User{}, err
	}
	hash, err := a.hashing.hash(ctx, s.Password)
	if err != nil {
		return User{}, err
	}
	var u User
	err = a.change(ctx, func(tx *sqldb.DB) error {
		if err := noOperator(ctx, tx); err != nil {
			return setupRefusal(err)
		}
		if _, err := a.spendLink(ctx, tx, linkSetup, code); err != nil {
			return setupRefusal(err)
		}
		now := a.now()
		u = User{Owner: Owner{Name: s.Name}, Email: s.Email, EmailVerifiedAt: &now, Operator: true}
		return a.insertUser(ctx, tx, actor, "user.create-operator", &u, hash, s.TermsVersion)
	})
	return u, err
}

func setupRefusal(err error) error {
	if err == nil || errs.KindOf(err) == errs.Internal {
		return err
	}
	return errs.Wrap(errs.NotFound, err, "This set-up link does not work. Restart with `terrarium serve` to print a new link.").Because("link-unknown")
}

// mirrorOwners are the reserved names under which the operator mirrors the main
// channels.
func mirrorOwners() []string { return []string{"main", "r", "msys2"} }

// EnsureMirrorOwners makes the owners main, r and msys2 where they are missing.
// They are organisations without members that operators administer; any account
// may read their channel main.
func (a *Accounts) EnsureMirrorOwners(ctx context.Context) error {
	missing, err := missingOwners(ctx, a.db)
	if err != nil || len(missing) == 0 {
		return err
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		missing, err := missingOwners(ctx, tx)
		if err != nil {
			return err
		}
		for _, name := range missing {
			now := a.now()
			o := Owner{ID: access.NewID(now), Name: name, Kind: access.Organization, CreatedAt: now}
			if err := a.insertOrganization(ctx, tx, access.System(), o, "", access.Authenticated); err != nil {
				return err
			}
		}
		return nil
	})
}

func missingOwners(ctx context.Context, db *sqldb.DB) ([]string, error) {
	missing, err := sqldb.All(ctx, db, sqldb.Scalar[string],
		"SELECT value FROM "+db.EachText("$1")+" AS wanted WHERE value NOT IN (SELECT name FROM owners) ORDER BY value", mirrorOwners())
	if err != nil {
		return nil, fmt.Errorf("look for the owners of the main channels: %w", err)
	}
	return missing, nil
}
