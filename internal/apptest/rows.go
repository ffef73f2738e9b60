package apptest

import (
	"bytes"
	"encoding/base64"
	"encoding/json/v2"
	"slices"
	"strings"
	"testing"
)

// Rows are all rows of the database: by table, each row by its text, with how
// often it is there.
type Rows struct {
	columns map[string][]string
	rows    map[string]map[string]int
}

// Change is a row that came or went; a changed row is one of both.
type Change struct {
	Table string
	Added bool
	Row   map[string]any // by column, as JSON has it
}

// Rows reads all rows, after everything that is written in batches has been.
func (a *App) Rows(t testing.TB) Rows {
	t.Helper()
	if err := a.Accounts.FlushUsed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Registry.FlushDownloads(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := Rows{map[string][]string{}, map[string]map[string]int{}}
	table := ""
	for line := range strings.Lines(a.Dump(t)) {
		if strings.HasPrefix(line, "[") {
			out.rows[table][strings.TrimSpace(line)]++
			continue
		}
		var head struct {
			Table   string   `json:"table"`
			Columns []string `json:"columns"`
		}
		if err := json.Unmarshal([]byte(line), &head); err != nil {
			t.Fatal(err)
		}
		if head.Table != "" {
			table = head.Table
			out.columns[table], out.rows[table] = head.Columns, map[string]int{}
		}
	}
	return out
}

// Dump is the database as `backup` writes it.
func (a *App) Dump(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := a.DB.Dump(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Since gives what changed from before to these rows, the rows that went before
// those that came, by table.
func (r Rows) Since(t testing.TB, before Rows) []Change {
	t.Helper()
	var out []Change
	compare := func(from, to Rows, added bool) {
		for table, rows := range to.rows {
			for text, n := range rows {
				for range n - from.rows[table][text] {
					out = append(out, Change{table, added, r.row(t, table, text)})
				}
			}
		}
	}
	compare(r, before, false)
	compare(before, r, true)
	slices.SortStableFunc(out, func(a, b Change) int { return strings.Compare(a.Table, b.Table) })
	return out
}

func (r Rows) row(t testing.TB, table, text string) map[string]any {
	t.Helper()
	var values []any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	row := map[string]any{}
	for i, name := range r.columns[table] {
		row[name] = values[i]
	}
	return row
}

// Tables names the tables of changes, each once, sorted.
func Tables(changes []Change) []string {
	var names []string
	for _, c := range changes {
		names = append(names, c.Table)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of gives the rows of a table.
func (r Rows) Of(t testing.TB, table string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for text := range r.rows[table] {
		out = append(out, r.row(t, table, text))
	}
	return out
}

// Bytes gives the value of a column of bytes.
func Bytes(t testing.TB, v any) []byte {
	t.Helper()
	text, ok := v.(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		t.Fatalf("%v are no bytes: %v", v, err)
	}
	return b
}
