package api

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// warnBefore is for how long a token is known to end before it does.
const warnBefore = 14 * 24 * time.Hour

// warn tells who comes with a token that ends soon, on every answer; the client
// prints it once. The token's name stays out of it: a header holds ASCII alone.
func (f *Face) warn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ends := web.CallerOf(r).Actor.TokenEnds; !ends.IsZero() && ends.Sub(f.now()) <= warnBefore {
			w.Header().Set("Conda-Token-Warning", "This token ends on "+ends.UTC().Format("2 January 2006")+". Make a new one: "+f.url+"/settings/tokens")
		}
		next.ServeHTTP(w, r)
	})
}

// probe answers whoever wants to know whether an API is here. The client looks
// with HEAD and follows no redirect.
func (f *Face) probe(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, map[string]string{"name": "terrarium", "v1": f.url + "/api/v1/openapi.json"})
}

func (f *Face) authenticationType(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, map[string]string{"authentication_type": "password"})
}

func (f *Face) scopes(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, access.KnownScopes())
}

// tokenRequest is what a client says about the token that it wants.
type tokenRequest struct {
	Note         string   `json:"note"`
	Hostname     string   `json:"hostname"`
	User         string   `json:"user"`    // the organisation that shall own it
	Scopes       []string `json:"scopes"`  // none = everything
	MaxAge       *int64   `json:"max-age"` // seconds; null = what the server likes
	FailIfExists bool     `json:"fail-if-exists"`
}

// logIn makes a token for a name and password, or for a credential that we
// gave out ourselves.
func (f *Face) logIn(w http.ResponseWriter, r *http.Request) error {
	var body tokenRequest
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	actor, err := f.prove(r)
	if err != nil {
		return err
	}
	n := account.NewToken{Name: body.Note, Scopes: body.Scopes, Hostname: body.Hostname, Replace: !body.FailIfExists}
	if !strings.EqualFold(body.User, actor.Name) {
		n.OrganizationName = body.User
	}
	if body.MaxAge != nil {
		if n.MaxAge, err = seconds(*body.MaxAge); err != nil {
			return err
		}
	}
	_, secret, err := f.accounts.CreateToken(r.Context(), actor, n)
	if errs.Is(err, errs.Exists) {
		// The client matches 400 to ask whether the old token shall go.
		return errs.Wrap(errs.Invalid, err, "%s", errs.Message(err)).Because("token-exists")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.JSON(w, http.StatusOK, map[string]string{"token": secret})
}

// maxSeconds is the longest age of anything that can be asked for: a century.
const maxSeconds = 100 * 366 * 24 * 60 * 60

func seconds(n int64) (time.Duration, error) {
	if n <= 0 || n > maxSeconds {
		return 0, errs.New(errs.Invalid, "The age of a token must be between 1 second and a hundred years.").On("max-age")
	}
	return time.Duration(n) * time.Second, nil
}

// prove finds out who wants a token. It is the one place that takes the
// password of an account.
func (f *Face) prove(r *http.Request) (access.Actor, error) {
	c := web.CallerOf(r)
	cred := web.ParseAuthorization(r.Header.Get("Authorization"))
	switch cred.Scheme {
	case "basic":
		from := access.Request{Remote: web.RemoteOf(r), Agent: r.UserAgent(), RequestID: web.EventOf(r).ID}
		user, err := f.accounts.SignIn(r.Context(), access.Anonymous(from.Remote).From(from), cred.User, cred.Value)
		if err != nil {
			return access.Actor{}, err
		}
		return f.accounts.ActorOf(r.Context(), user.ID, "password", from)
	case "bearer":
		if errs.Is(c.Err, errs.Unauthenticated) {
			// With exactly this sentence the client asks for name and password.
			return access.Actor{}, errs.Wrap(errs.Unauthenticated, c.Err, "Bearer token authentication is not enabled")
		}
	}
	if c.Err == nil && c.Actor.Anonymous() {
		return access.Actor{}, errs.New(errs.Unauthenticated, "Give a user name and a password: `anaconda login --username NAME`.")
	}
	return c.Actor, c.Err
}

// tokenDocument is a token as `anaconda auth --list` prints it.
type tokenDocument struct {
	ID          string   `json:"id"`
	Application string   `json:"application"`
	RemoteAddr  string   `json:"remote_addr"`
	Hostname    string   `json:"hostname"`
	Expires     *string  `json:"expires"` // with an offset, or the client fails
	Scopes      []string `json:"scopes"`
	CreatedAt   string   `json:"created_at"`
	LastUsed    *string  `json:"last_used"`
}

func newTokenDocument(t account.Token) tokenDocument {
	return tokenDocument{
		ID: t.ID, Application: t.Name, RemoteAddr: t.CreatedFrom, Hostname: t.Hostname,
		Expires: optionalStamp(t.ExpiresAt), Scopes: t.Scopes, CreatedAt: stamp(t.CreatedAt), LastUsed: optionalStamp(t.LastUsedAt),
	}
}

func (f *Face) tokens(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	list, err := f.accounts.Tokens(r.Context(), actor, actor.Name)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(list, newTokenDocument))
}

func (f *Face) token(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	t, err := f.accounts.CurrentToken(r.Context(), actor)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, newTokenDocument(t))
}

func (f *Face) logOut(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.accounts.RevokeCurrent(r.Context(), actor); err != nil {
		return err
	}
	return created(w)
}

func (f *Face) removeToken(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	owner := web.Param(r, "org")
	if owner == "" {
		owner = actor.Name
	}
	if err := f.accounts.RevokeToken(r.Context(), actor, owner, web.Param(r, "*")); err != nil {
		return err
	}
	return created(w)
}
