package broker_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"stoa/platform/broker"
	"stoa/platform/broker/brokertest"
	"stoa/platform/config"
)

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func open(t *testing.T, c broker.Config, dir string) (*broker.Broker, *buffer) {
	t.Helper()
	var log buffer
	b, err := broker.Open(t.Context(), c, dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, err)
	return b, &log
}

func TestAnEmbeddedServerKeepsWhatItHasTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, _ := open(t, broker.Config{Embedded: true}, dir)
	require.Empty(t, b.URL(), "nobody else reaches it")
	require.NoError(t, b.Check(t.Context()))
	js, err := jetstream.New(b.Conn())
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "kept", []byte("x"))
	require.NoError(t, err)
	require.NoError(t, b.Close())

	b, _ = open(t, broker.Config{Embedded: true}, dir)
	js, err = jetstream.New(b.Conn())
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "KEPT")
	require.NoError(t, err)
	require.EqualValues(t, 1, s.CachedInfo().State.Msgs)
	require.NoError(t, b.Close())
}

func TestOtherProcessesReachAnEmbeddedServerThatListens(t *testing.T) {
	t.Parallel()
	b, log := open(t, broker.Config{Embedded: true, URL: "nats://stoa:secret-word@127.0.0.1:0"}, t.TempDir())
	defer func() { require.NoError(t, b.Close()) }()
	require.NoError(t, b.Check(t.Context()))
	_, err := nats.Connect(b.URL())
	require.ErrorIs(t, err, nats.ErrAuthorization)

	other, otherLog := open(t, broker.Config{URL: strings.Replace(b.URL(), "://", "://stoa:secret-word@", 1)}, "")
	require.NoError(t, other.Check(t.Context()))
	heard, err := b.Conn().SubscribeSync("said")
	require.NoError(t, err)
	require.NoError(t, b.Conn().Flush())
	require.NoError(t, other.Conn().Publish("said", []byte("hello")))
	m, err := heard.NextMsg(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "hello", string(m.Data))
	require.NoError(t, other.Close())
	for _, text := range []string{log.String(), otherLog.String(), b.URL()} {
		require.NotContains(t, text, "secret-word")
	}
}

func TestABrokerThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	s.Stop(t)
	b, _ := open(t, broker.Config{URL: s.URL()}, "")
	defer func() { require.NoError(t, b.Close()) }()
	require.ErrorContains(t, b.Check(t.Context()), "NATS is away")
	require.Error(t, b.Conn().Publish("said", []byte("lost")), "nothing is kept in memory to be sent later")

	await := func(status nats.Status) {
		t.Helper()
		changed := b.Conn().StatusChanged(status)
		defer b.Conn().RemoveStatusListener(changed)
		if b.Conn().Status() == status {
			return
		}
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			require.FailNow(t, "NATS did not become "+status.String())
		}
	}
	s.Start(t)
	await(nats.CONNECTED)
	require.NoError(t, b.Check(t.Context()))
	s.Stop(t)
	await(nats.RECONNECTING)
	require.Error(t, b.Check(t.Context()))
	require.ErrorIs(t, b.Conn().Publish("said", nil), nats.ErrReconnectBufExceeded)
	s.Start(t)
	await(nats.CONNECTED)
	require.NoError(t, b.Check(t.Context()))
}

func TestABrokerThatNeverCameIsClosed(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	s.Stop(t)
	b, _ := open(t, broker.Config{URL: s.URL()}, "")
	require.NoError(t, b.Close())
	require.Error(t, b.Check(context.Background()))
}

func TestAnAddressInUseIsAnErrorAtStart(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	_, err := broker.Open(t.Context(), broker.Config{Embedded: true, URL: s.URL()}, t.TempDir(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "NATS server")
}

func TestCredentialsThatCannotBeReadAreAnErrorAtStart(t *testing.T) {
	t.Parallel()
	_, err := broker.Open(t.Context(), broker.Config{URL: "nats://127.0.0.1:1", TLS: broker.TLSConfig{CA: "/nowhere/ca.pem"}}, "", slog.New(slog.DiscardHandler))
	require.Error(t, err)
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	load := func(set ...string) error {
		cfg := broker.DefaultConfig()
		_, err := config.Load(config.Sources{Set: set}, []config.Section{{Key: "nats", Target: &cfg}})
		return err
	}
	require.NoError(t, load())
	require.NoError(t, load("nats.url=nats://a:4222,tls://b:4222", "nats.creds=c"))
	require.NoError(t, load("nats.embedded=true"))
	require.NoError(t, load("nats.embedded=true", "nats.url=nats://0.0.0.0:4222"))
	require.ErrorContains(t, load("nats.url=broker"), "is no URL")
	require.ErrorContains(t, load("nats.url=http://broker:4222"), "nats:// or tls://")
	require.ErrorContains(t, load("nats.embedded=true", "nats.url=nats://a:1,nats://b:2"), "several servers")
	require.ErrorContains(t, load("nats.embedded=true", "nats.url=nats://a"), "no port")
	require.ErrorContains(t, load("nats.embedded=true", "nats.creds=c"), "user and password")
	require.ErrorContains(t, load("nats.tls.cert=c"), "go together")
	require.NotContains(t, load("nats.url=http://u:hidden@broker").Error(), "hidden")
}
