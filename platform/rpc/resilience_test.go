package rpc_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

// line is a transport that a test plays.
type line struct {
	mu    sync.Mutex
	asked []string // instances, in order
	play  func(ctx context.Context, to string, try int) (rpc.Reply, error)
}

func (l *line) RoundTrip(ctx context.Context, to directory.Instance, _ *rpc.Call) (rpc.Reply, error) {
	l.mu.Lock()
	l.asked = append(l.asked, to.ID)
	try := len(l.asked)
	l.mu.Unlock()
	return l.play(ctx, to.ID, try)
}

func (*line) Close() error { return nil }

func (l *line) tries() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

var (
	answered  = rpc.Reply{Status: rpc.StatusAnswer, Body: []byte(`{}`)}
	errSnap   = errors.New("the line snapped")
	busyReply = rpc.Reply{Status: rpc.StatusBusy, Body: []byte("too much to do")}
)

// dial gives a client whose calls go over l to two instances.
func dial(t *testing.T, l *line, change func(*rpc.Config)) *rpc.Client {
	t.Helper()
	d, err := directory.NewStatic(map[string][]string{"shelf": {"a:1", "b:1"}})
	require.NoError(t, err)
	cfg := rpc.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := rpc.NewClient(cfg, rpc.ClientDeps{
		Clock: clock.System(), Log: discard, Directory: d, Wrap: func(rpc.Transport) rpc.Transport { return l },
	})
	require.NoError(t, err)
	return c
}

// pass lets time pass in a bubble of synctest.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, clock.Sleep(t.Context(), clock.System(), d))
}

func TestWhatMayHaveBeenDoneIsTriedAgainOnlyWhereThatIsDeclared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(_ context.Context, _ string, try int) (rpc.Reply, error) {
			if try == 1 {
				return rpc.Reply{}, errSnap
			}
			return answered, nil
		}}
		_, err := place.Call(t.Context(), dial(t, l, nil), ask{})
		require.ErrorIs(t, err, rpc.ErrBroken)
		require.ErrorIs(t, err, errSnap)
		require.Equal(t, errs.Timeout, errs.KindOf(err), "what came of it is not known")
		require.ErrorContains(t, err, "shelf")
		require.Len(t, l.tries(), 1)

		l.asked = nil
		_, err = echo.Call(t.Context(), dial(t, l, nil), ask{})
		require.NoError(t, err)
		require.Len(t, l.tries(), 2)
		require.NotEqual(t, l.tries()[0], l.tries()[1], "another instance is tried")
	})
}

func TestWhatCertainlyWasNotBegunIsTriedElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(_ context.Context, _ string, try int) (rpc.Reply, error) {
			if try == 1 {
				return busyReply, nil
			}
			return answered, nil
		}}
		_, err := place.Call(t.Context(), dial(t, l, nil), ask{})
		require.NoError(t, err)
		require.Len(t, l.tries(), 2)
	})
}

func TestTriesEndAndPausesGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		l := &line{}
		l.play = func(context.Context, string, int) (rpc.Reply, error) {
			at = append(at, time.Now())
			return busyReply, nil
		}
		_, err := echo.Call(t.Context(), dial(t, l, nil), ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		require.Equal(t, errs.Unavailable, errs.KindOf(err))
		require.Len(t, at, 3)
		require.Greater(t, at[1].Sub(at[0]), 5*time.Millisecond)
		require.Greater(t, at[2].Sub(at[1]), at[1].Sub(at[0]))

		at = nil
		_, err = echo.Call(t.Context(), dial(t, l, func(c *rpc.Config) { c.Retries = 0 }), ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		require.Len(t, at, 1)
	})
}

func TestTriesEndWithTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(ctx context.Context, _ string, _ int) (rpc.Reply, error) {
			if err := clock.Sleep(ctx, clock.System(), 90*time.Millisecond); err != nil {
				return rpc.Reply{}, err
			}
			return rpc.Reply{}, errSnap
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := echo.Call(ctx, dial(t, l, func(c *rpc.Config) { c.Retries = 10 }), ask{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 150*time.Millisecond, time.Since(began))
		require.Len(t, l.tries(), 2)
	})
}

func TestErrorsOfTheContractAreNoFailuresOfTheWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(context.Context, string, int) (rpc.Reply, error) {
			return rpc.Reply{Status: rpc.StatusError, Body: []byte(`{"kind":"unavailable","code":"shelf.away","message":"not now"}`)}, nil
		}}
		c := dial(t, l, nil)
		for range 100 {
			_, err := echo.Call(t.Context(), c, ask{})
			require.ErrorIs(t, err, errs.New(errs.Unavailable, "shelf.away", ""))
		}
		require.Len(t, l.tries(), 100, "each is tried once, and none is left out")
	})
}

