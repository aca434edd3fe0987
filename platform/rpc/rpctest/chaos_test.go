package rpctest_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestMain(m *testing.M) { rpctest.Main(m) }

// A suite that passes through chaos says something only if one that should not
// would fail.
func TestChaosShowsWhatIsNotIdempotent(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		add := rpc.Method[int64, int64]{Module: "till", Name: "Add", Idempotent: true} // a lie
		var sum atomic.Int64
		l, c := rpctest.Chaotic(t, driver, 7)
		l.Start(t, func(s *rpc.Server) {
			add.Handle(s, func(_ context.Context, n int64) (int64, error) { return sum.Add(n), nil })
		})
		for range 100 {
			_, err := add.Call(t.Context(), l.Client, 1)
			require.NoError(t, err, "callers get through")
		}
		repeated, lost := c.Mischief()
		require.NotZero(t, repeated)
		require.NotZero(t, lost)
		require.Greater(t, sum.Load(), int64(100+lost))
	})
}
