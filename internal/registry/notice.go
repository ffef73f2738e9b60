package registry

import (
	"context"
	"time"

	"terrarium/internal/sqldb"
)

// Notice is a message that conda shows to everybody who uses an owner's
// channels (CEP 6).
type Notice struct {
	ID        string
	OwnerID   string
	Message   string
	Level     string // "info", "warning", "critical"
	Status    string // "draft", "published", "archived", "deleted"
	CreatedAt time.Time
	UpdatedAt time.Time
	ExpiresAt *time.Time
}

// PublishedNotices gives the notices of an owner that are published and have
// not expired, oldest first.
func (r *Registry) PublishedNotices(ctx context.Context, ownerID string) ([]Notice, error) {
	return sqldb.All(ctx, r.db, func(rows *sqldb.Rows, n *Notice) error {
		return rows.Scan(&n.ID, &n.OwnerID, &n.Message, &n.Level, &n.Status, &n.CreatedAt, &n.UpdatedAt, &n.ExpiresAt)
	}, `
		SELECT id, owner_id, message, level, status, created_at, updated_at, expires_at FROM notices
		WHERE owner_id = $1 AND status = 'published' AND (expires_at IS NULL OR expires_at > $2)
		ORDER BY created_at, id`, ownerID, r.now())
}
