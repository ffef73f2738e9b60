package audit

import (
	"context"
	"fmt"

	"terrarium/internal/sqldb"
)

// OnAddresses gives the rows that name an address that is meant and which
// are in the log of nobody: their object is the address.
func OnAddresses(ctx context.Context, db *sqldb.DB, means func(address string) bool) (ids []string, err error) {
	err = db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, address string
		if err := rows.Scan(&id, &address); err != nil {
			return err
		}
		if means(address) {
			ids = append(ids, id)
		}
		return nil
	}, "SELECT id, object_name FROM audit WHERE object_kind = 'email' AND owner_id = ''")
	if err != nil {
		return nil, fmt.Errorf("look for an address in the audit log: %w", err)
	}
	return ids, nil
}

// Blank takes from the log what it quotes of an owner that is erased: what deeds of
// these kinds on the owner itself began and ended, and the objects of the rows of
// OnAddresses. That they were done, when and by whom stays.
func Blank(ctx context.Context, tx *sqldb.DB, ownerID string, actions, onAddresses []string) error {
	_, err := tx.Exec(ctx, `UPDATE audit SET before = NULL, after = NULL WHERE owner_id = $1 AND object_id = $1
		AND action IN (SELECT value FROM `+tx.EachText("$2")+" AS quoting)", ownerID, actions)
	if err == nil && len(onAddresses) > 0 {
		_, err = tx.Exec(ctx, "UPDATE audit SET object_name = '' WHERE id IN (SELECT value FROM "+tx.EachText("$1")+" AS these)", onAddresses)
	}
	if err != nil {
		return fmt.Errorf("blank the audit log of an owner: %w", err)
	}
	return nil
}
