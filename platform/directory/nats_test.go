package directory_test

import (
	"log/slog"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"stoa/platform/broker/brokertest"
	"stoa/platform/clock"
	"stoa/platform/directory"
)

// broker starts a NATS server for a test.
func broker(t *testing.T) *natsserver.Server {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(10*time.Second))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func connect(t *testing.T, s *natsserver.Server) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func open(t *testing.T, conn *nats.Conn, c clock.Clock) *directory.NATS {
	t.Helper()
	d, err := directory.NewNATS(conn, directory.DefaultConfig(), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// await waits until the instances of a module are as they should be.
func await(t *testing.T, d directory.Directory, module string, fits func([]directory.Instance) bool) []directory.Instance {
	t.Helper()
	for {
		changed := d.Changed()
		if list := d.Instances(module); fits(list) {
			return list
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatalf("instances of %s: %+v", module, d.Instances(module))
		}
	}
}

func count(n int) func([]directory.Instance) bool {
	return func(list []directory.Instance) bool { return len(list) == n }
}

func idle() int64 { return 0 }

func TestThoseWhoComeAndGoAreKnownAtOnce(t *testing.T) {
	t.Parallel()
	s := broker(t)
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1) // stands still: nobody is asked again
	here, there := open(t, connect(t, s), c), open(t, connect(t, s), c)
	require.Empty(t, here.Modules())

	want := directory.Instance{
		ID: "one", Module: "catalog", Version: "1.2.3", RPC: "10.0.0.7:7000", HTTP: "10.0.0.7:8080", Weight: 3,
		Meta: map[string]string{"timeout.Reserve": "3s"},
	}
	leave, err := there.Announce(want, idle)
	require.NoError(t, err)
	require.Equal(t, want, await(t, here, "catalog", count(1))[0])
	require.Equal(t, want, await(t, there, "catalog", count(1))[0])
	require.Equal(t, []string{"catalog"}, here.Modules())

	leaveSecond, err := here.Announce(directory.Instance{Module: "catalog", Version: "dev"}, idle)
	require.NoError(t, err)
	second := await(t, there, "catalog", count(2))
	require.NotEmpty(t, second[0].ID)

	require.NoError(t, leave())
	await(t, here, "catalog", count(1))
	require.NoError(t, leave(), "leaving twice is leaving")
	require.NoError(t, leaveSecond())
	await(t, there, "catalog", count(0))
	require.Empty(t, there.Modules())
}

func TestANewcomerLearnsWhoIsThere(t *testing.T) {
	t.Parallel()
	s := broker(t)
	there := open(t, connect(t, s), clock.System())
	for _, module := range []string{"orders", "catalog"} {
		leave, err := there.Announce(directory.Instance{Module: module, RPC: "127.0.0.1:7000"}, idle)
		require.NoError(t, err)
		defer func() { require.NoError(t, leave()) }()
	}
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	newcomer := open(t, connect(t, s), c)
	await(t, newcomer, "orders", count(1))
	await(t, newcomer, "catalog", count(1))
	require.Equal(t, []string{"catalog", "orders"}, newcomer.Modules())
}

func TestTheLoadOfAnInstanceIsFollowed(t *testing.T) {
	t.Parallel()
	s := broker(t)
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d := open(t, connect(t, s), c)
	load := make(chan int64, 100)
	for n := range 100 {
		load <- int64(n)
	}
	leave, err := d.Announce(directory.Instance{Module: "catalog"}, func() int64 { return <-load })
	require.NoError(t, err)
	defer func() { require.NoError(t, leave()) }()
	first := await(t, d, "catalog", count(1))[0].Load
	changed := d.Changed()
	c.AwaitTimers(1)
	c.Advance(time.Second)
	require.Eventually(t, func() bool { return d.Instances("catalog")[0].Load > first }, 10*time.Second, time.Millisecond)
	select {
	case <-changed:
		t.Fatal("a new load is no change")
	default:
	}
}

func TestOneThatIsDeadIsGoneWithinSeconds(t *testing.T) {
	t.Parallel()
	s := broker(t)
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d := open(t, connect(t, s), c)
	dying := connect(t, s)
	there := open(t, dying, c)
	_, err := there.Announce(directory.Instance{Module: "catalog", ID: "dying"}, idle)
	require.NoError(t, err)
	asked := make(chan struct{}, 1000)
	leave, err := d.Announce(directory.Instance{Module: "catalog", ID: "well"}, func() int64 {
		asked <- struct{}{}
		return 0
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, leave()) }()
	await(t, d, "catalog", count(2))

	dying.Close() // without a word
	began := c.Now()
	for len(d.Instances("catalog")) == 2 {
		for len(asked) > 0 {
			<-asked
		}
		c.AwaitTimers(2)
		c.Advance(time.Second)
		<-asked // the one that is well answers
		require.Less(t, c.Now().Sub(began), 30*time.Second)
	}
	require.Equal(t, "well", d.Instances("catalog")[0].ID)
	require.GreaterOrEqual(t, c.Now().Sub(began), 5*time.Second)
}

func TestWhatIsKnownStaysWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(10*time.Second))
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	conn := connect(t, s)
	d := open(t, conn, c)
	leave, err := d.Announce(directory.Instance{Module: "catalog", ID: "one"}, idle)
	require.NoError(t, err)
	await(t, d, "catalog", count(1))

	lost := conn.StatusChanged(nats.RECONNECTING)
	s.Shutdown()
	s.WaitForShutdown()
	<-lost
	for range 30 {
		c.AwaitTimers(1)
		c.Advance(time.Second)
	}
	require.Len(t, d.Instances("catalog"), 1)
	require.NoError(t, leave())
}

func TestWhoStartsBeforeTheBrokerIsKnownWhenItIsThere(t *testing.T) {
	t.Parallel()
	s := brokertest.Start(t)
	conn, other := s.Connect(t), s.Connect(t)
	lost := conn.StatusChanged(nats.RECONNECTING)
	s.Stop(t)
	<-lost
	d, elsewhere := open(t, conn, clock.System()), open(t, other, clock.System())
	_, err := d.Announce(directory.Instance{Module: "catalog", ID: "one"}, idle)
	require.NoError(t, err)
	s.Start(t)
	await(t, elsewhere, "catalog", count(1))
}

func TestAnythingMayBeSaidOnTheBroker(t *testing.T) {
	t.Parallel()
	s := broker(t)
	conn := connect(t, s)
	d := open(t, conn, clock.System())
	for _, text := range []string{"", "{", "null", "[]", `{"name":"stoa-catalog"}`, `{"name":"other","metadata":{"stoa-id":"x"}}`} {
		require.NoError(t, conn.Publish("stoa.directory.join", []byte(text)))
		require.NoError(t, conn.Publish("stoa.directory.leave", []byte(text)))
	}
	require.NoError(t, conn.Publish("stoa.directory.join", []byte(`{"name":"stoa-catalog","metadata":{"stoa-id":"x","stoa-weight":"-1"}}`)))
	require.Equal(t, []directory.Instance{{ID: "x", Module: "catalog", Weight: 1}}, await(t, d, "catalog", count(1)))
}
