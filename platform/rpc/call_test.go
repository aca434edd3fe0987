package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/errs"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
	"stoa/platform/telemetry"
)

// ask is what the tests send, and what comes back.
type ask struct {
	Text  string            `json:"text"`
	Count int64             `json:"count"`
	List  []string          `json:"list"`
	Map   map[string]string `json:"map"`
	At    time.Time         `json:"at"`
}

var (
	echo  = rpc.Method[ask, ask]{Module: "shelf", Name: "Echo", Idempotent: true}
	place = rpc.Method[ask, ask]{Module: "shelf", Name: "Place"} // not idempotent
	drop  = rpc.Method[ask, rpc.Empty]{Module: "shelf", Name: "Drop", Idempotent: true}
	slow  = rpc.Method[ask, ask]{Module: "shelf", Name: "Slow", Idempotent: true, Timeout: time.Minute}
)

var errFull = errs.New(errs.Conflict, "shelf.full", "the shelf is full")

func returns(_ context.Context, a ask) (ask, error) { return a, nil }

func TestACallBringsBackWhatTheMethodGives(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			echo.Handle(s, returns)
			drop.Handle(s, rpc.NoAnswer(func(context.Context, ask) error { return nil }))
		})
		for _, a := range []ask{
			{},
			{Text: "über \x00 \u2028 \"quoted\" <b>", Count: 1<<63 - 1, List: []string{}, Map: map[string]string{}},
			{Count: -1 << 63, List: []string{"", "b"}, Map: map[string]string{"k": "v"}, At: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)},
			{Text: strings.Repeat("x", 1<<20)},
		} {
			got, err := echo.Call(t.Context(), l.Client, a)
			require.NoError(t, err)
			require.Equal(t, a, got)
		}
		_, err := drop.Call(t.Context(), l.Client, ask{})
		require.NoError(t, err)
		_, err = echo.Call(t.Context(), l.Client, ask{Text: "not UTF-8: \xff"})
		require.ErrorIs(t, err, errs.ErrInternal)
	})
}

func TestManyCallsAtOnceEachGetTheirOwn(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
		var calling sync.WaitGroup
		for n := range 50 {
			calling.Go(func() {
				for k := range 20 {
					want := ask{Count: int64(n*1000 + k), Text: strings.Repeat("y", n*k)}
					if got, err := echo.Call(t.Context(), l.Client, want); err != nil || got.Count != want.Count || got.Text != want.Text {
						t.Errorf("%d: %v, %v", want.Count, got.Count, err)
					}
				}
			})
		}
		calling.Wait()
	})
}

func TestErrorsKeepTheirIdentityAndAllTheyCarry(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		type total struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		}
		whole := errFull.With("the shelf %q is full", "top").Field("body.count", "must be at most %d", 3).
			Detail("total", total{1<<62 + 1, "USD"}).Detail("left", 3).After(1500 * time.Millisecond)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(context.Context, ask) (ask, error) { return ask{}, fmt.Errorf("put it there: %w", whole) })
			drop.Handle(s, rpc.NoAnswer(func(context.Context, ask) error { return errs.ErrUnavailable }))
		})
		_, err := echo.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, errFull)
		got, _ := errs.As(err)
		require.Equal(t, whole.Kind, got.Kind)
		require.Equal(t, whole.Message, got.Message)
		require.Equal(t, whole.Fields, got.Fields)
		require.Equal(t, whole.RetryAfter, got.RetryAfter)
		want, _ := json.Marshal(whole.Details)
		have, merr := json.Marshal(got.Details)
		require.NoError(t, merr)
		require.JSONEq(t, string(want), string(have))
		require.Contains(t, string(have), "4611686018427387905", "numbers are not rounded")

		_, err = drop.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.NotErrorIs(t, err, rpc.ErrUnavailable, "the module's own failure is told from that of the way")
	})
}

