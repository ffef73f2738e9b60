package sqldb_test

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// things is a small schema of our own, so that these tests say nothing of
// Terrarium's tables.
func things(t *testing.T, db *sqldb.DB) {
	t.Helper()
	for _, text := range []string{
		`CREATE TABLE things (
			id     TEXT PRIMARY KEY,
			n      BIGINT NOT NULL,
			half   DOUBLE PRECISION,
			flag   BOOLEAN NOT NULL DEFAULT FALSE,
			bytes  BYTEA,
			at     TIMESTAMP,
			doc    JSON,
			parent TEXT REFERENCES things (id)
		)`,
		`CREATE UNIQUE INDEX things_n ON things (n)`,
	} {
		if _, err := db.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}

func TestValuesComeBackAsTheyWent(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		zone := time.FixedZone("east", 5*3600)
		at := time.Date(2026, 11, 21, 3, 4, 5, 678_901_234, zone)
		doc := jsontext.Value(`{"b": 1,  "a":"é"}`)
		n, err := db.Exec(ctx, `INSERT INTO things (id, n, half, flag, bytes, at, doc) VALUES ($7, $1, $2, $3, $4, $5, $6)`,
			int64(1)<<60, 0.5, true, []byte{0, 255}, at, doc, "a")
		if err != nil || n != 1 {
			t.Fatalf("insert: %d rows, %v", n, err)
		}
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ($1, $2)`, "b", 2); err != nil {
			t.Fatal(err)
		}

		type thing struct {
			ID    string
			N     int64
			Half  *float64
			Flag  bool
			Bytes []byte
			At    *time.Time
			Doc   jsontext.Value
		}
		got, err := sqldb.All(ctx, db, func(r *sqldb.Rows, v *thing) error {
			return r.Scan(&v.ID, &v.N, &v.Half, &v.Flag, &v.Bytes, &v.At, &v.Doc)
		}, `SELECT id, n, half, flag, bytes, at, doc FROM things ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		stored := time.Date(2026, 11, 20, 22, 4, 5, 678_901_000, time.UTC)
		want := []thing{
			{"a", 1 << 60, new(0.5), true, []byte{0, 255}, &stored, doc},
			{"b", 2, nil, false, nil, nil, nil},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got[0].At.Location() != time.UTC {
			t.Errorf("time is in %v, want UTC", got[0].At.Location())
		}

		var back time.Time
		err = db.Row(ctx, `UPDATE things SET flag = FALSE WHERE at > $1 RETURNING at`, at.Add(-time.Microsecond)).Scan(&back)
		if err != nil || !back.Equal(stored) {
			t.Errorf("returning: %v, %v; want %v", back, err, stored)
		}
		if err := db.Row(ctx, `SELECT n FROM things WHERE at > $1`, at).Scan(new(int64)); !errors.Is(err, sqldb.ErrNoRows) {
			t.Errorf("nothing found: %v, want ErrNoRows", err)
		}
	})
}

func TestEachUnfoldsLists(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		odd := []string{`quo"te`, "a,b", "", "naïve", `{}`}
		n, err := db.Exec(ctx, `INSERT INTO things (id, n) SELECT value ->> 'id', CAST(value ->> 'n' AS BIGINT) FROM `+db.EachObject("$1")+` AS row WHERE TRUE ON CONFLICT DO NOTHING`,
			`[{"id":"quo\"te","n":1},{"id":"a,b","n":2},{"id":"","n":3},{"id":"other","n":4},{"id":"a,b","n":5}]`)
		if err != nil || n != 4 {
			t.Fatalf("bulk insert: %d rows, %v; want 4", n, err)
		}
		got, err := sqldb.All(ctx, db, sqldb.Scalar[string],
			`SELECT things.id FROM things JOIN `+db.EachText("$1")+` AS wanted ON wanted.value = things.id WHERE n < $2 ORDER BY n`, odd, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{`quo"te`, "a,b", ""}, got); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		none, err := sqldb.All(ctx, db, sqldb.Scalar[string], `SELECT value FROM `+db.EachText("$1")+` AS x`, []string(nil))
		if err != nil || len(none) != 0 {
			t.Errorf("empty list: %q, %v", none, err)
		}
	})
}

