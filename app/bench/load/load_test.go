package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/app/bench/load"
	"stoa/platform/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAHistogramIsNeverFarOff(t *testing.T) {
	t.Parallel()
	for us := int64(1); us < int64(time.Hour/time.Microsecond); us += 1 + us/7 {
		var h load.Histogram
		d := time.Duration(us) * time.Microsecond
		h.Record(d)
		h.Record(time.Hour) // so that the longest does not stand in for it
		require.InEpsilon(t, float64(d), float64(h.Quantile(0.5)), 0.016, "%s", d)
	}
}

func TestQuantilesOfAKnownDistribution(t *testing.T) {
	t.Parallel()
	var evens, odds load.Histogram
	for i := 1; i <= 1000; i++ {
		h := &evens
		if i%2 == 1 {
			h = &odds
		}
		h.Record(time.Duration(i) * time.Millisecond)
	}
	evens.Add(&odds)
	require.EqualValues(t, 1000, evens.Count())
	require.InEpsilon(t, float64(500*time.Millisecond), float64(evens.Quantile(0.5)), 0.016)
	require.InEpsilon(t, float64(990*time.Millisecond), float64(evens.Quantile(0.99)), 0.016)
	require.Equal(t, time.Second, evens.Quantile(1))
	require.Equal(t, time.Second, evens.Max())
	require.Equal(t, 500500*time.Microsecond, evens.Mean())
	require.Zero(t, new(load.Histogram).Quantile(0.5))
}

// address is that of a test server, without the scheme.
func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func TestEachConnectionAsksInTurnAndWaits(t *testing.T) {
	t.Parallel()
	var at, most, asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := at.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer at.Add(-1)
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if asked.Load()%10 == 0 {
			w.Header().Set("Connection", "close")
		}
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X-Who"), body)
	}))
	defer s.Close()
	one := load.Request(http.MethodPost, "/", []byte("{}"), "X-Who", "me")
	result, err := load.Run(t.Context(), clock.System(), load.Load{
		Addr: address(s), Connections: 3, For: time.Minute, Most: 60, Idle: 2,
		Next:  func(int, int) []byte { return one },
		Check: load.Want(http.StatusOK, "POST me {}"),
	})
	require.NoError(t, err)
	require.EqualValues(t, 60, result.Latency.Count())
	require.EqualValues(t, 62, asked.Load(), "those that are idle have asked once")
	require.LessOrEqual(t, most.Load(), int64(3))
	require.InEpsilon(t, 60/result.For.Seconds(), result.Rate(), 0.01)
}

func TestAnAnswerThatWillNotDoIsNoFigure(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 50 {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer s.Close()
	one := load.Request(http.MethodGet, "/", nil)
	_, err := load.Run(t.Context(), clock.System(), load.Load{
		Addr: address(s), Connections: 2, For: time.Minute,
		Next:  func(int, int) []byte { return one },
		Check: load.Want(http.StatusOK, ""),
	})
	require.ErrorContains(t, err, "418")
}
