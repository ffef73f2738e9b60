package doors_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/web"
)

// notes are tables that hold no change of anybody's: what was looked at, counted
// or kept to be found faster. Reading may write them.
var notes = []string{"download_days", "limits"}

// counted are columns that say how often and when something was used.
var counted = []string{"downloads", "last_used_at", "last_used_from", "last_used_agent", "last_sign_in_at"}

// telling leaves out of changes what reading may write too.
func telling(changes []apptest.Change) []apptest.Change {
	type row struct {
		table string
		added bool
		text  string
	}
	other := map[row]int{}
	plain := func(c apptest.Change) string {
		var parts []string
		for name, v := range c.Row {
			if !slices.Contains(counted, name) {
				parts = append(parts, fmt.Sprint(name, "=", v))
			}
		}
		slices.Sort(parts)
		return strings.Join(parts, "\n")
	}
	for _, c := range changes {
		other[row{c.Table, c.Added, plain(c)}]++
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c apptest.Change) bool {
		return slices.Contains(notes, c.Table) || other[row{c.Table, !c.Added, plain(c)}] > 0
	})
}

// sender is who sends the sample of a route in these tests.
func (w *world) sender(rt web.Route) *apptest.Person {
	switch rt.Who {
	case web.Operator:
		return w.root
	case web.Anybody, web.SecretLink:
		return nil
	default:
		return w.adam
	}
}

func as(rt web.Route, p *apptest.Person) caller {
	c := caller{name: "somebody", person: p}
	if p != nil {
		c.token = p.Token
	}
	return c
}

// TestEveryChangeLeavesARow compares all tables before and after a valid request
// of every route. Where a row changed, the log names who did what with the number
// of the request; routes that are said to change nothing change nothing.
func TestEveryChangeLeavesARow(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.Faces.Routes() {
		sampleFor, ok := samples[key(rt)]
		if !ok {
			continue // TestVerdicts says so
		}
		t.Run(key(rt), func(t *testing.T) {
			w := *w
			w.TB = t
			p := w.sender(rt)
			s := sampleFor(&w, p)
			r := request(t, rt, as(rt, p), s)
			before := w.Rows(t)
			got := w.Do(t, rt.Method, s.path, r)
			if got.Status != s.want {
				t.Fatalf("%s; want %d", got, s.want)
			}
			changes := telling(w.Rows(t).Since(t, before))
			if s.told {
				if tables := apptest.Tables(changes); !slices.Equal(tables, []string{"audit"}) {
					t.Errorf("it changed rows of %v, want a word in the log and nothing else", tables)
				}
				logged(t, changes, got, p)
				return
			}
			if !rt.Mutates {
				if tables := apptest.Tables(changes); len(tables) > 0 && !slices.Equal(tables, []string{"sessions"}) {
					t.Errorf("its table says that it changes nothing, and it changed rows of %v", tables)
				}
				return
			}
			if len(changes) == 0 {
				if !s.still {
					t.Error("it should change something, and changed no row")
				}
				return
			}
			if s.quiet {
				if tables := apptest.Tables(changes); !slices.Equal(tables, []string{"uploads"}) {
					t.Errorf("rows of %v changed, and the log has no word of it", tables)
				}
				return
			}
			logged(t, changes, got, p)
		})
		w.made += 1000
	}
}

// logged wants a row of the audit log among changes that belongs to the request.
func logged(t *testing.T, changes []apptest.Change, got *apptest.Answer, p *apptest.Person) {
	t.Helper()
	id := got.Header.Get("X-Request-Id")
	rows := 0
	for _, c := range changes {
		if c.Table != "audit" {
			continue
		}
		if !c.Added {
			t.Errorf("a row of the log was changed: %v", c.Row)
			continue
		}
		rows++
		if c.Row["action"] == "" || c.Row["request_id"] != id || c.Row["remote"] != "127.0.0.1" {
			t.Errorf("the log says %v, which names not the action, the request %s and where it came from", c.Row, id)
		}
		if p != nil && (c.Row["actor_name"] != p.Name || c.Row["actor_id"] != p.ID || c.Row["credential"] == "") {
			t.Errorf("the log says %v, which does not name %s", c.Row, p.Name)
		}
	}
	if rows == 0 {
		t.Errorf("rows of %v changed, and the log has no word of it", apptest.Tables(changes))
	}
}

// TestHeadChangesNothing: HEAD is GET without a body, and without its traces.
func TestHeadChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.Want(t, http.StatusOK, "HEAD", "/conda/acme/noarch/"+openFile, apptest.Request{})
	before := w.Rows(t)
	w.Want(t, http.StatusOK, "HEAD", "/conda/acme/noarch/"+openFile, apptest.Request{})
	w.Want(t, http.StatusOK, "HEAD", "/api/download/acme/open/1.0/noarch/"+openFile, apptest.Request{})
	if changes := w.Rows(t).Since(t, before); len(changes) > 0 {
		t.Errorf("HEAD of a file changed rows of %v", apptest.Tables(changes))
	}
}
