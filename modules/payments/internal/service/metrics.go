package service

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what Prometheus is told of the provider. Nil counts nothing.
type metrics struct{ calls *prometheus.HistogramVec }

func newMetrics(to prometheus.Registerer) *metrics {
	if to == nil {
		return nil
	}
	m := &metrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "stoa_payments_provider_duration_seconds", Help: "How long calls to the payment provider took, by operation and outcome.",
		Buckets: []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"operation", "outcome"})}
	to.MustRegister(m.calls)
	return m
}

func (m *metrics) called(operation, outcome string, took time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(operation, outcome).Observe(took.Seconds())
	}
}
