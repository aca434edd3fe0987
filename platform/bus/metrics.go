package bus

import "github.com/prometheus/client_golang/prometheus"

// metrics is what the bus over NATS counts.
type metrics struct {
	published   *prometheus.CounterVec
	refused     prometheus.Counter
	delivered   *prometheus.CounterVec
	redelivered *prometheus.CounterVec
	takeovers   *prometheus.CounterVec
	waiting     *prometheus.GaugeVec
	age         *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		published: counter("stoa_bus_published_total", "Events that the bus has taken.", "source"),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "stoa_bus_publish_failures_total", Help: "Batches of events that the bus did not take whole.",
		}),
		delivered:   counter("stoa_bus_delivered_total", "Events that a consumer has stored.", "consumer"),
		redelivered: counter("stoa_bus_redelivered_total", "Events that were sent to a consumer more than once.", "consumer"),
		takeovers:   counter("stoa_bus_takeovers_total", "How often a consumer had to go back to what was last acknowledged.", "consumer"),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "stoa_bus_waiting", Help: "Events that the broker holds for a consumer and has not sent.",
		}, []string{"consumer"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stoa_bus_delivery_seconds", Help: "How long after it happened an event was stored by a consumer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .1, .5, 2, 10, 60, 600, 3600},
		}, []string{"consumer"}),
	}
	if r != nil {
		r.MustRegister(m.published, m.refused, m.delivered, m.redelivered, m.takeovers, m.waiting, m.age)
	}
	return m
}
