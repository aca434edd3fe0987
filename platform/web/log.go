package web

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// write logs what became of a request, in one line: a failure of ours as an
// error with all there is to know of it (as a warning where it will pass), a refusal as information, and what
// went well for those who debug; the metrics count it all.
func (r *request) write(elapsed time.Duration) {
	status := r.http.Response.StatusCode()
	level := slog.LevelDebug
	switch {
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case status >= http.StatusInternalServerError, r.detached && r.err != nil:
		level = slog.LevelError
	case status >= http.StatusBadRequest:
		level = slog.LevelInfo
	}
	log := r.server.deps.Log
	if !log.Enabled(r.ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("request_id", r.id),
		slog.String("method", oneLine(r.method(), maxLogged)),
		slog.String("route", r.route()),
		slog.Int("status", status),
		slog.Duration("duration", elapsed),
		slog.String("client", r.client.String()),
	)
	if r.op == nil && r.template == "" {
		// Where a route is known its parameters are left out: some are secrets.
		attrs = append(attrs, slog.String("path", oneLine(string(r.http.URI().PathOriginal()), maxLogged)))
	}
	if r.identity.UserID != "" {
		attrs = append(attrs, slog.String("user_id", r.identity.UserID))
	}
	if span := trace.SpanContextFromContext(r.ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	if r.err != nil {
		attrs = append(attrs, slog.String("error", oneLine(r.err.Error(), maxError)))
	}
	log.LogAttrs(r.ctx, level, "request", attrs...)
}

// method is what the caller sent, also where it is none.
func (r *request) method() string {
	if sent, ok := r.http.UserValue(methodKey{}).(string); ok {
		return sent
	}
	return string(r.http.Method())
}

// noRoute stands for the route where there is none.
const noRoute = "none"

// route is the template that was matched, so that there are few of them.
func (r *request) route() string {
	if r.op != nil {
		return r.op.route
	}
	return cmp.Or(r.template, noRoute)
}

const (
	// maxLogged is how much of a caller's text a line repeats, maxError how much
	// of an error, which may be a panic with its stack.
	maxLogged = 2 << 10
	maxError  = 16 << 10
)

// oneLine writes text, up to a length, so that it cannot end a line, begin
// another, or move a terminal's cursor: whatever is not printable is escaped.
func oneLine(text string, most int) string {
	text = text[:min(len(text), most)]
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return escape(text)
		}
	}
	return text
}

func escape(text string) string {
	var b strings.Builder
	for _, c := range text {
		if strconv.IsPrint(c) && c != '\uFFFD' {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		}
	}
	return b.String()
}
