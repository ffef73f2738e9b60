package account_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/mail"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

const password = "correct horse 9"

// outbox is a mail server that keeps what it gets.
type outbox struct {
	mu    sync.Mutex
	mails []mail.Message
}

func (o *outbox) Send(_ context.Context, m mail.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mails = append(o.mails, m)
	return nil
}

func (o *outbox) last(t *testing.T) mail.Message {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mails) == 0 {
		t.Fatal("no mail was sent")
	}
	return o.mails[len(o.mails)-1]
}

func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.mails)
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a set of accounts with a clock and a mail server.
type world struct {
	*account.Accounts
	t     *testing.T
	db    *sqldb.DB
	mails *outbox
	clock *clock
	from  access.Request
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	eachWith(t, account.Options{}, f)
}

func eachWith(t *testing.T, opts account.Options, f func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, newWorld(t, db, opts)) })
}

func newWorld(t *testing.T, db *sqldb.DB, opts account.Options) *world {
	t.Helper()
	w := &world{t: t, db: db, mails: &outbox{}, from: access.Request{Remote: "192.0.2.7", Agent: "test/1", RequestID: "r-1"}}
	w.clock = &clock{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	opts.Now, opts.Mail, opts.URL = w.clock.Now, w.mails, "https://conda.example.org/"
	opts.PasswordMemory, opts.AnswerAfter = 8, max(opts.AnswerAfter, time.Millisecond)
	w.Accounts = account.New(db, opts)
	t.Cleanup(func() {
		if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

func (w *world) anonymous() access.Actor { return access.Anonymous("").From(w.from) }

// user makes a verified account and gives its actor.
func (w *world) user(name string) access.Actor {
	w.t.Helper()
	return w.make(account.NewUser{Name: name, Email: name + "@example.org", Password: password})
}

func (w *world) operator(name string) access.Actor {
	w.t.Helper()
	return w.make(account.NewUser{Name: name, Email: name + "@example.org", Password: password, Operator: true})
}

func (w *world) make(n account.NewUser) access.Actor {
	w.t.Helper()
	u, err := w.CreateUser(w.t.Context(), access.System(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.actor(u.ID)
}

// actor gives the present rights of a user.
func (w *world) actor(id string) access.Actor {
	w.t.Helper()
	actor, err := w.ActorOf(w.t.Context(), id, "session", w.from)
	if err != nil {
		w.t.Fatal(err)
	}
	return actor
}

// organization makes one and gives its owner's present rights.
func (w *world) organization(owner access.Actor, name string) (access.Actor, account.Organization) {
	w.t.Helper()
	o, err := w.CreateOrganization(w.t.Context(), owner, name, name+"@example.org")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.actor(owner.ID), o
}

func (w *world) token(actor access.Actor, n account.NewToken) string {
	w.t.Helper()
	if n.Name == "" {
		n.Name = "laptop"
	}
	_, secret, err := w.CreateToken(w.t.Context(), actor, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

func (w *world) by(secret string) (access.Actor, error) {
	return w.Authenticate(w.t.Context(), account.Credential{Scheme: "token", Value: secret}, w.from)
}

// pkg puts a package of an owner into the database, as package registry does.
func (w *world) pkg(owner account.Owner, name string, private bool) access.Object {
	w.t.Helper()
	id := access.NewID(w.clock.Now())
	_, err := w.db.Exec(w.t.Context(), `
		INSERT INTO package_rows (id, owner_id, name, private, attrs, types, platforms, created_at, modified_at)
		VALUES ($1, $2, $3, $4, '{}', '[]', '[]', $5, $5)`, id, owner.ID, name, private, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	o := owner.Object()
	o.PackageID, o.PackageName, o.Private = id, name, private
	return o
}

var codeInMail = regexp.MustCompile(`(?m)^https://conda\.example\.org/(?:verify/|reset/|signup\?invite=)([a-z0-9]+)$`)

// code reads the code of the link in the last mail, which stands alone on a line,
// when every mail that was under way has come.
func (w *world) code() string {
	w.t.Helper()
	ok(w.t, w.Close(w.t.Context()))
	m := codeInMail.FindStringSubmatch(w.mails.last(w.t).Text)
	if m == nil {
		w.t.Fatalf("no link stands alone on a line of %q", w.mails.last(w.t).Text)
	}
	return m[1]
}

func wantKind(t *testing.T, err error, want errs.Kind, sentence string) {
	t.Helper()
	if errs.KindOf(err) != want || err == nil {
		t.Errorf("got %v error %v, want %v", errs.KindOf(err), err, want)
	} else if !strings.Contains(errs.Message(err), sentence) {
		t.Errorf("got the sentence %q, want one with %q", errs.Message(err), sentence)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Row(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func form(name string) account.SignUp {
	return account.SignUp{Name: name, Email: name + "@example.org", Password: password, Password2: password, Terms: true, TermsVersion: "2026-01"}
}

// atOnce runs f n times at once and gives the errors.
func atOnce(n int, f func(i int) error) []error {
	errors := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errors[i] = f(i) })
	}
	wg.Wait()
	return errors
}

func oneWins(t *testing.T, errors []error, others ...errs.Kind) {
	t.Helper()
	won := 0
	for _, err := range errors {
		if err == nil {
			won++
			continue
		}
		expected := false
		for _, kind := range others {
			expected = expected || errs.KindOf(err) == kind
		}
		if !expected {
			t.Errorf("a loser got %v: %v", errs.KindOf(err), err)
		}
	}
	if won != 1 {
		t.Errorf("%d won, want one: %s", won, fmt.Sprint(errors))
	}
}
