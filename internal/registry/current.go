package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Generation is the last committed generation of a channel, read from the
// database: one point read.
func (r *Registry) Generation(ctx context.Context, channelID string) (int64, error) {
	// Where one process serves, the database says without a query whether anything
	// was committed since; what was read before that look then still holds.
	version, err := r.db.DataVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("look whether the database changed: %w", err)
	}
	if !r.db.Postgres() {
		if n, ok := r.generations.get(version, channelID); ok {
			return n, nil
		}
	}
	var n int64
	err = r.db.Point(ctx, "SELECT generation FROM channels WHERE id = $1", []any{channelID}, &n)
	if errors.Is(err, sqldb.ErrNoRows) {
		return 0, errs.New(errs.NotFound, "The channel is not there any more.")
	}
	if err != nil {
		return 0, fmt.Errorf("read the generation of channel %s: %w", channelID, err)
	}
	if !r.db.Postgres() {
		r.generations.put(version, channelID, n)
	}
	return n, nil
}

// maxKnown bounds what is known of one version; beyond it the cache starts anew.
const maxKnown = 50_000

// versionCache keeps what was read of the database as long as nothing is committed.
type versionCache[K comparable, V any] struct {
	mu      sync.RWMutex
	version int64 // as DataVersion said before the reading
	known   map[K]V
}

func (c *versionCache[K, V]) get(version int64, key K) (v V, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.version != version {
		return v, false
	}
	v, ok = c.known[key]
	return v, ok
}

func (c *versionCache[K, V]) put(version int64, key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version < c.version {
		return // read before a commit that others have seen
	}
	if version > c.version || c.known == nil || len(c.known) >= maxKnown {
		c.version, c.known = version, map[K]V{}
	}
	c.known[key] = v
}

// servedKey is what FileAt is asked for.
type servedKey struct{ channelID, subdir, name string }
