package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
)

// signUpsPerHour is how many accounts may be made from one network.
const signUpsPerHour = 60

// SignUp is what somebody types to get an account.
type SignUp struct {
	Name         string
	Email        string
	Password     string
	Password2    string // the same again
	Terms        bool   // accepted
	TermsVersion string // which
	Invite       string // code of an invitation, where sign-up needs one
}

// SignUp makes an account for somebody who asks for one, and mails a link that
// verifies the address. What is wrong with the form comes all at once, as
// errs.Invalid or errs.Exists (see Fields); a closed door is errs.Forbidden, too
// many accounts from one network errs.TooMany.
func (a *Accounts) SignUp(ctx context.Context, actor access.Actor, s SignUp) (User, error) {
	if err := a.maySignUp(ctx, s); err != nil {
		return User{}, err
	}
	s, err := a.checkSignUp(ctx, s)
	if err != nil {
		return User{}, err
	}
	if err := a.limits.Allow(ctx, access.Bucket("sign-up-network", network(actor.Remote)), signUpsPerHour, time.Hour); err != nil {
		return User{}, err
	}
	hash, err := a.hashing.hash(ctx, s.Password)
	if err != nil {
		return User{}, err
	}
	var u User
	var code string
	err = a.change(ctx, func(tx *sqldb.DB) error {
		u = User{Owner: Owner{Name: s.Name}, Email: s.Email}
		if s.Invite != "" {
			invited, err := a.spendLink(ctx, tx, linkInvite, s.Invite)
			if err != nil {
				return err
			}
			if err := sameAddress(invited, s.Email); err != nil {
				return err
			}
			now := a.now()
			u.EmailVerifiedAt = &now // the invitation was mailed there
		}
		if err := a.insertUser(ctx, tx, actor, "user.sign-up", &u, hash, s.TermsVersion); err != nil {
			return err
		}
		if u.EmailVerifiedAt != nil {
			return nil
		}
		code, err = a.newLink(ctx, tx, linkVerify, link{UserID: u.ID, Email: u.Email}, verifyLife)
		return err
	})
	if err != nil {
		return User{}, err
	}
	if code != "" {
		a.send(ctx, a.verificationMail(u, code))
	}
	return u, nil
}

// maySignUp refuses where the instance's rule of sign-up does.
func (a *Accounts) maySignUp(ctx context.Context, s SignUp) error {
	if s.Invite != "" {
		invited, err := a.findLink(ctx, a.db, linkInvite, s.Invite)
		if err != nil {
			return err
		}
		return sameAddress(invited, s.Email)
	}
	rule, domains, _ := strings.Cut(a.opts.Signup, ":")
	switch rule {
	case "open":
		return nil
	case "domain":
		_, domain, _ := strings.Cut(emailKey(s.Email), "@")
		allowed := strings.FieldsFunc(strings.ToLower(domains), func(r rune) bool { return r == ',' || r == ' ' })
		if !slices.Contains(allowed, domain) {
			return errs.New(errs.Forbidden, "Accounts here are for addresses of %s.", strings.Join(allowed, ", ")).On("email").Because("sign-up-domain")
		}
		return nil
	case "invite":
		return errs.New(errs.Forbidden, "Accounts here are made by invitation. Ask the operator for one.").Because("sign-up-invite")
	default:
		return errs.New(errs.Forbidden, "Sign-up is closed here. Ask the operator for an account.").Because("sign-up-closed")
	}
}

func sameAddress(invited link, email string) error {
	if emailKey(email) == invited.Email {
		return nil
	}
	local, domain, _ := strings.Cut(invited.Email, "@")
	return errs.New(errs.Forbidden, "This invitation is for %s…@%s. Sign up with that address.", local[:min(1, len(local))], domain).On("email").Because("invite-foreign")
}

// checkSignUp brings a form into the shape that is stored, or says everything
// that is wrong with it.
func (a *Accounts) checkSignUp(ctx context.Context, s SignUp) (SignUp, error) {
	s.Name = strings.ToLower(strings.TrimSpace(s.Name))
	var found problems
	found.add(a.free(ctx, a.db, s.Name, "Username"))
	address, err := checkEmail(s.Email)
	found.add(err)
	s.Email = address
	found.add(a.checkPasswords(s.Password, s.Password2, s.Name, s.Email))
	if !s.Terms {
		found.add(errs.New(errs.Invalid, "Accept the Terms to sign up.").On("terms"))
	}
	return s, found.err()
}

// checkPasswords is checkPassword for a form that has it twice.
func (a *Accounts) checkPasswords(password, password2, name, email string) error {
	if err := a.checkPassword(password, name, email); err != nil {
		return err
	}
	if password != password2 {
		return errs.New(errs.Invalid, "This differs from the first one. Type it again.").On("password2")
	}
	return nil
}