func TestConstraintErrors(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		insert := `INSERT INTO things (id, n, parent) VALUES ($1, $2, $3)`
		if _, err := db.Exec(ctx, insert, "a", 1, nil); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name                string
			args                []any
			unique, foreign, un bool
		}{
			{"same key", []any{"a", 2, nil}, true, false, false},
			{"same unique column", []any{"b", 1, nil}, true, false, false},
			{"no parent", []any{"b", 2, "nobody"}, false, true, false},
			{"null", []any{"b", nil, nil}, false, false, false},
		} {
			_, err := db.Exec(ctx, insert, test.args...)
			if err == nil {
				t.Errorf("%s: no error", test.name)
			}
			if sqldb.IsUnique(err) != test.unique || sqldb.IsForeignKey(err) != test.foreign || sqldb.IsUnavailable(err) != test.un {
				t.Errorf("%s: unique %t, foreign key %t, unavailable %t: %v", test.name,
					sqldb.IsUnique(err), sqldb.IsForeignKey(err), sqldb.IsUnavailable(err), err)
			}
		}
		if _, err := db.Exec(ctx, insert, "b", 2, "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, `DELETE FROM things WHERE id = $1`, "a"); !sqldb.IsForeignKey(err) {
			t.Errorf("delete a parent: %v, want a foreign key error", err)
		}
	})
}

func TestTransactions(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		count := func(db *sqldb.DB) (n int) {
			t.Helper()
			if err := db.Row(ctx, `SELECT count(*) FROM things`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		insert := func(db *sqldb.DB, n int) error {
			_, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ($1, $2)`, fmt.Sprint(n), n)
			return err
		}

		stop := errors.New("stop")
		err := db.Tx(ctx, func(tx *sqldb.DB) error {
			if err := insert(tx, 1); err != nil {
				return err
			}
			if got := count(tx); got != 1 {
				t.Errorf("inside: %d rows, want 1", got)
			}
			if got := count(db); got != 0 {
				t.Errorf("outside, before the commit: %d rows, want 0", got)
			}
			return tx.Tx(ctx, func(inner *sqldb.DB) error { return errors.Join(insert(inner, 2), stop) })
		})
		if !errors.Is(err, stop) || count(db) != 0 {
			t.Errorf("rolled back: %v, %d rows", err, count(db))
		}

		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic does not come through")
				}
			}()
			_ = db.Tx(ctx, func(tx *sqldb.DB) error {
				if err := insert(tx, 1); err != nil {
					t.Error(err)
				}
				panic("in the middle")
			})
		}()
		if count(db) != 0 {
			t.Error("a panic left rows behind")
		}

		cancelled, cancel := context.WithCancel(ctx)
		err = db.Tx(cancelled, func(tx *sqldb.DB) error {
			defer cancel()
			return insert(tx, 1)
		})
		if !errors.Is(err, context.Canceled) || count(db) != 0 {
			t.Errorf("cancelled before the commit: %v, %d rows", err, count(db))
		}

		if err := db.Tx(ctx, func(tx *sqldb.DB) error { return insert(tx, 1) }); err != nil || count(db) != 1 {
			t.Errorf("committed: %v, %d rows", err, count(db))
		}

		err = db.ReadTx(ctx, func(snapshot *sqldb.DB) error {
			before := count(snapshot)
			if err := insert(db, 3); err != nil {
				return err
			}
			if after := count(snapshot); after != before {
				t.Errorf("the snapshot moved from %d to %d rows", before, after)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		err = db.ReadTx(ctx, func(snapshot *sqldb.DB) error { return insert(snapshot, 4) })
		if err == nil {
			t.Error("a snapshot took a write")
		}
		err = db.ReadTx(ctx, func(snapshot *sqldb.DB) error {
			return snapshot.Tx(ctx, func(*sqldb.DB) error { return nil })
		})
		if err == nil {
			t.Error("a write transaction began inside a read transaction")
		}
	})
}

func TestContendedReadModifyWrite(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ('x', 0)`); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 10 {
					err := db.Tx(ctx, func(tx *sqldb.DB) error {
						var n int64
						if err := tx.Row(ctx, `SELECT n FROM things WHERE id = 'x'`+tx.ForUpdate()).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, `UPDATE things SET n = $1 WHERE id = 'x'`, n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		var n int64
		if err := db.Row(ctx, `SELECT n FROM things WHERE id = 'x'`).Scan(&n); err != nil || n != 80 {
			t.Errorf("counted %d, %v; want 80", n, err)
		}
	})
}

func TestDeadlockIsRunAgain(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if !db.Postgres() {
			// SQLite has one writer, hence no deadlock; the same test passes there.
			t.Log("one writer")
		}
		things(t, db)
		ctx := t.Context()
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ('a', 1), ('b', 2)`); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 4 {
			order := []string{"a", "b"}
			if i%2 == 1 {
				order = []string{"b", "a"}
			}
			group.Go(func() {
				for range 5 {
					err := db.Tx(ctx, func(tx *sqldb.DB) error {
						for _, id := range order {
							if _, err := tx.Exec(ctx, `UPDATE things SET n = n + 10 WHERE id = $1`, id); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		got, err := sqldb.All(ctx, db, sqldb.Scalar[int64], `SELECT n FROM things ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{201, 202}, got); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
	})
}

