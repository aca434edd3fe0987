package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceContext is W3C Trace Context, the one way in which traces cross borders.
var traceContext propagation.TraceContext

// carrier is the field traceparent of W3C Trace Context §3.2. The vendors' own
// field, tracestate, is not passed on (§3.3.1 allows that).
type carrier struct{ parent string }

func (c *carrier) Get(key string) string {
	if key == "traceparent" {
		return c.parent
	}
	return ""
}

func (c *carrier) Set(key, value string) {
	if key == "traceparent" {
		c.parent = value
	}
}

func (c *carrier) Keys() []string { return []string{"traceparent"} }

// TraceParent gives the trace of ctx as it travels in events and calls; empty
// where there is none.
func TraceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	var c carrier
	traceContext.Inject(ctx, &c)
	return c.parent
}

// WithTraceParent gives a context that continues the trace that TraceParent
// told of. A text that is none leaves ctx as it is.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return traceContext.Extract(ctx, &carrier{parent})
}
