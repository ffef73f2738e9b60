package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// stagingRoom is how many generations a channel may have between the beginning
// of a staging and its end. Its own number lies that far ahead, so numbers of
// generations have gaps.
const stagingRoom = 100_000

// staging is a large change of one channel on its way into rows: in short
// transactions, under a generation that is still to come. Until it is made
// current nothing of it is visible: records begin (or end) in a generation that
// nobody reads, and files, packages and releases that carry its id are left out
// of the views of those names. Other changes of the channel go on meanwhile, with
// the numbers before it.
//
// Whoever writes a staging holds it: until a moment that stands in its row,
// nobody else touches it. The holder moves that moment on as long as it lives, so
// one that was killed is noticed within a lease, from any host. The moment is also
// the proof of who holds it: whoever takes over writes a later one, and the one
// that had it can write no more.
type staging struct {
	r          *Registry
	id         string
	channel    Channel
	generation int64
	cause      string
	subject    string
	begun      time.Time // by the first of its tries

	resumed      bool // an earlier try has written some of it
	transactions int  // in which something was written
	prepared     any  // see Preparer
	sweeping     bool // it is being put away, also where its owner was deleted

	mu    sync.Mutex // held while the row is moved on, so that until is what it says
	until time.Time
}

// lease is the end of a hold that is taken or renewed now.
func (r *Registry) lease() time.Time { return r.now().Add(r.opts.ImportLease) }

// errDead says that a staging of something else was left in the channel.
type errDead struct{ staging *staging }

// Error implements error.
func (e errDead) Error() string { return "the channel has a staging that died: " + e.staging.id }

