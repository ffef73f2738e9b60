package web

import (
	"encoding/base64"
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

// Caller is who makes a request: the actor, the failure of the credential that
// was offered, and whether one was offered at all.
type Caller struct {
	Actor   access.Actor
	Err     error // errs.Unauthenticated when the credential was bad
	Offered bool
}

// CallerOf gives the caller of a request that went through Identify.
func CallerOf(r *http.Request) Caller {
	if e := EventOf(r); e.identified {
		return e.caller
	}
	return Caller{Actor: access.Anonymous(RemoteOf(r))}
}

// Actor gives the actor of a request, or the error of its bad credential.
func Actor(r *http.Request) (access.Actor, error) {
	c := CallerOf(r)
	return c.Actor, c.Err
}

// Means says which ways of showing a credential a face accepts.
type Means struct {
	Header bool // Authorization
	Path   bool // /t/TOKEN/
	Cookie bool // the session of a browser
}

// Identify finds out who asks, in the fixed order header, path, cookie; the
// first one present decides.
func (f *Frame) Identify(m Means, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, r := withEvent(r)
		from := access.Request{Remote: RemoteOf(r), Agent: r.UserAgent(), RequestID: e.ID}
		c := &e.caller
		c.Actor = access.Anonymous(from.Remote).From(from)
		if cred, ok := f.offered(r, m); ok {
			c.Offered = true
			actor, err := f.Authenticate(r.Context(), cred, from)
			switch {
			case err == nil:
				c.Actor = actor
				e.Set("actor", actor.Name)
			case cred.Scheme == "cookie" && errs.Is(err, errs.Unauthenticated):
				c.Offered = false // an old session is simply nobody
			default:
				c.Err = err
			}
		}
		e.identified = true
		next.ServeHTTP(w, r)
	})
}

func (f *Frame) offered(r *http.Request, m Means) (Credential, bool) {
	if h := r.Header.Get("Authorization"); h != "" && m.Header {
		return ParseAuthorization(h), true
	}
	if t := PathToken(r); t != "" && m.Path {
		return Credential{Scheme: "path", Value: t}, true
	}
	if m.Cookie {
		if c, err := r.Cookie(f.Cookie); err == nil && c.Value != "" {
			return Credential{Scheme: "cookie", Value: c.Value}, true
		}
	}
	return Credential{}, false
}

// ParseAuthorization reads an Authorization header: "token T", "Bearer T" or
// Basic, in which the password is the token. An unknown scheme gives a
// credential that nobody accepts.
func ParseAuthorization(h string) Credential {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "token":
		return Credential{Scheme: "token", Value: rest}
	case "bearer":
		return Credential{Scheme: "bearer", Value: rest}
	case "basic":
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return Credential{Scheme: "basic"}
		}
		user, pass, _ := strings.Cut(string(b), ":")
		return Credential{Scheme: "basic", User: user, Value: pass}
	default:
		return Credential{Scheme: "unknown"}
	}
}

// PathToken gives the token that WithPathToken took off the URL, or "".
func PathToken(r *http.Request) string {
	return EventOf(r).pathToken
}

// StripToken takes `/t/TOKEN` off the path, at the root, behind /conda and
// behind /repo, before anything else looks at the URL.
func StripToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, rest, ok := cutToken(escapedPath(r))
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		e, r := withEvent(r)
		e.pathToken = token
		r2 := r.WithContext(r.Context())
		u := *r.URL
		if err := setPath(&u, rest); err != nil {
			http.Error(w, "The address is not well formed.", http.StatusBadRequest)
			return
		}
		r2.URL = &u
		r2.RequestURI = u.RequestURI()
		next.ServeHTTP(w, r2)
	})
}

// cutToken splits an escaped path into the token and the path without it.
func cutToken(path string) (token, rest string, ok bool) {
	for _, prefix := range []string{"", "/conda", "/repo"} {
		after, found := strings.CutPrefix(path, prefix+"/t/")
		if !found {
			continue
		}
		token, tail, slash := strings.Cut(after, "/")
		if token == "" {
			return "", "", false
		}
		if slash {
			tail = "/" + tail
		}
		return token, prefix + tail, true
	}
	return "", "", false
}
