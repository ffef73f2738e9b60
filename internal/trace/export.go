package trace

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

// Options are the choices of Open.
type Options struct {
	// Dialer connects to the collector; nil means one that knows only public
	// addresses. The collector's own address is allowed in any case.
	Dialer *dial.Dialer
	// Log is told when spans stop and begin to arrive; nil discards it.
	Log *slog.Logger
}

// How much is kept while the collector does not take it, and how long it may
// take. What is more is dropped; no request ever waits.
const (
	queued      = 4096
	together    = 512
	sendEvery   = 2 * time.Second
	sendWithin  = 10 * time.Second
	textsUpTo   = 200 // bytes of an attribute
	attributes  = 32
	maxResponse = 1 << 20 // of the collector
)

// CheckAddress says whether Open takes an address.
func CheckAddress(address string) error {
	_, err := parse(address)
	return err
}

func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errs.New(errs.Invalid, "The address of the collector of traces is not like http://127.0.0.1:4318.").On("traces")
	}
	return u, nil
}

// Open gives a tracer that sends what it records to the collector at an address
// like http://127.0.0.1:4318, by OTLP over HTTP, to which /v1/traces is added. It does not
// connect yet. An address of another kind is errs.Invalid. OpenTelemetry's own
// variables of the environment (OTEL_…) are of no effect: every choice that
// they could make is made here.
func Open(address string, opts Options) (*Tracer, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	if opts.Dialer == nil {
		opts.Dialer = dial.New(dial.Options{})
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	client := opts.Dialer.Allowing(hostPort(u)).HTTPClient()
	choices := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(u.Host), otlptracehttp.WithURLPath(strings.TrimSuffix(u.Path, "/") + "/v1/traces"),
		otlptracehttp.WithHTTPClient(client), otlptracehttp.WithHeaders(map[string]string{}), otlptracehttp.WithTLSClientConfig(nil),
		otlptracehttp.WithCompression(otlptracehttp.NoCompression), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithMaxResponseSize(maxResponse),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 3 * time.Second, MaxElapsedTime: sendWithin}),
	}
	if u.Scheme == "http" {
		choices = append(choices, otlptracehttp.WithInsecure())
	}
	exporter, err := otlptracehttp.New(context.Background(), choices...)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The collector of traces cannot be used.")
	}
	ours := resource.NewSchemaless(attribute.String("service.name", "terrarium"))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithResource(ours),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeValueLengthLimit: textsUpTo, AttributeCountLimit: attributes, EventCountLimit: attributes,
			LinkCountLimit: attributes, AttributePerEventCountLimit: attributes, AttributePerLinkCountLimit: attributes,
		}),
		sdktrace.WithBatcher(&outlet{SpanExporter: exporter, resource: ours, log: opts.Log},
			sdktrace.WithMaxQueueSize(queued), sdktrace.WithMaxExportBatchSize(together),
			sdktrace.WithBatchTimeout(sendEvery), sdktrace.WithExportTimeout(sendWithin)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("terrarium"), idle: client.CloseIdleConnections}, nil
}

// hostPort is what the client dials for an address.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Flush sends what has been recorded and waits until the collector has taken it
// or the log has been told that it does not.
func (t *Tracer) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.ForceFlush(ctx)
}

// Close sends what has been recorded and ends the tracer. A collector that does
// not answer has been told of in the log and is no error.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	err := t.provider.Shutdown(ctx)
	t.idle()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// outlet sends spans, and says in the log when that begins to fail and when it
// works again; the library would write to the standard error at each attempt.
type outlet struct {
	sdktrace.SpanExporter
	resource *resource.Resource
	log      *slog.Logger
	failing  atomic.Bool
}

// ExportSpans sends spans without what the environment says of this program,
// which the library adds to every resource.
func (o *outlet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = ofUs{s, o.resource}
	}
	err := o.SpanExporter.ExportSpans(ctx, clean)
	if failed := err != nil; o.failing.Swap(failed) != failed {
		if failed {
			o.log.WarnContext(ctx, "traces do not arrive", "error", err)
		} else {
			o.log.InfoContext(ctx, "traces arrive again")
		}
	}
	return nil
}

// ofUs is a span with the resource that we chose.
type ofUs struct {
	sdktrace.ReadOnlySpan
	resource *resource.Resource
}

// Resource is what the span is of.
func (s ofUs) Resource() *resource.Resource { return s.resource }
