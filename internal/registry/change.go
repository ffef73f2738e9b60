package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/trace"
)

// maxBatch is how many waiting changes share one transaction. Above it a single
// bad change would cost too many repetitions.
const maxBatch = 64

// batchTime bounds one transaction, so that a database that hangs fails the
// callers instead of holding them for ever.
const batchTime = 5 * time.Minute

// queue holds the changes that wait for the transaction to come.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	running bool

	// showing is held while a batch that was committed is being published, by
	// the goroutine that does it and answers.
	showing sync.Mutex
	// large is held for reading while a large change is being published, which
	// takes seconds. Only those wait for it who need the same channel, and those
	// who changed nothing: their work may have been done by it.
	large sync.RWMutex
}

// pending is one change that waits for its turn and then for its outcome.
type pending struct {
	ctx   context.Context
	actor access.Actor
	cause string
	fn    func(context.Context, *change) error
	done  chan error
	err   error // of the last attempt
}

// change is one caller's part of a transaction. It first checks, then writes: a
// function that gives an error before its first write is only refused, one that
// fails later costs the batch a repetition.
type change struct {
	r     *Registry
	tx    *sqldb.DB
	actor access.Actor
	now   time.Time
	batch *batch

	cause   string
	wrote   bool
	audited bool
}

// errSplit ends a batch whose changes must be tried one by one.
var errSplit = errors.New("one change of the batch failed after writing, or wants a transaction of its own")

// change runs fn in a transaction, together with whatever else waits, and
// returns when the generations that it began are visible. fn may run more than
// once and must have no effect but through its change; results that it hands out
// are to be overwritten by each run. Every change that writes must also write
// to the audit log; one that does not is not committed.
func (r *Registry) change(ctx context.Context, actor access.Actor, cause string, fn func(context.Context, *change) error) error {
	p := &pending{ctx: ctx, actor: actor, cause: cause, fn: fn, done: make(chan error, 1)}
	r.queue.mu.Lock()
	r.queue.waiting = append(r.queue.waiting, p)
	start := !r.queue.running
	r.queue.running = true
	r.queue.mu.Unlock()
	if start {
		go r.runQueue()
	}
	// The outcome is awaited even when the caller has gone: a change that is in
	// a transaction cannot be called back, and its outcome must be known.
	return <-p.done
}

// runQueue carries out batches until nobody waits any more. Changes that arrive
// while a batch is being committed make up the next one, whose transaction runs
// while the one before is published.
func (r *Registry) runQueue() {
	for {
		r.queue.mu.Lock()
		n := min(len(r.queue.waiting), maxBatch)
		if n == 0 {
			r.queue.running = false
			r.queue.waiting = nil
			r.queue.mu.Unlock()
			return
		}
		work := r.queue.waiting[:n:n]
		r.queue.waiting = r.queue.waiting[n:]
		r.queue.mu.Unlock()

		if n > 1 && r.runBatch(work) {
			continue
		}
		for _, p := range work {
			r.runAlone(p)
		}
	}
}

// runBatch commits the changes in one transaction and answers them. It reports
// false, without any effect, if they must be tried one by one.
func (r *Registry) runBatch(work []*pending) bool {
	b, err := r.tryBatch(work)
	if err != nil {
		return false
	}
	b.committed()
	r.show(work, b)
	return true
}

// committed passes the points at which rows are there and the index is not.
func (b *batch) committed() {
	point(pointCommitted)
	if b.large {
		point(pointLargeCommitted)
	}
}

// show publishes what changes have committed and then answers them, in a goroutine
// of its own. It waits until the batch before was answered: a change that found
// its work done by an earlier one may be answered no sooner than that is visible. A
// large change is published beside the others: those of its channel wait for it in
// the index, and those that changed nothing here.
func (r *Registry) show(work []*pending, b *batch) {
	changed := b.changed()
	answer := func() {
		r.publish(work[0].ctx, changed)
		point(pointPublished)
		for _, p := range work {
			p.done <- p.err
		}
	}
	if b.large {
		r.queue.large.RLock()
		go func() {
			defer r.queue.large.RUnlock()
			answer()
		}()
		return
	}
	r.queue.showing.Lock()
	go func() {
		defer r.queue.showing.Unlock()
		if len(changed) > 0 || r.queue.large.TryLock() {
			if len(changed) == 0 {
				r.queue.large.Unlock()
			}
			answer()
			return
		}
		go func() { // the batches behind need not wait, too
			r.queue.large.Lock()
			defer r.queue.large.Unlock()
			answer()
		}()
	}()
}

