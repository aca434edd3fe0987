package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// logs collects lines; text from callers must not make more of them.
type logs struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan []byte
}

func (l *logs) Write(p []byte) (int, error) {
	if l.written != nil {
		l.written <- bytes.Clone(p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// await gives the next line, which may be still to come.
func (l *logs) await() (line map[string]any) {
	if err := json.Unmarshal(<-l.written, &line); err != nil {
		panic(err)
	}
	return line
}

// plain writes attributes as they are, as a careless handler might.
type plain struct {
	slog.Handler
	to *logs
}

func (h plain) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	_, err := h.to.Write([]byte(line + "\n"))
	return err
}

func logged(level slog.Level) (*logs, func(*webtest.Options)) {
	l := &logs{written: make(chan []byte, 1000)}
	return l, func(o *webtest.Options) {
		o.Deps.Log = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
	}
}

func (l *logs) lines(t *testing.T) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for text := range strings.Lines(l.text.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		delete(line, "time")
		delete(line, "duration")
		delete(line, "client")
		lines = append(lines, line)
	}
	return lines
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	l, log := logged(slog.LevelDebug)
	api := webtest.New(t, "things", routes, log)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	api.As("u1").Do(t, http.MethodGet, "/things/x", nil, "X-Request-Id", "a", "Traceparent", parent)
	api.Do(t, http.MethodGet, "/things/none", nil, "X-Request-Id", "b")
	api.Do(t, http.MethodGet, "/things/broken", nil, "X-Request-Id", "c")
	api.Raw(t, http.MethodGet, "/nothing", nil, "X-Request-Id", "d")
	api.Raw(t, http.MethodGet, "/livez", nil, "X-Request-Id", "e")
	require.Equal(t, []map[string]any{
		{"level": "DEBUG", "msg": "request", "request_id": "a", "method": "GET", "route": "/api/v1/things/{id}", "status": 200., "user_id": "u1", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
		{"level": "INFO", "msg": "request", "request_id": "b", "method": "GET", "route": "/api/v1/things/{id}", "status": 404., "error": `things.thing_not_found: no thing has the id "none"`},
		{"level": "ERROR", "msg": "request", "request_id": "c", "method": "GET", "route": "/api/v1/things/{id}", "status": 500., "error": "select from things: unexpected EOF"},
		{"level": "INFO", "msg": "request", "request_id": "d", "method": "GET", "path": "/nothing", "route": "none", "status": 404., "error": "route_not_found: there is nothing at this address"},
		{"level": "DEBUG", "msg": "request", "request_id": "e", "method": "GET", "route": "/livez", "status": 200.},
	}, l.lines(t))
}

// TestSecretsInPathsAreNotLogged holds for what is known to be a route.
func TestSecretsInPathsAreNotLogged(t *testing.T) {
	t.Parallel()
	l, log := logged(slog.LevelDebug)
	api := webtest.New(t, "things", routes, log)
	api.Do(t, http.MethodGet, "/things/the-secret", nil)
	api.Do(t, http.MethodDelete, "/things/the-secret", nil)
	api.Do(t, http.MethodGet, "/things/the-secret?limit=0", nil)
	text, err := json.Marshal(l.lines(t))
	require.NoError(t, err)
	require.NotContains(t, string(text), "the-secret")
}

func TestPanicsAreLoggedWhole(t *testing.T) {
	t.Parallel()
	l, log := logged(slog.LevelInfo)
	api := webtest.New(t, "things", routes, log)
	api.Do(t, http.MethodGet, "/things/panic", nil)
	lines := l.lines(t)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0]["error"], "panic: the shelf fell down")
	require.Contains(t, lines[0]["error"], "things_test.go")
}

// TestCallersForgeNoLines sends everything that could end a line or move a
// cursor, through a handler that escapes nothing.
func TestCallersForgeNoLines(t *testing.T) {
	t.Parallel()
	l := &logs{}
	api := webtest.New(t, "things", routes, func(o *webtest.Options) {
		o.Deps.Log = slog.New(plain{slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}), l})
	})
	for _, nasty := range []string{"a\nERROR forged", "a\r\nERROR forged", "a\x1b[2J\x1b[31mred", "a\x00b", "a\u0085b", "a\u2028b\u2029c", "a\u202eb", "a\x7fb", "a\u009b31mb", strings.Repeat("long", 3000)} {
		api.Do(t, http.MethodGet, "/things/"+escapePath(nasty)[:min(3*len(nasty), 6000)], nil, "X-Request-Id", "x")
		body, err := json.Marshal(map[string]any{nasty: nasty})
		require.NoError(t, err)
		api.Do(t, http.MethodPost, "/things", body)
		api.Do(t, http.MethodGet, "/things?q="+escapePath(nasty)[:min(3*len(nasty), 6000)], nil)
	}
	send(t, api.Addr, "GET /\x1b[31m HTTP/1.1\r\nHost: shop\r\n\r\n")
	send(t, api.Addr, "GET /a\u2028b HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
	send(t, api.Addr, "F\u009bO / HTTP/1.1\r\nHost: shop\r\n\r\n")
	send(t, api.Addr, "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: a\x1b[31mb\r\n\r\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		require.Regexp(t, `^(DEBUG|INFO|WARN|ERROR) request request_id=`, line)
		for _, c := range strings.TrimSuffix(line, "\n") {
			require.True(t, c >= ' ' && c != 0x7f && (c < 0x80 || c > 0x9f) && c != '\u2028' && c != '\u2029' && c != '\u202e', "%q", line)
		}
		require.Less(t, len(line), 32<<10)
	}
}

func TestTraces(t *testing.T) {
	t.Parallel()
	var seen trace.SpanContext
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "who", Method: http.MethodGet, Path: "/who", Summary: "Who"},
			func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				seen = trace.SpanContextFromContext(ctx)
				return nil, nil
			})
	})
	api.Do(t, http.MethodGet, "/who", nil, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "a=b")
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", seen.TraceID().String())
	require.Equal(t, "b7ad6b7169203331", seen.SpanID().String())
	require.True(t, seen.IsSampled())
	require.Equal(t, "a=b", seen.TraceState().String())
	for _, bad := range []string{"", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", strings.Repeat("0", 5000)} {
		require.Equal(t, 204, api.Do(t, http.MethodGet, "/who", nil, "Traceparent", bad).Status)
		require.False(t, seen.IsValid(), bad)
	}
}
