// Package api is the face for programs: the classic API that anaconda-client
// and the uploaders of rattler speak, the doors that take a package in one
// request, and the API of Terrarium itself under /api/v1, which describes
// itself as OpenAPI 3.1.
//
// Every handler decodes, makes one call of the domain and encodes the answer.
// What is allowed, and what a thing is, is decided below this package.
package api

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// maxBody is the largest JSON body that is read, in bytes: release attributes
// carry icons and whole READMEs.
const maxBody = 16 << 20

// Options say what the face needs beside its parts.
type Options struct {
	Accounts *account.Accounts
	Registry *registry.Registry
	Index    *index.Index
	Now      func() time.Time
	URL      string // public address of the instance, without trailing slash
	Version  string // of the program, shown by the description of /api/v1
	Operate  Operate
}

// Face serves /api and uploads under /conda.
type Face struct {
	accounts *account.Accounts
	registry *registry.Registry
	index    *index.Index
	now      func() time.Time
	url      string
	version  string
	operate  Operate
	v1       []web.Route // what huma made of the operations of /api/v1
}

// New makes the face.
func New(opts Options) *Face {
	f := &Face{
		accounts: opts.Accounts, registry: opts.Registry, index: opts.Index,
		now: opts.Now, url: opts.URL, version: opts.Version, operate: opts.Operate,
	}
	f.v1 = f.describe()
	return f
}

// Handler serves the routes.
func (f *Face) Handler() http.Handler {
	mux := web.Mount(f.Routes(), f.Error, func(http.ResponseWriter, *http.Request) error {
		return errs.New(errs.NotFound, "There is nothing at this address.")
	})
	return f.warn(mux)
}

// Error writes an error the way the clients of the address read it.
func (f *Face) Error(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	if !ours(r) && status != http.StatusMethodNotAllowed && status != http.StatusRequestedRangeNotSatisfiable {
		status = classicStatus(err, status)
	}
	f.write(w, r, status, err)
}

func (f *Face) write(w http.ResponseWriter, r *http.Request, status int, err error) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="terrarium"`)
	}
	switch {
	case ours(r):
		web.Problem(w, r, status, err)
	case strings.HasPrefix(r.URL.Path, "/api/_storage/"):
		web.StorageError(w, status, storageCode(err), err)
	default:
		web.ErrorObject(w, r, status, err)
	}
}

// ours reports whether the address speaks our own problem documents and not
// those of the classic API.
func ours(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/v1") || !strings.HasPrefix(r.URL.Path, "/api")
}

// classicStatus is web.Status as stock clients expect it: they take 400 and
// 422 alike, but 400 is what they match for a token's name, and they know no
// 410.
func classicStatus(err error, status int) int {
	switch errs.KindOf(err) {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Gone:
		return http.StatusNotFound
	default:
		return status
	}
}

// call is a handler that knows who asks.
type call func(w http.ResponseWriter, r *http.Request, actor access.Actor) error

// anyone lets everybody in whose credential is good or who shows none.
func (f *Face) anyone(h call) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		actor, err := web.Actor(r)
		if err != nil {
			return err
		}
		return h(w, r, actor)
	}
}

// person lets in those who are known.
func (f *Face) person(h call) web.Handler {
	return f.anyone(func(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
		if actor.Anonymous() {
			return errAnonymous()
		}
		return h(w, r, actor)
	})
}

func errAnonymous() error {
	return errs.New(errs.Unauthenticated, "Sign in first: run `anaconda login`, or set ANACONDA_API_TOKEN to a token.")
}

// empty is the JSON object that clients parse and do not look at.
var empty = struct{}{}

// created answers 201, which the classic client wants of most changes that say
// nothing.
func created(w http.ResponseWriter) error {
	return web.JSON(w, http.StatusCreated, empty)
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
