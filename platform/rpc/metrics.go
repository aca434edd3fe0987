package rpc

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var buckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// metrics are what Prometheus is told of calls on one side. All are nil-safe.
type metrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(to prometheus.Registerer, side, what string) *metrics {
	if to == nil {
		return nil
	}
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_rpc_" + side + "_calls_total", Help: what + ", by module, method and outcome.",
		}, []string{"module", "method", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stoa_rpc_" + side + "_call_duration_seconds", Help: "How long they took, by module and method.", Buckets: buckets,
		}, []string{"module", "method"}),
	}
	to.MustRegister(m.calls, m.duration)
	return m
}

func (m *metrics) count(module, method, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.calls.WithLabelValues(module, method, outcome).Inc()
	m.duration.WithLabelValues(module, method).Observe(took.Seconds())
}
