package access

import (
	"context"
	"fmt"
	"sync"

	"terrarium/internal/sqldb"
)

// Generation tells which access generation is current. Every change of anybody's
// rights counts it up in its own transaction (Bump), so that what was worked out
// under a generation holds exactly as long as that stays current.
type Generation struct {
	db *sqldb.DB

	mu      sync.Mutex
	known   bool
	version int64 // of the SQLite file when number was read
	number  int64
}

// NewGeneration makes a Generation of a database.
func NewGeneration(db *sqldb.DB) *Generation { return &Generation{db: db} }

// Current gives the number of the access generation. On SQLite it asks the
// database only after somebody, in whichever process, has committed something; on
// PostgreSQL it is one point read.
func (g *Generation) Current(ctx context.Context) (int64, error) {
	if g.db.Postgres() {
		return g.read(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// The version is taken before the number: a commit between the two makes
	// the next call read again, never keep what is old.
	version, err := g.db.DataVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("look whether the database changed: %w", err)
	}
	if g.known && version == g.version {
		return g.number, nil
	}
	number, err := g.read(ctx)
	if err != nil {
		return 0, err
	}
	g.known, g.version, g.number = true, version, number
	return number, nil
}

func (g *Generation) read(ctx context.Context) (number int64, err error) {
	err = g.db.Point(ctx, "SELECT generation FROM access_state WHERE id = 1", nil, &number)
	if err != nil {
		return 0, fmt.Errorf("read the access generation: %w", err)
	}
	return number, nil
}

// GenerationIn gives the number of the access generation in the transaction tx.
func GenerationIn(ctx context.Context, tx *sqldb.DB) (number int64, err error) {
	if err := tx.Row(ctx, "SELECT generation FROM access_state WHERE id = 1").Scan(&number); err != nil {
		return 0, fmt.Errorf("read the access generation: %w", err)
	}
	return number, nil
}

// Bump begins a new access generation in the transaction tx. Transactions that
// bump wait for each other, so one that bumps first may check before it writes.
func Bump(ctx context.Context, tx *sqldb.DB) error {
	if _, err := tx.Exec(ctx, "UPDATE access_state SET generation = generation + 1 WHERE id = 1"); err != nil {
		return fmt.Errorf("begin a new access generation: %w", err)
	}
	return nil
}
