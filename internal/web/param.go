package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"terrarium/internal/errs"
)

// escapedPath is r.URL.EscapedPath. Most paths came as they are read, which costs
// less to see than to escape them again.
func escapedPath(r *http.Request) string {
	if r.RequestURI == r.URL.Path {
		return r.URL.Path
	}
	return r.URL.EscapedPath()
}

// setPath puts an escaped path into u.
func setPath(u *url.URL, escaped string) error {
	if escaped == "" {
		escaped = "/"
	}
	p, err := url.PathUnescape(escaped)
	if err != nil {
		return err
	}
	u.Path, u.RawPath = p, ""
	if u.EscapedPath() != escaped {
		u.RawPath = escaped
	}
	return nil
}

// Param gives a part of the path that the route's pattern names, decoded once:
// `%2F` is a slash of the value, `+` is a plus.
func Param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v
	}
	d, err := url.PathUnescape(v)
	if err != nil {
		return v
	}
	return d
}

// Routed is the handler of one route, which notes that it was taken.
func Routed(rt Route, ew ErrorWriter) http.Handler {
	h := Handle(rt.Handle, ew)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		EventOf(r).route = rt.Pattern
		h.ServeHTTP(w, r)
	})
}

// Mount registers the routes of a face on a new router. GET serves HEAD too. A
// method that an address does not take is an error of the status 405, after the
// header Allow was set.
func Mount(routes []Route, ew ErrorWriter, notFound Handler) *chi.Mux {
	m := chi.NewRouter()
	for _, rt := range routes {
		h := Routed(rt, ew)
		m.Method(rt.Method, rt.Pattern, h)
		if rt.Method == http.MethodGet {
			m.Method(http.MethodHead, rt.Pattern, h)
		}
	}
	m.NotFound(Handle(notFound, ew).ServeHTTP)
	m.MethodNotAllowed(Handle(func(w http.ResponseWriter, r *http.Request) error {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		var allow []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if m.Match(chi.NewRouteContext(), method, path) {
				allow = append(allow, method)
			}
		}
		methods := strings.Join(allow, ", ")
		w.Header().Set("Allow", methods)
		return errs.New(errs.Invalid, "This address does not take %q, only %s.", r.Method, methods).Because(reasonMethod)
	}, ew).ServeHTTP)
	return m
}
