package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"stoa/platform/clock"
)

// scope names the spans' origin.
const scope = "stoa"

// Tracing records spans and sends them to a collector.
type Tracing struct{ provider *sdktrace.TracerProvider }

// StartTracing begins to record traces, as the configuration says, for the whole
// process: OpenTelemetry has one tracer provider of its own. Where no collector
// is configured it does nothing. The collector need not be there yet; what it
// cannot take is dropped and told to the log. The caller stops what it starts.
func StartTracing(ctx context.Context, cfg Config, build Build, c clock.Clock, log *slog.Logger) (*Tracing, error) {
	if cfg.OTLPEndpoint == "" {
		return &Tracing{}, nil
	}
	endpoint, err := tracesURL(cfg.OTLPEndpoint)
	if err != nil {
		return nil, err
	}
	header, err := headers(cfg.OTLPHeaders)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, newCollector(endpoint, header))
	if err != nil {
		return nil, fmt.Errorf("start the export of traces: %w", err)
	}
	t := NewTracing(sdktrace.WithBatcher(exporter, sdktrace.WithExportTimeout(exportTimeout)), cfg, build, c)
	otel.SetTracerProvider(t.provider)
	otel.SetTextMapPropagator(traceContext)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces were not delivered", "endpoint", redacted(endpoint), "error", err)
	}))
	return t, nil
}

// NewTracing makes tracing that is not the process's own: its option says what
// becomes of the spans. What is begun below one of them belongs to it too.
func NewTracing(processor sdktrace.TracerProviderOption, cfg Config, build Build, c clock.Clock) *Tracing {
	return &Tracing{sdktrace.NewTracerProvider(
		processor,
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", build.Name),
			attribute.String("service.version", build.Version),
		)),
		sdktrace.WithSampler(sampled(cfg, c)),
	)}
}

// Provider is for libraries and servers that begin spans themselves; nil while
// traces are off.
func (t *Tracing) Provider() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// Start begins a span, as the function Start does, but with this tracing
// whatever the process's is.
func (t *Tracing) Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	if t.provider == nil {
		return ctx, noop.Span{}
	}
	return start(ctx, t.provider, name, attrs)
}

// Stop delivers what is recorded and ends.
func (t *Tracing) Stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	if otel.GetTracerProvider() == trace.TracerProvider(t.provider) {
		otel.SetTracerProvider(noop.NewTracerProvider()) // off again, and free again
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Start begins a span as part of what ctx does. Its caller ends it. While traces
// are off it does nothing and allocates nothing.
//
//	ctx, span := telemetry.Start(ctx, "orders.checkout", attribute.String("order_id", id))
//	defer span.End()
func Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	provider := otel.GetTracerProvider()
	if parent := trace.SpanFromContext(ctx); parent.IsRecording() {
		provider = parent.TracerProvider()
	}
	if _, on := provider.(*sdktrace.TracerProvider); !on {
		return ctx, noop.Span{}
	}
	return start(ctx, provider, name, attrs)
}

func start(ctx context.Context, p trace.TracerProvider, name string, attrs []attribute.KeyValue) (context.Context, trace.Span) {
	// A copy, so that the caller's slice need not be on the heap while traces are off.
	return p.Tracer(scope).Start(ctx, name, trace.WithAttributes(append([]attribute.KeyValue(nil), attrs...)...))
}

// Fail marks a span as failed, where err is an error.
func Fail(span trace.Span, err error) {
	if err == nil || !span.IsRecording() {
		return
	}
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
}

// tracesURL gives where traces go: the endpoint as the OTLP exporter's own
// configuration means it, a base URL (OTLP specification, "Endpoint URLs for
// OTLP/HTTP"), unless it names the path.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}

func redacted(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