// Invite mails an invitation to make an account, on behalf of the operator, and
// gives its address for handing it over by hand.
func (a *Accounts) Invite(ctx context.Context, actor access.Actor, email string) (address string, err error) {
	if err := access.Operates(actor); err != nil {
		return "", err
	}
	email, err = checkEmail(email)
	if err != nil {
		return "", err
	}
	var code string
	err = a.change(ctx, func(tx *sqldb.DB) error {
		code, err = a.newLink(ctx, tx, linkInvite, link{Email: emailKey(email)}, inviteLife)
		if err != nil {
			return err
		}
		return a.record(ctx, tx, actor, audit.Entry{Action: "user.invite", ObjectKind: "email", ObjectName: email})
	})
	if err != nil {
		return "", err
	}
	address = a.opts.URL + "/signup?invite=" + code
	a.send(ctx, mail.Message{
		To: email, Subject: "An invitation to " + a.host(),
		Text: fmt.Sprintf("You are invited to make an account on %s. Open this link within 7 days:\n\n%s\n", a.host(), address),
	})
	return address, nil
}

// VerifyEmail believes that an address is the account's own, since the link
// mailed there came back, and gives the account.
func (a *Accounts) VerifyEmail(ctx context.Context, actor access.Actor, code string) (User, error) {
	var u User
	err := a.change(ctx, func(tx *sqldb.DB) error {
		l, err := a.spendLink(ctx, tx, linkVerify, code)
		if err != nil {
			return err
		}
		if u, err = a.userOfLink(ctx, tx, l); err != nil {
			return err
		}
		return a.verified(ctx, tx, actor, &u)
	})
	return u, err
}

// verified stores that the address of a user is verified, if it is not.
func (a *Accounts) verified(ctx context.Context, tx *sqldb.DB, actor access.Actor, u *User) error {
	if u.EmailVerifiedAt != nil {
		return nil
	}
	now := a.now()
	u.EmailVerifiedAt = &now
	if _, err := tx.Exec(ctx, "UPDATE users SET email_verified_at = $1 WHERE owner_id = $2", now, u.ID); err != nil {
		return fmt.Errorf("store that an address is verified: %w", err)
	}
	if actor.Anonymous() {
		actor.ID, actor.Name = u.ID, u.Name
	}
	return a.record(ctx, tx, actor, audit.Entry{
		Action: "user.verify-email", OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name, After: map[string]any{"email": u.Email},
	})
}

// userOfLink gives the user whom a link was made for, as long as the account has
// the address to which it was mailed.
func (a *Accounts) userOfLink(ctx context.Context, tx *sqldb.DB, l link) (User, error) {
	u, _, err := findUser(ctx, tx, "o.id = $1", l.UserID)
	if noRows(err) || err == nil && emailKey(u.Email) != emailKey(l.Email) {
		return User{}, errs.New(errs.Gone, "This link was mailed to an address that the account no longer has. Ask for a new one.").Because("link-foreign")
	}
	if err != nil {
		return User{}, fmt.Errorf("look up the user of a link: %w", err)
	}
	return u, nil
}

// ResendVerification mails the link that verifies the actor's address again; the
// earlier ones end.
func (a *Accounts) ResendVerification(ctx context.Context, actor access.Actor) error {
	if actor.Kind != access.KindPerson {
		return errs.New(errs.Unauthenticated, "Sign in to verify your e-mail address.")
	}
	if err := a.limits.Allow(ctx, access.Bucket("verify", actor.ID), forgottenPerHour, time.Hour); err != nil {
		return err
	}
	var u User
	var code string
	err := a.db.Tx(ctx, func(tx *sqldb.DB) error {
		var err error
		if u, _, err = findUser(ctx, tx, "o.id = $1", actor.ID); err != nil {
			return fmt.Errorf("look up user: %w", err)
		}
		if u.EmailVerifiedAt != nil {
			return errs.New(errs.Exists, "Your e-mail address is verified already.")
		}
		if err := dropLinks(ctx, tx, linkVerify, u.ID); err != nil {
			return err
		}
		if code, err = a.newLink(ctx, tx, linkVerify, link{UserID: u.ID, Email: u.Email}, verifyLife); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, audit.Entry{Action: "user.resend-verification", OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name})
	})
	if err != nil {
		return err
	}
	a.send(ctx, a.verificationMail(u, code))
	return nil
}

func (a *Accounts) verificationMail(u User, code string) mail.Message {
	return mail.Message{To: u.Email, Subject: "Verify your e-mail address", Text: fmt.Sprintf(
		"Somebody, probably you, made the account %s on %s with this address. Open this link to show that it is yours:\n\n%s/verify/%s\n\nIt works for 7 days. If it was not you, leave it.\n",
		u.Name, a.host(), a.opts.URL, code)}
}

// host is the name of the instance in mails.
func (a *Accounts) host() string {
	_, host, _ := strings.Cut(a.opts.URL, "://")
	if host == "" {
		return "Terrarium"
	}
	return host
}
