package account

import (
	"context"
	"crypto/sha256"
	"encoding/json/v2"
	"fmt"
	"strings"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Credential is what a caller shows. Without a Value the caller is anonymous.
type Credential struct {
	Scheme string // "token", "bearer", "basic", "path" or "cookie"
	Value  string // the token or cookie; of Basic the password, which is a token
	User   string // of Basic; it is ignored
}

// Authenticate makes the actor of a credential. A bad one is
// errs.Unauthenticated with a sentence that says whether it is unknown, ended or
// was revoked.
//
// What it worked out is kept until anybody's rights change, so a credential that
// was seen before costs no query. That a token or session ends is looked at each
// time.
func (a *Accounts) Authenticate(ctx context.Context, c Credential, from access.Request) (access.Actor, error) {
	if c.Value == "" {
		return access.Anonymous("").From(from), nil
	}
	cookie := c.Scheme == "cookie"
	if !cookie && !looksLikeJWT(c.Value) {
		if _, err := TokenType(c.Value); err != nil {
			if c.Scheme == "basic" && !strings.HasPrefix(c.Value, tokenPrefix) {
				return access.Actor{}, errs.New(errs.Unauthenticated, "Use a token as the password; the user name does not matter. The password of the account works only for making a token.").Because("token-malformed")
			}
			return access.Actor{}, err
		}
	}
	generation, err := a.gen.Current(ctx)
	if err != nil {
		return access.Actor{}, err
	}
	key := credentialKey{cookie, sha256.Sum256([]byte(c.Value))}
	found, ok := a.cache.get(generation, key)
	if !ok {
		err = a.db.ReadTx(ctx, func(tx *sqldb.DB) error {
			found, err = a.load(ctx, tx, key, generation)
			return err
		})
		if err != nil {
			return access.Actor{}, err
		}
		a.cache.put(generation, key, found)
	}
	if err := a.ended(found, cookie); err != nil {
		return access.Actor{}, err
	}
	if !found.actor.Anonymous() {
		a.used.note(key, use{a.now(), from.Remote, clipAgent(from.Agent)})
	}
	return found.actor.From(from), nil
}

// load makes the actor of a token or a session, with what was read after a
// generation.
func (a *Accounts) load(ctx context.Context, tx *sqldb.DB, key credentialKey, generation int64) (found resolved, err error) {
	if key.cookie {
		found, err = a.loadSession(ctx, tx, key.hash[:])
	} else {
		found, err = a.loadToken(ctx, tx, key.hash[:])
	}
	if err != nil {
		return resolved{}, err
	}
	found.actor.Made = access.Made{Generation: generation, Hash: key.hash, Cookie: key.cookie, Ends: found.expires}
	found.actor = found.actor.Sealed()
	return found, nil
}

// ended refuses a token or a session whose time is over.
func (a *Accounts) ended(found resolved, cookie bool) error {
	switch {
	case found.expires.IsZero() || a.now().Before(found.expires):
		return nil
	case cookie:
		return sessionOver()
	default:
		return errs.New(errs.Unauthenticated, "Token %s ended on %s. Make a new one.", clip(found.name), day(found.expires)).Because("token-expired")
	}
}

// Renew makes an actor again, in a transaction that writes on its behalf: what it may
// do now, and the errs.Unauthenticated that a new request would get where its token
// was revoked or has ended, its session is over, or its account is disabled or gone.
func (a *Accounts) Renew(ctx context.Context, tx *sqldb.DB, actor access.Actor) (access.Actor, error) {
	from := access.Request{Remote: actor.Remote, Agent: actor.Agent, RequestID: actor.RequestID}
	generation, err := access.GenerationIn(ctx, tx)
	if err != nil || actor.Current(generation, a.now()) {
		return actor, err
	}
	if actor.Made.Hash == [sha256.Size]byte{} {
		fresh, err := a.loadActor(ctx, tx, actor.ID)
		if err != nil {
			return access.Actor{}, err
		}
		fresh.Credential, fresh.Made.Generation = actor.Credential, generation
		return fresh.From(from), nil
	}
	found, err := a.load(ctx, tx, credentialKey{actor.Made.Cookie, actor.Made.Hash}, generation)
	if err != nil {
		return access.Actor{}, err
	}
	return found.actor.From(from), a.ended(found, actor.Made.Cookie)
}

// ActorOf makes the actor of a user who has shown who it is in another way than
// by token or session: "password" after SignIn, for instance. It has all scopes.
func (a *Accounts) ActorOf(ctx context.Context, userID, credential string, from access.Request) (access.Actor, error) {
	var actor access.Actor
	err := a.db.ReadTx(ctx, func(tx *sqldb.DB) error {
		generation, err := access.GenerationIn(ctx, tx)
		if err != nil {
			return err
		}
		actor, err = a.loadActor(ctx, tx, userID)
		actor.Made.Generation = generation
		return err
	})
	if err != nil {
		return access.Actor{}, err
	}
	actor.Credential = credential
	return actor.From(from), nil
}

// loadActor reads a person and all rights. An account that is disabled or gone is
// errs.Unauthenticated.
func (a *Accounts) loadActor(ctx context.Context, tx *sqldb.DB, userID string) (access.Actor, error) {
	u, _, err := findUser(ctx, tx, "o.id = $1", userID)
	if noRows(err) {
		return access.Actor{}, errs.New(errs.Unauthenticated, "The account of this credential was deleted.").Because("account-deleted")
	}
	if err != nil {
		return access.Actor{}, fmt.Errorf("look up user: %w", err)
	}
	if u.DisabledAt != nil {
		return access.Actor{}, errs.New(errs.Unauthenticated, "The account %s is disabled. Ask the operator.", u.Name).Because("account-disabled")
	}
	actor := access.Actor{
		Kind: access.KindPerson, ID: u.ID, Name: u.Name, Operator: u.Operator,
		Verified: u.EmailVerifiedAt != nil || !a.opts.RequireVerified,
		Roles:    map[string]access.Role{},
	}
	type membership struct {
		organization string
		role         access.Role
	}
	memberships, err := sqldb.All(ctx, tx, func(r *sqldb.Rows, m *membership) error { return r.Scan(&m.organization, &m.role) },
		"SELECT m.organization_id, m.role FROM memberships AS m JOIN owners AS o ON o.id = m.organization_id WHERE m.user_id = $1 AND o.deleted_at IS NULL", userID)
	if err != nil {
		return access.Actor{}, fmt.Errorf("read memberships: %w", err)
	}
	if u.Operator {
		// The mirrors of the instance have no members.
		ours, err := sqldb.All(ctx, tx, sqldb.Scalar[string], "SELECT g.owner_id FROM organizations AS g JOIN owners AS o ON o.id = g.owner_id WHERE g.created_by = '' AND o.deleted_at IS NULL")
		if err != nil {
			return access.Actor{}, fmt.Errorf("read the organisations of the instance: %w", err)
		}
		for _, id := range ours {
			actor.Roles[id] = access.RoleAdministrator
		}
	}
	for _, m := range memberships {
		actor.Roles[m.organization] = m.role
	}
	actor.Grants, err = sqldb.All(ctx, tx, func(r *sqldb.Rows, g *access.Grant) error {
		return r.Scan(&g.ObjectKind, &g.ObjectID, &g.Verb, &g.GroupID, &g.GroupName)
	}, `
		SELECT g.object_kind, g.object_id, g.verb, '', '' FROM grants AS g
		WHERE g.subject_kind = 'user' AND g.subject_id = $1
		UNION ALL
		SELECT g.object_kind, g.object_id, g.verb, s.id, s.name FROM group_members AS m
		JOIN groups AS s ON s.id = m.group_id
		JOIN grants AS g ON g.subject_kind = 'group' AND g.subject_id = s.id
		WHERE m.user_id = $1
		UNION ALL
		SELECT 'owner', s.organization_id, s.permission, s.id, s.name FROM group_members AS m
		JOIN groups AS s ON s.id = m.group_id
		WHERE m.user_id = $1 AND s.all_packages`, userID)
	if err != nil {
		return access.Actor{}, fmt.Errorf("read grants: %w", err)
	}
	return actor, nil
}

func (a *Accounts) loadSession(ctx context.Context, tx *sqldb.DB, hash []byte) (found resolved, err error) {
	var userID string
	err = tx.Row(ctx, "SELECT user_id, expires_at FROM sessions WHERE hash = $1", hash).Scan(&userID, &found.expires)
	if noRows(err) {
		return found, sessionOver()
	}
	if err != nil {
		return found, fmt.Errorf("look up a session: %w", err)
	}
	if userID == "" {
		return found, nil // before sign-in: nobody in particular
	}
	if found.actor, err = a.loadActor(ctx, tx, userID); err != nil {
		return found, err
	}
	found.actor.Credential = "session"
	return found, nil
}

func (a *Accounts) loadToken(ctx context.Context, tx *sqldb.DB, hash []byte) (found resolved, err error) {
	var id, userID, organizationID string
	var scopes, resources []byte
	var expires, revoked *time.Time
	err = tx.Row(ctx, `
		SELECT id, user_id, organization_id, name, scopes, resources, expires_at, revoked_at FROM tokens WHERE hash = $1`, hash).
		Scan(&id, &userID, &organizationID, &found.name, &scopes, &resources, &expires, &revoked)
	if noRows(err) {
		return found, errs.New(errs.Unauthenticated, "This token is not known here. Make a new one.").Because("token-unknown")
	}
	if err != nil {
		return found, fmt.Errorf("look up a token: %w", err)
	}
	if revoked != nil {
		return found, errs.New(errs.Unauthenticated, "Token %s was revoked on %s. Make a new one.", clip(found.name), day(*revoked)).Because("token-revoked")
	}
	if found.actor, err = a.loadActor(ctx, tx, userID); err != nil {
		return found, err
	}
	if organizationID != "" {
		var there bool
		err := tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM owners WHERE id = $1 AND deleted_at IS NULL)", organizationID).Scan(&there)
		if err != nil {
			return found, fmt.Errorf("look up the organisation of a token: %w", err)
		}
		if !there {
			return found, errs.New(errs.Unauthenticated, "The organisation of token %s was deleted.", clip(found.name)).Because("account-deleted")
		}
	}
	found.actor.Credential, found.actor.TokenID, found.actor.OrgToken = "token "+id, id, organizationID
	if err := json.Unmarshal(scopes, &found.actor.Scopes); err != nil {
		return found, fmt.Errorf("read the scopes of token %s: %w", id, err)
	}
	if err := json.Unmarshal(resources, &found.actor.Resources); err != nil {
		return found, fmt.Errorf("read the resources of token %s: %w", id, err)
	}
	if expires != nil {
		found.expires, found.actor.TokenEnds = *expires, *expires
	}
	return found, nil
}

