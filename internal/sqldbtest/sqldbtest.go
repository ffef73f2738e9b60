// Package sqldbtest gives tests a fresh, migrated database: a SQLite file always
// and a PostgreSQL database where the environment variable TEST_POSTGRES holds
// the URL of a server on which one may be made. It also starts such a server.
package sqldbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"terrarium/internal/sqldb"
)

// Each runs f as a subtest over a fresh SQLite database and, where TEST_POSTGRES
// is set, over a fresh PostgreSQL database too.
func Each(t *testing.T, f func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, open(t, SQLite(t))) })
	if os.Getenv("TEST_POSTGRES") != "" {
		t.Run("postgres", func(t *testing.T) { f(t, open(t, Postgres(t))) })
	}
}

// Open gives one fresh database, migrated: PostgreSQL where TEST_POSTGRES is set,
// else SQLite. The test closes it at its end.
func Open(t testing.TB) *sqldb.DB {
	t.Helper()
	return open(t, URL(t))
}

// URL is the address of one fresh, empty database of the engine that Open takes,
// for tests that open it themselves or start a program over it.
func URL(t testing.TB) string {
	t.Helper()
	if os.Getenv("TEST_POSTGRES") != "" {
		return Postgres(t)
	}
	return SQLite(t)
}

// SQLite is the address of a SQLite file that is not there yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "terrarium.db")
}

// Postgres makes an empty database, sorted by bytes, on the server of
// TEST_POSTGRES, gives its address and drops it at the end of the test.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		t.Fatal("sqldbtest: TEST_POSTGRES is not set")
	}
	name := "terrarium_test_" + strings.ToLower(rand.Text())
	quoted := pgx.Identifier{name}.Sanitize()
	run(t, server, "CREATE DATABASE "+quoted+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { run(t, server, "DROP DATABASE "+quoted+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("sqldbtest: TEST_POSTGRES: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

func open(t testing.TB, address string) *sqldb.DB {
	t.Helper()
	ctx := t.Context()
	db, err := sqldb.Open(ctx, address, sqldb.Options{})
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	if err := db.Migrate(ctx); err != nil {
		t.Fatalf("migrate the test database: %v", err)
	}
	return db
}

// run sends one statement to a server. It has its own deadline: the context of a
// test has ended when its clean-up runs.
func run(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("sqldbtest: connect to TEST_POSTGRES: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("sqldbtest: %s: %v", statement, err)
	}
}
