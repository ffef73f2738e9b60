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
	list, err := sqldb.All(ctx, tx, sqldb.Scalar[string], `SELECT o.id FROM owners AS o LEFT JOIN users AS u ON u.owner_id = o.id
		WHERE (o.deleted_at IS NOT NULL OR u.disabled_at IS NOT NULL) AND o.id IN (SELECT value FROM `+tx.EachText("$1")+" AS asked)", persons)
	if err != nil {
		return nil, fmt.Errorf("look whether accounts are there still: %w", err)
	}
	gone := make(map[string]bool, len(list))
	for _, id := range list {
		gone[id] = true
	}
	return gone, nil
}

// ErrGone is the refusal for a person who is gone: errs.Unauthenticated.
func ErrGone() error {
	return errs.New(errs.Unauthenticated, "The account that this credential belongs to was deleted or disabled.").Because("account-gone")
}
