package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
	"uuid"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// The states of a notice.
const (
	NoticeDraft     = "draft"
	NoticePublished = "published"
	NoticeArchived  = "archived"
	NoticeDeleted   = "deleted"
)

// maxNotice is the longest message of a notice, in characters.
const maxNotice = 600

// NewNotice is a notice to be made, as a draft.
type NewNotice struct {
	Message   string // one line
	Level     string // "info", "warning", "critical"; "" = info
	ExpiresAt *time.Time
}

// NoticeUpdate holds what is to change; nil leaves a value as it is.
type NoticeUpdate struct {
	Message   *string
	Level     *string
	Status    *string // NoticeDraft, NoticePublished, NoticeArchived or NoticeDeleted
	ExpiresAt *time.Time
}

const noticeColumns = "id, owner_id, message, level, status, created_at, updated_at, expires_at"

func scanNotice(rows *sqldb.Rows, n *Notice) error {
	return rows.Scan(&n.ID, &n.OwnerID, &n.Message, &n.Level, &n.Status, &n.CreatedAt, &n.UpdatedAt, &n.ExpiresAt)
}

// Notices lists the notices of an owner, newest first: those of one status, or
// with "" all that are not deleted. Admin on the owner is needed.
func (r *Registry) Notices(ctx context.Context, actor access.Actor, owner, status string) ([]Notice, error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return nil, err
	}
	if err := may(actor, access.Admin, o.object()); err != nil {
		return nil, err
	}
	list, err := sqldb.All(ctx, r.db, scanNotice, `
		SELECT `+noticeColumns+` FROM notices
		WHERE owner_id = $1 AND (status = $2 OR ($2 = '' AND status <> 'deleted'))
		ORDER BY created_at DESC, id DESC`, o.ID, status)
	if err != nil {
		return nil, fmt.Errorf("read the notices of %s: %w", owner, err)
	}
	return list, nil
}

// Notice is one notice of an owner, deleted ones too. Admin is needed.
func (r *Registry) Notice(ctx context.Context, actor access.Actor, owner, id string) (Notice, error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return Notice{}, err
	}
	if err := may(actor, access.Admin, o.object()); err != nil {
		return Notice{}, err
	}
	return loadNotice(ctx, r.db, o, id, "")
}

func loadNotice(ctx context.Context, db *sqldb.DB, o owner, id, lock string) (n Notice, err error) {
	err = db.Row(ctx, `SELECT `+noticeColumns+` FROM notices WHERE owner_id = $1 AND id = $2`+lock, o.ID, id).
		Scan(&n.ID, &n.OwnerID, &n.Message, &n.Level, &n.Status, &n.CreatedAt, &n.UpdatedAt, &n.ExpiresAt)
	if errors.Is(err, sqldb.ErrNoRows) {
		return Notice{}, errs.New(errs.NotFound, "%s has no notice %s.", o.Name, id)
	}
	if err != nil {
		return Notice{}, fmt.Errorf("read notice %s: %w", id, err)
	}
	return n, nil
}

// check refuses, as errs.Invalid, what conda could not show.
func (n *Notice) check() error {
	switch {
	case strings.TrimSpace(n.Message) == "":
		return errs.New(errs.Invalid, "A notice needs a message.").On("message")
	case strings.ContainsAny(n.Message, "\r\n"):
		return errs.New(errs.Invalid, "The message of a notice is one line.").On("message")
	case utf8.RuneCountInString(n.Message) > maxNotice:
		return errs.New(errs.Invalid, "The message of a notice has at most %d characters.", maxNotice).On("message")
	}
	switch n.Level {
	case "info", "warning", "critical":
	default:
		return errs.New(errs.Invalid, "The level of a notice is info, warning or critical.").On("level")
	}
	switch n.Status {
	case NoticeDraft, NoticePublished, NoticeArchived, NoticeDeleted:
	default:
		return errs.New(errs.Invalid, "The status of a notice is draft, published, archived or deleted.").On("status")
	}
	return nil
}

// CreateNotice makes a draft. Admin on the owner is needed.
func (r *Registry) CreateNotice(ctx context.Context, actor access.Actor, owner string, nn NewNotice) (n Notice, err error) {
	id := uuid.New().String()
	err = r.change(ctx, actor, "notice", func(ctx context.Context, c *change) error {
		o, err := loadOwner(ctx, c.tx, owner)
		if err != nil {
			return err
		}
		if err := may(c.actor, access.Admin, o.object()); err != nil {
			return err
		}
		n = Notice{
			ID: id, OwnerID: o.ID, Message: nn.Message, Level: nn.Level, Status: NoticeDraft,
			CreatedAt: c.now, UpdatedAt: c.now, ExpiresAt: nn.ExpiresAt,
		}
		if n.Level == "" {
			n.Level = "info"
		}
		if err := n.check(); err != nil {
			return err
		}
		if _, err := c.exec(ctx, `INSERT INTO notices (`+noticeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			n.ID, n.OwnerID, n.Message, n.Level, n.Status, n.CreatedAt, n.UpdatedAt, n.ExpiresAt); err != nil {
			return fmt.Errorf("write a notice of %s: %w", o.Name, err)
		}
		return c.audit(ctx, audit.Entry{
			Action: "notice.create", OwnerID: o.ID, ObjectKind: "notice", ObjectID: n.ID,
			ObjectName: o.Name + "/" + n.ID, After: noticeFacts(n),
		})
	})
	return n, err
}

// UpdateNotice changes a notice; publishing what is published is no error.
// Admin on the owner is needed. A deleted notice stays deleted, errs.NotFound.
func (r *Registry) UpdateNotice(ctx context.Context, actor access.Actor, owner, id string, u NoticeUpdate) (n Notice, err error) {
	err = r.change(ctx, actor, "notice", func(ctx context.Context, c *change) error {
		o, err := loadOwner(ctx, c.tx, owner)
		if err != nil {
			return err
		}
		if err := may(c.actor, access.Admin, o.object()); err != nil {
			return err
		}
		if n, err = loadNotice(ctx, c.tx, o, id, c.lock()); err != nil {
			return err
		}
		if n.Status == NoticeDeleted {
			return errs.New(errs.NotFound, "%s has no notice %s.", o.Name, id)
		}
		before := noticeFacts(n)
		for _, set := range []struct{ to, from *string }{{&n.Message, u.Message}, {&n.Level, u.Level}, {&n.Status, u.Status}} {
			if set.from != nil {
				*set.to = *set.from
			}
		}
		if u.ExpiresAt != nil {
			n.ExpiresAt = u.ExpiresAt
		}
		if err := n.check(); err != nil {
			return err
		}
		n.UpdatedAt = c.now
		if _, err := c.exec(ctx, `UPDATE notices SET message = $2, level = $3, status = $4, updated_at = $5, expires_at = $6 WHERE id = $1`,
			n.ID, n.Message, n.Level, n.Status, n.UpdatedAt, n.ExpiresAt); err != nil {
			return fmt.Errorf("change notice %s: %w", n.ID, err)
		}
		return c.audit(ctx, audit.Entry{
			Action: "notice.update", OwnerID: o.ID, ObjectKind: "notice", ObjectID: n.ID,
			ObjectName: o.Name + "/" + n.ID, Before: before, After: noticeFacts(n),
		})
	})
	return n, err
}

func noticeFacts(n Notice) map[string]any {
	return map[string]any{"message": n.Message, "level": n.Level, "status": n.Status, "expires_at": n.ExpiresAt}
}
