package sqldb_test

import (
	"os"
	"testing"
)

func requirePostgres(t *testing.T) {
	t.Helper()
	if os.Getenv("TEST_POSTGRES") == "" {
		t.Skip("TEST_POSTGRES is not set")
	}
}
