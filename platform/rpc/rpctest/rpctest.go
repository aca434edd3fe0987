// Package rpctest holds what tests of calls between processes need: both ends
// of either driver in one process, and mischief on the way between them. Only
// tests import it.
package rpctest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/rpc"
)

// Drivers are those that there are.
var Drivers = []string{rpc.DriverHTTP, rpc.DriverNATS}

// Broker starts a NATS server for a test and gives a connection to it, and more
// of them.
func Broker(t testing.TB) (connect func() *nats.Conn) {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true, MaxPayload: 2 << 20,
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(10*time.Second))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return func() *nats.Conn {
		conn, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		return conn
	}
}

// Link is the two ends of a driver, each with what it stands on. Its fields may
// be changed before Start.
type Link struct {
	Config     rpc.Config
	ServerDeps rpc.ServerDeps
	ClientDeps rpc.ClientDeps

	Server *rpc.Server
	Client *rpc.Client
}

// New gives the ends of a driver, which find each other once Start has been
// called.
func New(t testing.TB, driver string) *Link {
	t.Helper()
	l := &Link{Config: rpc.DefaultConfig()}
	l.Config.Driver = driver
	l.Config.Addr = "127.0.0.1:0"
	log := slog.New(slog.DiscardHandler)
	l.ServerDeps = rpc.ServerDeps{Clock: clock.System(), Log: log}
	l.ClientDeps = rpc.ClientDeps{Clock: clock.System(), Log: log}
	if driver == rpc.DriverNATS {
		connect := Broker(t)
		l.ServerDeps.Conn, l.ClientDeps.Conn = connect(), connect()
	}
	d := NewDirectory()
	l.ServerDeps.Directory, l.ClientDeps.Directory = d, d
	return l
}

// Start declares what the server answers and has the ends find each other,
// until the test ends.
func (l *Link) Start(t testing.TB, declare func(s *rpc.Server)) *Link {
	t.Helper()
	l.Server = Serve(t, l.Config, l.ServerDeps, declare)
	c, err := rpc.NewClient(l.Config, l.ClientDeps)
	require.NoError(t, err)
	l.Client = c
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return l
}

// Serve starts a server until the test ends. It may be shut down before.
func Serve(t testing.TB, cfg rpc.Config, deps rpc.ServerDeps, declare func(s *rpc.Server)) *rpc.Server {
	t.Helper()
	s := rpc.NewServer(cfg, deps)
	declare(s)
	require.NoError(t, s.Listen(context.Background()))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	var i directory.Instance
	if a := s.Addr(); a != nil {
		i.RPC = a.String()
	}
	require.NoError(t, s.Announce(i))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // a test that shut it down has looked at what came of it
		serving.Wait()
	})
	return s
}

// Each runs a test over each driver.
func Each(t *testing.T, test func(t *testing.T, driver string)) {
	for _, driver := range Drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, driver)
		})
	}
}

// Main runs the tests of a package and fails where goroutines are left over.
func Main(m *testing.M) { goleak.VerifyTestMain(m, Leftovers()...) }

// Leftovers are goroutines that may be left: a fasthttp server's own, which end
// within ten seconds of its shutdown.
func Leftovers() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	}
}
