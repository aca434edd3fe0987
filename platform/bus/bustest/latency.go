package bustest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// rate is how many events a second Latency has happen.
const rate = 300

// Latency measures how long after its commit an event is with its handler in
// another module, through outbox, bus and inbox, at 300 events a second.
func Latency(b *testing.B, open func(t testing.TB) Harness) {
	h := open(b)
	from, to := newModule(b, "from", h.Bus), newModule(b, "to", h.Bus)
	c := clock.System()
	var (
		mu    sync.Mutex
		began = map[string]time.Time{}
		took  []time.Duration
		done  = make(chan struct{}, 1)
	)
	to.handle("first", func(e bus.Event) error {
		now := c.Now()
		mu.Lock()
		defer mu.Unlock()
		took = append(took, now.Sub(began[e.Subject]))
		select {
		case done <- struct{}{}:
		default:
		}
		return nil
	})
	to.listen(h.Bus)
	from.relay()
	happen := func(aggregate string) {
		require.NoError(b, from.db.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
			tx.AfterCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				began[aggregate] = c.Now()
			})
			return from.outbox.Add(ctx, tx, aggregate, Happened{})
		}))
	}
	await := func(n int) {
		deadline := time.After(patience)
		for {
			mu.Lock()
			got := len(took)
			mu.Unlock()
			if got >= n {
				return
			}
			select {
			case <-done:
			case <-deadline:
				require.FailNow(b, "events are missing", "%d of %d", got, n)
			}
		}
	}
	happen("warm")
	await(1)
	took = took[:0]
	b.ResetTimer()
	start := c.Now()
	var happening sync.WaitGroup
	for i := range b.N {
		require.NoError(b, clock.Sleep(b.Context(), c, start.Add(time.Duration(i)*time.Second/rate).Sub(c.Now())))
		happening.Go(func() { happen(fmt.Sprint(i)) })
	}
	happening.Wait()
	await(b.N)
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
