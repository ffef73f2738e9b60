package account

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// How long sessions live.
const (
	sessionLife = 24 * time.Hour
	keptLife    = 30 * 24 * time.Hour
)

// maxSessionValues bounds what pages keep in one session, in bytes.
const maxSessionValues = 16 << 10

// Session is a browser that is signed in.
type Session struct {
	ID         string // names it in lists; no secret
	Current    bool   // the one that asks
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time
	Remote     string
	Agent      string
}

// BeginSession makes a session of nobody in particular, for what pages must
// remember before sign-in. Its cookie is never that of a later sign-in.
func (a *Accounts) BeginSession(ctx context.Context, from access.Request) (cookie string, expires time.Time, err error) {
	now := a.now()
	cookie, expires = newSecret(), now.Add(sessionLife)
	err = a.insertSession(ctx, a.db, "", cookie, now, expires, from)
	return cookie, expires, err
}

// CreateSession signs a browser in and gives the new value of its cookie. keep
// makes it last 30 days instead of one. The session before sign-in, if there was
// one, is for the caller to end.
func (a *Accounts) CreateSession(ctx context.Context, u User, from access.Request, keep bool) (cookie string, expires time.Time, err error) {
	now := a.now()
	cookie, expires = newSecret(), now.Add(sessionLife)
	if keep {
		expires = now.Add(keptLife)
	}
	actor := access.Actor{Kind: access.KindPerson, ID: u.ID, Name: u.Name}.From(from)
	err = a.db.Tx(ctx, func(tx *sqldb.DB) error {
		if err := a.insertSession(ctx, tx, u.ID, cookie, now, expires, from); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, audit.Entry{
			Action: "session.create", OwnerID: u.ID, ObjectKind: "session",
			ObjectID: sessionID(hashOf(cookie)), After: map[string]any{"expires": expires, "agent": clipAgent(from.Agent)},
		})
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return cookie, expires, nil
}

func (a *Accounts) insertSession(ctx context.Context, db *sqldb.DB, userID, cookie string, now, expires time.Time, from access.Request) error {
	_, err := db.Exec(ctx, `
		INSERT INTO sessions (hash, user_id, data, created_at, expires_at, last_used_at, remote, agent)
		VALUES ($1, $2, $3, $4, $5, $4, $6, $7)`,
		hashOf(cookie), userID, []byte("{}"), now, expires, clean(from.Remote), clipAgent(from.Agent))
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	return nil
}

// sessionID names a session by half of its hash, which opens nothing.
func sessionID(hash []byte) string { return hex.EncodeToString(hash[:8]) }

// EndSession signs a browser out. A cookie that is none is no error.
func (a *Accounts) EndSession(ctx context.Context, actor access.Actor, cookie string) error {
	hash := hashOf(cookie)
	return a.change(ctx, func(tx *sqldb.DB) error {
		n, err := tx.Exec(ctx, "DELETE FROM sessions WHERE hash = $1", hash)
		if err != nil {
			return fmt.Errorf("end a session: %w", err)
		}
		if n == 0 || actor.Anonymous() {
			return nil
		}
		return a.sessionEnded(ctx, tx, actor, sessionID(hash))
	})
}

// RevokeSession ends one of the actor's sessions by its id, errs.NotFound where
// there is none.
func (a *Accounts) RevokeSession(ctx context.Context, actor access.Actor, id string) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		hashes, err := sessionHashes(ctx, tx, actor)
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			if sessionID(hash) != id {
				continue
			}
			if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE hash = $1", hash); err != nil {
				return fmt.Errorf("end a session: %w", err)
			}
			return a.sessionEnded(ctx, tx, actor, id)
		}
		return errs.New(errs.NotFound, "This session has ended already.")
	})
}

// RevokeSessions ends all of the actor's sessions but the one of keepCookie.
func (a *Accounts) RevokeSessions(ctx context.Context, actor access.Actor, keepCookie string) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		if _, err := sessionHashes(ctx, tx, actor); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, actor.ID, hashOf(keepCookie)); err != nil {
			return err
		}
		return a.sessionEnded(ctx, tx, actor, "")
	})
}

