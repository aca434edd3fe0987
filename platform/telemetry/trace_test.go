package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/clock"
	"stoa/platform/telemetry"
)

var build = telemetry.Build{Name: "stoa-test", Version: "v1.2.3", Commit: "abc"}

// recorded gives tracing whose spans a test can look at.
func recorded(t *testing.T, ratio float64) (*telemetry.Tracing, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tracing := telemetry.NewTracing(sdktrace.WithSpanProcessor(spans), telemetry.Config{SampleRatio: ratio}, build, clock.System())
	t.Cleanup(func() { require.NoError(t, tracing.Stop(context.Background())) })
	return tracing, spans
}

func TestSpansNestAndSayWhatFailed(t *testing.T) {
	t.Parallel()
	tracing, spans := recorded(t, 1)
	ctx, root := tracing.Start(t.Context(), "checkout", attribute.String("order_id", "o1"))
	_, child := telemetry.Start(ctx, "reserve")
	telemetry.Fail(child, errors.New("no stock"))
	telemetry.Fail(root, nil)
	child.End()
	root.End()

	ended := spans.Ended()
	require.Len(t, ended, 2)
	require.Equal(t, "reserve", ended[0].Name())
	require.Equal(t, codes.Error, ended[0].Status().Code)
	require.Equal(t, root.SpanContext().SpanID(), ended[0].Parent().SpanID())
	require.Equal(t, codes.Unset, ended[1].Status().Code)
	require.Equal(t, []attribute.KeyValue{attribute.String("order_id", "o1")}, ended[1].Attributes())
	require.Contains(t, ended[1].Resource().Attributes(), attribute.String("service.name", "stoa-test"))
	require.Contains(t, ended[1].Resource().Attributes(), attribute.String("service.version", "v1.2.3"))
}

func TestATraceCrossesBorders(t *testing.T) {
	t.Parallel()
	tracing, spans := recorded(t, 1)
	ctx, sender := tracing.Start(t.Context(), "publish")
	parent := telemetry.TraceParent(ctx)
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, parent)
	sender.End()

	ctx = telemetry.WithTraceParent(context.Background(), parent)
	require.Equal(t, parent, telemetry.TraceParent(ctx), "it is passed on even by who records nothing")
	_, receiver := tracing.Start(ctx, "handle")
	receiver.End()
	require.Equal(t, spans.Ended()[0].SpanContext().TraceID(), spans.Ended()[1].SpanContext().TraceID())
	require.True(t, spans.Ended()[1].Parent().IsRemote())
}

func TestWhatIsNoTraceParentIsIgnored(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7\r\n",
	} {
		require.Empty(t, telemetry.TraceParent(telemetry.WithTraceParent(context.Background(), text)), text)
	}
}

func TestTheRatioDecidesOnlyWhereATraceBegins(t *testing.T) {
	t.Parallel()
	tracing, spans := recorded(t, 0)
	ctx, root := tracing.Start(t.Context(), "begun here")
	require.False(t, root.IsRecording())
	require.Regexp(t, `-00$`, telemetry.TraceParent(ctx), "others learn that it is not recorded")
	_, child := tracing.Start(telemetry.WithTraceParent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "begun elsewhere")
	require.True(t, child.IsRecording())
	child.End()
	require.Len(t, spans.Ended(), 1)
}

func TestTracesBegunHereAreLimited(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1)
	spans := tracetest.NewSpanRecorder()
	tracing := telemetry.NewTracing(sdktrace.WithSpanProcessor(spans), telemetry.Config{SampleRatio: 1, TracesPerSecond: 3}, build, c)
	defer func() { require.NoError(t, tracing.Stop(context.Background())) }()
	begin := func(times int) {
		for range times {
			ctx, root := tracing.Start(t.Context(), "request")
			_, child := telemetry.Start(ctx, "part")
			child.End()
			root.End()
		}
	}
	begin(10)
	require.Len(t, spans.Ended(), 2*3, "a trace is recorded whole or not at all")
	c.Advance(time.Second)
	begin(10)
	require.Len(t, spans.Ended(), 2*6)
	_, elsewhere := tracing.Start(telemetry.WithTraceParent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "begun elsewhere")
	require.True(t, elsewhere.IsRecording())
	elsewhere.End()
}

func TestOffIsFree(t *testing.T) {
	tracing, err := telemetry.StartTracing(t.Context(), telemetry.DefaultConfig(), build, clock.System(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Nil(t, tracing.Provider())
	ctx := telemetry.WithTraceParent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	id := "o1"
	require.Zero(t, testing.AllocsPerRun(100, func() {
		inner, span := telemetry.Start(ctx, "work", attribute.String("order_id", id), attribute.Int("lines", 2))
		telemetry.Fail(span, errClosed)
		span.End()
		if inner != ctx || span.IsRecording() {
			panic("something was begun")
		}
		_, span = tracing.Start(ctx, "work")
		span.End()
	}))
	require.NoError(t, tracing.Stop(t.Context()))
}

var errClosed = errors.New("closed")

// TestSpansReachTheCollector is not parallel: it sets the process's own tracing.
func TestSpansReachTheCollector(t *testing.T) {
	received := make(chan []byte, 1)
	var calls atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		text, err := io.ReadAll(body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("Api-Key") != "a b" {
			http.Error(w, "not a trace", http.StatusBadRequest)
			return
		}
		if calls.Add(1) == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		received <- text
	}))
	defer collector.Close()

	tracing, err := telemetry.StartTracing(t.Context(), telemetry.Config{OTLPEndpoint: collector.URL, OTLPHeaders: "tenant=shop, api-key=a%20b", SampleRatio: 1}, build, clock.System(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotNil(t, tracing.Provider())
	_, span := telemetry.Start(t.Context(), "orders.checkout")
	require.True(t, span.IsRecording())
	span.End()
	require.NoError(t, tracing.Stop(t.Context()))
	text := <-received
	require.Contains(t, string(text), "orders.checkout")
	require.Contains(t, string(text), "stoa-test")
	_, span = telemetry.Start(t.Context(), "too late")
	require.False(t, span.IsRecording())
	span.End()
}

func TestACollectorThatIsAwayStopsNothing(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var log bytes.Buffer
	tracing, err := telemetry.StartTracing(t.Context(), telemetry.Config{OTLPEndpoint: gone.URL + "/", SampleRatio: 1}, build, clock.System(), telemetry.NewLogger(&log, telemetry.LogConfig{}))
	require.NoError(t, err)
	_, span := telemetry.Start(t.Context(), "work")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_ = tracing.Stop(ctx) // it says what was lost, here or by the log; it comes back
	require.NoError(t, t.Context().Err())
}

func TestContextsWithoutASpanHaveNoTraceParent(t *testing.T) {
	t.Parallel()
	require.Empty(t, telemetry.TraceParent(context.Background()))
	require.False(t, trace.SpanFromContext(telemetry.WithTraceParent(context.Background(), "x")).SpanContext().IsValid())
}
