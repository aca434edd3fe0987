package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// Names of what records have in common.
const (
	requestID = "request_id"
	orderID   = "order_id"
	userID    = "user_id"
	traceID   = "trace_id"
	spanID    = "span_id"
)

type attributesKey struct{}

// WithAttrs gives a context whose log records have these attributes. One that
// the context has already by that name is replaced.
func WithAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	old := attributes(ctx)
	all := make([]slog.Attr, 0, len(old)+len(attrs))
	for _, a := range old {
		if !slices.ContainsFunc(attrs, func(b slog.Attr) bool { return a.Key == b.Key }) {
			all = append(all, a)
		}
	}
	return context.WithValue(ctx, attributesKey{}, append(all, attrs...))
}

// WithRequest gives a context whose log records name the request.
func WithRequest(ctx context.Context, id string) context.Context {
	return WithAttrs(ctx, slog.String(requestID, id))
}

// WithOrder gives a context whose log records name the order.
func WithOrder(ctx context.Context, id string) context.Context {
	return WithAttrs(ctx, slog.String(orderID, id))
}

// WithUser gives a context whose log records name the user, by id: personal
// data does not belong into logs.
func WithUser(ctx context.Context, id string) context.Context {
	return WithAttrs(ctx, slog.String(userID, id))
}

// RequestKey is the key under which a context may know the id of its request, a
// string, without WithRequest.
type RequestKey struct{}

// RequestID gives the id of the request that ctx belongs to; empty where there
// is none.
func RequestID(ctx context.Context) string {
	for _, a := range attributes(ctx) {
		if a.Key == requestID {
			return a.Value.String()
		}
	}
	id, _ := ctx.Value(RequestKey{}).(string)
	return id
}

func attributes(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attributesKey{}).([]slog.Attr)
	return attrs
}

// contextHandler adds what the context says to each record, at its top level:
// also where the logger has an open group.
type contextHandler struct {
	slog.Handler
	// root is the handler as it was before the first group was opened, and since
	// what has been done to it after; both are empty without a group.
	root  slog.Handler
	since []func(slog.Handler) slog.Handler
}

func contextual(h slog.Handler) slog.Handler { return &contextHandler{Handler: h} }

// Handle writes the record with what the context says.
func (h *contextHandler) Handle(ctx context.Context, record slog.Record) error {
	attrs := attributes(ctx)
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(slices.Clip(attrs), slog.String(traceID, span.TraceID().String()), slog.String(spanID, span.SpanID().String()))
	}
	attrs = missing(attrs, record)
	if len(attrs) == 0 {
		return h.Handler.Handle(ctx, record)
	}
	if h.root == nil {
		record = record.Clone()
		record.AddAttrs(attrs...)
		return h.Handler.Handle(ctx, record)
	}
	to := h.root.WithAttrs(attrs)
	for _, step := range h.since {
		to = step(to)
	}
	return to.Handle(ctx, record)
}

// missing gives the attributes that the record does not have by itself.
func missing(attrs []slog.Attr, record slog.Record) []slog.Attr {
	var has []string
	record.Attrs(func(own slog.Attr) bool {
		if slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == own.Key }) {
			has = append(has, own.Key)
		}
		return true
	})
	if has == nil {
		return attrs
	}
	return slices.DeleteFunc(slices.Clone(attrs), func(a slog.Attr) bool { return slices.Contains(has, a.Key) })
}

// WithAttrs is slog.Handler's.
func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.then(h.root, func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup is slog.Handler's.
func (h *contextHandler) WithGroup(name string) slog.Handler {
	root := h.root
	if root == nil && name != "" {
		root = h.Handler
	}
	return h.then(root, func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *contextHandler) then(root slog.Handler, step func(slog.Handler) slog.Handler) slog.Handler {
	next := &contextHandler{Handler: step(h.Handler), root: root}
	if root != nil {
		next.since = append(slices.Clip(h.since), step)
	}
	return next
}
