//go:build postgres

package sqldb_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func TestPostgresMustSortByBytes(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, os.Getenv("TEST_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const name = "terrarium_test_collation"
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	}()
	url := strings.Replace(os.Getenv("TEST_POSTGRES"), "/postgres?", "/"+name+"?", 1)
	_, err = sqldb.Open(ctx, url, sqldb.Options{})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), "LC_COLLATE 'C'") {
		t.Errorf("got %v, want a refusal that says how to make the database", err)
	}
}

// TestPostgresIsSilent: when somebody has waited for nothing, others do not wait, but
// those who are patient.
func TestPostgresIsSilent(t *testing.T) {
	ctx := t.Context()
	db, err := sqldb.Open(ctx, sqldbtest.Postgres(t), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	things(t, db)
	const count = "SELECT count(*) FROM things"
	var n int
	err = db.Tx(ctx, func(tx *sqldb.DB) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE things IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		if err := db.Point(ctx, count, nil, &n); !sqldb.IsUnavailable(err) {
			t.Errorf("a point: %v, want unavailable", err)
		}
		if err := db.Row(ctx, "SELECT 1").Scan(&n); !sqldb.IsUnavailable(err) {
			t.Errorf("a read behind it: %v, want unavailable", err)
		}
		if err := db.Row(sqldb.Patient(ctx), "SELECT 1").Scan(&n); err != nil {
			t.Errorf("a patient read: %v", err)
		}
		if err := db.Point(sqldb.Patient(ctx), "SELECT 1", nil, &n); err != nil {
			t.Errorf("a patient point: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPostgresStandby: a standby is away, unless the address says that any server will
// do; a primary that takes no writes is not.
func TestPostgresStandby(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := sqldbtest.StartPostgres(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	opens := func(url string) error {
		db, err := sqldb.Open(ctx, url, sqldb.Options{})
		if err != nil {
			return err
		}
		return db.Close()
	}
	conn, err := pgx.Connect(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "ALTER DATABASE postgres SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if err := opens(server.URL); err != nil {
		t.Errorf("a primary that only reads: %v", err)
	}
	for _, change := range []func() error{server.Stop, server.Standby, func() error { return server.Start(ctx) }} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	if err := opens(server.URL); !sqldb.IsUnavailable(err) {
		t.Errorf("a standby: %v, want unavailable", err)
	}
	if err := opens(server.URL + "&target_session_attrs=any"); err != nil {
		t.Errorf("any server: %v", err)
	}
}

func TestPostgresComesBack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := sqldbtest.StartPostgres(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	db, err := sqldb.Open(ctx, server.URL, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	things(t, db)
	insert := func() error {
		return db.Tx(ctx, func(tx *sqldb.DB) error {
			_, err := tx.Exec(ctx, `INSERT INTO things (id, n) VALUES ('a', 1)`)
			return err
		})
	}

	err = db.Tx(ctx, func(tx *sqldb.DB) error {
		if _, err := tx.Exec(ctx, `INSERT INTO things (id, n) VALUES ('lost', 0)`); err != nil {
			t.Fatal(err)
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		_, err := tx.Exec(ctx, `INSERT INTO things (id, n) VALUES ('lost too', 0)`)
		return err
	})
	if !sqldb.IsUnavailable(err) {
		t.Errorf("cut in the middle: %v, want unavailable", err)
	}
	for range 3 {
		if err := insert(); !sqldb.IsUnavailable(err) {
			t.Errorf("while away: %v, want unavailable", err)
		}
		if err := db.Ping(ctx); !sqldb.IsUnavailable(err) {
			t.Errorf("while away: %v, want unavailable", err)
		}
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := insert(); err != nil {
		t.Errorf("back again: %v", err)
	}
	got, err := sqldb.All(ctx, db, sqldb.Scalar[string], `SELECT id FROM things`)
	if err != nil || len(got) != 1 || got[0] != "a" {
		t.Errorf("rows %q, %v; want only a", got, err)
	}
}
