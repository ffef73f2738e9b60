package account

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// User is an account as its holder and the operator see it.
type User struct {
	Owner
	Email           string
	EmailVerifiedAt *time.Time
	Operator        bool
	DisabledAt      *time.Time
	LastSignInAt    *time.Time
	// DeletedAt is set of somebody who signed in to a deleted account, see SignIn.
	DeletedAt *time.Time

	byOperator bool // and only an operator can undo that
}

// NewUser is an account to be made by the operator or a command. It counts as
// verified.
type NewUser struct {
	Name     string
	Email    string
	Password string // "" makes an account that cannot sign in with a password
	FullName string
	Operator bool
}

// UserFilter narrows Users.
type UserFilter struct {
	After string // the next of the page before
	Limit int    // 0 is 100, at most 1,000
}

const userColumns = ownerColumns + ", u.email, u.email_verified_at, u.operator, u.disabled_at, u.last_sign_in_at"

func (u *User) into() []any {
	return append(u.Owner.into(), &u.Email, &u.EmailVerifiedAt, &u.Operator, &u.DisabledAt, &u.LastSignInAt)
}

// findUser gives a user by a condition on users u or owners o with one parameter,
// and the hash of the password. None is sqldb.ErrNoRows.
func findUser(ctx context.Context, db *sqldb.DB, condition string, arg any) (u User, hash string, err error) {
	err = db.Row(ctx, "SELECT "+userColumns+`, u.password_hash
		FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE o.deleted_at IS NULL AND `+condition, arg).Scan(append(u.into(), &hash)...)
	return u, hash, err
}

// userNamed gives a user by name, or errs.NotFound.
func userNamed(ctx context.Context, db *sqldb.DB, name string) (User, error) {
	name = clean(strings.ToLower(name))
	u, _, err := findUser(ctx, db, "o.name = $1", name)
	if noRows(err) {
		return User{}, errs.New(errs.NotFound, "There is no user %s.", clip(name))
	}
	if err != nil {
		return User{}, fmt.Errorf("look up user: %w", err)
	}
	return u, nil
}

// User gives an account to its holder and to the operator.
func (a *Accounts) User(ctx context.Context, actor access.Actor, name string) (User, error) {
	u, err := userNamed(ctx, a.db, name)
	if err != nil {
		return User{}, err
	}
	if actor.ID != u.ID || !actor.Scopes.Allow("api:read") {
		if err := access.Operates(actor); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// UserOrDeleted is User for the operator, and gives those too who were deleted and
// can be brought back.
func (a *Accounts) UserOrDeleted(ctx context.Context, actor access.Actor, name string) (User, error) {
	if err := access.Operates(actor); err != nil {
		return User{}, err
	}
	return a.userOrDeleted(ctx, a.db, name)
}

func (a *Accounts) userOrDeleted(ctx context.Context, db *sqldb.DB, name string) (User, error) {
	u, err := userNamed(ctx, db, name)
	if err != nil {
		u, err = a.departed(ctx, db, name, err, "SELECT COUNT(*) FROM users WHERE owner_id = $1")
	}
	return u, err
}

// Users lists the accounts by name for the operator, and gives what to ask next
// with, "" at the end.
func (a *Accounts) Users(ctx context.Context, actor access.Actor, f UserFilter) ([]User, string, error) {
	if err := access.Operates(actor); err != nil {
		return nil, "", err
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = min(f.Limit, 1000)
	users, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, u *User) error { return r.Scan(u.into()...) }, "SELECT "+userColumns+`
		FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE o.deleted_at IS NULL AND o.name > $1 ORDER BY o.name LIMIT $2`, f.After, f.Limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list users: %w", err)
	}
	next := ""
	if len(users) > f.Limit {
		users = users[:f.Limit]
		next = users[f.Limit-1].Name
	}
	return users, next, nil
}

// CreateUser makes an account on behalf of the operator.
func (a *Accounts) CreateUser(ctx context.Context, actor access.Actor, n NewUser) (User, error) {
	if err := access.Operates(actor); err != nil {
		return User{}, err
	}
	n.Name = strings.ToLower(strings.TrimSpace(n.Name))
	var found problems
	address, err := checkEmail(n.Email)
	found.add(err)
	hash := ""
	if n.Password != "" {
		if err := a.checkPassword(n.Password, n.Name, n.Email); err != nil {
			found.add(err)
		}
	}
	if err := found.err(); err != nil {
		return User{}, err
	}
	if n.Password != "" {
		if hash, err = a.hashing.hash(ctx, n.Password); err != nil {
			return User{}, err
		}
	}
	var u User
	err = a.change(ctx, func(tx *sqldb.DB) error {
		now := a.now()
		u = User{Owner: Owner{Name: n.Name, FullName: clean(n.FullName)}, Email: address, EmailVerifiedAt: &now, Operator: n.Operator}
		return a.insertUser(ctx, tx, actor, "user.create", &u, hash, "")
	})
	return u, err
}

// insertUser makes the rows of a new account and fills in its id and time.
// terms is the version that was accepted, or "". The actor, where nobody in
// particular, is recorded as the new user.
func (a *Accounts) insertUser(ctx context.Context, tx *sqldb.DB, actor access.Actor, action string, u *User, hash, terms string) error {
	if err := a.free(ctx, tx, u.Name, "Username"); err != nil {
		return err
	}
	var n int
	if err := tx.Row(ctx, "SELECT COUNT(*) FROM users WHERE email_key = $1", emailKey(u.Email)).Scan(&n); err != nil {
		return fmt.Errorf("look whether an address is taken: %w", err)
	}
	if n > 0 {
		return errs.New(errs.Exists, "This e-mail address has an account already. Sign in, or ask for a new password.").On("email").Because("email-taken")
	}
	u.CreatedAt = a.now()
	u.ID, u.Kind = access.NewID(u.CreatedAt), access.User
	if err := a.insertOwner(ctx, tx, u.Owner, access.Public); err != nil {
		return err
	}
	var accepted *time.Time
	if terms != "" {
		accepted = &u.CreatedAt
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO users (owner_id, email, email_key, email_verified_at, password_hash, operator, terms_version, terms_accepted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		u.ID, u.Email, emailKey(u.Email), u.EmailVerifiedAt, hash, u.Operator, terms, accepted)
	if err != nil {
		return fmt.Errorf("make user %s: %w", u.Name, err)
	}
	if actor.Anonymous() {
		actor.ID, actor.Name = u.ID, u.Name
	}
	return a.record(ctx, tx, actor, audit.Entry{
		Action: action, OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name,
		After: map[string]any{"email": u.Email, "operator": u.Operator, "verified": u.EmailVerifiedAt != nil, "terms": terms},
	})
}

// DisableUser takes an account out of use: its sessions end, its tokens and its
// password are refused. The last operator cannot be disabled. One who was deleted
// and can be brought back can be, so that it is no way back into use.
func (a *Accounts) DisableUser(ctx context.Context, actor access.Actor, name string) error {
	return a.setDisabled(ctx, actor, name, true)
}

// EnableUser takes an account into use again, with the tokens that it had.
func (a *Accounts) EnableUser(ctx context.Context, actor access.Actor, name string) error {
	return a.setDisabled(ctx, actor, name, false)
}

func (a *Accounts) setDisabled(ctx context.Context, actor access.Actor, name string, disable bool) error {
	if err := access.Operates(actor); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		u, err := a.userOrDeleted(ctx, tx, name)
		if err != nil {
			return err
		}
		if disable == (u.DisabledAt != nil) {
			return nil
		}
		action := "user.enable"
		var at *time.Time
		if disable {
			action = "user.disable"
			now := a.now()
			at = &now
			if u.Operator {
				if err := notLastOperator(ctx, tx, u); err != nil {
					return err
				}
			}
			if err := endSessions(ctx, tx, u.ID, nil); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE users SET disabled_at = $1 WHERE owner_id = $2", at, u.ID); err != nil {
			return fmt.Errorf("disable user %s: %w", u.Name, err)
		}
		return a.record(ctx, tx, actor, audit.Entry{Action: action, OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name})
	})
}