func TestWriterWaitIsBounded(t *testing.T) {
	ctx := t.Context()
	db, err := sqldb.Open(ctx, sqldbtest.SQLite(t), sqldb.Options{WriterWait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	things(t, db)
	err = db.Tx(ctx, func(*sqldb.DB) error {
		_, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ('a', 1)`) // the outer DB: a mistake
		return err
	})
	if !sqldb.IsUnavailable(err) {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestCopyIn(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		rows := func(n int, fail error) func() ([]any, bool, error) {
			i := 0
			return func() ([]any, bool, error) {
				if i++; i > n {
					return nil, false, fail
				}
				return []any{fmt.Sprint(i), i, []byte{byte(i)}, time.Unix(int64(i), 0), `{"i":1}`}, true, nil
			}
		}
		columns := []string{"id", "n", "bytes", "at", "doc"}
		broken := errors.New("broken")
		if _, err := db.CopyIn(ctx, "things", columns, rows(3, broken)); !errors.Is(err, broken) && !strings.Contains(fmt.Sprint(err), "broken") {
			t.Errorf("got %v, want the error of next", err)
		}
		n, err := db.CopyIn(ctx, "things", columns, rows(1000, nil))
		if err != nil || n != 1000 {
			t.Fatalf("copied %d rows, %v", n, err)
		}
		var last time.Time
		if err := db.Row(ctx, `SELECT at FROM things ORDER BY at DESC LIMIT 1`).Scan(&last); err != nil || last.Unix() != 1000 {
			t.Errorf("last row: %v, %v", last, err)
		}
	})
}

func TestStatementsSurviveSchemaChangesAndNesting(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		things(t, db)
		ctx := t.Context()
		query := `SELECT id FROM things WHERE n > $1 ORDER BY id`
		// More texts than are kept, so that some fall out.
		for i := range 300 {
			if _, err := db.Exec(ctx, fmt.Sprintf(`INSERT INTO things (id, n) VALUES ($1, %d)`, i), fmt.Sprint(1000+i)); err != nil {
				t.Fatal(err)
			}
		}
		// The same text while its rows are open, on the one connection of a transaction.
		if !db.Postgres() {
			err := db.Tx(ctx, func(tx *sqldb.DB) error {
				seen := 0
				err := tx.EachRow(ctx, func(*sqldb.Rows) error {
					seen++
					_, err := sqldb.All(ctx, tx, sqldb.Scalar[string], query, 297)
					return err
				}, query, 297)
				if seen != 2 {
					t.Errorf("outer query gave %d rows, want 2", seen)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		if _, err := db.Exec(ctx, `ALTER TABLE things ADD COLUMN more TEXT`); err != nil {
			t.Fatal(err)
		}
		got, err := sqldb.All(ctx, db, sqldb.Scalar[string], query, 298)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1299"}, got); diff != "" {
			t.Errorf("after the change of the schema (-want +got):\n%s", diff)
		}
		if _, err := db.Exec(ctx, `SELECT nonsense FROM nowhere`); err == nil {
			t.Error("nonsense ran")
		}
	})
}

func TestMigrate(t *testing.T) {
	first := fstest.MapFS{
		"0001_init.sql":           {Data: []byte("-- +goose Up\nCREATE TABLE a (id TEXT PRIMARY KEY);")},
		"0002_twin.sqlite.sql":    {Data: []byte("-- +goose Up\nINSERT INTO a VALUES ('sqlite');")},
		"0002_twin.postgres.sql":  {Data: []byte("-- +goose Up\nINSERT INTO a VALUES ('postgres');")},
		"0003_another.sql":        {Data: []byte("-- +goose Up\nINSERT INTO a VALUES ('third');")},
		"README_is_no_migration.": {Data: []byte("")},
	}
	older := fstest.MapFS{"0001_init.sql": first["0001_init.sql"]}
	engines := map[string]func(testing.TB) string{"sqlite": sqldbtest.SQLite}
	if os.Getenv("TEST_POSTGRES") != "" {
		engines["postgres"] = sqldbtest.Postgres
	}
	for name, address := range engines {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			url := address(t)
			open := func(files fstest.MapFS) *sqldb.DB {
				db, err := sqldb.Open(ctx, url, sqldb.Options{Migrations: files})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { db.Close() })
				return db
			}
			db := open(older)
			if have, known, err := db.SchemaVersion(ctx); have != 0 || known != 1 || err != nil {
				t.Errorf("before: %d of %d, %v", have, known, err)
			}
			if err := db.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if err := open(first).Migrate(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if have, known, err := open(first).SchemaVersion(ctx); have != 3 || known != 3 || err != nil {
				t.Errorf("after: %d of %d, %v", have, known, err)
			}
			got, err := sqldb.All(ctx, db, sqldb.Scalar[string], `SELECT id FROM a ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{name, "third"}, got); diff != "" {
				t.Errorf("migrations that ran (-want +got):\n%s", diff)
			}
			err = db.Migrate(ctx) // knows only the first
			want := "This data was written by a newer Terrarium (schema 3, this one knows 1). Start the newer version."
			if !errs.Is(err, errs.Conflict) || errs.Message(err) != want {
				t.Errorf("newer schema: %v", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		url  string
		kind errs.Kind
	}{
		{"mysql://x", errs.Invalid},
		{"sqlite:", errs.Invalid},
		{"sqlite:/dev/null/x.db", errs.Unavailable},
		{"postgres://127.0.0.1:1/none?connect_timeout=2", errs.Unavailable},
		{"postgres://[", errs.Invalid},
	} {
		if _, err := sqldb.Open(t.Context(), test.url, sqldb.Options{}); errs.KindOf(err) != test.kind {
			t.Errorf("%s: %v is %v, want %v", test.url, err, errs.KindOf(err), test.kind)
		}
	}
}

func TestDataVersionSeesOtherProcesses(t *testing.T) {
	ctx := t.Context()
	url := sqldbtest.SQLite(t)
	open := func() *sqldb.DB {
		db, err := sqldb.Open(ctx, url, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	here, there := open(), open()
	things(t, here)
	version := func() int64 {
		t.Helper()
		v, err := here.DataVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := version()
	if again := version(); again != first {
		t.Errorf("moved from %d to %d by itself", first, again)
	}
	if _, err := there.Exec(ctx, `INSERT INTO things (id, n) VALUES ('x', 1)`); err != nil {
		t.Fatal(err)
	}
	if after := version(); after == first {
		t.Error("did not notice the commit of another process")
	}
}

// TestDataVersionThroughCheckpoints: each commit is noticed, also the first ones of
// a log that a checkpoint began anew, and nothing else is.
func TestDataVersionThroughCheckpoints(t *testing.T) {
	ctx := t.Context()
	db := sqldbtest.Open(t)
	if db.Postgres() {
		return // has none
	}
	things(t, db)
	version := func() int64 {
		t.Helper()
		v, err := db.DataVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	version()
	for i := range 50 {
		before := version()
		if again := version(); again != before {
			t.Fatalf("round %d: moved from %d to %d without a commit", i, before, again)
		}
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n) VALUES ($1, $2)`, fmt.Sprint("v", i), i); err != nil {
			t.Fatal(err)
		}
		if after := version(); after <= before {
			t.Fatalf("round %d: %d after a commit, %d before it", i, after, before)
		}
		if i%7 == 0 {
			if err := db.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTextsThatOneEngineRefuses: a NUL and what is no UTF-8 are kept alike.
func TestTextsThatOneEngineRefuses(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if _, err := db.Exec(t.Context(), `INSERT INTO instance (key, value) VALUES ($1, $2)`, "odd", "a\x00b\xffc"); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := db.Row(t.Context(), `SELECT value FROM instance WHERE key = $1`, "odd").Scan(&got); err != nil || got != "a\uFFFDb\uFFFDc" {
			t.Errorf("kept as %q (%v)", got, err)
		}
	})
}
