// Package brokertest gives tests a NATS server of their own, with JetStream, in
// the test's process and with nothing installed.
//
// Only tests import it.
package brokertest

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"stoa/platform/broker"
)

// Server is a NATS server that can go away and come back.
type Server struct {
	dir  string
	port int

	mu      sync.Mutex
	running *server.Server
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), port: server.RANDOM_PORT}
	s.Start(t)
	u, err := url.Parse(s.running.ClientURL())
	require.NoError(t, err)
	s.port, err = strconv.Atoi(u.Port())
	require.NoError(t, err)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Start has a server that was stopped come back, at its address and with its store.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	running, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: s.port, JetStream: true, StoreDir: s.dir, SyncAlways: true, NoSigs: true, NoLog: true,
	})
	require.NoError(t, err)
	running.Start()
	require.True(t, running.ReadyForConnections(30*time.Second), "the server is not ready")
	s.running = running
}

// Stop has the server go away.
func (s *Server) Stop(testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// URL is where it listens.
func (s *Server) URL() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

// Connect opens a connection as a process does, and closes it when the test ends.
func (s *Server) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	b, err := broker.Open(context.Background(), broker.Config{URL: s.URL()}, "", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b.Conn()
}
