package ui_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// maxQueries is the budget of a page in SQL statements.
const maxQueries = 12

// statements gathers what requests ask of the database.
type statements struct {
	mu   sync.Mutex
	list []string
}

// note leaves out the question whether anybody's rights changed: SQLite knows
// without a statement, PostgreSQL reads one row of one.
func (s *statements) note(query string) {
	if strings.Contains(query, "FROM access_state") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, strings.Join(strings.Fields(query), " "))
}

// take gives what was gathered and begins anew.
func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// TestQueries holds every page to its budget of SQL statements, for somebody
// signed in and for nobody, and with so many rows that a statement for each of
// them would be seen.
func TestQueries(t *testing.T) {
	var asked statements
	app, ana, _ := garden(t, apptest.Statements(asked.note))
	var needs []string
	for _, name := range strings.Fields("ash birch cedar daphne elm fir gorse hazel ivy juniper kudzu larch maple") {
		ana.Upload(t, "acme", condatest.Spec{Name: name, Subdir: "noarch", Depends: []string{"soil"}, License: "MIT"}, "")
		ana.Upload(t, "acme/"+name, condatest.Spec{Name: "soil", Version: "2." + name[:1] + "1", Subdir: "noarch", Depends: needs}, "")
		needs = append(needs, name+" >=1")
		app.Want(t, http.StatusNoContent, "DELETE", "/api/v1/files/acme/main/noarch/"+name+"-1.0-0.conda", apptest.Request{Token: ana.Token})
		ana.Upload(t, "acme", condatest.Spec{Name: name, Version: "1.1", Subdir: "noarch", Depends: []string{"soil"}, License: "MIT"}, "")
	}
	var pages []string
	for _, route := range app.Faces.UI.Routes() {
		if route.Method == http.MethodGet && !strings.Contains(route.Pattern, "{code}") {
			public := strings.NewReplacer("{package}", "soil", "{file}", "soil-1.0-0.conda").Replace(route.Pattern)
			pages = append(pages, fill(public), fill(route.Pattern))
		}
	}
	pages = append(pages, "/?home&channels=all", "/search?q=soil", "/search?q=licence:MIT+owner:acme+platform:noarch+kind:conda", "/search?q=soilxxxxx+platform:linux-64",
		"/search?q=so&sort=downloads", "/acme?filter=soil", "/acme?sort=downloads", "/acme/soil?release=2.m1", "/acme/soil/dependencies?release=2.m1", "/acme/soil/files?release=1.0&subdir=noarch",
		"/acme/-/channels/ash", "/acme/none", "/nobody")
	slices.Sort(pages)
	pages = slices.Compact(pages)
	most := 0
	for _, person := range []struct {
		who string
		*browser
	}{{"ana", as(t, app, ana)}, {"nobody", open(t, app)}} {
		who, b := person.who, person.browser
		b.get("/help") // so that the session is known
		for _, page := range pages {
			asked.take()
			if a := b.get(page); a.status >= http.StatusInternalServerError {
				t.Errorf("%s gets %d from %s", who, a.status, page)
			}
			list := asked.take()
			most = max(most, len(list))
			if len(list) > maxQueries {
				t.Errorf("%s takes %d statements for %s, at most %d are wanted:\n%s", page, len(list), who, maxQueries, strings.Join(list, "\n"))
			}
		}
	}
	if most < 5 {
		t.Errorf("no page takes more than %d statements: they are not counted", most)
	}
}
