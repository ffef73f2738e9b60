package account

import (
	"context"
	"errors"
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

// InstanceID gives the id of the instance, which its database keeps and which is
// made when first asked for.
func (a *Accounts) InstanceID(ctx context.Context) (string, error) {
	const query = "SELECT value FROM instance WHERE key = 'id'"
	var id string
	err := a.db.Row(ctx, query).Scan(&id)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = a.db.Tx(ctx, func(tx *sqldb.DB) error { // of two who start at once both get the first one's
			if _, err := tx.Exec(ctx, "INSERT INTO instance (key, value) VALUES ('id', $1) ON CONFLICT (key) DO NOTHING", access.NewID(a.now())); err != nil {
				return err
			}
			return tx.Row(ctx, query).Scan(&id)
		})
	}
	if err != nil {
		return "", fmt.Errorf("read the id of the instance: %w", err)
	}
	return id, nil
}

// SetInstanceID gives the instance the id of the place that its rows were loaded
// into, in the transaction that loads them.
func (a *Accounts) SetInstanceID(ctx context.Context, tx *sqldb.DB, id string) error {
	if _, err := tx.Exec(ctx, "INSERT INTO instance (key, value) VALUES ('id', $1) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value", id); err != nil {
		return fmt.Errorf("keep the id of the instance: %w", err)
	}
	return nil
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
