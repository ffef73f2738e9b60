package web_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
	"terrarium/internal/trace/tracetest"
	"terrarium/internal/web"
)

const secret = "tm-user-0123456789abcdefABCDEF-xyz12"

func problem(w http.ResponseWriter, r *http.Request, err error) {
	web.Problem(w, r, web.Status(err), err)
}

// routes are answers of every kind.
func routes() http.Handler {
	say := func(status int) web.Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			_, step := trace.Child(r.Context(), "step")
			step.End(nil)
			w.WriteHeader(status)
			return nil
		}
	}
	refuse := func(err error) web.Handler { return func(http.ResponseWriter, *http.Request) error { return err } }
	return web.Mount([]web.Route{
		{Method: "GET", Pattern: "/ok/{name}", Handle: say(http.StatusOK)},
		{Method: "GET", Pattern: "/moved/{name}", Handle: say(http.StatusFound)},
		{Method: "GET", Pattern: "/refused/{name}", Handle: refuse(errs.New(errs.Forbidden, "Not for %s.", secret))},
		{Method: "GET", Pattern: "/broken/{name}", Handle: refuse(errors.New("broken at " + secret))},
		{Method: "GET", Pattern: "/panic/{name}", Handle: func(http.ResponseWriter, *http.Request) error { panic("at " + secret) }},
	}, problem, refuse(errs.New(errs.NotFound, "There is nothing here.")))
}

// TestTraces asks for every kind of answer with a secret in each place and reads
// what the collector got.
func TestTraces(t *testing.T) {
	c := tracetest.New(t)
	var log bytes.Buffer
	f := frame(&log)
	f.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tracer, err := trace.Open(c.URL, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Tracer = tracer
	before := func(next http.Handler) http.Handler { // what stands before a face
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/early/") {
				panic("at " + secret)
			}
			next.ServeHTTP(w, r)
		})
	}
	server := httptest.NewServer(f.Begin(before(routes())))
	defer server.Close()
	const id = "0af7651916cd43dd8448eb211c80319c"
	ask := func(method, path string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path+secret+"?token="+secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Traceparent": "00-" + id + "-b7ad6b7169203331-01", "Tracestate": "x=" + secret, "Baggage": "x=" + secret,
			"User-Agent": secret, "Referer": "http://x/" + secret, "Authorization": "token " + secret,
		} {
			r.Header.Set(name, value)
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	for _, want := range []struct {
		method, path string
		status       int
		span, failed string
	}{
		{"GET", "/ok/", 200, "GET /ok/{name}", ""},
		{"HEAD", "/ok/", 200, "HEAD /ok/{name}", ""},
		{"GET", "/moved/", 302, "GET /moved/{name}", ""},
		{"GET", "/refused/", 403, "GET /refused/{name}", ""},
		{"GET", "/nothing/", 404, "GET", ""},
		{secret, "/ok/", 405, "other", ""},
		{"GET", "/broken/", 500, "GET /broken/{name}", "internal"},
		{"GET", "/panic/", 500, "GET /panic/{name}", "panic"},
		{"GET", "/early/", 500, "GET", "panic"},
	} {
		log.Reset()
		past := len(c.Spans())
		if got := ask(want.method, want.path); got != want.status {
			t.Errorf("%s %s: %d, want %d", want.method, want.path, got, want.status)
		}
		if err := tracer.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		spans := c.Spans()[past:]
		got := spans[len(spans)-1]
		if got.Name != want.span || got.Status != want.failed || got.Trace != id || got.Parent != "b7ad6b7169203331" {
			t.Errorf("%s %s: the span came as %+v, want %q, failed of %q", want.method, want.path, got, want.span, want.failed)
		}
		if (len(got.Events) == 1 && got.Events[0]["exception.type"] == "string") != (want.failed == "panic") {
			t.Errorf("%s %s: the events are %v", want.method, want.path, got.Events)
		}
		if want.status < 400 && (len(spans) != 2 || spans[0].Parent != got.ID) {
			t.Errorf("%s %s: the step came as %+v", want.method, want.path, spans[0])
		}
		var line struct{ ID, Trace, Stack string }
		if err := json.Unmarshal(log.Bytes(), &line, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("%s %s: the log is not one line: %v\n%s", want.method, want.path, err, &log)
		}
		if line.Trace != id || line.ID != got.Attributes["request.id"] || (line.Stack != "") != (want.failed == "panic") {
			t.Errorf("%s %s: the line of the log is %s", want.method, want.path, &log)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s %s: the secret is in the log: %s", want.method, want.path, &log)
		}
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(c.Raw(), secret) {
		t.Error("the secret went to the collector")
	}
}

// TestHalfAnAnswer: a panic behind the first byte ends the connection, so that
// nobody takes half an answer for a whole one.
func TestHalfAnAnswer(t *testing.T) {
	var log, refused bytes.Buffer
	half := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("at " + secret)
	}
	handled := web.Handle(func(w http.ResponseWriter, r *http.Request) error { half(w, r); return nil }, problem)
	mux := http.NewServeMux()
	mux.HandleFunc("/early", half)
	mux.Handle("/handled", handled)
	server := httptest.NewUnstartedServer(frame(&log).Begin(mux))
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&refused, nil), slog.LevelError)
	server.Start()
	for _, path := range []string{"/early", "/handled"} {
		response, err := http.Get(server.URL + path)
		if err != nil {
			continue // cut off before its first byte went out
		}
		if body, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("%s: the answer looks whole: %q", path, body)
		}
		response.Body.Close()
	}
	server.Close()
	if refused.Len() > 0 || strings.Count(log.String(), "stack=") != 2 || strings.Contains(log.String(), secret) {
		t.Errorf("the log has\n%s\nand net/http wrote\n%s", &log, &refused)
	}
}

// BenchmarkTraces is a request without what surrounds it, with it, and with it
// and traces that go to a collector.
func BenchmarkTraces(b *testing.B) {
	handler := routes()
	run := func(b *testing.B, h http.Handler) {
		b.Helper()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/ok/name", nil)
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	b.Run("bare", func(b *testing.B) { run(b, handler) })
	f := &web.Frame{Now: time.Now}
	b.Run("off", func(b *testing.B) { run(b, f.Begin(handler)) })
	tracer, err := trace.Open(tracetest.New(b).URL, trace.Options{})
	if err != nil {
		b.Fatal(err)
	}
	on := &web.Frame{Now: time.Now, Tracer: tracer}
	b.Run("on", func(b *testing.B) { run(b, on.Begin(handler)) })
	if err := tracer.Close(b.Context()); err != nil {
		b.Error(err)
	}
}
