package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
)

// eraseOwners is the hourly job that erases owners whose deletion can be undone no
// more, and frees the names of those that were deleted long ago.
type eraseOwners struct{}

// eraseTime is how long one run of it may take; the next goes on where it stopped.
const eraseTime = 6 * time.Hour

// EraseOwners erases the owners whose deletion can be undone no more and gives how
// many there were. One that fails does not keep the others from it. Cut off, it goes on where it stopped when it is called again.
func (a *App) EraseOwners(ctx context.Context, actor access.Actor) (n int, err error) {
	due, err := a.Accounts.DueOwners(ctx)
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, o := range due {
		if err := a.eraseOwner(ctx, actor, o); err != nil {
			if ctx.Err() != nil {
				return n, err
			}
			failed = append(failed, fmt.Errorf("erase %s: %w", o.Name, err)) // those after it have their turn
			continue
		}
		n++
	}
	_, err = a.Accounts.FreeNames(ctx)
	return n, errors.Join(append(failed, err)...)
}

func (a *App) eraseOwner(ctx context.Context, actor access.Actor, o account.Owner) error {
	if err := a.Accounts.EraseRights(ctx, o); err != nil {
		return err
	}
	e, err := a.Registry.Erase(ctx, o.ID)
	if err != nil {
		return err
	}
	err = a.Accounts.EndErasing(ctx, actor, o, map[string]any{"packages": e.Packages, "files": e.Files, "channels": e.Channels})
	if err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "erased", "owner", o.Name, "packages", e.Packages, "files", e.Files, "channels", e.Channels)
	return nil
}
