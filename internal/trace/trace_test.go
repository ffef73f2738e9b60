package trace_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
	"terrarium/internal/trace"
	"terrarium/internal/trace/tracetest"
)

func open(t testing.TB, address string, log *slog.Logger) *trace.Tracer {
	t.Helper()
	tracer, err := trace.Open(address, trace.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracer.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return tracer
}

// sent gives the spans that have arrived, by their names.
func sent(t testing.TB, tracer *trace.Tracer, c *tracetest.Collector) map[string]tracetest.Span {
	t.Helper()
	if err := tracer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := map[string]tracetest.Span{}
	for _, s := range c.Spans() {
		out[s.Name] = s
	}
	return out
}

// TestSpansArrive sends a request with steps inside one another and one that goes
// on after it, and reads what the collector got.
func TestSpansArrive(t *testing.T) {
	c := tracetest.New(t)
	tracer := open(t, c.URL, nil)
	ctx, request := tracer.Receive(t.Context(), "")
	request.Rename("GET /conda/*")
	inner, step := trace.Child(ctx, "step")
	_, deeper := trace.Child(inner, "deeper")
	deeper.Number("size", 7)
	deeper.End(errs.Wrap(errs.Unavailable, errors.New("hunter2"), "The disk says hunter2."))
	step.End(errs.New(errs.NotFound, "There is no hunter2."))
	gone, cancel := context.WithCancel(inner)
	cancel()
	later, after := trace.Child(trace.Detach(gone), "after")
	if err := later.Err(); err != nil {
		t.Errorf("a detached step ends with its request: %v", err)
	}
	after.End(nil)
	request.Panic(errors.New("hunter2"))
	request.End(errors.New("hunter2"))

	got := sent(t, tracer, c)
	root := got["GET /conda/*"]
	if root.Trace != request.ID() || root.Trace == "" || root.Kind != "SPAN_KIND_SERVER" || root.Parent != "" {
		t.Errorf("the request came as %+v, want the trace %s", root, request.ID())
	}
	for name, parent := range map[string]string{"step": "GET /conda/*", "deeper": "step", "after": "step"} {
		if s := got[name]; s.Parent != got[parent].ID || s.Trace != root.Trace {
			t.Errorf("%s came as %+v, want it below %s", name, s, parent)
		}
	}
	if diff := cmp.Diff(map[string]string{"service.name": "terrarium"}, root.Resource); diff != "" {
		t.Errorf("what the spans are of (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"deeper": "unavailable", "step": "", "after": "", "GET /conda/*": "internal"} {
		if got[name].Status != want {
			t.Errorf("%s failed of %q, want %q", name, got[name].Status, want)
		}
	}
	if want := "not-found"; got["step"].Attributes["refused"] != want {
		t.Errorf("the refusal came as %v, want %q", got["step"].Attributes, want)
	}
	if len(root.Events) != 1 || root.Events[0]["exception.type"] != "*errors.errorString" {
		t.Errorf("the panic came as %v", root.Events)
	}
	if strings.Contains(c.Raw(), "hunter2") {
		t.Error("the text of an error went out")
	}
}

// TestTraceparent: the header of a caller decides the trace and whether it is
// recorded; one that is none, and tracestate, count for nothing.
func TestTraceparent(t *testing.T) {
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := tracetest.New(t)
	tracer := open(t, c.URL, nil)
	for header, want := range map[string]struct{ recorded, joined bool }{
		"":                              {true, false},
		"00-" + id + "-" + span + "-01": {true, true},
		"00-" + id + "-" + span + "-00": {false, false},
		"00-" + id + "-" + span:         {true, false},
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01": {true, false},
		"rubbish": {true, false},
	} {
		ctx, s := tracer.Receive(t.Context(), header)
		s.Rename("as " + header)
		if got := s.ID() == id; got != want.joined || (s != nil) != want.recorded {
			t.Errorf("%q: trace %q; want recorded %t, joined %t", header, s.ID(), want.recorded, want.joined)
		}
		if _, child := trace.Child(ctx, "child"); (child != nil) != want.recorded {
			t.Errorf("%q: a step is recorded: %t", header, child != nil)
		}
		s.End(nil)
		if want.joined {
			if got := sent(t, tracer, c)["as "+header]; got.Parent != span || got.Trace != id {
				t.Errorf("%q: arrived as %+v", header, got)
			}
		}
	}
}

// TestTheEnvironmentIsNotRead sets what OpenTelemetry's library would read, each
// variable so that something would change.
func TestTheEnvironmentIsNotRead(t *testing.T) {
	other := tracetest.New(t)
	for name, value := range map[string]string{
		"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_off", "OTEL_TRACES_EXPORTER": "none", "OTEL_SERVICE_NAME": "hunter2",
		"OTEL_RESOURCE_ATTRIBUTES": "password=hunter2", "OTEL_EXPORTER_OTLP_ENDPOINT": other.URL, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": other.URL + "/x",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-password=hunter2", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_INSECURE": "false", "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "1",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1", "HTTP_PROXY": other.URL,
	} {
		t.Setenv(name, value)
	}
	c := tracetest.New(t)
	tracer := open(t, c.URL+"/base", nil)
	_, s := tracer.Begin(t.Context(), "job sweep")
	s.Text("word", "whole")
	s.End(nil)
	got := sent(t, tracer, c)["job sweep"]
	if got.Attributes["word"] != "whole" || got.Kind != "SPAN_KIND_CONSUMER" {
		t.Errorf("the span came as %+v", got)
	}
	if n := c.Asked("POST /base/v1/traces"); n != 1 {
		t.Errorf("the collector was asked %d times at its address", n)
	}
	if diff := cmp.Diff(map[string]string{"service.name": "terrarium"}, got.Resource); diff != "" {
		t.Errorf("what the span is of (-want +got):\n%s", diff)
	}
	for name, values := range c.Header() {
		if strings.Contains(strings.Join(values, " "), "hunter2") || name == "Content-Encoding" {
			t.Errorf("the environment reached the header %s", name)
		}
	}
	if other.Raw() != "" {
		t.Error("the collector of the environment got something")
	}
}

// TestCollectorAway: that spans do not arrive is said once, and that they do
// again; what records them does not notice.
func TestCollectorAway(t *testing.T) {
	c := tracetest.New(t)
	var log bytes.Buffer
	tracer := open(t, c.URL, slog.New(slog.NewTextHandler(&log, nil)))
	record := func() {
		_, s := tracer.Begin(t.Context(), "job")
		s.End(nil)
		if err := tracer.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	c.Answer(http.StatusNotFound)
	record()
	record()
	if got := strings.Count(log.String(), "traces do not arrive"); got != 1 {
		t.Errorf("the log says %d times that traces do not arrive, want once: %s", got, &log)
	}
	c.Answer(http.StatusOK)
	record()
	record()
	if got := strings.Count(log.String(), "traces arrive again"); got != 1 || len(c.Spans()) != 2 {
		t.Errorf("the log says %d times that traces arrive again, want once, and %d spans came, want 2: %s", got, len(c.Spans()), &log)
	}
}

// TestOnlyTheCollectorIsAllowed: the collector may be in the operator's own
// network, and what it redirects to may not.
func TestOnlyTheCollectorIsAllowed(t *testing.T) {
	inner := tracetest.New(t)
	var log bytes.Buffer
	outer := tracetest.New(t)
	outer.Redirect(inner.URL + "/v1/traces")
	tracer, err := trace.Open(outer.URL, trace.Options{Dialer: dial.New(dial.Options{}), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, s := tracer.Begin(t.Context(), "job")
	s.End(nil)
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if inner.Raw() != "" || outer.Raw() == "" || !strings.Contains(log.String(), "not public") {
		t.Errorf("the redirect was followed into the private network; the log says %s", &log)
	}
}

func TestAddress(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:4318", "ftp://h", "http://", "http://:4318", "http://127.0.0.1:", "http://u:p@h:4318", "http://h/?x", "http://h/#x", "http://h:port"} {
		if _, err := trace.Open(address, trace.Options{}); !errs.Is(err, errs.Invalid) || trace.CheckAddress(address) == nil {
			t.Errorf("%q: %v, want a refusal", address, err)
		}
	}
	for _, address := range []string{"http://127.0.0.1:4318", "https://traces.example.com", "https://traces.example.com/base/"} {
		if err := trace.CheckAddress(address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestOffIsFree: a tracer that is off allocates nothing.
func TestOffIsFree(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { off(ctx) }); n != 0 {
		t.Errorf("a request without traces allocates %v times for them", n)
	}
}

// off is what a request and one step of it do to a tracer that is off.
func off(ctx context.Context) {
	var tracer *trace.Tracer
	ctx, s := tracer.Receive(ctx, "")
	_, step := trace.Child(ctx, "step")
	step.End(nil)
	s.Rename("x")
	s.Text("a", "b")
	s.End(nil)
}

// BenchmarkOff is what traces cost where they are off: a request and one step.
func BenchmarkOff(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		off(ctx)
	}
}
