package rpc_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestADeployLosesNoCall(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { place.Handle(s, returns) })
		done, stop := callers(t, l.Client, place) // not idempotent: one that is lost is a failure
		old := l.Server
		for range 3 {
			more(done, 200)
			next := rpctest.Serve(t, l.Config, l.ServerDeps, func(s *rpc.Server) { place.Handle(s, returns) })
			more(done, 200)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			require.NoError(t, old.Shutdown(ctx))
			cancel()
			old = next
		}
		more(done, 200)
		require.Empty(t, stop())
	})
}

func TestCallsThatRunAreFinishedBeforeAServerEnds(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		begun, end := make(chan struct{}), make(chan struct{})
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				close(begun)
				<-end
				return a, ctx.Err()
			})
		})
		returned := make(chan error, 1)
		go func() {
			_, err := slow.Call(t.Context(), l.Client, ask{})
			returned <- err
		}()
		<-begun
		stopped := make(chan error, 1)
		go func() { stopped <- l.Server.Shutdown(t.Context()) }()
		for len(l.ClientDeps.Directory.Instances("shelf")) > 0 {
			<-l.ClientDeps.Directory.Changed()
		}
		select {
		case <-stopped:
			t.Fatal("a call still runs")
		case <-time.After(300 * time.Millisecond):
		}
		close(end)
		require.NoError(t, <-returned)
		require.NoError(t, <-stopped)
	})
}

func TestCallsThatDoNotEndAreBrokenOff(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		begun := make(chan struct{})
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				close(begun)
				<-ctx.Done()
				return a, ctx.Err()
			})
		})
		returned := make(chan error, 1)
		go func() {
			_, err := slow.Call(t.Context(), l.Client, ask{})
			returned <- err
		}()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, l.Server.Shutdown(ctx), context.DeadlineExceeded)
		require.Error(t, <-returned)
	})
}

// Of two instances one dies without a word in the middle of calls: they are
// made again at the other, which gets all that follow.
func TestTheDeathOfAnInstanceFailsNoIdempotentCall(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP)
	var served [2]atomic.Int64
	var servers [2]*rpc.Server
	var addresses []string
	for n := range servers {
		servers[n] = rpctest.Serve(t, l.Config, l.ServerDeps, func(s *rpc.Server) {
			echo.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				served[n].Add(1)
				return a, clock.Sleep(ctx, clock.System(), time.Millisecond)
			})
		})
		addresses = append(addresses, servers[n].Addr().String())
	}
	// A directory that never hears that anybody is gone.
	d, err := directory.NewStatic(map[string][]string{"shelf": addresses})
	require.NoError(t, err)
	l.ClientDeps.Directory = d
	c, err := rpc.NewClient(l.Config, l.ClientDeps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })

	done, stop := callers(t, c, echo)
	more(done, 300)
	require.NotZero(t, served[0].Load())
	require.NotZero(t, served[1].Load())
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if err := servers[0].Shutdown(dead); err != nil { // a call was under way just then
		require.ErrorIs(t, err, context.Canceled)
	}
	more(done, 500)
	require.Empty(t, stop())
}

func TestANeighbourThatComesLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP)
	c, err := rpc.NewClient(l.Config, l.ClientDeps)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Await(ctx, "shelf"), directory.ErrNoInstance)
	arrived := make(chan error, 1)
	go func() { arrived <- c.Await(t.Context(), "shelf") }()
	rpctest.Serve(t, l.Config, l.ServerDeps, func(s *rpc.Server) { echo.Handle(s, returns) })
	require.NoError(t, <-arrived)
	_, err = echo.Call(t.Context(), c, ask{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = echo.Call(t.Context(), c, ask{})
	require.ErrorIs(t, err, rpc.ErrUnavailable)
}

func TestNobodyIsCalledWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverNATS).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	l.ClientDeps.Conn.Close()
	_, err := echo.Call(t.Context(), l.Client, ask{})
	require.ErrorIs(t, err, rpc.ErrUnavailable)
	require.ErrorContains(t, err, "broker")
}

func TestTheSameMethodTwiceIsADefect(t *testing.T) {
	t.Parallel()
	s := rpc.NewServer(rpc.DefaultConfig(), rpc.ServerDeps{Clock: clock.System(), Log: discard})
	echo.Handle(s, returns)
	require.Panics(t, func() { echo.Handle(s, returns) })
	require.Panics(t, func() { rpc.Method[ask, ask]{Module: "a.b", Name: "C"}.Handle(s, returns) })
	require.Equal(t, []string{"shelf"}, s.Modules())
	for _, driver := range []string{"", "carrier pigeon"} {
		cfg := rpc.DefaultConfig()
		cfg.Driver = driver
		_, err := rpc.NewClient(cfg, rpc.ClientDeps{Clock: clock.System()})
		require.ErrorContains(t, err, fmt.Sprintf("%q", driver))
		require.Error(t, rpc.NewServer(cfg, rpc.ServerDeps{Clock: clock.System()}).Listen(t.Context()))
	}
}
