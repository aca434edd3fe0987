package web

import (
	"context"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const instrumentation = "stoa/platform/web"

// traced gives a context that continues the caller's trace (W3C Trace Context),
// where it sent one.
func (r *request) traced(ctx context.Context) context.Context {
	if len(r.sent.traceParent) == 0 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, carrier{&r.http.Request.Header})
}

// carrier is a request header as OpenTelemetry reads it.
type carrier struct{ *fasthttp.RequestHeader }

func (c carrier) Get(key string) string { return string(c.Peek(key)) }

func (c carrier) Set(key, value string) { c.RequestHeader.Set(key, value) }

func (c carrier) Keys() []string {
	var keys []string
	for key := range c.All() {
		keys = append(keys, string(key))
	}
	return keys
}

// startSpan begins the span of a request whose route is known.
func (r *request) startSpan() {
	if r.server.tracer == nil {
		return
	}
	r.ctx, r.span = r.server.tracer.Start(r.ctx, r.op.Method+" "+r.op.route,
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("http.request.method", string(r.http.Method())),
			attribute.String("http.route", r.op.route),
			attribute.String("client.address", r.client.String()),
			attribute.String("request.id", r.id),
		))
}

// endSpan ends it with what became of the request.
func (r *request) endSpan(status int) {
	if r.span == nil {
		return
	}
	r.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= 500 && r.err != nil {
		r.span.RecordError(r.err)
		r.span.SetStatus(codes.Error, "")
	}
	r.span.End()
}
