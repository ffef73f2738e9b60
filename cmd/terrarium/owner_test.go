package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"terrarium/internal/sqldb"
)

// TestOwnerCommands deletes somebody, brings them back, and lets gc erase them.
func TestOwnerCommands(t *testing.T) {
	data := t.TempDir()
	do := func(want int, words string, args ...string) {
		t.Helper()
		if out := command(t, want, append(args, "--data", data)...); !strings.Contains(out, words) {
			t.Errorf("%v says %q and not %q", args, out, words)
		}
	}
	do(0, "ana made", "user", "create", "ana", "--email", "ana@example.com", "--password-stdin")
	do(0, "terrarium owner restore ana", "owner", "delete", "Ana")
	do(1, "There is no user or organisation ana.", "owner", "delete", "ana")
	do(0, "ana disabled", "user", "disable", "ana") // So that they cannot undo it.
	do(0, "ana  user", "owner", "deleted")
	do(0, `"name": "ana"`, "owner", "deleted", "--json")
	do(1, "is taken", "user", "create", "ana", "--email", "other@example.com")
	do(0, "ana restored", "owner", "restore", "ana")
	do(1, "ana is not deleted.", "owner", "restore", "ana")
	do(0, "", "owner", "delete", "ana")
	do(1, "ana is a user, whom nobody owns.", "owner", "restore", "ana", "--owner", "ana")
	do(0, "ana restored", "owner", "restore", "ana")
	do(0, "disabled", "user", "list")

	do(0, "", "owner", "delete", "ana")
	do(0, "swept 0 files", "gc")
	do(0, "ana", "owner", "deleted")
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(data, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// As only time can.
	if _, err := db.Exec(t.Context(), "UPDATE owners SET deleted_at = $1 WHERE name = 'ana'", time.Now().AddDate(0, 0, -8)); err != nil {
		t.Fatal(err)
	}
	do(1, "There is no user or organisation ana.", "owner", "restore", "ana")
	do(0, "deleted owners that would be erased: 1", "gc", "--dry-run")
	do(0, "deleted owners erased: 1", "gc")
	do(0, "ana2 made", "user", "create", "ana2", "--email", "ana@example.com")
}