func TestAModuleThatFailsTooOftenIsLeftAloneAndThenProbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		l := &line{play: func(context.Context, string, int) (rpc.Reply, error) {
			if well.Load() {
				return answered, nil
			}
			return rpc.Reply{}, errSnap
		}}
		c := dial(t, l, nil) // ten failures among twenty, then a pause of two seconds
		for len(l.tries()) < 10 {
			_, err := place.Call(t.Context(), c, ask{})
			require.ErrorIs(t, err, rpc.ErrBroken)
		}
		for range 50 {
			_, err := echo.Call(t.Context(), c, ask{})
			require.ErrorIs(t, err, rpc.ErrUnavailable)
			require.ErrorContains(t, err, "shelf is not available")
			require.Equal(t, errs.Unavailable, errs.KindOf(err))
		}
		require.Len(t, l.tries(), 10, "nobody is asked meanwhile")

		pass(t, 2*time.Second-time.Millisecond)
		_, err := place.Call(t.Context(), c, ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		pass(t, 2*time.Millisecond)
		_, err = place.Call(t.Context(), c, ask{})
		require.ErrorIs(t, err, rpc.ErrBroken, "a probe")
		require.Len(t, l.tries(), 11)

		well.Store(true)
		for range 100 {
			pass(t, 100*time.Millisecond)
			if _, err = place.Call(t.Context(), c, ask{}); err == nil {
				break
			}
		}
		for range 20 {
			_, err = place.Call(t.Context(), c, ask{})
			require.NoError(t, err, "it is back")
		}
	})
}

func TestCallersWithoutPatienceSayNothingOfAModule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(ctx context.Context, _ string, _ int) (rpc.Reply, error) {
			if err := clock.Sleep(ctx, clock.System(), 50*time.Millisecond); err != nil {
				return rpc.Reply{}, err
			}
			return answered, nil
		}}
		c := dial(t, l, nil)
		for n := range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			if n%2 == 0 {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(5*time.Millisecond, cancel)
			}
			_, err := echo.Call(ctx, c, ask{})
			require.Error(t, err)
			cancel()
		}
		_, err := echo.Call(t.Context(), c, ask{})
		require.NoError(t, err)
	})
}

func TestAModuleThatHangsIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{play: func(ctx context.Context, _ string, _ int) (rpc.Reply, error) {
			<-ctx.Done()
			return rpc.Reply{}, ctx.Err()
		}}
		c := dial(t, l, nil)
		for range 10 {
			_, err := echo.Call(t.Context(), c, ask{})
			require.ErrorIs(t, err, errs.ErrTimeout)
		}
		began := time.Now()
		_, err := echo.Call(t.Context(), c, ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		require.Zero(t, time.Since(began))
	})
}

func TestCallsToOneModuleAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		l := &line{play: func(context.Context, string, int) (rpc.Reply, error) {
			<-end
			return answered, nil
		}}
		c := dial(t, l, func(cfg *rpc.Config) { cfg.Bulkhead = 3 })
		var calling sync.WaitGroup
		for range 3 {
			calling.Go(func() {
				if _, err := echo.Call(t.Context(), c, ask{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := echo.Call(t.Context(), c, ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		require.Len(t, l.tries(), 3)
		close(end)
		calling.Wait()
		_, err = echo.Call(t.Context(), c, ask{})
		require.NoError(t, err)
	})
}

func TestAServerWithTooMuchToDoTurnsCallsAway(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		begun, end := make(chan struct{}), make(chan struct{})
		l := rpctest.New(t, driver)
		l.Config.MaxCalls = 1
		l.Start(t, func(s *rpc.Server) {
			place.Handle(s, func(_ context.Context, a ask) (ask, error) {
				close(begun)
				<-end
				return a, nil
			})
			echo.Handle(s, returns)
		})
		first := make(chan error, 1)
		go func() {
			_, err := place.Call(t.Context(), l.Client, ask{})
			first <- err
		}()
		<-begun
		_, err := echo.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		close(end)
		require.NoError(t, <-first)
		_, err = echo.Call(t.Context(), l.Client, ask{})
		require.NoError(t, err)
	})
}

// callers keep calling a method until stop, and give what failed.
func callers(t *testing.T, c *rpc.Client, m rpc.Method[ask, ask]) (done *atomic.Int64, stop func() []error) {
	t.Helper()
	var (
		mu      sync.Mutex
		failed  []error
		calling sync.WaitGroup
	)
	done = &atomic.Int64{}
	over := make(chan struct{})
	for range 8 {
		calling.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if _, err := m.Call(t.Context(), c, ask{}); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	return done, func() []error {
		close(over)
		calling.Wait()
		return failed
	}
}

// more waits until that many more calls have been made.
func more(done *atomic.Int64, n int64) {
	for want := done.Load() + n; done.Load() < want; {
		<-time.After(time.Millisecond)
	}
}
