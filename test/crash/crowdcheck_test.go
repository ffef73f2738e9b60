package crash

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/test/program"
)

// check looks whether the crowd is listed as its client knows it, and settles whether the
// change was made that was not answered: wholly, by one generation, or not at all.
func (c *crowd) check(t *testing.T, server *program.Server, labelled map[string]conda.Record) {
	t.Helper()
	records := c.w.consistent(t, server, crowdChannel, "noarch")
	sameChannelData(t, server, crowdChannel, records)
	seen := crowdState{lists: marks(records)}
	n := 0
	for file, r := range labelled {
		if r.Name != crowdName {
			continue
		}
		n++
		if m := mark(r); m != "" {
			t.Errorf("%s lists %s with the hotfix %s of another channel", extra, file, m)
		}
	}
	if n != 0 && n != crowdFiles {
		t.Errorf("%s lists %d files of %d that have one label", extra, n, crowdFiles)
	}
	seen.labelled = n > 0
	c.lastWasDone = false
	switch {
	case c.doubt != nil && c.doubt.same(seen):
		c.lastWasDone = true
		c.done++
		c.made(c.doubtKind, *c.doubt)
	case c.now.same(seen):
		if c.doubt != nil {
			c.undone++
		}
		c.doubt = nil
	default:
		diff := ""
		for file := range maps.Keys(records) {
			if got, want := seen.lists[file], c.now.lists[file]; got != want && len(diff) < 1000 {
				diff += fmt.Sprintf("\n%s %q, was %q", file, got, want)
			}
		}
		t.Errorf("%s lists %d files, labelled: %v, and should list %d, labelled: %v; in doubt: %v (%s)%s", crowdChannel, len(seen.lists), seen.labelled,
			len(c.now.lists), c.now.labelled, c.doubt != nil, c.doubtKind, diff)
		return
	}
	c.checkHistory(t, server)
}

// checkHistory looks how many generations began since the last check, and at one of those
// before.
func (c *crowd) checkHistory(t *testing.T, server *program.Server) {
	t.Helper()
	var history struct {
		Items []struct {
			Generation int64  `json:"generation"`
			Cause      string `json:"cause"`
		} `json:"items"`
	}
	c.w.api(t, http.MethodGet, server.URL+"/api/v1/generations/"+crowdChannel+"?limit=100", nil, &history)
	begun := 0
	for _, g := range history.Items {
		if g.Generation > c.generation {
			begun++
		}
	}
	if c.generation > 0 && begun != c.begun {
		t.Errorf("%s has %d generations since %d, want %d: %+v", crowdChannel, begun, c.generation, c.begun, history.Items[:min(max(begun, c.begun), len(history.Items))])
	}
	c.begun, c.generation = 0, history.Items[0].Generation
	c.remember(c.generation) // which may forget another
	numbers := slices.Sorted(maps.Keys(c.past))
	old := numbers[(c.number*7)%len(numbers)]
	text := get(t, server, fmt.Sprintf("%s/at/%d/noarch/repodata.json", crowdChannel, old))
	if got := marks(read(t, text)); !maps.Equal(got, c.past[old]) {
		t.Errorf("%s lists %d files at %d and listed %d, or says something else of them", crowdChannel, len(got), old, len(c.past[old]))
	}
}

func marks(records map[string]conda.Record) map[string]string {
	out := make(map[string]string, len(records))
	for file, r := range records {
		out[file] = mark(r)
	}
	return out
}

// mark is what a hotfix has made of a record, "" where none has.
func mark(r conda.Record) string {
	if len(r.Depends) == 1 && strings.HasPrefix(r.Depends[0], "mark-") {
		return r.Depends[0]
	}
	return ""
}
