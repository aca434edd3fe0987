package web

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what Prometheus is told of requests. All are nil-safe: without a
// registerer nothing is counted.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	running  prometheus.Gauge
}

func newMetrics(to prometheus.Registerer) *metrics {
	if to == nil {
		return nil
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_http_requests_total", Help: "Requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stoa_http_request_duration_seconds", Help: "How long requests took, by method and route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stoa_http_requests_in_flight", Help: "Requests being worked on.",
		}),
	}
	to.MustRegister(m.requests, m.duration, m.running)
	return m
}

// prepare makes what an operation is measured with.
func (m *metrics) prepare(o *operation) {
	if m != nil {
		o.metrics.duration = m.duration.WithLabelValues(o.Method, o.route)
	}
}

func (m *metrics) begin() {
	if m != nil {
		m.running.Inc()
	}
}

func (m *metrics) end(r *request, elapsed time.Duration) {
	if m == nil {
		return
	}
	m.running.Dec()
	status := r.http.Response.StatusCode()
	if r.op == nil || r.http.IsHead() {
		method := "OTHER"
		if isKnown(r.http.Request.Header.Method()) {
			method = string(r.http.Method())
		}
		m.requests.WithLabelValues(method, r.route(), strconv.Itoa(status)).Inc()
		m.duration.WithLabelValues(method, r.route()).Observe(elapsed.Seconds())
		return
	}
	r.op.metrics.count(m, r.op, status).Inc()
	r.op.metrics.duration.Observe(elapsed.Seconds())
}

// operationMetrics are those of one operation, found without looking them up.
type operationMetrics struct {
	duration prometheus.Observer
	statuses [500]atomic.Pointer[prometheus.Counter] // from 100
}

func (o *operationMetrics) count(m *metrics, op *operation, status int) prometheus.Counter {
	slot := &o.statuses[min(max(status-100, 0), len(o.statuses)-1)]
	if c := slot.Load(); c != nil {
		return *c
	}
	c := m.requests.WithLabelValues(op.Method, op.route, strconv.Itoa(status))
	slot.Store(&c)
	return c
}
