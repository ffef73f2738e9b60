// Package apptest runs the whole program inside a test, behind a real HTTP
// server: over a SQLite file, or a PostgreSQL database where the environment
// variable TEST_POSTGRES names a server, and over a folder of bytes or an S3
// server of its own. Passwords are hashed cheaply, the clock can be moved, the
// log and the mail are kept to be looked at, and so are all rows.
package apptest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"terrarium/internal/account"
	"terrarium/internal/app"
	"terrarium/internal/blob"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// Password is that of every person that User makes.
const Password = "a long and quiet evening"

// App is a running program. It ends with its test.
type App struct {
	*app.App
	Faces app.Faces
	Data  string // the folder of everything that the defaults keep
	Base  string // where it listens; Config.URL says so too, unless an option changed it
	Clock *Clock

	t       testing.TB
	log     *buffer
	options []app.Option
	client  *http.Client
	stop    func() // nil when it is stopped
}

// Option changes what New makes.
type Option func(*options)

type options struct {
	settings map[string]string
	s3       bool
	app      []app.Option
}

// Setting gives a setting of the program another value, by its key in the
// configuration file.
func Setting(key, value string) Option { return func(o *options) { o.settings[key] = value } }

// OnS3 keeps the bytes in an S3 server inside the test. The test cannot be
// parallel, since the credentials are in the environment.
func OnS3() Option { return func(o *options) { o.s3 = true } }

// Trace tells f of each step that the folder of bytes takes, before it is taken;
// an error of f is that of the disk.
func Trace(f func(blob.Step) error) Option {
	return func(o *options) { o.app = append(o.app, app.WithBlobs(func(b *blob.Options) { b.Trace = f })) }
}

// Statements tells f of the text of each SQL statement that a request runs, be it
// in the request's own goroutine or in another; those of the background are left
// out. f is called by several goroutines at once.
func Statements(f func(query string)) Option {
	observe := func(ctx context.Context, query string) {
		if ctx.Value(http.ServerContextKey) != nil {
			f(query)
		}
	}
	return func(o *options) {
		o.app = append(o.app, app.WithDatabase(func(d *sqldb.Options) { d.Observe = observe }))
	}
}

// New starts the program.
func New(t testing.TB, opts ...Option) *App {
	t.Helper()
	o := options{settings: map[string]string{}}
	for _, f := range opts {
		f(&o)
	}
	a := &App{Clock: &Clock{}, Data: t.TempDir(), t: t, log: &buffer{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Base = "http://" + ln.Addr().String()
	settings := map[string]string{
		"data": a.Data, "listen": ln.Addr().String(), "url": a.Base, "database": sqldbtest.URL(t),
		"max_upload": "64MiB", "log_format": "json", "log_level": "debug",
	}
	if o.s3 {
		settings["blobs"] = fakeS3(t)
	}
	for key, value := range o.settings {
		settings[key] = value
	}
	values, err := app.Load(settings, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	a.options = append([]app.Option{
		app.WithClock(a.Clock.Now),
		app.WithAccounts(func(o *account.Options) { o.PasswordMemory, o.AnswerAfter = 64, time.Millisecond }),
	}, o.app...)
	a.client = &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(a.Stop)
	a.start(cfg, ln)
	return a
}

// fakeS3 starts an S3 server and gives the address of a bucket on it.
func fakeS3(t testing.TB) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("packages"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithoutVersioning()).Server())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return "s3://packages?use_path_style=true&region=eu-west-1&endpoint=" + url.QueryEscape(server.URL)
}

func (a *App) start(cfg app.Config, ln net.Listener) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.t.Context()))
	program, err := app.New(ctx, cfg, app.NewLog(a.log, cfg), a.options...)
	if err != nil {
		cancel()
		a.t.Fatal(err)
	}
	a.App = program
	if a.Faces, err = program.Faces("test"); err != nil {
		a.t.Fatal(err)
	}
	handler, err := program.Handler("test")
	if err != nil {
		a.t.Fatal(err)
	}
	front := program.Front(ctx, handler)
	served := make(chan error, 1)
	go func() { served <- front.Serve(ln) }()
	if err := program.Begin(ctx, app.Serving{Version: "test", Say: func(string) {}}); err != nil {
		a.t.Fatal(err)
	}
	a.stop = func() {
		a.client.CloseIdleConnections()
		stopping, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		if err := front.Shutdown(stopping); err != nil {
			a.t.Errorf("requests did not end: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			a.t.Errorf("the server ended with %v", err)
		}
		cancel()
		if err := program.Jobs.Stop(stopping); err != nil {
			a.t.Errorf("stop the jobs: %v", err)
		}
		if err := program.Close(); err != nil {
			a.t.Errorf("close the program: %v", err)
		}
	}
}

// Stop ends the program as a SIGTERM does. The data stay until the test ends.
func (a *App) Stop() {
	if a.stop == nil {
		return
	}
	stop := a.stop
	a.stop = nil
	stop()
}

// Restart stops the program and starts it again over the same data, at the same
// address.
func (a *App) Restart() {
	a.t.Helper()
	a.Stop()
	ln, err := net.Listen("tcp", a.Config.Listen)
	if err != nil {
		a.t.Fatal(err)
	}
	a.start(a.Config, ln)
}

// Logged is everything that the program has logged, one JSON object a line.
func (a *App) Logged() string { return a.log.String() }

// MailFolder is where mail goes.
func (a *App) MailFolder() string { return filepath.Join(a.Data, "mail") }

// BlobFolder is where bytes go, unless on S3.
func (a *App) BlobFolder() string { return filepath.Join(a.Data, "blobs") }

// Clock goes as the real one does, and can be moved ahead.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Pass moves the clock ahead.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// buffer is a log in memory.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

// Write appends a line.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

// String gives all lines.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
