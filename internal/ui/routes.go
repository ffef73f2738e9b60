package ui

import (
	"net/http"

	"terrarium/internal/web"
)

// Routes is the table of contents: every page, who may see it, and whether it
// changes something.
func (f *Face) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/assets/*", Who: web.Anybody, Handle: f.serveAsset},
	}
}

func (f *Face) serveAsset(w http.ResponseWriter, r *http.Request) error {
	f.assets.ServeHTTP(w, r)
	return nil
}