func TestUnknownErrorsAreLoggedOnceWhereTheyHappenAndArriveAsInternal(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		var log lockedBuffer
		l := rpctest.New(t, driver)
		l.ServerDeps.Log = telemetry.NewLogger(&log, telemetry.LogConfig{Level: "info", Format: "json"})
		l.Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(context.Context, ask) (ask, error) { return ask{}, errors.New("secret of the database") })
			drop.Handle(s, rpc.NoAnswer(func(context.Context, ask) error { panic("secret of a panic") }))
		})
		_, err := echo.Call(telemetry.WithRequest(t.Context(), "req-7"), l.Client, ask{})
		require.ErrorIs(t, err, errs.ErrInternal)
		require.NotContains(t, err.Error(), "secret")
		_, err = drop.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, errs.ErrInternal)
		require.NotContains(t, err.Error(), "secret")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], "secret of the database")
		require.Contains(t, lines[0], `"request_id":"req-7"`)
		require.Contains(t, lines[0], "shelf.Echo")
		require.Contains(t, lines[1], "secret of a panic")
	})
}

func TestTheTraceAndTheRequestTravel(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		var parent, request string
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				parent, request = telemetry.TraceParent(ctx), telemetry.RequestID(ctx)
				return a, nil
			})
		})
		const sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		ctx := telemetry.WithTraceParent(telemetry.WithRequest(t.Context(), "req-7"), sent)
		_, err := echo.Call(ctx, l.Client, ask{})
		require.NoError(t, err)
		require.Equal(t, sent, parent)
		require.Equal(t, "req-7", request)
		_, err = echo.Call(t.Context(), l.Client, ask{})
		require.NoError(t, err)
		require.False(t, trace.SpanContextFromContext(telemetry.WithTraceParent(t.Context(), parent)).IsValid())
	})
}

func TestTimeLeftTravels(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		left := make(chan time.Duration, 1)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			tell := func(ctx context.Context, a ask) (ask, error) {
				deadline, ok := ctx.Deadline()
				if !ok {
					return a, errors.New("no deadline")
				}
				left <- time.Until(deadline)
				return a, nil
			}
			echo.Handle(s, tell)
			slow.Handle(s, tell)
		})
		call := func(ctx context.Context, m rpc.Method[ask, ask], most time.Duration) {
			t.Helper()
			_, err := m.Call(ctx, l.Client, ask{})
			require.NoError(t, err)
			got := <-left
			require.LessOrEqual(t, got, most)
			require.Greater(t, got, most/2)
		}
		call(t.Context(), echo, l.Config.Timeout)
		call(t.Context(), slow, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		call(ctx, slow, time.Second)
	})
}

func TestInstancesSayHowLongTheirMethodsTake(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		left := make(chan time.Duration, 1)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				deadline, _ := ctx.Deadline()
				left <- time.Until(deadline)
				return a, nil
			})
			s.SetTimeout("shelf", "Slow", 10*time.Minute)
		})
		_, err := slow.Call(t.Context(), l.Client, ask{})
		require.NoError(t, err)
		require.Greater(t, <-left, 5*time.Minute)
	})
}

func TestADeadlineEndsBothSides(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		ended := make(chan error, 1)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				<-ctx.Done()
				ended <- ctx.Err()
				return a, ctx.Err()
			})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := slow.Call(ctx, l.Client, ask{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errs.ErrTimeout)
		require.ErrorContains(t, err, "shelf")
		require.Error(t, <-ended)
	})
}

func TestWhoGivesUpEndsTheCallWhereItRuns(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		begun, ended := make(chan struct{}), make(chan error, 1)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
				close(begun)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return a, ctx.Err()
			})
			echo.Handle(s, returns)
		})
		ctx, cancel := context.WithCancel(t.Context())
		returned := make(chan error, 1)
		go func() {
			_, err := slow.Call(ctx, l.Client, ask{})
			returned <- err
		}()
		<-begun
		cancel()
		require.ErrorIs(t, <-returned, context.Canceled)
		select {
		case err := <-ended:
			require.ErrorContains(t, err, "gone")
		case <-time.After(10 * time.Second):
			t.Fatal("the call was not ended, though it had a minute left")
		}
		_, err := echo.Call(t.Context(), l.Client, ask{})
		require.NoError(t, err)
	})
}

func TestACallerThatIsNotThereAnyMoreIsNotCalledFor(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		var called atomic.Int64
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(_ context.Context, a ask) (ask, error) {
				called.Add(1)
				return a, nil
			})
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := echo.Call(ctx, l.Client, ask{})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, called.Load())
	})
}

