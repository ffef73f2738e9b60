// Package audit keeps the record of who did what: one row for each change,
// written in the transaction of the change and never changed afterwards, but that
// Blank takes out what it quotes of a person or an organisation that is erased.
//
// Rows hold no secrets: callers hand in the fields that people may see.
package audit

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Entry is one change, without who made it.
type Entry struct {
	At         time.Time // zero: now
	Action     string    // object and deed: "package.create", "token.revoke"
	OwnerID    string    // whose log it belongs to; "" for the instance
	ObjectKind string    // "user", "package", "channel", …
	ObjectID   string
	ObjectName string
	Before     any // what the change ended, as JSON; nil where nothing was
	After      any // what the change began; nil where nothing is left
}

// Write records a change that an actor makes in the transaction tx.
func Write(ctx context.Context, tx *sqldb.DB, a access.Actor, e Entry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	before, err := document(e.Before)
	if err != nil {
		return fmt.Errorf("encode what %s changed: %w", e.Action, err)
	}
	after, err := document(e.After)
	if err != nil {
		return fmt.Errorf("encode what %s made: %w", e.Action, err)
	}
	kind := a.Kind
	if kind == "" {
		kind = access.KindAnonymous
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO audit (id, at, actor_kind, actor_id, actor_name, credential, remote, request_id,
		                   action, owner_id, object_kind, object_id, object_name, before, after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		access.NewID(e.At), e.At, string(kind), a.ID, a.Name, a.Credential, clean(a.Remote), clean(a.RequestID),
		e.Action, e.OwnerID, e.ObjectKind, e.ObjectID, clean(e.ObjectName), before, after)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

func document(v any) (jsontext.Value, error) {
	if v == nil {
		return nil, nil // NULL: there was nothing
	}
	return json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

// clean makes a text from a client fit for both databases: PostgreSQL takes
// neither NUL nor what is no UTF-8, and no such text may keep a change from being
// recorded.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// Filter narrows List. Empty fields do not.
type Filter struct {
	OwnerID    string // the log of one owner
	ActorID    string
	Action     string // "token.revoke", or "token." for all deeds on tokens
	ObjectKind string
	ObjectID   string
	Since      time.Time // not before
	Until      time.Time // before
	After      string    // the next of the page before
	Limit      int       // rows a page; 0 is 50, at most 1,000
}

// Row is one recorded change.
type Row struct {
	ID         string
	At         time.Time
	ActorKind  access.Kind
	ActorID    string
	ActorName  string
	Credential string
	Remote     string
	RequestID  string
	Action     string
	OwnerID    string
	ObjectKind string
	ObjectID   string
	ObjectName string
	Before     jsontext.Value // nil where nothing was
	After      jsontext.Value // nil where nothing is left
}

// List gives the recorded changes that a filter leaves, newest first, and what
// to give as Filter.After for the next page, "" on the last. Who may see whose
// log is decided by ListFor.
func List(ctx context.Context, db *sqldb.DB, f Filter) (rows []Row, next string, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 1000)
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	for _, equal := range []struct{ condition, value string }{
		{"owner_id = $%d", f.OwnerID},
		{"actor_id = $%d", f.ActorID},
		{"object_kind = $%d", f.ObjectKind},
		{"object_id = $%d", f.ObjectID},
		{"id < $%d", f.After},
	} {
		if equal.value != "" {
			add(equal.condition, equal.value)
		}
	}
	if strings.HasSuffix(f.Action, ".") {
		add("substr(action, 1, length(CAST($%[1]d AS TEXT))) = $%[1]d", f.Action)
	} else if f.Action != "" {
		add("action = $%d", f.Action)
	}
	if !f.Since.IsZero() {
		add("at >= $%d", f.Since)
	}
	if !f.Until.IsZero() {
		add("at < $%d", f.Until)
	}
	condition := ""
	if len(where) > 0 {
		condition = "WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, f.Limit+1)
	rows, err = sqldb.All(ctx, db, func(r *sqldb.Rows, row *Row) error {
		return r.Scan(&row.ID, &row.At, &row.ActorKind, &row.ActorID, &row.ActorName, &row.Credential, &row.Remote,
			&row.RequestID, &row.Action, &row.OwnerID, &row.ObjectKind, &row.ObjectID, &row.ObjectName, &row.Before, &row.After)
	}, fmt.Sprintf(`
		SELECT id, at, actor_kind, actor_id, actor_name, credential, remote,
		       request_id, action, owner_id, object_kind, object_id, object_name, before, after
		FROM audit %s ORDER BY id DESC LIMIT $%d`, condition, len(args)), args...)
	if err != nil {
		return nil, "", fmt.Errorf("read the audit log: %w", err)
	}
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].ID
	}
	return rows, next, nil
}

// ListFor is List for an actor: an owner and its administrators see its log, the
// operator all. Others are refused, errs.Forbidden or errs.Unauthenticated.
func ListFor(ctx context.Context, db *sqldb.DB, a access.Actor, owner access.Object, f Filter) ([]Row, string, error) {
	f.OwnerID = owner.OwnerID
	owner.Scope = "api:read" // to see the log needs the right to administer and a scope to read
	operator := a.Operator && a.Scopes.Allow(owner.Scope) && a.OrgToken == "" && len(a.Resources) == 0
	if verdict := access.Can(a, access.Admin, owner); !verdict.Allowed && !operator {
		if f.OwnerID == "" {
			return nil, "", errs.New(errs.Forbidden, "Only the operator sees the log of the whole instance.")
		}
		return nil, "", verdict.Err(owner)
	}
	return List(ctx, db, f)
}