// stage begins a large change, or goes on with one of the same cause and subject
// that was broken off. begin finds the channel, judges and writes the audit row;
// another staging that was left in the channel is swept away first, and one that
// is alive is errs.Conflict.
func (r *Registry) stage(ctx context.Context, actor access.Actor, cause, subject string, begin func(context.Context, *change) (Channel, error)) (*staging, error) {
	var s *staging
	err := clearing(ctx, func() error {
		return r.change(ctx, actor, cause, func(ctx context.Context, c *change) error {
			ch, err := begin(ctx, c)
			if err != nil {
				return err
			}
			s, err = c.stage(ctx, ch, cause, subject)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// clearing makes a change, anew each time that a staging which died was in its way and
// is put away.
func clearing(ctx context.Context, change func() error) error {
	for {
		err := change()
		var dead errDead
		if !errors.As(err, &dead) {
			return err
		}
		if err := dead.staging.sweep(ctx); err != nil {
			return err
		}
	}
}

// stage writes or takes over the row of a staging.
func (c *change) stage(ctx context.Context, ch Channel, cause, subject string) (*staging, error) {
	s := &staging{r: c.r, channel: ch, cause: cause, subject: subject}
	old, err := c.loadStaging(ctx, ch)
	switch {
	case err != nil:
		return nil, err
	case old == nil:
		s.id = access.NewID(c.now)
		_, err := c.exec(ctx, "UPDATE channels SET reserved = generation + $2 WHERE id = $1", ch.ID, stagingRoom)
		if err == nil {
			err = c.tx.Row(ctx, "SELECT reserved FROM channels WHERE id = $1", ch.ID).Scan(&s.generation)
		}
		if err != nil {
			return nil, fmt.Errorf("reserve a generation of %s/%s: %w", ch.OwnerName, ch.Name, err)
		}
		s.begun, s.until = c.now, c.r.lease()
		_, err = c.exec(ctx, "INSERT INTO stagings (id, channel_id, generation, cause, subject, held_until, begun_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			s.id, ch.ID, s.generation, cause, subject, s.until, c.now)
		if err != nil {
			return nil, fmt.Errorf("begin a large change of %s/%s: %w", ch.OwnerName, ch.Name, err)
		}
		return s, nil
	case old.until.After(c.now):
		return nil, errs.New(errs.Conflict, "%s/%s has a large change under way already (%s). If its program was killed, try again in %s.",
			ch.OwnerName, ch.Name, old.cause, c.r.opts.ImportLease).Because("staging")
	case old.cause != cause || old.subject != subject:
		return nil, errDead{old}
	}
	s.id, s.generation, s.until, s.begun, s.resumed = old.id, old.generation, old.until, old.begun, true
	return s, s.take(ctx, c)
}

// loadStaging reads the staging of a channel; nil where it has none.
func (c *change) loadStaging(ctx context.Context, ch Channel) (*staging, error) {
	s := &staging{r: c.r, channel: ch}
	err := c.tx.Row(ctx, "SELECT id, generation, cause, subject, held_until, begun_at FROM stagings WHERE channel_id = $1"+c.lock(), ch.ID).
		Scan(&s.id, &s.generation, &s.cause, &s.subject, &s.until, &s.begun)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil //nolint:nilnil // the caller asks whether there is one
	}
	if err != nil {
		return nil, fmt.Errorf("look for a large change of %s/%s: %w", ch.OwnerName, ch.Name, err)
	}
	return s, nil
}

// take makes the change the holder of a staging that nobody holds any more.
func (s *staging) take(ctx context.Context, c *change) error {
	until := c.r.lease()
	n, err := c.exec(ctx, "UPDATE stagings SET held_until = $3 WHERE id = $1 AND held_until = $2", s.id, s.until, until)
	if err != nil {
		return fmt.Errorf("take over a large change: %w", err)
	}
	if n == 0 {
		return s.lost()
	}
	s.until = until
	return nil
}

// lost is the error of a staging that somebody else has taken.
func (s *staging) lost() error {
	return errs.New(errs.Conflict, "The %s was silent for more than %s and somebody else took it over, or put it away. Try again.", s.cause, s.r.opts.ImportLease).Because("staging-lost")
}

// relieveAfter is after how many transactions the log of the database is relieved.
const relieveAfter = 8

// within runs fn, which may be nil, in a transaction that begins and ends by
// renewing the hold. It is errs.Conflict, and nothing is written, if the staging
// is not held any more; errs.NotFound if its owner was deleted.
func (s *staging) within(ctx context.Context, fn func(tx *sqldb.DB) error) (err error) {
	if fn != nil {
		defer func() { // when the hold can be renewed again
			if err == nil {
				s.relieve(ctx)
			}
		}()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var until time.Time
	err = s.r.db.Tx(ctx, func(tx *sqldb.DB) error {
		until = s.until
		renew := func() error {
			was := until
			until = s.r.lease()
			n, err := tx.Exec(ctx, "UPDATE stagings SET held_until = $3 WHERE id = $1 AND held_until = $2", s.id, was, until)
			if err != nil {
				return fmt.Errorf("renew the hold of a large change: %w", err)
			}
			if n == 0 {
				return s.lost()
			}
			return nil
		}
		if err := renew(); err != nil || fn == nil {
			return err
		}
		if err := s.owned(ctx, tx); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return renew() // fn may have taken its time
	})
	if err == nil {
		s.until = until
	}
	return err
}

// relieve has the log of the database carried over now and then. What was written is
// written, whatever comes of it.
func (s *staging) relieve(ctx context.Context) {
	if s.transactions++; s.transactions%relieveAfter != 0 {
		return
	}
	if err := s.r.db.Relieve(ctx); err != nil {
		s.r.opts.Log.WarnContext(ctx, "the log of the database could not be relieved", "err", err)
	}
}

// owned refuses to write for an owner that was deleted since the staging began.
func (s *staging) owned(ctx context.Context, tx *sqldb.DB) error {
	if s.sweeping {
		return nil
	}
	var there bool
	err := tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM channels c JOIN owners o ON o.id = c.owner_id WHERE c.id = $1 AND o.deleted_at IS NULL)", s.channel.ID).Scan(&there)
	if err != nil {
		return fmt.Errorf("look for the owner of a large change: %w", err)
	}
	if !there {
		return access.Absent(access.Object{OwnerName: s.channel.OwnerName})
	}
	return nil
}

// keep renews the hold again and again until stop is called, which returns when
// no renewal is under way.
func (s *staging) keep(ctx context.Context) (stop func()) {
	// A renewal that was cut off might be in the row and not in until.
	ctx = context.WithoutCancel(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(s.r.opts.ImportLease / 5)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			once, cancel := context.WithTimeout(ctx, s.r.opts.ImportLease)
			// One that fails is made up for by the next; if the staging is
			// lost, its holder hears of it at the next batch.
			if err := s.within(once, nil); err != nil {
				s.r.opts.Log.WarnContext(ctx, "a large change could not renew its hold", "err", err, "channel", s.channel.ID)
			}
			cancel()
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// current makes the staged generation the channel's current one, in one short
// change: what was staged is visible from then on. The names of subdirs are in the
// log already (logNames) and stand there as staged.
func (s *staging) current(ctx context.Context, c *change, subdirs map[string]*subdirChange) error {
	if err := s.owned(ctx, c.tx); err != nil {
		return err
	}
	n, err := c.exec(ctx, "DELETE FROM stagings WHERE id = $1 AND held_until = $2", s.id, s.until)
	if err != nil {
		return fmt.Errorf("end a large change: %w", err)
	}
	if n == 0 {
		return s.lost()
	}
	n, err = c.exec(ctx, "UPDATE channels SET generation = $2, reserved = NULL WHERE id = $1 AND generation < $2", s.channel.ID, s.generation)
	if err != nil || n == 0 {
		return fmt.Errorf("make generation %d of %s/%s the current one (%d rows): %w", s.generation, s.channel.OwnerName, s.channel.Name, n, err)
	}
	c.batch.large = true
	if begun := c.batch.channels[s.channel.ID]; begun != nil {
		// Another change of the same batch has begun a generation before it.
		if err := logGeneration(ctx, c.tx, s.channel.ID, c.now, begun); err != nil {
			return err
		}
	}
	c.batch.channels[s.channel.ID] = &channelChange{
		generation: s.generation, actors: map[string]bool{c.actor.Name: true}, causes: map[string]bool{c.cause: true}, subdirs: subdirs,
		prepared: s.prepared,
	}
	return nil
}

// drop ends a staging under which nothing was written; the number that it had
// reserved is never used.
func (s *staging) drop(ctx context.Context, c *change) error {
	n, err := c.exec(ctx, "DELETE FROM stagings WHERE id = $1 AND held_until = $2", s.id, s.until)
	if err != nil {
		return fmt.Errorf("end an empty change: %w", err)
	}
	if n == 0 {
		return s.lost()
	}
	if _, err := c.exec(ctx, "UPDATE channels SET reserved = NULL WHERE id = $1", s.channel.ID); err != nil {
		return fmt.Errorf("end an empty change: %w", err)
	}
	return nil
}

// release lets go of a staging that is to be gone on with later.
func (s *staging) release(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.r.db.Exec(ctx, "UPDATE stagings SET held_until = $3 WHERE id = $1 AND held_until = $2", s.id, s.until, s.r.now())
	if err != nil {
		return fmt.Errorf("let go of a large change: %w", err)
	}
	return nil
}

// logNames puts names that a staging touches into the log of its generation,
// where nobody reads them yet. Names that are there are passed over.
func (s *staging) logNames(ctx context.Context, tx *sqldb.DB, subdir string, names []string) error {
	_, err := tx.Exec(ctx, `INSERT INTO generation_names (channel_id, number, subdir, name)
		SELECT $1, CAST($2 AS BIGINT), $3, value FROM `+tx.EachText("$4")+` AS names WHERE TRUE ON CONFLICT DO NOTHING`,
		s.channel.ID, s.generation, subdir, names)
	if err != nil {
		return fmt.Errorf("log the names of a large change: %w", err)
	}
	return nil
}

// stagings reports whether any large change is under way, so that other changes
// must look for what they cannot see.
func (c *change) stagings(ctx context.Context) (bool, error) {
	if c.batch.stagings == nil {
		var some bool
		if err := c.tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM stagings)").Scan(&some); err != nil {
			return false, fmt.Errorf("look for large changes: %w", err)
		}
		c.batch.stagings = &some
	}
	return *c.batch.stagings, nil
}

// adopt makes a package or a release visible that a staging has made and that
// somebody else needs now; condition tells it. It gives the id, "" where there is
// none. The table is that of the rows.
func (c *change) adopt(ctx context.Context, table, condition string, args ...any) (string, error) {
	if some, err := c.stagings(ctx); err != nil || !some {
		return "", err
	}
	ids, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string],
		"UPDATE "+table+" SET staging = NULL WHERE "+condition+" AND deleted_at IS NULL AND staging IN (SELECT id FROM stagings) RETURNING id", args...)
	if err != nil {
		return "", fmt.Errorf("adopt what is being loaded: %w", err)
	}
	if len(ids) == 0 {
		return "", nil
	}
	c.wrote = true
	return ids[0], nil
}