// runAlone commits one change. One that lost a race for a unique key is run
// again: its own checks then see what beat it and say so better than the
// database does.
func (r *Registry) runAlone(p *pending) {
	const attempts = 3
	for try := 1; ; try++ {
		b, err := r.tryBatch([]*pending{p})
		switch {
		case err == nil:
			b.committed()
			r.show([]*pending{p}, b)
			return
		case sqldb.IsUnique(err) && try < attempts:
			continue
		case sqldb.IsUnique(err):
			err = errs.Wrap(errs.Conflict, err, "Somebody else changed the same thing at the same moment. Try again.")
		}
		p.done <- err
		return
	}
}

// tryBatch runs one transaction. A refusal that came before any write is left in
// its pending and does not disturb the others; anything else is the error.
func (r *Registry) tryBatch(work []*pending) (*batch, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work[0].ctx), batchTime)
	defer cancel()
	var b *batch
	err := r.db.Tx(ctx, func(tx *sqldb.DB) error {
		b = newBatch(r, tx)
		b.single = len(work) == 1
		for _, p := range work {
			if p.err = p.ctx.Err(); p.err != nil {
				continue
			}
			c := &change{r: r, tx: tx, now: b.now, batch: b, cause: p.cause}
			if c.actor, p.err = b.renew(ctx, p.actor); p.err == nil {
				p.err = run(ctx, p.fn, c)
			}
			switch kind := errs.KindOf(p.err); {
			case p.err == nil && c.wrote && !c.audited:
				return fmt.Errorf("change %q by %q wrote rows and no audit", p.cause, p.actor.Name)
			case p.err == nil:
			case len(work) > 1 && (c.wrote || kind == errs.Internal || kind == errs.Unavailable):
				return errSplit
			case c.wrote || kind == errs.Internal || kind == errs.Unavailable:
				return p.err
			}
		}
		if err := b.finish(ctx); err != nil {
			return err
		}
		point(pointRowsWritten)
		if b.large {
			point(pointLargeWritten)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// renew gives an actor as it is now, after a body that may have taken an hour: what a
// change judges by is what its caller may do when it is written. Where nobody's rights
// have changed since the request began, that is the actor that it came with.
func (b *batch) renew(ctx context.Context, actor access.Actor) (access.Actor, error) {
	if actor.Kind != access.KindPerson || b.r.opts.Renew == nil {
		return actor, nil
	}
	// Asked for each change: on PostgreSQL others commit while the batch goes on.
	generation, err := access.GenerationIn(ctx, b.tx)
	if err != nil {
		return access.Actor{}, err
	}
	if actor.Current(generation, b.now) {
		return actor, nil
	}
	return b.r.opts.Renew(ctx, b.tx, actor)
}

// run calls fn and makes a panic an error, so that one caller's bug does not
// leave the others of the batch waiting.
func run(ctx context.Context, fn func(context.Context, *change) error, c *change) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in change %q: %v\n%s", c.cause, p, debug.Stack())
		}
	}()
	return fn(ctx, c)
}

// publish makes the committed generations visible. Its failure is not the
// caller's: the rows are committed, and the index brings itself up to them at
// its next read. Like the transaction, it is a step of the first of its callers.
func (r *Registry) publish(of context.Context, changed []Changed) {
	p := r.publisher.Load()
	if p == nil || len(changed) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(trace.Detach(of), batchTime)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			r.opts.Log.ErrorContext(ctx, "publishing panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	if err := (*p).Publish(ctx, changed); err != nil {
		r.opts.Log.ErrorContext(ctx, "publishing failed; the next read of the index brings it up", "err", err, "channels", len(changed))
	}
}

// exec runs a statement that writes.
func (c *change) exec(ctx context.Context, query string, args ...any) (int64, error) {
	c.wrote = true
	return c.tx.Exec(ctx, query, args...)
}

// audit writes a row of the audit log in the transaction of the change.
func (c *change) audit(ctx context.Context, e audit.Entry) error {
	c.wrote, c.audited = true, true
	e.At = c.now
	return audit.Write(ctx, c.tx, c.actor, e)
}

// bumpAccess forgets cached rights when the change is committed.
func (c *change) bumpAccess() { c.batch.rights = true }

// alone has the change carried out in a transaction of its own, so that the
// generation that it makes is its alone: it gives an error to be returned at once
// where others share the transaction.
func (c *change) alone() error {
	if c.batch.single {
		return nil
	}
	c.wrote = true // or it would only be refused
	return errSplit
}

// lock ends a SELECT whose rows the change relies on; outside a transaction a
// lock would be let go at once.
func (c *change) lock() string {
	if c.batch == nil {
		return ""
	}
	return c.tx.ForUpdate()
}
