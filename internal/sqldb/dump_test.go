package sqldb_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// TestDumpHoldsEveryTable compares the tables of a dump with the schema.
func TestDumpHoldsEveryTable(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
		if db.Postgres() {
			query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
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
