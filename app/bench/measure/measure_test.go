package measure

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBenchmarksOfGoAreRead(t *testing.T) {
	t.Parallel()
	printed := "goos: linux\nBenchmarkInProcess-2   \t     300\t       0.719 p50-ms\t       9.332 p99-ms\nBenchmarkJetStream-2   \t     300\t      2051 p50-ms\nPASS\n"
	for metric, want := range map[string]float64{"p50-ms": 0.719, "p99-ms": 9.332} {
		got, ok := metricOf(printed, "BenchmarkInProcess", metric)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := metricOf(printed, "BenchmarkJetStream", "p99-ms")
	require.False(t, ok)
	_, ok = metricOf(printed, "BenchmarkIn", "p50-ms")
	require.False(t, ok, "another benchmark")
}

func TestBenchmarksAreFoundByName(t *testing.T) {
	t.Parallel()
	all, err := Find("")
	require.NoError(t, err)
	some, err := Find("orders, products")
	require.NoError(t, err)
	require.Equal(t, "orders", some[0].Name)
	require.Len(t, some, 2)
	require.Greater(t, len(all), len(some))
	_, err = Find("order")
	require.ErrorContains(t, err, "products, orders")
}

// Connections that go through the same requests are not all at the same one.
func TestConnectionsAskFromDifferentPlaces(t *testing.T) {
	t.Parallel()
	requests := make([][]byte, 1000)
	for i := range requests {
		requests[i] = []byte{byte(i / 256), byte(i)}
	}
	next := through(requests)
	require.NotEqual(t, next(0, 0), next(1, 0))
	require.NotEqual(t, next(0, 0), next(0, 1))
	require.Equal(t, next(3, 5), next(3, 1005))
}
