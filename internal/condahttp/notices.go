package condahttp

import (
	"net/http"

	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// serveNotices answers notices.json (CEP 6): what the owner has published and
// has not expired. What is said now is for whoever asks now, also for those who
// install from a channel as it was: they need a warning most. A time that the
// channel does not have is 404 here too.
func (f *Face) serveNotices(w http.ResponseWriter, r *http.Request, a address, open registry.Opened) error {
	if a.at != "" {
		if _, err := f.idx.GenerationAt(r.Context(), open, a.at); err != nil {
			return err
		}
	}
	list, err := f.reg.PublishedNotices(r.Context(), open.Channel.OwnerID)
	if err != nil {
		return err
	}
	type notice struct {
		ID      string `json:"id"`
		Message string `json:"message"`
		Level   string `json:"level"`
		Created string `json:"created_at"`
		Expires string `json:"expires_at,omitempty"`
	}
	out := make([]notice, 0, len(list))
	for _, n := range list {
		v := notice{ID: n.ID, Message: n.Message, Level: n.Level, Created: n.CreatedAt.Format("2006-01-02T15:04:05Z07:00")}
		if n.ExpiresAt != nil {
			v.Expires = n.ExpiresAt.Format("2006-01-02T15:04:05Z07:00")
		}
		out = append(out, v)
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", "Authorization")
	return web.JSON(w, http.StatusOK, map[string]any{"notices": out})
}
