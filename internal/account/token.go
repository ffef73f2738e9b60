package account

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// maxTokenAge is the longest that a token may last.
const maxTokenAge = 10 * 365 * 24 * time.Hour

// Token is a token as its owner sees it; the secret is shown only when made.
type Token struct {
	ID             string
	Name           string
	UserID         string
	UserName       string
	OrganizationID string // "" or the organisation that owns the token
	Organization   string // its name
	Last4          string
	Scopes         []string // empty is all
	Resources      []string // "OWNER", "OWNER/PACKAGE"; empty is everything
	Hostname       string
	CreatedAt      time.Time
	CreatedFrom    string
	ExpiresAt      *time.Time // nil never
	LastUsedAt     *time.Time
	LastUsedFrom   string
	LastUsedAgent  string
}

// NewToken is a token to be made.
type NewToken struct {
	Name             string
	UserName         string // for whom; "" is the actor. Only operators may name others
	OrganizationName string // the organisation that shall own it, or ""
	Scopes           []string
	Resources        []string
	MaxAge           time.Duration // 0 is the default of the instance
	Hostname         string
	Replace          bool // a token of this name is revoked; otherwise errs.Exists
	// Secret is the token itself where another part of the program made it,
	// a JWT for instance. "" makes one.
	Secret string
}

