// Package telemetry is how the program tells what it does: logs, traces and
// metrics.
//
// Logs are log/slog. A logger of NewLogger adds what the context says of the
// request, the order and the user to every record, and the trace; and whatever
// text callers send, a record is one line.
//
// Traces are OpenTelemetry. Start begins a span; it costs next to nothing while
// no collector is configured. TraceParent and WithTraceParent carry a trace
// through events and calls.
//
// Metrics are Prometheus: NewRegistry makes what modules register theirs with.
//
// Any package but errs, money, clock and a module's root may import it. It never
// decides anything: nothing works otherwise for being watched.
package telemetry