func (a *Accounts) sessionEnded(ctx context.Context, tx *sqldb.DB, actor access.Actor, id string) error {
	return a.record(ctx, tx, actor, audit.Entry{Action: "session.end", OwnerID: actor.ID, ObjectKind: "session", ObjectID: id})
}

// endSessions ends the sessions of a user but the one with the hash keep.
func endSessions(ctx context.Context, tx *sqldb.DB, userID string, keep []byte) error {
	if keep == nil {
		keep = []byte{}
	}
	if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE user_id = $1 AND hash <> $2", userID, keep); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

func sessionHashes(ctx context.Context, tx *sqldb.DB, actor access.Actor) ([][]byte, error) {
	if actor.Kind != access.KindPerson || actor.TokenID != "" {
		return nil, errs.New(errs.Forbidden, "Sessions are seen and ended on the web page, not with a token.")
	}
	hashes, err := sqldb.All(ctx, tx, sqldb.Scalar[[]byte], "SELECT hash FROM sessions WHERE user_id = $1", actor.ID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return hashes, nil
}

// Sessions lists where the actor is signed in, latest use first. cookie marks
// the current one.
func (a *Accounts) Sessions(ctx context.Context, actor access.Actor, cookie string) ([]Session, error) {
	if actor.Kind != access.KindPerson || actor.TokenID != "" {
		return nil, errs.New(errs.Forbidden, "Sessions are seen and ended on the web page, not with a token.")
	}
	current := hashOf(cookie)
	sessions, err := sqldb.All(ctx, a.db, func(r *sqldb.Rows, s *Session) error {
		var hash []byte
		if err := r.Scan(&hash, &s.CreatedAt, &s.ExpiresAt, &s.LastUsedAt, &s.Remote, &s.Agent); err != nil {
			return err
		}
		s.ID, s.Current = sessionID(hash), bytes.Equal(hash, current)
		return nil
	}, `
		SELECT hash, created_at, expires_at, last_used_at, remote, agent FROM sessions
		WHERE user_id = $1 AND expires_at > $2 ORDER BY last_used_at DESC, created_at DESC`, actor.ID, a.now())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return sessions, nil
}

// SessionValues gives what pages keep in a session, with or without sign-in. A
// cookie that is none, or whose session has ended, has no values.
func (a *Accounts) SessionValues(ctx context.Context, cookie string) (map[string]string, error) {
	var data []byte
	err := a.db.Row(ctx, "SELECT data FROM sessions WHERE hash = $1 AND expires_at > $2", hashOf(cookie), a.now()).Scan(&data)
	values := map[string]string{}
	if noRows(err) {
		return values, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a session: %w", err)
	}
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, fmt.Errorf("read the values of a session: %w", err)
	}
	return values, nil
}

// SetSessionValues replaces what pages keep in a session: at most 16 KiB, never
// secrets. A session that has ended is errs.Unauthenticated.
func (a *Accounts) SetSessionValues(ctx context.Context, cookie string, values map[string]string) error {
	data, err := json.Marshal(values, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode the values of a session: %w", err)
	}
	if len(data) > maxSessionValues {
		return errs.New(errs.TooLarge, "A session keeps at most %d bytes.", maxSessionValues)
	}
	n, err := a.db.Exec(ctx, "UPDATE sessions SET data = $1 WHERE hash = $2 AND expires_at > $3", data, hashOf(cookie), a.now())
	if err != nil {
		return fmt.Errorf("write a session: %w", err)
	}
	if n == 0 {
		return sessionOver()
	}
	return nil
}

func sessionOver() error {
	return errs.New(errs.Unauthenticated, "Your session has ended. Sign in again.").Because("session-ended")
}

// clipAgent bounds what a client says of itself.
func clipAgent(agent string) string { return clean(agent[:min(len(agent), 300)]) }
