package access

import (
	"context"
	"fmt"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Gone gives those of the persons, by id, whose account was deleted or disabled. A
// request learns who asks before it reads its body, which may take an hour; what it
// then writes asks again, in the transaction.
func Gone(ctx context.Context, tx *sqldb.DB, persons []string) (map[string]bool, error) {
	there, err := sqldb.All(ctx, tx, sqldb.Scalar[string], `SELECT u.owner_id FROM users AS u JOIN owners AS o ON o.id = u.owner_id
		WHERE o.deleted_at IS NULL AND u.disabled_at IS NULL AND u.owner_id IN (SELECT value FROM `+tx.EachText("$1")+" AS asked)", persons)
	if err != nil {
		return nil, fmt.Errorf("look whether accounts are there still: %w", err)
	}
	gone := make(map[string]bool, len(persons))
	for _, id := range persons {
		gone[id] = true
	}
	for _, id := range there {
		delete(gone, id)
	}
	return gone, nil
}

// ErrGone is the refusal for a person who is gone: errs.Unauthenticated.
func ErrGone() error {
	return errs.New(errs.Unauthenticated, "The account that this credential belongs to was deleted or disabled.").Because("account-gone")
}