func TestWhatIsTooLargeIsAClearError(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(_ context.Context, a ask) (ask, error) {
				a.Text = strings.Repeat("x", int(a.Count))
				return a, nil
			})
			drop.Handle(s, rpc.NoAnswer(func(context.Context, ask) error {
				return errFull.Detail("why", strings.Repeat("x", 9<<20))
			}))
		})
		_, err := echo.Call(t.Context(), l.Client, ask{Text: strings.Repeat("x", 9<<20)})
		require.ErrorIs(t, err, rpc.ErrTooLarge)
		_, err = echo.Call(t.Context(), l.Client, ask{Count: 9 << 20})
		require.ErrorIs(t, err, rpc.ErrTooLarge)
		require.ErrorContains(t, err, "shelf.Echo")
		_, err = drop.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, errFull, "an error that is too large still says which it is")
		got, err := echo.Call(t.Context(), l.Client, ask{Count: 1 << 20})
		require.NoError(t, err)
		require.Len(t, got.Text, 1<<20)
	})
}

func TestAMethodThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
		_, err := drop.Call(t.Context(), l.Client, ask{})
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		require.ErrorContains(t, err, "shelf.Drop")
		elsewhere := rpc.Method[ask, ask]{Module: "attic", Name: "Echo"}
		_, err = elsewhere.Call(t.Context(), l.Client, ask{})
		require.Equal(t, errs.Unavailable, errs.KindOf(err))
		require.ErrorContains(t, err, "attic")
	})
}

func TestDocumentsAreFetched(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			s.Document("shelf", "routes", func() ([]byte, string, error) { return []byte(`{"a":1}`), "application/json", nil })
			s.Document("shelf", "broken", func() ([]byte, string, error) { return nil, "", errors.New("secret") })
			s.Document("stall", "routes", func() ([]byte, string, error) { return []byte("stall"), "text/plain", nil })
		})
		body, kind, err := l.Client.Document(t.Context(), "shelf", "routes")
		require.NoError(t, err)
		require.Equal(t, `{"a":1}`, string(body))
		require.Equal(t, "application/json", kind)
		body, _, err = l.Client.Document(t.Context(), "stall", "routes")
		require.NoError(t, err)
		require.Equal(t, "stall", string(body))
		_, _, err = l.Client.Document(t.Context(), "shelf", "broken")
		require.ErrorIs(t, err, errs.ErrInternal)
		require.NotContains(t, err.Error(), "secret")
		_, _, err = l.Client.Document(t.Context(), "shelf", "none")
		require.ErrorIs(t, err, rpc.ErrUnavailable)
		_, _, err = l.Client.Document(t.Context(), "attic", "routes")
		require.Equal(t, errs.Unavailable, errs.KindOf(err))
	})
}

func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		registry := prometheus.NewPedanticRegistry()
		l := rpctest.New(t, driver)
		l.ServerDeps.Metrics, l.ClientDeps.Metrics = registry, registry
		l.Start(t, func(s *rpc.Server) {
			echo.Handle(s, func(_ context.Context, a ask) (ask, error) {
				if a.Count > 0 {
					return a, errFull
				}
				return a, nil
			})
		})
		for n := range 3 {
			_, _ = echo.Call(t.Context(), l.Client, ask{Count: int64(n % 2)})
		}
		var want strings.Builder
		for _, side := range []struct{ name, help string }{{"client", "Calls to other processes"}, {"server", "Calls answered"}} {
			fmt.Fprintf(&want, "# HELP stoa_rpc_%[1]s_calls_total %[2]s, by module, method and outcome.\n# TYPE stoa_rpc_%[1]s_calls_total counter\n", side.name, side.help)
			for outcome, n := range map[string]int{"error": 1, "ok": 2} {
				fmt.Fprintf(&want, "stoa_rpc_%s_calls_total{method=\"Echo\",module=\"shelf\",outcome=%q} %d\n", side.name, outcome, n)
			}
		}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want.String()), "stoa_rpc_client_calls_total", "stoa_rpc_server_calls_total"))
	})
}

// lockedBuffer is a buffer that many write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
