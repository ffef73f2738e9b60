package app

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the numbers at /metrics. No label names a package, an owner or a
// token.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	known    sync.Map // of observed to its histogram: labels are not hashed for each request
}

// observed is what requests of one histogram share.
type observed struct {
	method, route string
	status        int
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "terrarium_request_seconds", Help: "Time to answer a request, by method, route and status.",
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
	}, []string{"method", "route", "status"})}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests)
	return m
}

// observe counts one request. Methods that nobody knows are one.
func (m *metrics) observe(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	key := observed{method, route, status}
	histogram, ok := m.known.Load(key)
	if !ok {
		// Few of them, for each of the three is one of the program's own words.
		histogram, _ = m.known.LoadOrStore(key, m.requests.WithLabelValues(method, route, strconv.Itoa(status)))
	}
	histogram.(prometheus.Observer).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
