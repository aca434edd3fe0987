package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stoa/platform/module"
)

// scrapeWithin bounds what a scrape may cost where a database does not answer.
const scrapeWithin = 2 * time.Second

var (
	outboxBacklog = prometheus.NewDesc("stoa_outbox_backlog", "Events that the bus has not taken yet.", []string{"module"}, nil)
	inboxPending  = prometheus.NewDesc("stoa_inbox_pending", "Events that wait for their handler.", []string{"module"}, nil)
	inboxParked   = prometheus.NewDesc("stoa_inbox_dead_letters", "Events that a handler could not deal with.", []string{"module"}, nil)
)

// backlogs tells, when it is asked, how many events are on their way.
type backlogs struct{ hosts []*module.Host }

// Describe names the metrics.
func (b backlogs) Describe(to chan<- *prometheus.Desc) {
	to <- outboxBacklog
	to <- inboxPending
	to <- inboxParked
}

// Collect counts. What cannot be counted is left out; /readyz tells why.
func (b backlogs) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	gauge := func(d *prometheus.Desc, n int64, of string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), of)
	}
	for _, h := range b.hosts {
		if h.DB == nil {
			continue
		}
		if n, err := h.Outbox.Backlog(ctx); err == nil {
			gauge(outboxBacklog, n, h.Module)
		}
		if pending, parked, err := h.Inbox.Backlog(ctx); err == nil {
			gauge(inboxPending, pending, h.Module)
			gauge(inboxParked, parked, h.Module)
		}
	}
}
