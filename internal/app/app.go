// Package app is the program: it reads the configuration, wires the parts in
// the order of the storeys, mounts the faces, starts and stops. It knows
// everything and decides nothing; only commands and tests import it.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/archive"
	"terrarium/internal/blob"
	"terrarium/internal/dial"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/job"
	"terrarium/internal/mail"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/trace"
)

// App is an opened store with everything that works on it.
type App struct {
	Config   Config
	Log      *slog.Logger
	DB       *sqldb.DB          // rows
	Blobs    *blob.Store        // bytes
	Mail     *mail.Mailer       // outgoing mail
	Dial     *dial.Dialer       // the only way out
	Traces   *trace.Tracer      // what takes how long; nil where nobody asked for it
	Jobs     *job.Client        // slow work
	Rights   *access.Generation // when anybody's rights changed
	Accounts *account.Accounts  // people, organisations, tokens
	Registry *registry.Registry // channels, packages, files
	Index    *index.Index       // what clients read of them

	ready   atomic.Bool // migrations, database, blobs, sample and first load are done
	metrics *metrics
	now     func() time.Time
	people  func(*account.Options) // what tests change of them
	bytes   func(*blob.Options)
	rows    func(*sqldb.Options)
}

// Option changes how New wires the parts, for tests.
type Option func(*App)

// WithClock replaces the clock.
func WithClock(now func() time.Time) Option { return func(a *App) { a.now = now } }

// WithAccounts changes the options of the accounts, such as what a password's
// hash costs.
func WithAccounts(change func(*account.Options)) Option { return func(a *App) { a.people = change } }

// WithBlobs changes the options of the blob store, such as who is told of each
// of its steps.
func WithBlobs(change func(*blob.Options)) Option { return func(a *App) { a.bytes = change } }

// WithDatabase changes the options of the database, such as who is told of each
// statement.
func WithDatabase(change func(*sqldb.Options)) Option { return func(a *App) { a.rows = change } }

// New opens the store that cfg names, brings its schema up and wires the parts.
// Close must follow.
func New(ctx context.Context, cfg Config, log *slog.Logger, options ...Option) (_ *App, err error) {
	a := &App{Config: cfg, Log: log, now: time.Now, people: func(*account.Options) {}, bytes: func(*blob.Options) {}, rows: func(*sqldb.Options) {}}
	for _, o := range options {
		o(a)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if usesData(cfg) {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return nil, errs.Wrap(errs.Unavailable, err, "The folder %s cannot be made.", cfg.Data)
		}
	}
	a.Dial = dial.New(dial.Options{Allow: cfg.OutgoingAllowed})
	if cfg.Traces != "" {
		if a.Traces, err = trace.Open(cfg.Traces, trace.Options{Dialer: a.Dial, Log: log}); err != nil {
			return nil, err
		}
	}
	database := sqldb.Options{Log: quiet(log)}
	a.rows(&database)
	if a.DB, err = sqldb.Open(ctx, cfg.Database, database); err != nil {
		return nil, err
	}
	if err = a.DB.Migrate(ctx); err != nil {
		return nil, err
	}
	store := blob.Options{Dialer: a.Dial}
	a.bytes(&store)
	if a.Blobs, err = blob.Open(ctx, cfg.Blobs, store); err != nil {
		return nil, err
	}
	if a.Mail, err = mail.Open(cfg.Mail, mail.Options{Dialer: a.Dial, From: sender(cfg), Now: a.now}); err != nil {
		return nil, err
	}
	a.Rights = access.NewGeneration(a.DB)
	people := account.Options{
		Now: a.now, Mail: a.Mail, Log: log, Gen: a.Rights, URL: cfg.URL, Signup: cfg.Signup, RequireVerified: cfg.VerifyEmail,
	}
	a.people(&people)
	a.Accounts = account.New(a.DB, people)
	if err = a.claim(ctx); err != nil {
		return nil, err
	}
	records := registry.Options{
		Now: a.now, Log: log, Gen: a.Rights, Renew: a.Accounts.Renew, Limits: archive.DefaultLimits(), MaxUpload: cfg.MaxUpload, Fetch: a.fetch, AfterUpload: a.afterUpload,
	}
	forms := index.Options{URL: cfg.URL, Now: a.now, Log: log}
	if err = hasten(&records, &forms); err != nil {
		return nil, err
	}
	a.Registry = registry.New(a.DB, a.Blobs, records)
	a.Index = index.New(a.DB, a.Registry, forms)
	a.Registry.SetPublisher(a.Index)
	a.Jobs = a.jobs()
	a.metrics = newMetrics()
	if err = a.Accounts.EnsureMirrorOwners(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// Close writes what is still in memory and gives everything up.
func (a *App) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	if a.Registry != nil {
		err = errors.Join(err, a.Registry.Close(ctx))
	}
	if a.Accounts != nil {
		err = errors.Join(err, a.Accounts.Close(ctx))
	}
	if a.Blobs != nil {
		err = errors.Join(err, a.Blobs.Close())
	}
	if a.DB != nil {
		err = errors.Join(err, a.DB.Close())
	}
	err = errors.Join(err, a.Traces.Close(ctx))
	return errors.Join(err, Flush(a.Log))
}

// usesData reports whether anything lies in the data folder.
func usesData(cfg Config) bool {
	return cfg.TLSDev || strings.HasPrefix(cfg.Database, "sqlite:") || strings.HasPrefix(cfg.Blobs, "file:") || strings.HasPrefix(cfg.Mail, "dir:")
}

func sender(cfg Config) string {
	host := strings.TrimPrefix(strings.TrimPrefix(cfg.URL, "https://"), "http://")
	host, _, _ = strings.Cut(host, ":")
	if strings.Trim(host, "0123456789.") == "" || host == "localhost" {
		host = "terrarium.invalid"
	}
	return "terrarium@" + host
}

// fetch gets a file from where an imported channel came from: an address, or a
// folder of this machine that the operator named.
func (a *App) fetch(ctx context.Context, address string) (io.ReadCloser, error) {
	if u, err := url.Parse(address); err == nil && u.Scheme == "file" {
		f, err := os.Open(u.Path)
		if err != nil {
			return nil, errs.Wrap(errs.Unavailable, err, "The folder that this file comes from does not have it now.")
		}
		return f, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The address of the file is not well formed.")
	}
	resp, err := a.Dial.HTTPClient().Do(req)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The channel that this file comes from does not answer.")
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, errs.New(errs.Unavailable, "The channel that this file comes from answered %s.", resp.Status)
	}
	return resp.Body, nil
}
