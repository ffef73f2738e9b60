// Package trace records what requests and jobs spend their time on, as spans of
// OpenTelemetry, and sends them to a collector. It is the one place that knows
// OpenTelemetry's library. Which steps are worth a span is left to those who
// take them.
//
// A span holds nothing that somebody sent: its name and the keys of its
// attributes are constants of the program, and of an error it keeps the kind, not
// the text. What a request was about is in its line of the log, which names the
// trace. So no secret can be in a trace, whatever a request looks like.
//
// Spans of other libraries are not recorded either: they find no parent in a
// context, and no tracer in OpenTelemetry's globals, which stay untouched.
package trace

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"terrarium/internal/errs"
)

// Tracer begins traces. The nil Tracer is switched off: it records nothing and
// costs next to nothing. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   oteltrace.Tracer
	idle     func() // closes the connections that nobody uses
}

// Span is one step under way. A nil Span is one that nobody records; all its
// methods may be called. A Span belongs to the context that it came with.
type Span struct {
	tracer oteltrace.Tracer
	span   oteltrace.Span
}

type spanKey struct{}

// Receive begins the span of a request. traceparent is the header of that name
// (W3C Trace Context), or "": the span belongs to the trace that it names, and is
// recorded if the caller records it. A value that is none begins a new trace.
// tracestate is not looked at, since it holds any text.
func (t *Tracer) Receive(ctx context.Context, traceparent string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	parent := context.Background()
	if traceparent != "" {
		parent = propagation.TraceContext{}.Extract(parent, propagation.MapCarrier{"traceparent": traceparent})
	}
	return begin(ctx, parent, t.tracer, "request", oteltrace.SpanKindServer)
}

// Begin begins the span of something that nobody waits for, such as a job.
func (t *Tracer) Begin(ctx context.Context, name string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	return begin(ctx, context.Background(), t.tracer, name, oteltrace.SpanKindConsumer)
}

// Child begins a step of the span that ctx belongs to; where there is none,
// nothing is recorded. End must follow.
func Child(ctx context.Context, name string) (context.Context, *Span) {
	parent := of(ctx)
	if parent == nil {
		return ctx, nil
	}
	return begin(ctx, oteltrace.ContextWithSpan(context.Background(), parent.span), parent.tracer, name, oteltrace.SpanKindInternal)
}

func begin(ctx, parent context.Context, tracer oteltrace.Tracer, name string, kind oteltrace.SpanKind) (context.Context, *Span) {
	_, span := tracer.Start(parent, name, oteltrace.WithSpanKind(kind))
	if !span.IsRecording() {
		return ctx, nil
	}
	s := &Span{tracer, span}
	return context.WithValue(ctx, spanKey{}, s), s
}

// Detach gives a context that has nothing of ctx but its span, for a step that
// must go on when the request has ended.
func Detach(ctx context.Context) context.Context {
	if s := of(ctx); s != nil {
		return context.WithValue(context.Background(), spanKey{}, s)
	}
	return context.Background()
}

func of(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}

// ID is the number of the trace in hex, "" where nothing is recorded.
func (s *Span) ID() string {
	if s == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Rename gives the span another name, when more is known.
func (s *Span) Rename(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Text notes a value. It must be a word of the program: a method, a pattern, a
// kind, never what somebody sent.
func (s *Span) Text(key, value string) {
	if s != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number notes a number.
func (s *Span) Number(key string, value int64) {
	if s != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Fail marks the span as failed, with a word for why.
func (s *Span) Fail(kind string) {
	if s != nil {
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.SetStatus(codes.Error, kind)
	}
}

// Panic notes that the step panicked with value, of which only the type is kept.
func (s *Span) Panic(value any) {
	if s != nil {
		s.span.AddEvent("exception", oteltrace.WithAttributes(
			attribute.String("exception.type", fmt.Sprintf("%T", value)), attribute.String("exception.message", "panic")))
		s.Fail("panic")
	}
}

// End ends the span with the outcome of its step. Of an error its kind is kept;
// a refusal is an answer, and no failure. A second End does nothing.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		switch kind := errs.KindOf(err); kind {
		case errs.Internal, errs.Unavailable:
			s.Fail(kind.String())
		default:
			s.Text("refused", kind.String())
		}
	}
	s.span.End()
}
