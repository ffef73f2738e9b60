package account

import (
	"bytes"
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Answers to requests with an Idempotency-Key are kept for answersFor. While
// one is still at work its row stands with status 0; after claimFor it counts
// as lost with the process that made it.
const (
	answersFor = 24 * time.Hour
	claimFor   = 10 * time.Minute
)

// Answer is what a request was answered, kept so that the same request, sent
// again after a broken connection, gets the same answer and does nothing.
type Answer struct {
	Status int
	Header jsontext.Value // an object of strings
	Body   []byte
}

// ClaimKey begins a request that carries an Idempotency-Key. request is a
// digest of the whole of it. It gives the answer and true where the key was
// answered before; otherwise the caller carries the request out and ends with
// KeepAnswer or ReleaseKey. errs.Invalid when the key was used for another
// request, errs.Conflict while the first one is still at work.
func (a *Accounts) ClaimKey(ctx context.Context, actor access.Actor, key string, request []byte) (kept Answer, found bool, err error) {
	now := a.now()
	err = a.db.Tx(ctx, func(tx *sqldb.DB) error {
		if _, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE created_at < $1`, now.Add(-answersFor)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			DELETE FROM idempotency WHERE actor_id = $1 AND key = $2 AND status = 0 AND created_at < $3`,
			actor.ID, key, now.Add(-claimFor)); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			INSERT INTO idempotency (actor_id, key, request, status, header, body, created_at)
			VALUES ($1, $2, $3, 0, '{}', $4, $5) ON CONFLICT DO NOTHING`, actor.ID, key, request, []byte{}, now)
		if err != nil || n == 1 {
			return err
		}
		var first []byte
		err = tx.Row(ctx, `SELECT request, status, header, body FROM idempotency WHERE actor_id = $1 AND key = $2`,
			actor.ID, key).Scan(&first, &kept.Status, &kept.Header, &kept.Body)
		switch {
		case err != nil:
			return err
		case !bytes.Equal(first, request):
			return errs.New(errs.Invalid, "This Idempotency-Key belongs to another request; take a new one.").Because("idempotency-key")
		case kept.Status == 0:
			return errs.New(errs.Conflict, "The first request with this Idempotency-Key is still at work; ask again in a moment.").Because("idempotency-key")
		}
		found = true
		return nil
	})
	if err != nil && errs.KindOf(err) == errs.Internal {
		return Answer{}, false, fmt.Errorf("claim an idempotency key: %w", err)
	}
	return kept, found, err
}

// KeepAnswer ends what ClaimKey began: the answer is given again to whoever
// sends the request again within a day.
func (a *Accounts) KeepAnswer(ctx context.Context, actor access.Actor, key string, answer Answer) error {
	if answer.Status == 0 {
		return errors.New("keep an answer without a status")
	}
	if _, err := a.db.Exec(ctx, `UPDATE idempotency SET status = $3, header = $4, body = $5 WHERE actor_id = $1 AND key = $2`,
		actor.ID, key, answer.Status, answer.Header, answer.Body); err != nil {
		return fmt.Errorf("keep the answer to an idempotency key: %w", err)
	}
	return nil
}

// ReleaseKey ends what ClaimKey began without an answer worth keeping, so that
// the request may be tried again.
func (a *Accounts) ReleaseKey(ctx context.Context, actor access.Actor, key string) error {
	if _, err := a.db.Exec(ctx, `DELETE FROM idempotency WHERE actor_id = $1 AND key = $2 AND status = 0`, actor.ID, key); err != nil {
		return fmt.Errorf("release an idempotency key: %w", err)
	}
	return nil
}
