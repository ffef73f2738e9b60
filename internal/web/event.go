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
	"unicode/utf8"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
)

// Event gathers what is worth knowing of one request and becomes one line of
// the log when it has been answered.
//
// It is the one thing that the layers before a face leave in the context of a
// request: each value more there would be an allocation more, and a request a copy.
type Event struct {
	ID    string    // shown to people as the request's number
	named [1]string // the same, for the header
	mu    sync.Mutex
	attrs []slog.Attr
	first [3]slog.Attr // where attrs begins
	err   error
	span  *trace.Span
	rec   recorder // the answer

	route     string // the pattern that Mount found
	remote    string // address of the client, "" if Begin did not see the request
	pathToken string // that StripToken took off

	identified bool // caller is known
	caller     Caller
}

// EventKey is the key of the event in the context of a request.
const EventKey eventKey = "event"

type eventKey string

// room is the context of a request that has a place for one event, in which the next
// request on the connection finds the one before: http1. So neither is made anew.
type room interface{ Room() *any }

// newEvent makes the event of a request, and the request that has it. The context is
// the request's own, or one around it.
func newEvent(ctx context.Context, r *http.Request) (*Event, *http.Request) {
	if in, ok := ctx.(room); ok && ctx == r.Context() {
		if place := in.Room(); place != nil { // else the request has one already
			e, ok := (*place).(*Event)
			if !ok {
				e = &Event{}
				*place = e
			}
			*e = Event{}
			return e, r
		}
	}
	e := &Event{}
	return e, r.WithContext(context.WithValue(ctx, EventKey, e))
}

// EventOf gives the event of a request; outside of Begin it is a fresh one
// that nobody writes.
func EventOf(r *http.Request) *Event {
	if e, ok := r.Context().Value(EventKey).(*Event); ok {
		return e
	}
	return &Event{}
}

// withEvent gives the event of a request, and the request with one if it had none.
func withEvent(r *http.Request) (*Event, *http.Request) {
	if e, ok := r.Context().Value(EventKey).(*Event); ok {
		return e, r
	}
	return newEvent(r.Context(), r)
}

// Set notes a value under a name. A text may come from the address, and is noted
// without what may be a secret in it.
func (e *Event) Set(name string, value any) {
	attr := slog.Any(name, value)
	if text, ok := value.(string); ok {
		attr = slog.String(name, Redact(text))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.attrs == nil {
		e.attrs = e.first[:0]
	}
	e.attrs = append(e.attrs, attr)
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
		path := Redact(escapedPath(r))
		ctx, span := f.Tracer.Receive(r.Context(), r.Header.Get("Traceparent"))
		e, r := newEvent(ctx, r)
		e.ID, e.span, e.remote = requestID(), span, f.Trusted.remote(r)
		e.named[0] = e.ID
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		h["X-Request-Id"] = e.named[:]
		if f.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		rec := &e.rec
		rec.ResponseWriter = w
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
				f.Observe(r.Method, e.route, rec.status(), took)
			}
			f.write(r, e, path, rec, took)
			e.end(r.Method, e.route, rec)
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
	space, _ := f.space.Get().(*[]slog.Attr)
	if space == nil {
		space = new(make([]slog.Attr, 0, 16))
	}
	attrs := (*space)[:8]
	defer func() {
		clear(attrs)
		*space = attrs[:0]
		f.space.Put(space)
	}()
	attrs[0], attrs[1], attrs[2] = slog.String("id", e.ID), slog.String("method", Redact(r.Method)), slog.String("path", path)
	attrs[3], attrs[4], attrs[5] = slog.Int("status", rec.status()), slog.Int64("bytes", rec.bytes), slog.Duration("took", took)
	attrs[6], attrs[7] = slog.String("remote", e.remote), slog.String("agent", Redact(r.UserAgent()))
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
	out := f.Log.Handler()
	if !out.Enabled(r.Context(), level) {
		return
	}
	// As slog does: a log that cannot be written stops no answer.
	if lines, ok := out.(LineHandler); ok {
		_ = lines.HandleLine(r.Context(), f.Now(), level, "request", attrs)
		return
	}
	record := slog.NewRecord(f.Now(), level, "request", 0) // where in the program it was written says nothing
	record.AddAttrs(attrs...)
	_ = out.Handle(r.Context(), record)
}

// LineHandler is a handler of a log that takes what stands in a record without the
// record, which costs a tenth of a small request to make.
type LineHandler interface {
	slog.Handler
	// HandleLine is Handle; it keeps no attribute.
	HandleLine(ctx context.Context, at time.Time, level slog.Level, message string, attrs []slog.Attr) error
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
	if !suspicious(s) {
		return s
	}
	return secrets.ReplaceAllString(s, "${1}***")
}

// suspicious is a quick look whether secrets could match: whether there is "tm-",
// one of the words behind which a secret stands, or a letter beyond ASCII, some of
// which fold to one of these.
func suspicious(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c != '-' && c != '/' && c < utf8.RuneSelf:
		case c >= utf8.RuneSelf:
			return true
		case c == '-':
			if i >= 2 && s[i-1]|0x20 == 'm' && s[i-2]|0x20 == 't' {
				return true
			}
		case i+1 < len(s) && strings.IndexByte(firsts, s[i+1]|0x20) >= 0:
			for _, word := range before {
				if end := i + len(word); end <= len(s) && strings.EqualFold(s[i:end], word) {
					return true
				}
			}
		}
	}
	return false
}

// before are the words of secrets behind which a secret stands.
var before = []string{"/t/", "/reset/", "/verify/", "/setup/", "/invite/", "/_storage/"}

// firsts are the letters with which these begin, with the bit of small letters set.
const firsts = "trvsi\x7f"

// nosniff is shared by all answers; nobody changes a list of a header in place.
var nosniff = []string{"nosniff"}

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
