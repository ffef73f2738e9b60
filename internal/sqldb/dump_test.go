package sqldb_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestDumpHoldsEveryTable compares the tables of a dump with the schema.
func TestDumpHoldsEveryTable(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
		if db.Postgres() {
			query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`
		}
		names, err := sqldb.All(t.Context(), db, sqldb.Scalar[string], query)
		if err != nil {
			t.Fatal(err)
		}
		var dump bytes.Buffer
		if err := db.Dump(t.Context(), &dump); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "river_") || strings.HasPrefix(name, "goose_") {
				continue
			}
			if !strings.Contains(dump.String(), `{"table":"`+name+`"`) {
				t.Errorf("the dump lacks table %s", name)
			}
		}
	})
}

// TestDumpAndLoad loads a dump of each engine into a fresh database: the dump of
// that is equal.
func TestDumpAndLoad(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		at := time.Date(2026, 11, 21, 9, 48, 0, 123456000, time.UTC)
		for _, q := range []string{
			`INSERT INTO owners (id, name, name_key, kind, full_name, created_at) VALUES ('o1', 'ana', 'ana', 'user', 'Ana "Ä" \ x', $1)`,
			`INSERT INTO users (owner_id, email, email_key, password_hash, operator, terms_accepted_at) VALUES ('o1', 'a@x', 'a@x', '', TRUE, $1)`,
		} {
			if _, err := db.Exec(t.Context(), q, at); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Exec(t.Context(), `INSERT INTO tokens (id, user_id, name, hash, last4, scopes, resources, created_at) VALUES ('t1', 'o1', 'n', $1, 'abcd', '["api"]', '[]', $2)`, []byte{0, 255, '\n', '{'}, at); err != nil {
			t.Fatal(err)
		}
		var dump bytes.Buffer
		if err := db.Dump(t.Context(), &dump); err != nil {
			t.Fatal(err)
		}
		for _, to := range []*sqldb.DB{sqldbtest.Open(t), db} {
			if err := to.Load(t.Context(), bytes.NewReader(dump.Bytes())); err != nil {
				t.Fatal(err)
			}
			var again bytes.Buffer
			if err := to.Dump(t.Context(), &again); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sortedLines(dump.String()), sortedLines(again.String())) {
				t.Errorf("after loading the dump differs:\n%s\n%s", &dump, &again)
			}
		}
		half := dump.Bytes()[:dump.Len()-20]
		if err := db.Load(t.Context(), bytes.NewReader(half)); !errs.Is(err, errs.Invalid) {
			t.Errorf("loading half a dump: %v, want a refusal", err)
		}
		var after bytes.Buffer
		if err := db.Dump(t.Context(), &after); err != nil || !slices.Equal(sortedLines(dump.String()), sortedLines(after.String())) {
			t.Errorf("a refused load changed the rows (%v)", err)
		}
	})
}

func sortedLines(s string) []string { return slices.Sorted(strings.Lines(s)) }

// everyKind is a schema with each kind of column and tables whose names sort
// against their foreign keys.
var everyKind = fstest.MapFS{"0001_init.sql": {Data: []byte(`-- +goose Up
CREATE TABLE z (id TEXT PRIMARY KEY, parent TEXT REFERENCES z (id));
CREATE TABLE "order" (
	id TEXT PRIMARY KEY REFERENCES z (id), n BIGINT, half DOUBLE PRECISION, flag BOOLEAN, bytes BYTEA, at TIMESTAMP, doc JSON
);
CREATE TABLE a (id TEXT PRIMARY KEY REFERENCES "order" (id));
`)}}

func openKinds(t *testing.T, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url, sqldb.Options{Migrations: everyKind})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestDumpKeepsEveryKind(t *testing.T) {
	from, to := openKinds(t, sqldbtest.URL(t)), openKinds(t, sqldbtest.SQLite(t))
	ctx := t.Context()
	for _, q := range []string{
		`INSERT INTO z (id, parent) VALUES ('x', NULL), ('y', 'x')`,
		`INSERT INTO "order" (id, n, half, flag, bytes, at, doc) VALUES ('x', 9223372036854775807, 0.1, TRUE, $1, $2, '{"b": 1,  "a":1e400}')`,
		`INSERT INTO "order" (id) VALUES ('y')`,
		`INSERT INTO a (id) VALUES ('y')`,
	} {
		var args []any
		if strings.Contains(q, "$1") {
			args = []any{[]byte("\x00\xff\n{"), time.Date(2026, 11, 21, 1, 2, 3, 456789000, time.UTC)}
		}
		if _, err := from.Exec(ctx, q, args...); err != nil {
			t.Fatal(err)
		}
	}
	var dump bytes.Buffer
	if err := from.Dump(ctx, &dump); err != nil {
		t.Fatal(err)
	}
	want := `{"terrarium-rows":1,"schema":1}
{"table":"z","columns":["id","parent"]}
["x",null]
["y","x"]
{"table":"order","columns":["id","n","half","flag","bytes","at","doc"]}
["x",9223372036854775807,0.1,true,"AP8Kew==","2026-11-21T01:02:03.456789Z","{\"b\": 1,  \"a\":1e400}"]
["y",null,null,null,null,null,null]
{"table":"a","columns":["id"]}
["y"]
{"end":5}
`
	if diff := cmp.Diff(want, dump.String()); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
	if err := to.Load(ctx, bytes.NewReader(dump.Bytes())); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := to.Dump(ctx, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again.String()); diff != "" {
		t.Errorf("dump of what was loaded (-want +got):\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	db := openKinds(t, sqldbtest.URL(t))
	ctx := t.Context()
	if _, err := db.Exec(ctx, `INSERT INTO z (id) VALUES ('before')`); err != nil {
		t.Fatal(err)
	}
	good := `{"terrarium-rows":1,"schema":1}
{"table":"z","columns":["id","parent"]}
["x",null]
["y","x"]
{"table":"order","columns":["id","bytes","at"]}
["x","AA==","2026-11-21T01:02:03Z"]
{"table":"a","columns":["id"]}
{"end":3}
`
	type refusal struct {
		dump string
		want errs.Kind
	}
	refusals := []refusal{
		{"", errs.Invalid},
		{"PK\x03\x04", errs.Invalid},
		{strings.Replace(good, `"schema":1`, `"schema":2`, 1), errs.Conflict},
		{strings.Replace(good, `rows":1`, `rows":9`, 1), errs.Invalid},
		{strings.Replace(good, `"z"`, `"sqlite_master"`, 1), errs.Invalid},
		{strings.Replace(good, `"parent"`, `"sibling"`, 1), errs.Invalid},
		{strings.Replace(good, `["x",null]`, `["x"]`, 1), errs.Invalid},
		{strings.Replace(good, `["x",null]`, `[7,null]`, 1), errs.Invalid},
		{strings.Replace(good, `AA==`, `?`, 1), errs.Invalid},
		{strings.Replace(good, `2026-11`, `2026-13`, 1), errs.Invalid},
		{strings.Replace(good, `["y","x"]`, `["y","x"]]`, 1), errs.Invalid},
		{strings.Replace(good, `"end":3`, `"end":4`, 1), errs.Invalid},
	}
	// A dump that is cut off at the end of any line.
	for i := range len(good) - 1 {
		if good[i] == '\n' {
			refusals = append(refusals, refusal{good[:i+1], errs.Invalid})
		}
	}
	for _, r := range refusals {
		if err := db.Load(ctx, strings.NewReader(r.dump)); !errs.Is(err, r.want) {
			t.Errorf("%q: %v, want %v", r.dump, err, r.want)
		}
	}
	left, err := sqldb.All(ctx, db, sqldb.Scalar[string], `SELECT id FROM z`)
	if err != nil || !slices.Equal(left, []string{"before"}) {
		t.Errorf("rows after the refusals: %q, %v", left, err)
	}
	if err := db.Load(ctx, strings.NewReader(good)); err != nil {
		t.Errorf("the dump that is whole: %v", err)
	}
}
