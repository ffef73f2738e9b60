// Package account holds the people and organisations of Terrarium: how they sign
// up and in, their sessions, tokens and one-time links, who belongs to which
// organisation and group, and the grants between them. It makes the actors that
// the rest of the domain is asked on behalf of; what those may do is decided by
// package access.
//
// Every change is one transaction with an audit row and a new access generation.
// Passwords, tokens, session keys and links are stored only as hashes.
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
)

// Sender is what accounts need of outgoing mail.
type Sender interface {
	Send(ctx context.Context, m mail.Message) error
}

// Options are the choices of New. The zero value of each is explained beside it.
type Options struct {
	Now  func() time.Time // nil: the clock
	Mail Sender           // nil: no mail goes out
	Log  *slog.Logger     // nil: discards; takes mails that could not be sent
	Gen  *access.Generation
	// URL is the public address, without a slash at the end, for links in mail.
	URL string
	// Signup says who may make an account: "open" (also ""), "invite",
	// "domain:example.com,example.org" or "closed".
	Signup string
	// RequireVerified forbids people whose e-mail address is not verified to
	// publish publicly and to make organisations.
	RequireVerified bool
	// PasswordMin is the fewest characters of a password; at least 7.
	PasswordMin int
	// TokenAge is how long a token lasts whose maker names no age; 0 is a year.
	TokenAge time.Duration
	// AnswerAfter is the time after which forgotten names and passwords are
	// answered, whether the address is known or not; 0 is 400 ms.
	AnswerAfter time.Duration
	// PasswordMemory is the memory of one password hash in KiB; 0 is 19 MiB.
	// Only tests, which make many accounts, set less.
	PasswordMemory uint32
}

// Accounts is the one door to people, organisations and their credentials. It is
// safe for concurrent use.
type Accounts struct {
	db       *sqldb.DB
	opts     Options
	now      func() time.Time
	gen      *access.Generation
	limits   *access.Limiter
	hashing  *hashing
	cache    actorCache
	used     usedTokens
	sendings sync.WaitGroup
}

// New makes the accounts of a database.
func New(db *sqldb.DB, opts Options) *Accounts {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Gen == nil {
		opts.Gen = access.NewGeneration(db)
	}
	if opts.Signup == "" {
		opts.Signup = "open"
	}
	if opts.TokenAge <= 0 {
		opts.TokenAge = 365 * 24 * time.Hour
	}
	if opts.AnswerAfter <= 0 {
		opts.AnswerAfter = 400 * time.Millisecond
	}
	opts.PasswordMin = max(opts.PasswordMin, minPassword)
	opts.URL = strings.TrimSuffix(opts.URL, "/")
	now := func() time.Time { return opts.Now().UTC().Truncate(time.Microsecond) }
	return &Accounts{
		db:      db,
		opts:    opts,
		now:     now,
		gen:     opts.Gen,
		limits:  access.NewLimiter(db, now),
		hashing: newHashing(opts.PasswordMemory),
	}
}

// Run writes down from time to time which tokens and sessions were used and
// sweeps what ended, until ctx ends. Close must follow.
func (a *Accounts) Run(ctx context.Context) {
	flush := time.NewTicker(10 * time.Second)
	defer flush.Stop()
	sweep := time.NewTicker(time.Hour)
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			err = a.FlushUsed(ctx)
		case <-sweep.C:
			err = a.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.opts.Log.Error("account housekeeping", "error", err)
		}
	}
}

// Close waits for mails that are being sent and writes down which tokens were
// used.
func (a *Accounts) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		a.sendings.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return a.FlushUsed(ctx)
}

// Sweep deletes sessions, links and counters that ended long ago.
func (a *Accounts) Sweep(ctx context.Context) error {
	now := a.now()
	_, err := a.db.Exec(ctx, "DELETE FROM sessions WHERE expires_at < $1", now)
	if err == nil {
		_, err = a.db.Exec(ctx, "DELETE FROM links WHERE expires_at < $1", now.AddDate(0, 0, -30))
	}
	if err != nil {
		return fmt.Errorf("sweep sessions and links: %w", err)
	}
	return a.limits.Sweep(ctx)
}

// change runs f in a transaction that begins a new access generation. Changes
// wait for each other on both engines, so f may check first and write then.
func (a *Accounts) change(ctx context.Context, f func(tx *sqldb.DB) error) error {
	return a.db.Tx(ctx, func(tx *sqldb.DB) error {
		if err := access.Bump(ctx, tx); err != nil {
			return err
		}
		return f(tx)
	})
}

// record writes the audit row of a change. A person who was deleted or disabled
// since the request began changes nothing any more, which is errs.Unauthenticated.
func (a *Accounts) record(ctx context.Context, tx *sqldb.DB, actor access.Actor, e audit.Entry) error {
	if actor.Kind == access.KindPerson && actor.ID != e.ObjectID {
		gone, err := access.Gone(ctx, tx, []string{actor.ID})
		if err != nil {
			return err
		}
		if gone[actor.ID] {
			return access.ErrGone()
		}
	}
	e.At = a.now()
	return audit.Write(ctx, tx, actor, e)
}

// post mails in the background, for as long as the mail server takes. The
// channel closes when it is done. What goes wrong is logged.
func (a *Accounts) post(ctx context.Context, m mail.Message) <-chan struct{} {
	done := make(chan struct{})
	if a.opts.Mail == nil {
		close(done)
		return done
	}
	a.sendings.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := a.opts.Mail.Send(ctx, m); err != nil {
			a.opts.Log.Error("send mail", "subject", m.Subject, "error", err)
		}
	})
	return done
}

// send is post and waits a moment: the usual mail has gone when the page is
// answered, a slow server holds nobody up.
func (a *Accounts) send(ctx context.Context, m mail.Message) {
	patience := time.NewTimer(a.opts.AnswerAfter)
	defer patience.Stop()
	select {
	case <-a.post(ctx, m):
	case <-patience.C:
	case <-ctx.Done():
	}
}

// network gives the network of a client's address, for limits of frequency: the
// /24 of IPv4, the /48 of IPv6, or what there is.
func network(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	addr = addr.Unmap()
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return remote
	}
	return prefix.String()
}

// clean makes a text from a client fit for both databases: PostgreSQL takes
// neither NUL nor what is no UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// noRows reports whether a query found nothing.
func noRows(err error) bool { return errors.Is(err, sqldb.ErrNoRows) }
