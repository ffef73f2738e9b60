package account

import (
	"context"
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
)

// Empty reports whether nobody has an account and there is no organisation but
// those that an instance begins with (EnsureMirrorOwners) and the one called
// except.
func (a *Accounts) Empty(ctx context.Context, except string) (bool, error) {
	others, err := sqldb.All(ctx, a.db, sqldb.Scalar[string],
		"SELECT name FROM owners WHERE name <> $1 AND name NOT IN (SELECT value FROM "+a.db.EachText("$2")+" AS own) LIMIT 1", except, mirrorOwners())
	if err != nil {
		return false, fmt.Errorf("look whether there are accounts: %w", err)
	}
	return len(others) == 0, nil
}

// EnsureOrganization makes an organisation without members where there is no
// owner of the name. It is for what the program publishes itself.
func (a *Accounts) EnsureOrganization(ctx context.Context, name, description string) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		found, err := sqldb.All(ctx, tx, sqldb.Scalar[string], "SELECT id FROM owners WHERE name = $1", name)
		if err != nil || len(found) > 0 {
			return err
		}
		now := a.now()
		o := Owner{ID: access.NewID(now), Name: name, Kind: access.Organization, Description: description, CreatedAt: now}
		return a.insertOrganization(ctx, tx, access.System(), o, "", access.Public)
	})
}
