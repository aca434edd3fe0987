package bus_test

import (
	"context"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/platform/bus"
	"stoa/platform/bus/bustest"
)

// TestMain lets be what a NATS server forgets of a stream that two instances
// make in the same instant: the store of the one that came second.
func TestMain(m *testing.M) {
	const server = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(server+".(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction(server+"/ats.Register.func1"))
}

func TestInProcess(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(testing.TB) bustest.Harness { return bustest.Harness{Bus: bus.NewInProcess()} })
}

func BenchmarkInProcess(b *testing.B) {
	bustest.Latency(b, func(testing.TB) bustest.Harness { return bustest.Harness{Bus: bus.NewInProcess()} })
}

func BenchmarkRelayInProcess(b *testing.B) { bustest.RelayRate(b, bus.NewInProcess(), 0) }

// BenchmarkRelayAmongSent has BENCH_SENT events behind those that wait, or
// 100,000.
func BenchmarkRelayAmongSent(b *testing.B) {
	sent := int64(100_000)
	if text := os.Getenv("BENCH_SENT"); text != "" {
		var err error
		sent, err = strconv.ParseInt(text, 10, 64)
		require.NoError(b, err)
	}
	bustest.RelayRate(b, bus.NewInProcess(), sent)
}

func BenchmarkRawRelayInProcess(b *testing.B) {
	bustest.RawRelayRate(b, func(context.Context, []string, []string) error { return nil })
}

func TestAConsumerSubscribesOnceAtATime(t *testing.T) {
	t.Parallel()
	b := bus.NewInProcess()
	deliver := func(context.Context, []bus.Event) error { return nil }
	ctx, cancel := context.WithCancel(t.Context())
	types := []string{"stoa.test.happened.v1"}
	require.NoError(t, b.Subscribe(ctx, "one", types, deliver))
	require.Error(t, b.Subscribe(t.Context(), "one", types, deliver))
	cancel()
	require.NoError(t, b.Subscribe(t.Context(), "one", types, deliver))
}

func TestEventsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON":         `{`,
		"another version": `{"specversion":"0.3","id":"1","source":"/stoa/a","type":"t","sequence":"1"}`,
		"no id":           `{"specversion":"1.0","source":"/stoa/a","type":"t","sequence":"1"}`,
		"another source":  `{"specversion":"1.0","id":"1","source":"/elsewhere","type":"t","sequence":"1"}`,
		"no sequence":     `{"specversion":"1.0","id":"1","source":"/stoa/a","type":"t"}`,
	} {
		var e bus.Event
		require.Error(t, e.UnmarshalJSON([]byte(text)), name)
	}
}