var tokenResource = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,38}(/[a-z0-9._-]{1,128})?$`)

// CreateToken makes a token and gives its secret, which is stored nowhere. A
// token may do at most what the credential may that makes it. One that belongs
// to an organisation acts only there; its owners and administrators make those. The
// operator makes tokens for everybody.
// A name that is taken is errs.Exists, unless Replace is set.
func (a *Accounts) CreateToken(ctx context.Context, actor access.Actor, n NewToken) (Token, string, error) {
	n, err := checkToken(n)
	if err != nil {
		return Token{}, "", err
	}
	t := Token{
		Name: n.Name, Scopes: n.Scopes, Resources: n.Resources, Hostname: clean(n.Hostname),
		CreatedFrom: actor.Remote, CreatedAt: a.now(),
	}
	age := n.MaxAge
	if age == 0 {
		age = a.opts.TokenAge
	}
	expires := t.CreatedAt.Add(age)
	t.ExpiresAt, t.ID = &expires, access.NewID(t.CreatedAt)
	secret := n.Secret
	if secret == "" {
		kind := tokenUser
		if n.OrganizationName != "" {
			kind = tokenOrg
		}
		secret = newToken(kind)
	}
	t.Last4 = secret[max(0, len(secret)-4):]
	err = a.change(ctx, func(tx *sqldb.DB) error {
		object, err := a.tokenOwner(ctx, tx, actor, n, &t)
		if err != nil {
			return err
		}
		if err := a.within(actor, n); err != nil {
			return err
		}
		if err := a.clearName(ctx, tx, actor, object, t, n.Replace); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO tokens (id, user_id, organization_id, name, hash, last4, scopes, resources, hostname, created_at, created_from, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			t.ID, t.UserID, t.OrganizationID, t.Name, hashOf(secret), t.Last4, t.Scopes, t.Resources, t.Hostname, t.CreatedAt, t.CreatedFrom, t.ExpiresAt)
		if err != nil {
			return fmt.Errorf("make a token: %w", err)
		}
		return a.record(ctx, tx, actor, audit.Entry{
			Action: "token.create", OwnerID: object.OwnerID, ObjectKind: "token", ObjectID: t.ID, ObjectName: t.Name,
			After: map[string]any{"user": t.UserName, "scopes": t.Scopes, "resources": t.Resources, "expires": expires},
		})
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// checkToken refuses what no token can be.
func checkToken(n NewToken) (NewToken, error) {
	n.Name = strings.TrimSpace(clean(n.Name))
	switch {
	case n.Name == "":
		return n, errs.New(errs.Invalid, "Give the token a name, such as the place where it will be used.").On("name")
	case len(n.Name) > 200:
		return n, errs.New(errs.Invalid, "The name of a token has at most 200 characters.").On("name")
	case n.MaxAge < 0:
		return n, errs.New(errs.Invalid, "A token lasts at least a second.").On("max_age")
	case n.MaxAge > maxTokenAge:
		return n, errs.New(errs.Invalid, "A token lasts at most %d days.", int(maxTokenAge/(24*time.Hour))).On("max_age")
	}
	if err := access.CheckScopes(n.Scopes); err != nil {
		return n, err
	}
	n.Scopes = slices.Compact(slices.Sorted(slices.Values(n.Scopes)))
	for i, r := range n.Resources {
		n.Resources[i] = strings.ToLower(r)
		if !tokenResource.MatchString(n.Resources[i]) {
			return n, errs.New(errs.Invalid, "A token is limited to OWNER or OWNER/PACKAGE; %q is neither.", clip(r)).On("resources")
		}
	}
	return n, nil
}

// tokenOwner fills in whose token it will be and checks that the actor may make
// it.
func (a *Accounts) tokenOwner(ctx context.Context, tx *sqldb.DB, actor access.Actor, n NewToken, t *Token) (access.Object, error) {
	if actor.Anonymous() {
		return access.Object{}, errs.New(errs.Unauthenticated, "Sign in to make a token.")
	}
	name := n.UserName
	if name == "" {
		name = actor.Name
	}
	if name == "" {
		return access.Object{}, errs.New(errs.Invalid, "Say whose token it shall be.").On("user")
	}
	operates := access.Operates(actor) == nil
	if clean(strings.ToLower(name)) != actor.Name && !operates {
		if actor.Operator { // with a token that is limited
			return access.Object{}, access.Operates(actor)
		}
		return access.Object{}, errs.New(errs.Forbidden, "You make tokens for yourself or for your organisations, not for %s.", clip(name))
	}
	u, err := userNamed(ctx, tx, name)
	if err != nil {
		return access.Object{}, err
	}
	if u.DisabledAt != nil { // only the operator comes here for one
		return access.Object{}, errs.New(errs.Forbidden, "The account %s is disabled: a token of it would open nothing.", u.Name).Because("account-disabled")
	}
	t.UserID, t.UserName = u.ID, u.Name
	object := u.Object()
	if n.OrganizationName != "" {
		o, err := organization(ctx, tx, n.OrganizationName)
		if err != nil {
			return access.Object{}, err
		}
		role, err := roleOf(ctx, tx, o.ID, u.ID)
		if err != nil {
			return access.Object{}, err
		}
		if role == "" {
			return access.Object{}, errs.New(errs.Forbidden, "%s is no member of %s.", u.Name, o.Name)
		}
		object = o.Object()
		t.OrganizationID, t.Organization = o.ID, o.Name
	}
	if u.ID != actor.ID && operates {
		return object, nil
	}
	return object, access.Can(actor, access.Admin, object).Err(object)
}

// within refuses a token that may do more than the credential that makes it.
func (a *Accounts) within(actor access.Actor, n NewToken) error {
	if !access.Scopes(n.Scopes).Within(actor.Scopes) {
		return errs.New(errs.Forbidden, "This token may itself only %s, so it cannot make one with other scopes.", strings.Join(actor.Scopes, ", ")).On("scopes")
	}
	if len(actor.Resources) == 0 {
		return nil
	}
	for _, r := range n.Resources {
		whole, _, _ := strings.Cut(r, "/")
		if !slices.Contains(actor.Resources, r) && !slices.Contains(actor.Resources, whole) {
			return errs.New(errs.Forbidden, "This token is limited to %s itself.", strings.Join(actor.Resources, ", ")).On("resources")
		}
	}
	if len(n.Resources) == 0 {
		return errs.New(errs.Forbidden, "This token is limited to %s, so it cannot make one without limits.", strings.Join(actor.Resources, ", ")).On("resources")
	}
	return nil
}

// clearName makes room for the name of a token: one that has ended, or that is
// to be replaced, is revoked; any other is errs.Exists.
func (a *Accounts) clearName(ctx context.Context, tx *sqldb.DB, actor access.Actor, object access.Object, t Token, replace bool) error {
	var id string
	var expires *time.Time
	err := tx.Row(ctx, `
		SELECT id, expires_at FROM tokens
		WHERE user_id = $1 AND organization_id = $2 AND name = $3 AND revoked_at IS NULL`,
		t.UserID, t.OrganizationID, t.Name).Scan(&id, &expires)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a token of this name: %w", err)
	}
	if ended := expires != nil && !a.now().Before(*expires); !replace && !ended {
		return errs.New(errs.Exists, "A token named %s exists already. Choose another name, or replace it.", clip(t.Name)).On("name").Because("token-exists")
	}
	return a.revoke(ctx, tx, actor, object.OwnerID, id, t.Name)
}

func (a *Accounts) revoke(ctx context.Context, tx *sqldb.DB, actor access.Actor, ownerID, id, name string) error {
	if _, err := tx.Exec(ctx, "UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL", a.now(), id); err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return a.record(ctx, tx, actor, audit.Entry{Action: "token.revoke", OwnerID: ownerID, ObjectKind: "token", ObjectID: id, ObjectName: name})
}

const tokenColumns = `t.id, t.name, t.user_id, u.name, t.organization_id, COALESCE(g.name, ''), t.last4, t.scopes, t.resources,
	t.hostname, t.created_at, t.created_from, t.expires_at, t.last_used_at, t.last_used_from, t.last_used_agent`

func findTokens(ctx context.Context, db *sqldb.DB, condition string, args ...any) ([]Token, error) {
	tokens, err := sqldb.All(ctx, db, func(r *sqldb.Rows, t *Token) error {
		var scopes, resources []byte
		err := r.Scan(&t.ID, &t.Name, &t.UserID, &t.UserName, &t.OrganizationID, &t.Organization, &t.Last4, &scopes, &resources,
			&t.Hostname, &t.CreatedAt, &t.CreatedFrom, &t.ExpiresAt, &t.LastUsedAt, &t.LastUsedFrom, &t.LastUsedAgent)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(scopes, &t.Scopes); err != nil {
			return err
		}
		return json.Unmarshal(resources, &t.Resources)
	}, "SELECT "+tokenColumns+`
		FROM tokens AS t JOIN owners AS u ON u.id = t.user_id LEFT JOIN owners AS g ON g.id = t.organization_id
		WHERE t.revoked_at IS NULL AND `+condition+" ORDER BY t.id DESC", args...)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// Tokens lists the tokens of the actor (owner "" or its name) or of an
// organisation that it administers, newest first. Ended ones are among them,
// revoked ones not.
func (a *Accounts) Tokens(ctx context.Context, actor access.Actor, owner string) ([]Token, error) {
	condition, args, _, err := a.tokensOf(ctx, a.db, actor, owner, access.Read)
	if err != nil {
		return nil, err
	}
	return findTokens(ctx, a.db, condition, args...)
}

// tokensOf gives the SQL condition of an owner's tokens that the actor may see or
// revoke.
func (a *Accounts) tokensOf(ctx context.Context, db *sqldb.DB, actor access.Actor, name string, v access.Verb) (condition string, args []any, ownerID string, err error) {
	if actor.Anonymous() {
		return "", nil, "", errs.New(errs.Unauthenticated, "Sign in to see your tokens.")
	}
	if name == "" {
		name = actor.Name
	}
	o, err := owner(ctx, db, name)
	if err != nil {
		return "", nil, "", err
	}
	object := o.Object()
	if v == access.Read {
		// To see tokens needs the right to administer and a scope to read.
		object.Scope = "api:read"
	}
	verdict := access.Can(actor, access.Admin, object)
	if o.Kind == access.User {
		if !verdict.Allowed && access.Operates(actor) != nil {
			return "", nil, "", verdict.Err(object)
		}
		return "t.user_id = $1 AND t.organization_id = ''", []any{o.ID}, o.ID, nil
	}
	if verdict.Allowed || access.Operates(actor) == nil {
		return "t.organization_id = $1", []any{o.ID}, o.ID, nil
	}
	if _, member := actor.Roles[o.ID]; member && v == access.Write && actor.Scopes.Allow("api:write") {
		// Whoever holds a token of the organisation may give it up.
		return "t.organization_id = $1 AND t.user_id = $2", []any{o.ID, actor.ID}, o.ID, nil
	}
	return "", nil, "", verdict.Err(object)
}

// RevokeToken revokes a token of the actor (owner "" or its name) or of an
// organisation, by name or id; errs.NotFound where there is none.
func (a *Accounts) RevokeToken(ctx context.Context, actor access.Actor, owner, nameOrID string) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		condition, args, ownerID, err := a.tokensOf(ctx, tx, actor, owner, access.Write)
		if err != nil {
			return err
		}
		args = append(args, clean(nameOrID))
		tokens, err := findTokens(ctx, tx, fmt.Sprintf("%s AND (t.id = $%[2]d OR t.name = $%[2]d)", condition, len(args)), args...)
		if err != nil {
			return err
		}
		if len(tokens) == 0 {
			return errs.New(errs.NotFound, "There is no token named %s.", clip(nameOrID))
		}
		for _, t := range tokens {
			if err := a.revoke(ctx, tx, actor, ownerID, t.ID, t.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// CurrentToken gives the token that the actor shows, errs.NotFound where it shows
// none.
func (a *Accounts) CurrentToken(ctx context.Context, actor access.Actor) (Token, error) {
	return currentToken(ctx, a.db, actor)
}

func currentToken(ctx context.Context, db *sqldb.DB, actor access.Actor) (Token, error) {
	if actor.Anonymous() {
		return Token{}, errs.New(errs.Unauthenticated, "Show a token.")
	}
	tokens, err := findTokens(ctx, db, "t.id = $1", actor.TokenID)
	if err != nil {
		return Token{}, err
	}
	if len(tokens) == 0 {
		return Token{}, errs.New(errs.NotFound, "This request was made without a token.")
	}
	return tokens[0], nil
}

// RevokeCurrent revokes the token that the actor shows, whatever its scopes.
func (a *Accounts) RevokeCurrent(ctx context.Context, actor access.Actor) error {
	return a.change(ctx, func(tx *sqldb.DB) error {
		t, err := currentToken(ctx, tx, actor)
		if err != nil {
			return err
		}
		ownerID := t.UserID
		if t.OrganizationID != "" {
			ownerID = t.OrganizationID
		}
		return a.revoke(ctx, tx, actor, ownerID, t.ID, t.Name)
	})
}
