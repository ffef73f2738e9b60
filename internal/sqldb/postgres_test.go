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

// TestPostgresThatOnlyReads: a standby, or another server that takes no writes, is away,
// unless the address says that any will do.
func TestPostgresThatOnlyReads(t *testing.T) {
	ctx := t.Context()
	url := sqldbtest.Postgres(t)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+pgx.Identifier{conn.Config().Database}.Sanitize()+" SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if db, err := sqldb.Open(ctx, url, sqldb.Options{}); !sqldb.IsUnavailable(err) {
		t.Errorf("got %v, %v; want unavailable", db, err)
	}
	db, err := sqldb.Open(ctx, url+"&target_session_attrs=any", sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
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
