package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Build is what this program is.
type Build struct {
	// Name is the program's, such as "stoa" or "stoa-orders".
	Name string
	// Version and Commit are what it was built from.
	Version, Commit string
}

// NewRegistry makes the metrics of a process: those of the Go runtime, of the
// process, and stoa_build_info, which is always 1 and says in its labels what
// runs here.
func NewRegistry(b Build) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "stoa_build_info",
		Help:        "What runs here; always 1.",
		ConstLabels: prometheus.Labels{"name": b.Name, "version": b.Version, "commit": b.Commit, "go_version": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(
		info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}
