package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// hold is an import's claim on its channel: until a moment that stands in the
// channel's row, other changes keep off. The import moves that moment on as long
// as it lives, so one that was killed is noticed as dead within a lease, from
// any host. The moment is also the proof of who holds the channel: whoever takes
// over writes a later one, and the import that had it can write no more.
type hold struct {
	r          *Registry
	channelID  string
	generation int64 // of the channel as long as it is held

	mu    sync.Mutex // held while the row is moved on, so that until is what it says
	until time.Time
}

// lease is the end of a hold that is taken or renewed now.
func (r *Registry) lease() time.Time { return r.now().Add(r.opts.ImportLease) }

// lost is the error of an import whose channel somebody else has taken.
func (h *hold) lost() error {
	return errs.New(errs.Conflict, "The import was silent for more than %s and another change came first. Import again.", h.r.opts.ImportLease).Because("import-lost")
}

// within runs fn, which may be nil, in a transaction that begins by renewing the
// hold. It is errs.Conflict, and nothing is written, if the channel is not held
// any more.
func (h *hold) within(ctx context.Context, fn func(tx *sqldb.DB) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var until time.Time
	err := h.r.db.Tx(ctx, func(tx *sqldb.DB) error {
		was := h.until
		renew := func() error {
			until = h.r.lease()
			n, err := tx.Exec(ctx, "UPDATE channels SET importing_until = $2 WHERE id = $1 AND generation = $3 AND importing_until = $4",
				h.channelID, until, h.generation, was)
			if err != nil {
				return fmt.Errorf("renew the hold of an import: %w", err)
			}
			if n == 0 {
				return h.lost()
			}
			was = until
			return nil
		}
		if err := renew(); err != nil || fn == nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return renew() // a large batch takes its time
	})
	if err == nil {
		h.until = until
	}
	return err
}

// keep renews the hold again and again until stop is called, which returns when
// no renewal is under way.
func (h *hold) keep(ctx context.Context) (stop func()) {
	// A renewal that was cut off might be in the row and not in until.
	ctx = context.WithoutCancel(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(h.r.opts.ImportLease / 5)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			once, cancel := context.WithTimeout(ctx, h.r.opts.ImportLease)
			// One that fails is made up for by the next; if the channel is
			// lost, the import hears of it at its next batch.
			if err := h.within(once, nil); err != nil {
				h.r.opts.Log.WarnContext(ctx, "an import could not renew its hold", "err", err, "channel", h.channelID)
			}
			cancel()
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