// SetPassword gives an account another password on behalf of the operator and
// ends its sessions.
func (a *Accounts) SetPassword(ctx context.Context, actor access.Actor, name, password string) error {
	if err := access.Operates(actor); err != nil {
		return err
	}
	u, err := userNamed(ctx, a.db, name)
	if err != nil {
		return err
	}
	if err := a.checkPassword(password, u.Name, u.Email); err != nil {
		return err
	}
	hash, err := a.hashing.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		return a.writePassword(ctx, tx, actor, u, hash, nil)
	})
}

// ChangePassword gives the account of the actor another password. The old one
// must be shown; wrong ones count against the limit of sign-in. All sessions end
// but the one of keepCookie.
func (a *Accounts) ChangePassword(ctx context.Context, actor access.Actor, old, password, password2, keepCookie string) error {
	if actor.Kind != access.KindPerson {
		return errs.New(errs.Unauthenticated, "Sign in to change your password.")
	}
	if actor.TokenID != "" {
		return errs.New(errs.Forbidden, "A password is changed on the web page, not with a token.")
	}
	u, hash, err := findUser(ctx, a.db, "o.id = $1", actor.ID)
	if err != nil {
		return fmt.Errorf("look up user: %w", err)
	}
	right, err := a.guarded(ctx, actor, u.ID, hash, old)
	if err != nil {
		return err
	}
	if !right {
		return errs.New(errs.Invalid, "This is not your password.").On("old")
	}
	if err := a.checkPasswords(password, password2, u.Name, u.Email); err != nil {
		return err
	}
	if hash, err = a.hashing.hash(ctx, password); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		return a.writePassword(ctx, tx, actor, u, hash, hashOf(keepCookie))
	})
}

// writePassword stores a hash and ends what could have been opened with the old
// one: sessions but the one of keep, and reset links.
func (a *Accounts) writePassword(ctx context.Context, tx *sqldb.DB, actor access.Actor, u User, hash string, keep []byte) error {
	if _, err := tx.Exec(ctx, "UPDATE users SET password_hash = $1 WHERE owner_id = $2", hash, u.ID); err != nil {
		return fmt.Errorf("store a password: %w", err)
	}
	if err := endSessions(ctx, tx, u.ID, keep); err != nil {
		return err
	}
	if err := dropLinks(ctx, tx, linkReset, u.ID); err != nil {
		return err
	}
	return a.record(ctx, tx, actor, audit.Entry{Action: "user.set-password", OwnerID: u.ID, ObjectKind: "user", ObjectID: u.ID, ObjectName: u.Name})
}

// checkEmail gives an address as it is stored, or why it is none.
func checkEmail(address string) (string, error) {
	address = strings.TrimSpace(address)
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > 254 || strings.ContainsAny(address, " \"\r\n\t\x00") || address != clean(address) {
		return "", errs.New(errs.Invalid, "This is not an e-mail address. Type one such as ana@example.com.").On("email")
	}
	return address, nil
}

func emailKey(address string) string { return strings.ToLower(strings.TrimSpace(address)) }
