package account

import (
	"context"

	"terrarium/internal/access"
	"terrarium/internal/audit"
)

// Trail lists what was done to an owner and what belongs to it, newest first,
// or "" to the whole instance. Administrators see the log of their owner,
// operators every one; others are refused as errs.Forbidden. next is what to
// give as Filter.After for the page behind.
func (a *Accounts) Trail(ctx context.Context, actor access.Actor, owner string, f audit.Filter) (rows []audit.Row, next string, err error) {
	var o access.Object
	if owner != "" {
		found, err := a.Owner(ctx, owner)
		if err != nil {
			return nil, "", err
		}
		o = access.Object{OwnerID: found.ID, OwnerName: found.Name, OwnerKind: found.Kind}
	}
	return audit.ListFor(ctx, a.db, actor, o, f)
}
