package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"terrarium/internal/apptest"
	"terrarium/internal/conda"
)

// said is a record as the source of an import has it.
type said struct {
	name string // of the file
	conda.Record
}

// named names the packages of an import: most are builds of one, and some are of
// the few names that others use, too.
func named(i int) string {
	if i%10 == 9 {
		return fmt.Sprint("p", i%4)
	}
	return "many"
}

// records writes a folder for an import: what the last one into the channel had,
// with some of it changed, and n others.
func (w *world) records(c *channel, n int, named func(i int) string) (source []said, folder string) {
	w.Helper()
	for _, s := range w.sources[c.path()] {
		if w.IntN(6) == 0 {
			s.Depends = []string{fmt.Sprint("upstream >=", w.step)}
		}
		if w.IntN(10) > 0 {
			source = append(source, s)
		}
	}
	for i := range n {
		name := named(i)
		r := conda.Record{
			Name: name, Version: fmt.Sprintf("2.%d", i%7), Build: fmt.Sprintf("s%d_%d", w.step, i), BuildNumber: int64(i), Subdir: "noarch", Noarch: "generic",
			Depends: []string{w.dependency(), "a-package-with-a-long-name >=1.2.3,<4"}, License: licences[i%len(licences)], Size: int64(1000 + i), Timestamp: 1_600_000_000_000 + int64(i)*1000,
		}
		if i%3 > 0 { // another server has seen it, not long ago
			r.IndexedTimestamp = w.Clock.Now().Add(-time.Duration(w.IntN(9)) * time.Hour).UnixMilli()
		}
		if i%4 > 0 && r.Version == "2.6" {
			r.TrackFeatures = "slow"
		}
		stem := fmt.Sprintf("%s-%s-%s", name, r.Version, r.Build)
		for _, file := range [][]string{{".conda"}, {".conda", ".tar.bz2"}, {".tar.bz2"}}[max(0, i%6-3)] {
			file = stem + file
			sum := sha256.Sum256([]byte(c.path() + file))
			r.SHA256, r.MD5 = hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:16])
			source = append(source, said{file, r})
		}
	}
	var b bytes.Buffer
	b.WriteString(`{"info":{"subdir":"noarch"}`)
	for i, group := range []string{"packages", "packages.conda"} {
		fmt.Fprintf(&b, ",%q:{", group)
		comma := ""
		for _, s := range source {
			if format(s.name) == i {
				r := &record{nil, s.Record}
				fmt.Fprintf(&b, "%s%q:%s", comma, s.name, r.encoded().JSON)
				comma = ","
			}
		}
		b.WriteByte('}')
	}
	b.WriteByte('}')
	w.sources[c.path()] = source
	return source, w.source(b.Bytes())
}

// take is what an import does: a file that nobody has comes, one that is there
// with the same bytes gets the record of the source, and one that was withdrawn
// stays out.
func (w *world) take(c *channel, source []said) {
	for _, s := range source {
		f := w.live(c.owner, "noarch/"+s.name)
		if f == nil {
			f = &file{owner: c.owner, subdir: "noarch", name: s.name, labels: map[string]bool{}}
			f.rec = &record{f, s.Record}
			w.files = append(w.files, f)
			delete(w.gone, f.owner+"/"+f.rec.Name)
			c.list(f)
			continue
		}
		if f.withdrawn || f.rec.SHA256 != s.SHA256 {
			continue
		}
		s.IndexedTimestamp = f.rec.IndexedTimestamp
		r := &record{f, s.Record}
		if have := c.lists[f.key()]; have == nil || !r.same(have) {
			c.lists[f.key()], f.labels[c.name] = r, true
		}
	}
}

// source makes a folder that can be imported.
func (w *world) source(repodata []byte) string {
	w.Helper()
	folder := filepath.Join(w.folder, fmt.Sprint("import", w.step))
	if err := os.MkdirAll(filepath.Join(folder, "noarch"), 0o700); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "noarch", "repodata.json"), repodata, 0o600); err != nil {
		w.Fatal(err)
	}
	return folder
}

// importing loads records while something is uploaded to the same channel. Which
// of them came first, the log of the channel says.
func (w *world) importing(c *channel, n int, named func(i int) string) {
	w.Helper()
	source, folder := w.records(c, n, named)
	body := fmt.Appendf(nil, `{"source":%q,"metadata_only":true,"base_url":"https://example.invalid/x"}`, folder)
	at := w.Want(w, http.StatusAccepted, "POST", "/api/v1/channels/"+c.path()+"/import", apptest.Request{Token: w.root.Token, Body: body}).Header.Get("Location")
	before := c.generation
	was := maps.Clone(c.lists)
	w.upload(c)
	w.imported(strings.TrimPrefix(at, w.Base))
	uploaded := w.files[len(w.files)-1]
	c.lists = was
	log := w.log(c, 5)
	slices.Reverse(log)
	for _, g := range log {
		switch {
		case g.Generation <= before:
			continue
		case g.Cause == "upload":
			c.list(uploaded)
		default:
			w.take(c, source)
		}
		c.past[g.Generation], c.generation = maps.Clone(c.lists), g.Generation
		w.learn(c)
	}
}

// imported waits for the end of an import.
func (w *world) imported(at string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var i struct {
			State string `json:"state"`
			Why   string `json:"why"`
		}
		w.Want(w, http.StatusOK, "GET", at, apptest.Request{Token: w.root.Token}).JSON(w, &i)
		switch i.State {
		case "done":
			return
		case "failed":
			w.Fatalf("the import failed: %s", i.Why)
		}
		select {
		case <-ctx.Done():
			w.Fatalf("the import is not done: %s", i.Why)
		case <-tick.C: // it goes on in the background
		}
	}
}
