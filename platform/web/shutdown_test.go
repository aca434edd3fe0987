package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// stoppable is a server that a test stops itself.
func stoppable(t *testing.T, cfg web.Config, routes func(*web.Router)) (s *web.Server, addr string, served chan error) {
	t.Helper()
	s, err := web.New(cfg, web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	routes(s.Router("things", nil))
	l := listen(t)
	served = make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return s, l.Addr().String(), served
}

// TestShutdownLosesNoRequest stops a server under load: whoever could connect
// is answered, on new connections and on those that are kept.
func TestShutdownLosesNoRequest(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		cfg := web.DefaultConfig()
		cfg.DrainDelay = 100 * time.Millisecond
		s, addr, served := stoppable(t, cfg, routes)
		var answered, closing atomic.Int64
		var clients sync.WaitGroup
		begun := make(chan struct{})
		begin := sync.OnceFunc(func() { close(begun) })
		lost := make(chan error, 64)
		for i := range 32 {
			keep := i%2 == 0
			clients.Go(func() {
				for {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						if !errors.Is(err, syscall.ECONNREFUSED) {
							lost <- err
						}
						return // it is another's turn
					}
					if err := converse(c, keep, &answered, &closing); err != nil {
						lost <- err
						return
					}
					if answered.Load() >= 1000 {
						begin()
					}
				}
			})
		}
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		require.NoError(t, s.Shutdown(ctx))
		cancel()
		require.NoError(t, <-served)
		clients.Wait()
		close(lost)
		for err := range lost {
			t.Errorf("round %d: %v", round, err)
		}
		require.Positive(t, closing.Load(), "connections are told to close")
	}
}

// converse sends requests on a connection until it is told to close.
func converse(c net.Conn, keep bool, answered, closing *atomic.Int64) error {
	defer func() { _ = c.Close() }()
	request := "GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n\r\n"
	if !keep {
		request = strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	}
	r := bufio.NewReader(c)
	for {
		if _, err := io.WriteString(c, request); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		answered.Add(1)
		if response.Close {
			if keep {
				closing.Add(1)
			}
			return nil
		}
	}
}

func TestShutdownFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	running, finish := make(chan struct{}), make(chan struct{})
	cfg := web.DefaultConfig()
	cfg.DrainDelay = 0
	s, addr, served := stoppable(t, cfg, func(r *web.Router) {
		web.Register(r, web.Operation{ID: "slow", Method: http.MethodGet, Path: "/slow", Summary: "Slow"},
			func(ctx context.Context, _ *struct{}) (*struct{ Body string }, error) {
				close(running)
				<-finish
				return &struct{ Body string }{"done"}, ctx.Err()
			})
	})
	answer := make(chan string)
	go func() { answer <- send(t, addr, "GET /api/v1/slow HTTP/1.1\r\nHost: shop\r\n\r\n") }()
	<-running
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	require.NoError(t, <-served, "nobody new is let in")
	require.True(t, s.Draining())
	_, err := net.Dial("tcp", addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	select {
	case <-stopped:
		t.Fatal("it did not wait")
	default:
	}
	close(finish)
	text := <-answer
	require.Contains(t, text, "HTTP/1.1 200 OK\r\n")
	require.Contains(t, text, "Connection: close\r\n")
	require.NoError(t, <-stopped)
}

func TestDraining(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), 1)
	cfg := web.DefaultConfig()
	s, err := web.New(cfg, web.Deps{Clock: fake, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	routes(s.Router("things", nil))
	l := listen(t)
	served, stopped := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	before := send(t, l.Addr().String(), "GET /readyz HTTP/1.0\r\n\r\n")
	require.Contains(t, before, "HTTP/1.1 200 ")
	go func() { stopped <- s.Shutdown(t.Context()) }()
	fake.AwaitTimers(1)
	require.Contains(t, send(t, l.Addr().String(), "GET /readyz HTTP/1.1\r\nHost: shop\r\n\r\n"), "HTTP/1.1 503 ")
	require.Contains(t, send(t, l.Addr().String(), "GET /livez HTTP/1.1\r\nHost: shop\r\n\r\n"), "HTTP/1.1 200 ")
	require.Contains(t, send(t, l.Addr().String(), "GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n\r\n"), "HTTP/1.1 200 ", "it serves on")
	fake.Advance(cfg.DrainDelay)
	require.NoError(t, <-stopped)
	require.NoError(t, <-served)
}

func TestShutdownThatRunsOutOfTime(t *testing.T) {
	t.Parallel()
	running, finish := make(chan struct{}), make(chan struct{})
	cfg := web.DefaultConfig()
	cfg.DrainDelay = 0
	s, addr, served := stoppable(t, cfg, func(r *web.Router) {
		web.Register(r, web.Operation{ID: "stuck", Method: http.MethodGet, Path: "/stuck", Summary: "Stuck"},
			func(context.Context, *struct{}) (*struct{}, error) {
				close(running)
				<-finish
				return nil, nil
			})
	})
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, "GET /api/v1/stuck HTTP/1.1\r\nHost: shop\r\n\r\n")
	require.NoError(t, err)
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.Canceled)
	require.NoError(t, <-served)
	text, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Empty(t, text, "the connection is broken off")
	require.NoError(t, c.Close())
	close(finish)
	require.NoError(t, s.Shutdown(t.Context()), "by now it can end")
}

// cramped is a listener on a machine that has no room for more at first.
type cramped struct {
	net.Listener
	failures atomic.Int64
}

func (c *cramped) Accept() (net.Conn, error) {
	if c.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return c.Listener.Accept()
}

func TestLackOfRoomPasses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	routes(s.Router("things", nil))
	l := &cramped{Listener: listen(t)}
	l.failures.Store(3)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	require.Contains(t, send(t, l.Addr().String(), "GET /livez HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ")
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, <-served)
}

func TestServingOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, s.Shutdown(t.Context()), "it never began")
	require.NoError(t, s.Serve(listen(t)), "and will not")

	api := webtest.New(t, "things", routes)
	require.Equal(t, 200, api.Raw(t, http.MethodGet, "/livez", nil).Status)
	require.ErrorContains(t, api.Web.Serve(listen(t)), "once")
}
