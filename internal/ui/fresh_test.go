package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/condatest"
)

// TestPagesAreFresh: what was published is on its page at once, also for somebody
// who is not signed in and has just looked; what has not changed is not sent again.
func TestPagesAreFresh(t *testing.T) {
	app, ana, _ := garden(t)
	for _, c := range []struct{ control, version string }{{"public, no-cache", "8"}, {"private, no-cache", "9"}} {
		control, version, b := c.control, c.version, open(t, app)
		if strings.HasPrefix(control, "private") {
			b = as(t, app, ana)
		}
		ask := func(path, etag string) answer {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.Base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if etag != "" {
				req.Header.Set("If-None-Match", etag)
			}
			return b.do(req)
		}
		for _, path := range []string{"/acme/soil", "/acme/soil/files", "/acme/soil/releases"} {
			a := ask(path, "")
			etag := a.header.Get("ETag")
			if a.header.Get("Cache-Control") != control || !strings.HasPrefix(etag, `W/"`) {
				t.Errorf("%s: Cache-Control %q and ETag %q, want %q and a weak one", path, a.header.Get("Cache-Control"), etag, control)
			}
			for _, known := range []string{etag, `"x", ` + etag} {
				same := ask(path, known)
				if same.status != http.StatusNotModified || same.body != "" || same.header.Get("ETag") != etag || same.header.Get("Cache-Control") != control {
					t.Errorf("%s with If-None-Match %s: %d, %d bytes, %v", path, known, same.status, len(same.body), same.header)
				}
			}
			ana.Upload(t, "acme", condatest.Spec{Name: "soil", Version: version}, "")
			if now := ask(path, etag); now.status != http.StatusOK || !strings.Contains(now.body, version) {
				t.Errorf("%s after an upload: %d, and version %s is on it: %v", path, now.status, version, strings.Contains(now.body, version))
			}
			version += ".1"
		}
	}
	download := open(t, app).get("/acme/soil/files/noarch/soil-1.0-0.conda/download")
	if got := download.header.Get("Cache-Control"); got != "public, no-cache" {
		t.Errorf("Cache-Control of a download is %q", got)
	}
}
