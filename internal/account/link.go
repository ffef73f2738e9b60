package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// The kinds of one-time links and how long they live.
const (
	linkSetup  = "setup"
	linkVerify = "verify"
	linkReset  = "reset"
	linkInvite = "invite"

	setupLife  = 7 * 24 * time.Hour
	verifyLife = 7 * 24 * time.Hour
	resetLife  = time.Hour
	inviteLife = 7 * 24 * time.Hour
)

// link is a one-time link without its code.
type link struct {
	UserID    string
	Email     string
	ExpiresAt time.Time
}

// newSecret makes a secret of 26 letters and digits, 130 bits of chance.
func newSecret() string { return strings.ToLower(rand.Text()) }

// hashOf gives what is kept of a secret.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// newLink makes a link and gives its code, which is stored nowhere.
func (a *Accounts) newLink(ctx context.Context, tx *sqldb.DB, kind string, l link, life time.Duration) (code string, err error) {
	code = newSecret()
	now := a.now()
	_, err = tx.Exec(ctx, `
		INSERT INTO links (hash, kind, user_id, email, data, created_at, expires_at)
		VALUES ($1, $2, $3, $4, '{}', $5, $6)`,
		hashOf(code), kind, l.UserID, l.Email, now, now.Add(life))
	if err != nil {
		return "", fmt.Errorf("make a %s link: %w", kind, err)
	}
	return code, nil
}

// findLink gives the link of a code that can still be used. A code that is
// unknown or of another kind is errs.NotFound, a used or expired one errs.Gone.
func (a *Accounts) findLink(ctx context.Context, db *sqldb.DB, kind, code string) (link, error) {
	var l link
	var used *time.Time
	err := db.Row(ctx, "SELECT user_id, email, expires_at, used_at FROM links WHERE hash = $1 AND kind = $2", hashOf(code), kind).
		Scan(&l.UserID, &l.Email, &l.ExpiresAt, &used)
	switch {
	case noRows(err):
		return link{}, errs.New(errs.NotFound, "This link is not known here. Open it whole, as it stands in the mail, or ask for a new one.").Because("link-unknown")
	case err != nil:
		return link{}, fmt.Errorf("look up a %s link: %w", kind, err)
	case used != nil:
		return link{}, errs.New(errs.Gone, "This link was used already. Ask for a new one.").Because("link-used")
	case !a.now().Before(l.ExpiresAt):
		return link{}, errs.New(errs.Gone, "This link ended on %s. Ask for a new one.", day(l.ExpiresAt)).Because("link-expired")
	}
	return l, nil
}

// spendLink uses a link up and gives what it was for, with the refusals of
// findLink. Of two that spend at once, one gets it.
func (a *Accounts) spendLink(ctx context.Context, tx *sqldb.DB, kind, code string) (link, error) {
	l, err := a.findLink(ctx, tx, kind, code)
	if err != nil {
		return link{}, err
	}
	n, err := tx.Exec(ctx, "UPDATE links SET used_at = $1 WHERE hash = $2 AND used_at IS NULL", a.now(), hashOf(code))
	if err != nil {
		return link{}, fmt.Errorf("use a %s link: %w", kind, err)
	}
	if n == 0 {
		return link{}, errs.New(errs.Gone, "This link was used already. Ask for a new one.").Because("link-used")
	}
	return l, nil
}

// dropLinks ends all links of a kind that were made for a user.
func dropLinks(ctx context.Context, tx *sqldb.DB, kind, userID string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM links WHERE kind = $1 AND user_id = $2 AND used_at IS NULL", kind, userID); err != nil {
		return fmt.Errorf("end the %s links: %w", kind, err)
	}
	return nil
}

// day writes a time the way sentences have it: "3 Nov 2026, 14:05 UTC".
func day(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }
