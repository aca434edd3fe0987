package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoa/configs"
	"stoa/platform/config"
	"stoa/platform/config/configtest"
	"stoa/platform/telemetry"
)

func TestTheReferenceDocumentsTheSections(t *testing.T) {
	t.Parallel()
	log, traces := telemetry.DefaultLogConfig(), telemetry.DefaultConfig()
	configtest.Sections(t, configs.Reference, config.Section{Key: "log", Target: &log}, config.Section{Key: "telemetry", Target: &traces})
}

func TestOnlyURLsAreEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, good := range map[string]bool{
		"": true, "http://localhost:4318": true, "https://user:pw@otel.example/tenant": true,
		"localhost:4318": false, "grpc://localhost:4317": false, "http://": false, "http://:4318": false, "%": false,
	} {
		err := (&telemetry.Config{OTLPEndpoint: endpoint}).Validate()
		require.Equal(t, good, err == nil, endpoint)
	}
}

// record writes one record as JSON and gives its members.
func record(t *testing.T, write func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	write(telemetry.NewLogger(&out, telemetry.LogConfig{Level: "debug", Format: "json"}))
	members := map[string]any{}
	require.NoError(t, json.Unmarshal(out.Bytes(), &members), out.String())
	delete(members, "time")
	return members
}

func TestRecordsHaveWhatTheContextSays(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequest(context.Background(), "r1")
	ctx = telemetry.WithOrder(ctx, "o1")
	ctx = telemetry.WithUser(ctx, "u1")
	ctx = telemetry.WithAttrs(ctx, slog.String("sku", "A"), slog.Int("try", 1))
	ctx = telemetry.WithAttrs(ctx, slog.Int("try", 2))
	ctx = telemetry.WithTraceParent(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	want := map[string]any{
		"level": "INFO", "msg": "hello", "own": "x", "request_id": "r1", "order_id": "o1", "user_id": "u1", "sku": "A", "try": float64(2),
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
	}
	require.Equal(t, want, record(t, func(l *slog.Logger) { l.InfoContext(ctx, "hello", "own", "x") }))

	require.Equal(t, map[string]any{"level": "INFO", "msg": "hello"}, record(t, func(l *slog.Logger) { l.Info("hello") }))
}

func TestARecordsOwnAttributeWins(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequest(telemetry.WithOrder(context.Background(), "o1"), "r1")
	var out bytes.Buffer
	telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json"}).InfoContext(ctx, "hello", "order_id", "o2")
	require.Equal(t, 1, strings.Count(out.String(), "order_id"))
	require.Contains(t, out.String(), `"order_id":"o2"`)
	require.Contains(t, out.String(), `"request_id":"r1"`)
}

func TestTheContextsLastWordCounts(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithOrder(telemetry.WithOrder(context.Background(), "o1"), "o2")
	var out bytes.Buffer
	telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json"}).InfoContext(ctx, "hello")
	require.Equal(t, 1, strings.Count(out.String(), "order_id"))
	require.Contains(t, out.String(), `"order_id":"o2"`)
}

func TestWhatTheContextSaysIsNeverInAGroup(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequest(context.Background(), "r1")
	got := record(t, func(l *slog.Logger) {
		l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").InfoContext(ctx, "hello", "c", 3)
	})
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "hello", "request_id": "r1", "a": float64(1),
		"g": map[string]any{"b": float64(2), "h": map[string]any{"c": float64(3)}},
	}, got)
}

func TestContextsOfOneParentDoNotMix(t *testing.T) {
	t.Parallel()
	parent := telemetry.WithRequest(context.Background(), "r1")
	one, two := telemetry.WithOrder(parent, "o1"), telemetry.WithOrder(parent, "o2")
	for ctx, want := range map[context.Context]any{one: "o1", two: "o2", parent: nil} {
		require.Equal(t, want, record(t, func(l *slog.Logger) { l.InfoContext(ctx, "x") })["order_id"])
	}
}

func TestLevelsBelowTheConfiguredAreNotWritten(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := telemetry.NewLogger(&out, telemetry.LogConfig{Level: "warn", Format: "text"})
	l.Info("no")
	l.Warn("yes")
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "level=WARN msg=yes")
}

func TestAutoIsJSONWhereNobodyLooks(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer file.Close()
	telemetry.NewLogger(file, telemetry.DefaultLogConfig()).Info("hello")
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.True(t, json.Valid(text))
}

type shouting struct{ Text string }

func (s shouting) String() string { return s.Text }

// hostile is text with whatever breaks lines or steers terminals.
const hostile = "a\r\nlevel=ERROR msg=forged\x1b[2J\x9b31m\u009b\u0085\u2028\u2029\u202e\u0000\x7f\tz\xff"

func TestNoTextBreaksOutOfItsLine(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequest(context.Background(), hostile)
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		l := telemetry.NewLogger(&out, telemetry.LogConfig{Format: format})
		l.WithGroup(hostile).With(hostile, hostile).InfoContext(ctx, hostile, hostile, hostile,
			"error", errors.New(hostile), "any", shouting{hostile}, "list", []string{hostile}, slog.Group(hostile, hostile, hostile))
		text := out.String()
		require.Equal(t, 1, strings.Count(text, "\n"), format)
		require.True(t, utf8.ValidString(text), format)
		line := strings.TrimSuffix(text, "\n")
		for _, r := range line {
			require.False(t, r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x2028 && r <= 0x202e, "%s: %q", format, r)
		}
		if format == "json" {
			require.True(t, json.Valid([]byte(line)), line)
		}
	}
}

func TestOrdinaryTextIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	const text = "Grüße, 東京 \"quoted\" 🙂"
	require.Equal(t, text, record(t, func(l *slog.Logger) { l.Info(text) })["msg"])
	var out bytes.Buffer
	telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json"}).Info(text)
	require.Contains(t, out.String(), "東京")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAFailedWriteIsReported(t *testing.T) {
	t.Parallel()
	l := telemetry.NewLogger(broken{}, telemetry.LogConfig{Format: "json"})
	require.ErrorContains(t, l.Handler().Handle(t.Context(), slog.Record{}), "disk full")
}

func FuzzARecordIsOneLine(f *testing.F) {
	f.Add(hostile, "key")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			telemetry.NewLogger(&out, telemetry.LogConfig{Format: format}).Info(text, key, text)
			require.Equal(t, 1, strings.Count(out.String(), "\n"))
			require.NotContains(t, out.String(), "\x1b")
			require.True(t, utf8.ValidString(out.String()))
		}
	})
}

func BenchmarkInfo(b *testing.B) {
	l := telemetry.NewLogger(discard{}, telemetry.LogConfig{Format: "json"})
	ctx := telemetry.WithOrder(telemetry.WithRequest(context.Background(), "r1"), "o1")
	b.ReportAllocs()
	for b.Loop() {
		l.InfoContext(ctx, "request", "status", 200)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
