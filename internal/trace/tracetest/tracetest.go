// Package tracetest has a collector of traces for tests: a real HTTP server on
// loopback that takes OTLP, keeps the bytes as they came, and reads them.
package tracetest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes spans until its test ends.
type Collector struct {
	URL string // what the setting "traces" wants

	mu     sync.Mutex
	raw    []byte
	spans  []Span
	header http.Header // of the last request
	paths  map[string]int
	status int
	to     string // where it redirects to
}

// Span is one span as it arrived. Values of attributes are texts.
type Span struct {
	Name, Trace, ID, Parent string
	Kind                    string // "SPAN_KIND_SERVER" …
	Status                  string // "" or what it failed of
	Attributes              map[string]string
	Events                  []map[string]string
	Resource                map[string]string
}

// New starts a collector.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{paths: map[string]int{}, status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths[r.Method+" "+r.URL.Path]++
	c.header = r.Header.Clone()
	c.raw = append(c.raw, body...)
	var sent coltrace.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	switch {
	case err != nil:
		http.Error(w, "this is not OTLP", http.StatusBadRequest)
		return
	case c.to != "":
		http.Redirect(w, r, c.to, http.StatusTemporaryRedirect)
		return
	case c.status != http.StatusOK:
		http.Error(w, "not now", c.status)
		return
	}
	for _, rs := range sent.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				span := Span{
					Name: s.GetName(), Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Kind: s.GetKind().String(), Status: s.GetStatus().GetMessage(), Attributes: texts(s.GetAttributes()), Resource: texts(rs.GetResource().GetAttributes()),
				}
				for _, e := range s.GetEvents() {
					span.Events = append(span.Events, texts(e.GetAttributes()))
				}
				c.spans = append(c.spans, span)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		default:
			out[kv.GetKey()] = kv.GetValue().String()
		}
	}
	return out
}

// Answer makes the collector give another status from now on, and keep no spans
// unless it is 200.
func (c *Collector) Answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// Redirect makes the collector send everybody elsewhere.
func (c *Collector) Redirect(to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
}

// Raw is every byte that came in a body.
func (c *Collector) Raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.raw)
}

// Spans are all that arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Asked says how often a method and path were asked for.
func (c *Collector) Asked(methodAndPath string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[methodAndPath]
}

// Header is that of the last request.
func (c *Collector) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header
}
