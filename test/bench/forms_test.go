//go:build bench

package bench

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"testing"
	"time"

	"terrarium/internal/conda"
	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// What a form may cost after one upload beside what it cost when it was asked for the
// first time.
const (
	againAtMost, againJudged = 0.2, 0.5
	againRounds              = 9
	formsRounds              = 3
	// Of fewer records a form is made anew so soon that what any request costs
	// counts as much.
	againFrom = 10_000
)

// broughtUp are the forms that are brought up by what changed and made of all records
// when they are asked for the first time.
var broughtUp = []string{subdir + "/current_repodata.json", "channeldata.json", subdir + "/run_exports.json"}

// TestBenchForms asks for the forms that are brought up after a start from rows alone, and
// again after one upload each time: row 21. What counts is the processor time of the
// server from the request to the last byte.
func TestBenchForms(t *testing.T) {
	limited(t)
	for _, n := range sizes(t) {
		store, m := channels.copyOf(t, n)
		p := newPublisher(m)
		firsts, again := map[string][]time.Duration{}, map[string][]time.Duration{}
		var size map[string]int
		for range few(n, formsRounds) {
			forget(t, store)
			server := store.Serve(t)
			c := newClient(server, channelName, m.Token)
			size = map[string]int{}
			for _, form := range broughtUp {
				b, ran := c.ranFor(t, server, form)
				firsts[form], size[form] = append(firsts[form], ran), len(b)
				if form == broughtUp[2] {
					exported(t, b, n)
				}
			}
			for range few(n, againRounds) {
				u := p.uploads(t, 1)[0]
				if _, err := c.publish(u); err != nil {
					t.Fatal(err)
				}
				if _, err := c.indexed(u); err != nil { // as a reader would; what an upload leaves to do is done by now
					t.Fatal(err)
				}
				for _, form := range broughtUp {
					b, ran := c.ranFor(t, server, form)
					again[form] = append(again[form], ran)
					u.in(t, form, b)
				}
			}
			server.Stop()
		}
		for _, form := range broughtUp {
			ours, first := middle(again[form]), middle(firsts[form])
			l := figure{
				row: 21, name: "forms after one upload, " + form, at: fmt.Sprintf("%d records", n), ours: short(ours) + " CPU", peer: short(first) + " CPU",
				besides: "the first time, " + megabytes(int64(size[form])), ratio: float64(ours) / float64(first),
			}
			judged := againJudged
			if n < againFrom {
				judged = 4 * againJudged
			}
			figures.atMost(t, l, againAtMost, judged)
		}
	}
}

// ranFor reads a document and gives what the server ran for it.
func (c *client) ranFor(t testing.TB, server *program.Server, path string) ([]byte, time.Duration) {
	t.Helper()
	var took time.Duration
	before := server.Ran()
	b, err := c.getAt(path, "", &took)
	if err != nil {
		t.Fatal(err)
	}
	return b, server.Ran() - before
}

// exported fails unless run_exports.json has about a fifth of n records.
func exported(t testing.TB, document []byte, n int) {
	t.Helper()
	files := 0
	_, err := repodata.ReadRunExports(bytes.NewReader(document), func(string, conda.RunExports) error {
		files++
		return nil
	})
	if err != nil || files < n/10 || files > n*3/10 {
		t.Fatalf("run_exports.json has %d files of %d records: %v", files, n, err)
	}
}

// in fails unless a form shows an upload.
func (u upload) in(t testing.TB, form string, document []byte) {
	t.Helper()
	if form != "channeldata.json" {
		if !bytes.Contains(document, []byte(`"`+u.fileName+`":{`)) {
			t.Fatalf("%s does not have %s", form, u.fileName)
		}
		return
	}
	var data struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(document, &data); err != nil {
		t.Fatal(err)
	}
	if got := data.Packages[u.name].Version; u.fileName != fmt.Sprintf("%s-%s-0.conda", u.name, got) {
		t.Fatalf("channeldata.json has version %q of %s, uploaded was %s", got, u.name, u.fileName)
	}
}
