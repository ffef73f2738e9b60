// Package condahttp is the face that conda, mamba, pixi and every other reader
// of conda channels see: index documents in each form, packages, and the small
// files of a channel. It decides nothing: registry says who may read a channel,
// index makes the documents; here are only addresses, headers and statuses.
package condahttp

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// Options of the face.
type Options struct {
	URL         string        // public address, without a final slash
	IndexMaxAge time.Duration // how long public metadata may be kept unasked; 0 = always ask
	Redirect    bool          // answer files with a presigned address where the store can
	// Page answers a browser with a page that explains an error; nil = never.
	Page web.ErrorWriter
}

// Face serves /conda and /repo.
type Face struct {
	reg *registry.Registry
	idx *index.Index
	opt Options
}

// New makes the face.
func New(reg *registry.Registry, idx *index.Index, opt Options) *Face {
	return &Face{reg: reg, idx: idx, opt: opt}
}

// Routes is the table of contents. Labels may hold slashes and are read from
// the right (parsePath), hence one pattern; what the last part may be:
//
//	SUBDIR/repodata.json[.zst]              the whole index
//	SUBDIR/current_repodata.json[.zst]      its newest part
//	SUBDIR/run_exports.json[.zst]           CEP 12
//	SUBDIR/repodata_shards.msgpack.zst      CEP 16; its HEAD is 404, see serveDocument
//	SUBDIR/shards/HASH.msgpack.zst          CEP 16
//	SUBDIR/FILE.conda, SUBDIR/FILE.tar.bz2  packages
//	channeldata.json notices.json rss.xml   documents of the channel
func (f *Face) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/conda/*", Who: web.Reader, Door: true, Handle: f.serve},
		{Method: http.MethodGet, Pattern: "/repo/*", Who: web.Reader, Door: true, Handle: f.serve},
	}
}

// Handler mounts the routes.
func (f *Face) Handler() http.Handler {
	routes := f.Routes()
	mux := web.Mount(routes, f.Error, func(http.ResponseWriter, *http.Request) error {
		return errs.New(errs.NotFound, "There is nothing at this address.")
	})
	conda := web.Routed(routes[0], f.Error)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The way of nearly every request, which needs no router.
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawPath == "" && strings.HasPrefix(r.URL.Path, "/conda/") {
			conda.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Error writes problem documents, which conda shows to the person at the
// terminal; a browser gets a page at the same address.
func (f *Face) Error(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	h := w.Header()
	for _, name := range []string{"Last-Modified", "Content-Encoding", "Content-Length", "Accept-Ranges"} {
		h.Del(name)
	}
	if status != http.StatusRequestedRangeNotSatisfiable { // else it says of what there is no such range
		h.Del("ETag")
	}
	h.Set("Vary", "Authorization, Accept, Accept-Encoding")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="terrarium"`)
	}
	if f.opt.Page != nil && wantsPage(r) {
		f.opt.Page(w, r, err)
		return
	}
	web.Problem(w, r, status, err)
}
