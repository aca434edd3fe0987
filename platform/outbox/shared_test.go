package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/outbox"
)

// process gives one more process on the outbox at a URL, with a bus of its own
// where b is nil.
func process(t *testing.T, at string, b *recorder) *sender {
	t.Helper()
	s := &sender{t: t, db: dbtest.Reopen(t, "test", at), bus: b}
	s.Outbox = outbox.New("test", s.db, b, clock.System(), slog.New(slog.DiscardHandler), outbox.Options{})
	return s
}

func TestSeveralProcessesPublishEachEventOnceAndInOrder(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "test", nil)
	all := &recorder{}
	var adding sync.WaitGroup
	for range 3 {
		s := process(t, at, all)
		s.relay()
		for range 3 {
			adding.Go(func() {
				for n := range 40 {
					s.add(fmt.Sprint("aggregate ", n%5), n, n)
				}
			})
		}
	}
	adding.Wait()
	s := process(t, at, all)
	require.Eventually(t, func() bool { return s.backlog() == 0 }, 30*time.Second, 10*time.Millisecond)
	all.mu.Lock()
	defer all.mu.Unlock()
	require.Len(t, all.events, 3*3*40*2, "each once")
	last := map[string]int64{}
	for _, e := range all.events {
		require.Equal(t, last[e.Subject]+1, e.Sequence, e.Subject)
		last[e.Subject] = e.Sequence
	}
}

func TestWhatAProcessHasHoldOfIsLeftToItAndTakenUpWhenItFails(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "test", nil)
	holds, fails := make(chan struct{}), make(chan struct{})
	stuck := &recorder{fail: func([]bus.Event) error {
		close(holds)
		<-fails
		return errors.New("the bus is away from here")
	}}
	first, second := process(t, at, stuck), process(t, at, &recorder{})
	first.add("a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Relay(ctx) }()
	<-holds
	second.relay()
	second.add("b", 1) // of another part than a
	published := func() (list []string) {
		second.bus.mu.Lock()
		defer second.bus.mu.Unlock()
		for _, e := range second.bus.events {
			list = append(list, e.Subject)
		}
		return list
	}
	require.Eventually(t, func() bool { return len(published()) > 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, []string{"b"}, published())
	cancel()
	began := time.Now()
	close(fails)
	require.NoError(t, <-ended)
	require.Eventually(t, func() bool { return len(published()) == 2 }, 10*time.Second, time.Millisecond)
	require.Less(t, time.Since(began), 1500*time.Millisecond, "before the slow poll")
	require.Equal(t, []string{"b", "a"}, published())
}
