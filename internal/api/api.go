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
	"time"

	"terrarium/internal/account"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// Options say what the face needs beside its parts.
type Options struct {
	Accounts *account.Accounts
	Registry *registry.Registry
	Index    *index.Index
	Now      func() time.Time
	URL      string // public address of the instance, without trailing slash
	Version  string // of the program, shown by the description of /api/v1
}

// Face serves /api and uploads under /conda.
type Face struct {
	accounts *account.Accounts
	registry *registry.Registry
	index    *index.Index
	now      func() time.Time
	url      string
	version  string
	mux      http.Handler
}

// New makes the face.
func New(opts Options) *Face {
	f := &Face{
		accounts: opts.Accounts, registry: opts.Registry, index: opts.Index,
		now: opts.Now, url: opts.URL, version: opts.Version,
	}
	f.mux = http.NotFoundHandler()
	return f
}

// Routes is every route of the face.
func (f *Face) Routes() []web.Route { return nil }

// Handler serves the routes.
func (f *Face) Handler() http.Handler { return f.mux }
