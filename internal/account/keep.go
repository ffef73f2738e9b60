package account

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
)

// keepLife is how long somebody who has shown the password of a deleted account may
// think about keeping it.
const keepLife = time.Hour

// valueKeep is where a session of nobody in particular keeps the id of the account
// whose password was shown in it.
const valueKeep = "keep"

// findDeleted gives a person who was deleted and can be brought back, as findUser
// does those who are there.
func (a *Accounts) findDeleted(ctx context.Context, db *sqldb.DB, condition string, arg any) (u User, hash string, err error) {
	err = db.Row(ctx, "SELECT "+userColumns+`, u.password_hash, o.deleted_at, `+byOperator+`
		FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE `+condition+" AND "+fmt.Sprintf(undoable, "$2"), arg, a.sinceUndoable()).Scan(append(u.into(), &hash, &u.DeletedAt, &u.byOperator)...)
	return u, hash, err
}

// departed gives, where userNamed has not found one, a person who was deleted and can
// be brought back, so that others can take from it what it holds with them: held
// counts that, with the person's id as $1. The caller has judged the actor. Who holds
// nothing stays as absent as it was.
func (a *Accounts) departed(ctx context.Context, db *sqldb.DB, name string, absent error, held string, args ...any) (User, error) {
	if !errs.Is(absent, errs.NotFound) {
		return User{}, absent
	}
	u, _, err := a.findDeleted(ctx, db, "o.name = $1", clean(strings.ToLower(name)))
	if noRows(err) {
		return User{}, absent
	}
	if err != nil {
		return User{}, fmt.Errorf("look up a deleted user: %w", err)
	}
	n := 0
	if err := db.Row(ctx, held, append([]any{u.ID}, args...)...).Scan(&n); err != nil {
		return User{}, fmt.Errorf("look what a deleted user holds: %w", err)
	}
	if n == 0 {
		return User{}, absent
	}
	return u, nil
}

// toBeErased is the refusal of a sign-in of an account that was deleted.
func toBeErased(u User) error {
	if u.byOperator {
		return errs.New(errs.Forbidden, "The account %s was deleted by an operator and will be erased on %s. Only an operator can undo that.",
			u.Name, u.DeletedAt.Add(UndoFor).Format("2 January 2006")).Because("deleted-by-operator")
	}
	return errs.New(errs.Forbidden, "The account %s was deleted and will be erased on %s. Sign in on the web page to keep it.",
		u.Name, u.DeletedAt.Add(UndoFor).Format("2 January 2006")).Because("account-deleted")
}

// BeginKeeping makes a session in which nobody is signed in and that can do one
// thing: keep the deleted account of a person who has just shown the password, as
// SignIn says by its refusal. It gives the value of the cookie.
func (a *Accounts) BeginKeeping(ctx context.Context, u User, from access.Request) (cookie string, err error) {
	cookie = newSecret()
	now := a.now()
	if err := a.insertSession(ctx, a.db, "", cookie, now, now.Add(keepLife), from); err != nil {
		return "", err
	}
	return cookie, a.SetSessionValues(ctx, cookie, map[string]string{valueKeep: u.ID})
}

// Keeping gives the deletion that the session of a cookie can undo, errs.NotFound
// where there is none.
func (a *Accounts) Keeping(ctx context.Context, cookie string) (Deletion, error) {
	return a.keeping(ctx, a.db, cookie)
}

func (a *Accounts) keeping(ctx context.Context, db *sqldb.DB, cookie string) (Deletion, error) {
	none := errs.New(errs.NotFound, "There is no account to be kept. Sign in again.")
	var data []byte
	err := db.Row(ctx, "SELECT data FROM sessions WHERE hash = $1 AND user_id = '' AND expires_at > $2", hashOf(cookie), a.now()).Scan(&data)
	if noRows(err) {
		return Deletion{}, none
	}
	if err != nil {
		return Deletion{}, fmt.Errorf("read a session: %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(data, &values); err != nil {
		return Deletion{}, fmt.Errorf("read the values of a session: %w", err)
	}
	var d Deletion
	err = db.Row(ctx, "SELECT "+deletionColumns+" FROM owners AS o WHERE o.id = $1 AND NOT "+byOperator+" AND "+fmt.Sprintf(undoable, "$2"), values[valueKeep], a.sinceUndoable()).
		Scan(d.into()...)
	if noRows(err) {
		return Deletion{}, none
	}
	if err != nil {
		return Deletion{}, fmt.Errorf("look up a deleted account: %w", err)
	}
	d.times(a.now())
	return d, nil
}

// Keep undoes the deletion that the session of a cookie can undo, ends that session
// and gives the account, for the caller to sign in.
func (a *Accounts) Keep(ctx context.Context, actor access.Actor, cookie string) (User, error) {
	var u User
	err := a.change(ctx, func(tx *sqldb.DB) error {
		d, err := a.keeping(ctx, tx, cookie)
		if err != nil {
			return err
		}
		actor.ID, actor.Name = d.ID, d.Name
		if err := a.restore(ctx, tx, actor, d); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE hash = $1", hashOf(cookie)); err != nil {
			return fmt.Errorf("end a session: %w", err)
		}
		u, err = userNamed(ctx, tx, d.Name)
		return err
	})
	if err == nil && u.DisabledAt != nil {
		return User{}, errs.New(errs.Forbidden, "This account is disabled. Ask the operator.").Because("disabled")
	}
	return u, err
}

// deletionMail tells one address of a deletion.
func deletionMail(to, what string, d Deletion, how string) mail.Message {
	return mail.Message{To: to, Subject: d.Name + " is to be erased", Text: fmt.Sprintf(
		"%s Nothing is lost until %s: then all its packages, files and settings are erased for good.\n\n%s\n", what, day(d.ErasedFrom), how)}
}
