package registry_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestImportReadsByKeys looks how SQLite would read what an import reads that finds all
// its files here already, as one of a folder that was moved does, one that goes on, or
// one into another channel of the owner: never all records of the channel, nor all
// files of the owner, for each batch or while everybody waits for its end.
func TestImportReadsByKeys(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	db, err := sqldb.Open(t.Context(), sqldbtest.SQLite(t), sqldb.Options{Observe: func(_ context.Context, query string) {
		mu.Lock()
		defer mu.Unlock()
		asked[query] = true
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db, registry.Options{})
	load := func(channel, name string) registry.ImportCount {
		t.Helper()
		folder := fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(3)}}
		report, err := w.Import(w.ctx, w.alice, "alice", channel, registry.ImportSource{Name: name, Files: folder, MetadataOnly: true, BaseURL: "https://channel.test"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return report.Subdirs["noarch"]
	}
	load("forge", "here")
	mu.Lock()
	clear(asked)
	mu.Unlock()
	if got := load("forge", "there"); got.Kept != 3 || got.Added+got.Changed+got.LeftOut > 0 {
		t.Fatalf("the same again: %+v", got)
	}
	if got := load("dev", "here"); got.Added != 3 || got.Kept+got.Changed+got.LeftOut > 0 {
		t.Fatalf("into another channel: %+v", got)
	}
	mu.Lock()
	queries := slices.Sorted(maps.Keys(asked))
	mu.Unlock()
	parameter := regexp.MustCompile(`\$\d+`)
	byAll := regexp.MustCompile(`^(SCAN|SEARCH) (r|records|f|file_rows|fc|file_channels)\b(.*\((channel_id|owner_id)=\?\)| *$)`)
	looked := 0
	for _, query := range queries {
		if !strings.HasPrefix(query, "SELECT") || !strings.Contains(query, "records") && !strings.Contains(query, "file") {
			continue
		}
		looked++
		for _, step := range plan(t, db, query, len(parameter.FindAllString(query, -1))) {
			if byAll.MatchString(step) && !strings.Contains(step, "files_withdrawn") && !strings.Contains(query, "LIMIT 1") {
				t.Errorf("%s\nof\n%s", step, query)
			}
		}
	}
	if looked < 3 {
		t.Errorf("only %d queries were looked at", looked)
	}
}

// plan gives the steps in which SQLite would answer a query.
func plan(t *testing.T, db *sqldb.DB, query string, parameters int) []string {
	t.Helper()
	var steps []string
	err := db.EachRow(t.Context(), func(rows *sqldb.Rows) error {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return err
		}
		steps = append(steps, step)
		return nil
	}, "EXPLAIN QUERY PLAN "+query, make([]any, parameters)...)
	if err != nil {
		t.Fatalf("%v: %s", err, query)
	}
	return steps
}
