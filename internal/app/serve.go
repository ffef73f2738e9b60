package app

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"terrarium/internal/condahttp"
	"terrarium/internal/errs"
	"terrarium/internal/http1"
	"terrarium/internal/sqldb"
	"terrarium/internal/web"
)

// Serving says how to serve.
type Serving struct {
	Version string
	Sample  bool              // publish the sample channel into a store without owners first
	Say     func(line string) // what the operator reads on the standard output
}

// drainFor is how long running uploads may take to finish after SIGTERM.
const drainFor = 30 * time.Second

// Serve answers requests until ctx ends, then drains: no new connections, what
// runs may finish.
func (a *App) Serve(ctx context.Context, s Serving) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "Cannot listen on %s.", a.Config.Listen)
	}
	handler, err := a.Handler(s.Version)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if ln, err = a.secure(ln, s.Say); err != nil {
		return err
	}
	floor := newHeapFloor()
	defer runtime.KeepAlive(floor)
	served := make(chan error, 1)
	front := a.Front(ctx, handler)
	go func() { served <- front.Serve(ln) }()
	s.Say("listening on " + a.Config.URL)

	background, stop := context.WithCancel(ctx)
	defer stop()
	begun := make(chan error, 1)
	go func() { begun <- a.Begin(background, s) }()
	for {
		select {
		case err := <-begun:
			if err != nil && ctx.Err() == nil {
				return errors.Join(err, front.Close())
			}
			begun = nil
		case err := <-served:
			return err
		case <-ctx.Done():
			a.ready.Store(false)
			drain, cancel := context.WithTimeout(context.Background(), drainFor)
			defer cancel()
			err := front.Shutdown(drain)
			stop()
			stopping, cancelJobs := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancelJobs()
			if jerr := a.Jobs.Stop(stopping); jerr != nil {
				a.Log.Warn("jobs did not stop in time", "error", jerr)
			}
			if serr := a.Index.Save(stopping, true); serr != nil {
				a.Log.Warn("the state of an index was not saved; the next start reads more rows", "error", serr)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				a.Log.Warn("requests were cut off after draining", "after", drainFor)
				return front.Close()
			}
			return err
		}
	}
}

// Front is what answers connections with the handler; ctx gives requests its values
// and not its end.
func (a *App) Front(ctx context.Context, handler http.Handler) *http1.Front {
	return &http1.Front{Plain: condahttp.Served, Key: web.EventKey, Server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn), // failed handshakes and the like
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}}
}

// Begin does what a server does before it is ready, and starts its background,
// which ends with ctx. Serve calls it; who brings a listener, as tests do, calls
// it after Handler.
func (a *App) Begin(ctx context.Context, s Serving) error {
	if strings.HasPrefix(a.Config.Mail, "dir:") {
		s.Say("mail goes to the folder " + strings.TrimPrefix(a.Config.Mail, "dir:"))
	}
	if strings.HasPrefix(a.Config.URL, "http://") {
		s.Say("without TLS the browser login of `anaconda login` cannot work: use a token (terrarium token create) or `anaconda login --username`")
	}
	if s.Sample {
		if err := a.PublishSample(ctx); err != nil {
			return err
		}
	}
	if err := a.Index.Warm(sqldb.Patient(ctx)); err != nil {
		return err
	}
	// What a program before this one left unsaid when it was killed.
	if err := a.Registry.TellPackages(ctx); err != nil {
		return err
	}
	has, err := a.Accounts.HasOperator(ctx)
	if err != nil {
		return err
	}
	if !has {
		code, err := a.Accounts.SetupLink(ctx)
		if err != nil {
			return err
		}
		s.Say("no operator yet; make one here: " + a.Config.URL + "/setup/" + code)
	}
	go a.Accounts.Run(ctx)
	go a.Index.Run(sqldb.Patient(ctx))
	if err := a.Jobs.Start(ctx); err != nil {
		return err
	}
	a.ready.Store(true)
	return nil
}

// Work runs jobs until ctx ends.
func (a *App) Work(ctx context.Context) error {
	if !a.DB.Postgres() {
		return errs.New(errs.Invalid, "On SQLite `terrarium serve` works on jobs itself; a worker beside it needs PostgreSQL (--database postgres://…).")
	}
	go a.Accounts.Run(ctx)
	if err := a.Jobs.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), drainFor)
	defer cancel()
	return a.Jobs.Stop(stopping)
}

// secure puts TLS around the listener where the configuration asks for it.
func (a *App) secure(ln net.Listener, say func(string)) (net.Listener, error) {
	var cert tls.Certificate
	var err error
	switch {
	case a.Config.TLSCert != "":
		if cert, err = tls.LoadX509KeyPair(a.Config.TLSCert, a.Config.TLSKey); err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The certificate %s cannot be used.", a.Config.TLSCert)
		}
	case a.Config.TLSDev:
		var ca string
		if cert, ca, err = devCertificate(a.Config, a.now()); err != nil {
			return nil, err
		}
		say("certificate authority for this machine: " + ca)
	default:
		return ln, nil
	}
	return tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{cert}}), nil
}