// resolved is what a credential was found to mean.
type resolved struct {
	actor   access.Actor
	name    string    // of the token
	expires time.Time // zero never
}

type credentialKey struct {
	cookie bool
	hash   [sha256.Size]byte
}

// actorCache keeps what credentials mean, all under one access generation.
type actorCache struct {
	mu         sync.RWMutex
	generation int64
	actors     map[credentialKey]resolved
}

// maxActors bounds the cache; beyond it everything is looked up again.
const maxActors = 20_000

func (c *actorCache) get(generation int64, key credentialKey) (resolved, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.generation != generation {
		return resolved{}, false
	}
	found, ok := c.actors[key]
	return found, ok
}

func (c *actorCache) put(generation int64, key credentialKey, r resolved) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation < c.generation {
		return // looked up under rights that have changed since
	}
	if generation > c.generation || len(c.actors) >= maxActors || c.actors == nil {
		c.generation, c.actors = generation, map[credentialKey]resolved{}
	}
	c.actors[key] = r
}

// use is one use of a credential.
type use struct {
	at            time.Time
	remote, agent string
}

// usedTokens remembers the last use of each token and session until they are
// written down together.
type usedTokens struct {
	mu   sync.Mutex
	last map[credentialKey]use
}

func (t *usedTokens) note(key credentialKey, u use) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[credentialKey]use{}
	}
	t.last[key] = u
}

func (t *usedTokens) take() map[credentialKey]use {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last
	t.last = nil
	return last
}

// FlushUsed writes down when and from where tokens and sessions were last used.
func (a *Accounts) FlushUsed(ctx context.Context) error {
	last := a.used.take()
	if len(last) == 0 {
		return nil
	}
	err := a.db.Tx(ctx, func(tx *sqldb.DB) error {
		for key, u := range last {
			query := "UPDATE tokens SET last_used_at = $1, last_used_from = $2, last_used_agent = $3 WHERE hash = $4"
			args := []any{u.at, u.remote, u.agent, key.hash[:]}
			if key.cookie {
				query, args = "UPDATE sessions SET last_used_at = $1 WHERE hash = $2", []any{u.at, key.hash[:]}
			}
			if _, err := tx.Exec(ctx, query, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write down last uses: %w", err)
	}
	return nil
}
