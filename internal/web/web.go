// Package web is what the faces of Terrarium share: handlers that return
// errors, the table of routes, the caller of a request, one log event for each
// request, bodies for errors, and the defences of a browser's requests. It
// knows no package, channel or page; those belong to the faces.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/trace"
)

// Handler answers one request. It decodes, makes one domain call, encodes; what
// it returns is written by the error writer of its face.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ErrorWriter writes an error in the form that a face's clients understand.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// Who names the callers that a route serves. Every route carries one; a route
// without a verdict fails the test that walks them all.
type Who string

// The verdicts of a route.
const (
	Anybody    Who = "anybody"     // no rights asked, same answer for all
	Reader     Who = "reader"      // whoever may read the thing named by the URL
	Writer     Who = "writer"      // whoever may write it
	Admin      Who = "admin"       // whoever administers it
	Member     Who = "member"      // members of the organisation named by the URL, and operators
	Person     Who = "person"      // any signed-in person
	Operator   Who = "operator"    // operators of the instance
	SecretLink Who = "secret link" // whoever holds the secret in the URL
)

// Route is one line of a face's table of contents.
type Route struct {
	Method  string // GET, POST …; GET serves HEAD too
	Pattern string // in chi's form
	Who     Who
	Mutates bool // changes rows, and therefore writes an audit row
	Door    bool // shows data of packages or channels that may be private
	Handle  Handler
}

// Credential is what a request offers to prove who is asking.
type Credential struct {
	Scheme string // "token", "bearer", "basic", "path", "cookie"
	User   string // of basic; ignored except by the classic login
	Value  string
}

// Authenticate turns a credential into an actor. It fails with
// errs.Unauthenticated where the credential is unknown, expired or revoked.
type Authenticate func(ctx context.Context, c Credential, from access.Request) (access.Actor, error)

// Frame is the surrounding of every handler of a program: who authenticates,
// where requests may come from, and where their events go.
type Frame struct {
	Authenticate Authenticate
	Cookie       string // name of the session cookie
	Trusted      Proxies
	Log          *slog.Logger                                               // nil: nowhere
	Observe      func(method, route string, status int, took time.Duration) // may be nil
	Tracer       *trace.Tracer                                              // nil records no traces
	Now          func() time.Time
	Secure       bool // the public address is https

	space sync.Pool // of *[]slog.Attr, to put what a line says in
}

// Handle makes an http.Handler of h: errors are written by ew and noted in the
// event of the request, a panic is an internal error. Where the answer has begun
// already, a panic cuts it off.
func Handle(h Handler, ew ErrorWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v)
				}
				err := panicError(v)
				e := EventOf(r)
				e.Fail(err)
				if e.rec.code != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				ew(w, r, err)
			}
		}()
		if err := h(w, r); err != nil {
			EventOf(r).Fail(err)
			ew(w, r, err)
		}
	})
}
