package ui

import (
	"net/http"
	"strings"

	"terrarium/internal/errs"
)

// robots tells search engines what is not worth reading.
func (f *Face) robots(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: /api/\nDisallow: /conda/\nDisallow: /repo/\nDisallow: /t/\nDisallow: /login\nDisallow: /signup\n" +
		"Disallow: /forgot/\nDisallow: /settings/\nDisallow: /search?\n")) // the client is gone if this fails
	return nil
}

// favicon leads those who ask at the old place to the picture.
func (f *Face) favicon(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "public, max-age=86400")
	http.Redirect(w, r, f.assets.URL("favicon.svg"), http.StatusFound)
	return nil
}

// asset serves a static file.
func (f *Face) asset(w http.ResponseWriter, r *http.Request) error {
	f.assets.ServeHTTP(w, r)
	return nil
}

// elsewhere answers for addresses that no route names. One with a slash too many
// is led to the page without it.
func (f *Face) elsewhere(w http.ResponseWriter, r *http.Request) error {
	if bare := strings.TrimRight(r.URL.EscapedPath(), "/"); bare != "" && bare != r.URL.EscapedPath() && localPath(bare) != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if r.URL.RawQuery != "" {
			bare += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, bare, http.StatusPermanentRedirect)
		return nil
	}
	return errs.New(errs.NotFound, nothingHere)
}
