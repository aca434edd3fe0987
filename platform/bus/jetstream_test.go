package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"stoa/platform/broker/brokertest"
	"stoa/platform/bus"
	"stoa/platform/bus/bustest"
	"stoa/platform/clock"
	"stoa/platform/config"
)

// over gives a bus over a connection, closed before it.
func over(t testing.TB, nc *nats.Conn) *bus.JetStream {
	t.Helper()
	b, err := bus.NewJetStream(nc, bus.DefaultConfig(), clock.System(), slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func harness(t testing.TB) bustest.Harness {
	s := brokertest.Start(t)
	return bustest.Harness{
		Bus: over(t, s.Connect(t)),
		Broker: &bustest.Broker{
			Further: func(t testing.TB) (bus.Bus, func()) {
				nc := s.Connect(t)
				return over(t, nc), nc.Close
			},
			Stop:  s.Stop,
			Start: s.Start,
			Wipe: func(t testing.TB) {
				require.NoError(t, stream(t, s).DeleteStream(context.Background(), "STOA_EVENTS"))
			},
		},
	}
}

func stream(t testing.TB, s *brokertest.Server) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Connect(t))
	require.NoError(t, err)
	return js
}

func TestJetStream(t *testing.T) {
	t.Parallel()
	bustest.Run(t, harness)
}

func BenchmarkJetStream(b *testing.B) { bustest.Latency(b, harness) }

func BenchmarkRelayJetStream(b *testing.B) {
	to := over(b, brokertest.Start(b).Connect(b))
	require.NoError(b, to.Check(b.Context())) // makes the stream
	bustest.RelayRate(b, to, 0)
}

func BenchmarkRawRelayJetStream(b *testing.B) {
	s := brokertest.Start(b)
	nc := s.Connect(b)
	require.NoError(b, over(b, nc).Check(b.Context())) // makes the stream
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(512))
	require.NoError(b, err)
	bustest.RawRelayRate(b, func(_ context.Context, ids, texts []string) error {
		for i, text := range texts {
			if _, err := js.PublishAsync("stoa.events.test.raw", []byte(text), jetstream.WithMsgID(ids[i])); err != nil {
				return err
			}
		}
		<-js.PublishAsyncComplete()
		return nil
	})
}

// BenchmarkPublish takes batches of a full relay: of one aggregate each, which
// costs a round an event, and of as many aggregates as events.
func BenchmarkPublish(b *testing.B) {
	for name, aggregates := range map[string]int{"one aggregate": 1, "60 aggregates": 60, "256 aggregates": 256} {
		b.Run(name, func(b *testing.B) {
			over := over(b, brokertest.Start(b).Connect(b))
			require.NoError(b, over.Check(b.Context()))
			published := 0
			for n := int64(1); b.Loop(); n++ {
				batch := make([]bus.Event, 256)
				for i := range batch {
					batch[i] = happen(fmt.Sprint(i%aggregates), n*256+int64(i), 300)
				}
				require.NoError(b, over.Publish(b.Context(), batch))
				published += len(batch)
			}
			b.ReportMetric(float64(published)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func happen(aggregate string, n int64, size int) bus.Event {
	return bus.Event{
		ID: fmt.Sprintf("%s-%d", aggregate, n), Source: "test", Type: "stoa.test.happened.v1", Subject: aggregate, Sequence: n,
		Time: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), Data: []byte(`"` + strings.Repeat("x", size) + `"`),
	}
}

// kept gives the ids of what the stream holds, in its order.
func kept(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	s, err := js.Stream(t.Context(), "STOA_EVENTS")
	require.NoError(t, err)
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	var list []string
	for n := uint64(1); n <= info.State.LastSeq; n++ {
		m, err := s.GetMsg(t.Context(), n)
		require.NoError(t, err)
		var e bus.Event
		require.NoError(t, json.Unmarshal(m.Data, &e))
		list = append(list, e.ID)
	}
	return list
}

func TestAFailureInTheMiddleOfABatchLetsNothingOvertake(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	b, js := over(t, s.Connect(t)), stream(t, s)
	require.NoError(t, b.Check(t.Context()))
	st, err := js.Stream(t.Context(), "STOA_EVENTS")
	require.NoError(t, err)
	config := st.CachedInfo().Config
	config.MaxMsgSize = 2000
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)

	batch := []bus.Event{happen("a", 1, 1), happen("a", 2, 5000), happen("b", 1, 1), happen("a", 3, 1)}
	require.Error(t, b.Publish(t.Context(), batch), "the broker does not take the second")
	config.MaxMsgSize = -1
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, b.Publish(t.Context(), batch))
	require.Equal(t, []string{"a-1", "b-1", "a-2", "a-3"}, kept(t, js), "each once")
}

func TestWhatNobodyOfOursPublishedIsDropped(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	b, js := over(t, s.Connect(t)), stream(t, s)
	require.NoError(t, b.Publish(t.Context(), []bus.Event{happen("a", 1, 1)}))
	_, err := js.Publish(t.Context(), "stoa.events.test.happened.v1", []byte("hello"))
	require.NoError(t, err)
	require.NoError(t, b.Publish(t.Context(), []bus.Event{happen("a", 2, 1)}))
	got := make(chan string, 10)
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{"stoa.test.happened.v1"}, func(_ context.Context, events []bus.Event) error {
		for _, e := range events {
			got <- e.ID
		}
		return nil
	}))
	require.Equal(t, "a-1", <-got)
	require.Equal(t, "a-2", <-got)
}

func TestAFullStreamTakesNothingAndKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	cfg := bus.DefaultConfig()
	cfg.MaxBytes = config.MiB
	b, err := bus.NewJetStream(s.Connect(t), cfg, clock.System(), slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	var taken int64
	for n := int64(1); ; n++ {
		require.Less(t, n, int64(20))
		if b.Publish(t.Context(), []bus.Event{happen("a", n, 100_000)}) != nil {
			break
		}
		taken = n
	}
	require.Len(t, kept(t, stream(t, s)), int(taken))
}

func TestTheBusIsMeasured(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	metrics := prometheus.NewRegistry()
	b, err := bus.NewJetStream(s.Connect(t), bus.DefaultConfig(), clock.System(), slog.New(slog.DiscardHandler), metrics)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan struct{}, 10)
	require.NoError(t, b.Subscribe(ctx, "one", []string{"stoa.test.happened.v1"}, func(_ context.Context, events []bus.Event) error {
		for range events {
			got <- struct{}{}
		}
		return nil
	}))
	require.NoError(t, b.Publish(t.Context(), []bus.Event{happen("a", 1, 1), happen("a", 2, 1)}))
	<-got
	<-got
	require.Error(t, b.Publish(t.Context(), []bus.Event{{Type: "nothing"}}))
	cancel()
	require.NoError(t, b.Close())
	values := map[string]float64{}
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	require.InDelta(t, 2, values["stoa_bus_published_total"], 0)
	require.InDelta(t, 2, values["stoa_bus_delivered_total"], 0)
	require.InDelta(t, 2, values["stoa_bus_delivery_seconds"], 0)
	require.InDelta(t, 1, values["stoa_bus_publish_failures_total"], 0)
}

func TestAnInstanceThatEndsLetsAnotherTakeOverAtOnce(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	b, js := over(t, s.Connect(t)), stream(t, s)
	got := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Subscribe(ctx, "one", []string{"stoa.test.happened.v1"}, func(context.Context, []bus.Event) error {
		got <- struct{}{}
		return nil
	}))
	require.NoError(t, b.Publish(t.Context(), []bus.Event{happen("a", 1, 1)}))
	<-got
	pinned := func() string {
		c, err := js.Consumer(t.Context(), "STOA_EVENTS", "one")
		require.NoError(t, err)
		return c.CachedInfo().PriorityGroups[0].PinnedClientID
	}
	require.NotEmpty(t, pinned())
	cancel()
	require.NoError(t, b.Close())
	require.Empty(t, pinned())
}

func TestAConsumerSubscribesOnceAnInstanceAndNotAfterClose(t *testing.T) {
	t.Parallel()
	b := over(t, brokertest.Start(t).Connect(t))
	deliver := func(context.Context, []bus.Event) error { return nil }
	types := []string{"stoa.test.happened.v1"}
	require.NoError(t, b.Subscribe(t.Context(), "one", types, deliver))
	require.Error(t, b.Subscribe(t.Context(), "one", types, deliver))
	require.Error(t, b.Subscribe(t.Context(), "not.a.name", types, deliver))
	require.NoError(t, b.Close())
	require.Error(t, b.Subscribe(t.Context(), "two", types, deliver))
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	load := func(set ...string) error {
		cfg := bus.DefaultConfig()
		_, err := config.Load(config.Sources{Set: set}, []config.Section{{Key: "bus", Target: &cfg}})
		return err
	}
	require.NoError(t, load())
	require.NoError(t, load("bus.driver=nats", "bus.replicas=3", "bus.max_age=24h", "bus.max_bytes=10GiB"))
	require.ErrorContains(t, load("bus.driver=pigeon"), "allowed: inproc, nats")
	require.ErrorContains(t, load("bus.replicas=2"), "odd number")
	require.ErrorContains(t, load("bus.max_bytes=10B"), "at least 1MiB")
	require.ErrorContains(t, load("bus.max_age=1s"), "max_age")
}
