package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"terrarium/internal/errs"
)

// Logger takes the events of requests.
type Logger interface {
	LogAttrs(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr)
}

// Event gathers what is worth knowing of one request and becomes one line of
// the log when it has been answered.
type Event struct {
	ID    string // shown to people as the request's number
	mu    sync.Mutex
	attrs []slog.Attr
	err   error
}

type eventKey struct{}

// EventOf gives the event of a request; outside of Observe it is a fresh one
// that nobody writes.
func EventOf(r *http.Request) *Event {
	if e, ok := r.Context().Value(eventKey{}).(*Event); ok {
		return e
	}
	return &Event{}
}

// Set notes a value under a name.
func (e *Event) Set(name string, value any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attrs = append(e.attrs, slog.Any(name, value))
}

// Fail notes the error that the request ended with.
func (e *Event) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func panicError(v any) error { return &panicked{v, debug.Stack()} }

// Begin is the outermost layer: it names the request, finds the client's
// address, sets the headers that every answer carries and logs one event.
func (f *Frame) Begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := f.Now()
		e := &Event{ID: requestID()}
		path := Redact(r.URL.EscapedPath())
		route := chi.NewRouteContext()
		ctx := context.WithValue(r.Context(), eventKey{}, e)
		ctx = context.WithValue(ctx, chi.RouteCtxKey, route) // so that the pattern is known here
		r = withRemote(r.WithContext(ctx), f.Trusted)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Request-Id", e.ID)
		if f.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		rec := &recorder{ResponseWriter: w}
		defer func() {
			took := f.Now().Sub(start)
			if f.Observe != nil {
				f.Observe(r.Method, route.RoutePattern(), rec.status(), took)
			}
			f.write(r, e, path, rec, took)
		}()
		next.ServeHTTP(rec, r)
	})
}

func (f *Frame) write(r *http.Request, e *Event, path string, rec *recorder, took time.Duration) {
	if f.Log == nil {
		return
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("id", e.ID), slog.String("method", r.Method), slog.String("path", path),
		slog.Int("status", rec.status()), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
		slog.String("remote", RemoteOf(r)), slog.String("agent", Redact(r.UserAgent())),
	}
	e.mu.Lock()
	attrs = append(attrs, e.attrs...)
	if e.err != nil {
		attrs = append(attrs, slog.String("error", Redact(e.err.Error())), slog.String("kind", errs.KindOf(e.err).String()))
		if errs.KindOf(e.err) == errs.Internal {
			level = slog.LevelError
		}
		if p, ok := errors.AsType[*panicked](e.err); ok {
			attrs = append(attrs, slog.String("stack", Redact(string(bytes.TrimSpace(p.stack)))))
		}
	}
	e.mu.Unlock()
	f.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// secrets match what may look like a credential in a path or a text: tokens in
// our format anywhere, whatever stands behind /t/, and one-time codes.
var secrets = regexp.MustCompile(`(?i)tm-[a-z]+-[a-z0-9]{16,}(?:-[a-z0-9]*)?|(/t/|/reset/|/verify/|/setup/|/invite/|/_storage/)[^/?\s"]+`)

// Redact takes everything that may be a secret out of a text for the log.
func Redact(s string) string {
	return secrets.ReplaceAllString(s, "${1}***")
}

func requestID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// recorder remembers status and size and hands everything else through, above
// all io.ReaderFrom, without which there would be no sendfile.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
}

func (w *recorder) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write counts bytes.
func (w *recorder) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
