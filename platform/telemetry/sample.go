package telemetry

import (
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/time/rate"

	"stoa/platform/clock"
)

// sampled decides which of the traces that begin here are recorded: a share of
// them, and no more than so many a second, so that a busy shop spends its time on
// its callers. What belongs to a trace begun elsewhere does as that trace does.
func sampled(cfg Config, c clock.Clock) sdktrace.Sampler {
	root := sdktrace.TraceIDRatioBased(cfg.SampleRatio)
	if cfg.TracesPerSecond > 0 {
		root = &limited{root, rate.NewLimiter(rate.Limit(cfg.TracesPerSecond), cfg.TracesPerSecond), c}
	}
	return sdktrace.ParentBased(root)
}

// limited records no more than so many a second of what another sampler would.
type limited struct {
	sdktrace.Sampler
	limit *rate.Limiter
	clock clock.Clock
}

// ShouldSample is sdktrace.Sampler's.
func (l *limited) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := l.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.RecordAndSample && !l.limit.AllowN(l.clock.Now(), 1) {
		result.Decision = sdktrace.Drop
	}
	return result
}

// Description is sdktrace.Sampler's.
func (l *limited) Description() string {
	return fmt.Sprintf("%s, at most %v/s", l.Sampler.Description(), l.limit.Limit())
}
