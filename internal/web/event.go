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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
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
	span  *trace.Span
	rec   *recorder // the answer
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

// Set notes a value under a name. A text may come from the address, and is noted
// without what may be a secret in it.
func (e *Event) Set(name string, value any) {
	if text, ok := value.(string); ok {
		value = Redact(text)
	}
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
// address, sets the headers that every answer carries, logs one event and ends the
// request's span. A panic that no handler has caught ends here as well: what
// net/http would write of it holds the value as it is.
func (f *Frame) Begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := f.Now()
		e := &Event{ID: requestID()}
		path := Redact(r.URL.EscapedPath())
		route := chi.NewRouteContext()
		ctx, span := f.Tracer.Receive(r.Context(), r.Header.Get("Traceparent"))
		e.span = span
		ctx = context.WithValue(ctx, eventKey{}, e)
		ctx = context.WithValue(ctx, chi.RouteCtxKey, route) // so that the pattern is known here
		r = withRemote(r.WithContext(ctx), f.Trusted)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Request-Id", e.ID)
		if f.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		rec := &recorder{ResponseWriter: w}
		e.rec = rec
		defer func() {
			v := recover()
			err, _ := v.(error)
			aborted := errors.Is(err, http.ErrAbortHandler)
			if v != nil && !aborted {
				e.Fail(panicError(v))
				if aborted = rec.code != 0; !aborted { // else the answer is half written, and must not look whole
					http.Error(rec, "Something broke here, not with you.", http.StatusInternalServerError)
				}
			}
			took := f.Now().Sub(start)
			if f.Observe != nil {
				f.Observe(r.Method, route.RoutePattern(), rec.status(), took)
			}
			f.write(r, e, path, rec, took)
			e.end(r.Method, route.RoutePattern(), rec)
			if aborted {
				panic(http.ErrAbortHandler)
			}
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
		slog.String("id", e.ID), slog.String("method", Redact(r.Method)), slog.String("path", path),
		slog.Int("status", rec.status()), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
		slog.String("remote", RemoteOf(r)), slog.String("agent", Redact(r.UserAgent())),
	}
	if id := e.span.ID(); id != "" {
		attrs = append(attrs, slog.String("trace", id))
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

// end ends the span of the request. What it says is the program's: the method if
// it is one that is known, the pattern of the route, numbers, kinds of errors.
func (e *Event) end(method, pattern string, rec *recorder) {
	if e.span == nil {
		return
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	e.span.Rename(strings.TrimSuffix(method+" "+pattern, " "))
	e.span.Text("http.request.method", method)
	e.span.Text("http.route", pattern)
	e.span.Number("http.response.status_code", int64(rec.status()))
	e.span.Number("http.response.body.size", rec.bytes)
	e.span.Text("request.id", e.ID)
	if rec.status() >= http.StatusInternalServerError {
		e.span.Fail(strconv.Itoa(rec.status()))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := errors.AsType[*panicked](e.err); ok {
		e.span.Panic(p.value)
		e.span.End(nil)
		return
	}
	e.span.End(e.err)
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

// begun notes that an answer without a status of its own has begun.
func (w *recorder) begun() {
	if w.code == 0 {
		w.code = http.StatusOK
	}
}

// Write counts bytes.
func (w *recorder) Write(b []byte) (int, error) {
	w.begun()
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
