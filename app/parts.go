package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/clock"
	"stoa/platform/mail"
	"stoa/platform/saga"
	"stoa/platform/telemetry"
)

// parts are what a shop is made with besides its settings.
type parts struct {
	clock    clock.Clock
	log      *slog.Logger
	metrics  prometheus.Registerer
	gatherer prometheus.Gatherer
	tracer   trace.TracerProvider // nil while traces are off
	mail     mail.Sender
	trace    func(saga.Point)
}

// newParts makes the parts that the settings ask for. Stop delivers what is
// still to be told.
func newParts(ctx context.Context, s *settings, c clock.Clock) (p parts, stop func(context.Context) error, err error) {
	build := telemetry.Build{Name: "stoa", Version: version, Commit: revision()}
	log := telemetry.NewLogger(os.Stderr, s.Log)
	registry := telemetry.NewRegistry(build)
	tracing, err := telemetry.StartTracing(ctx, s.Telemetry, build, c, log)
	if err != nil {
		return parts{}, nil, err
	}
	sender, err := mail.New(s.Mail, c, log)
	if err != nil {
		return parts{}, nil, fmt.Errorf("mail: %w", err)
	}
	p = parts{clock: c, log: log, metrics: registry, gatherer: registry, mail: sender, tracer: tracing.Provider()}
	return p, tracing.Stop, nil
}
