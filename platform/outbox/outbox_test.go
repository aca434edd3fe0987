package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/outbox"
)

type happened struct {
	N int `json:"n"`
}

func (happened) EventType() string { return "stoa.test.happened.v1" }

// recorder is a bus that keeps what it is given, and can be away.
type recorder struct {
	mu     sync.Mutex
	events []bus.Event
	calls  []time.Time
	fail   func(events []bus.Event) error
}

func (r *recorder) Publish(_ context.Context, events []bus.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, time.Now())
	if r.fail != nil {
		if err := r.fail(events); err != nil {
			return err
		}
	}
	r.events = append(r.events, events...)
	return nil
}

func (*recorder) Subscribe(context.Context, string, []string, func(context.Context, []bus.Event) error) error {
	return nil
}

type sender struct {
	*outbox.Outbox
	t   *testing.T
	db  *db.DB
	bus *recorder
}

// bubble runs a test in which time passes only while everything waits.
func bubble(t *testing.T, test func(t *testing.T, s *sender)) {
	bubbleOn(t, dbtest.Open, test)
}

func bubbleOn(t *testing.T, open func(t testing.TB, module string, migrations fs.FS) *db.DB, test func(t *testing.T, s *sender)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{t: t, db: open(t, "test", nil), bus: &recorder{}}
		s.Outbox = outbox.New("test", s.db, s.bus, clock.System(), slog.New(slog.DiscardHandler), outbox.Options{Retention: 20 * time.Minute})
		test(t, s)
	})
}

func (s *sender) relay() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Relay(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-ended)
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *sender) add(aggregate string, numbers ...int) {
	s.t.Helper()
	require.NoError(s.t, s.db.Write(s.t.Context(), func(ctx context.Context, tx *db.Tx) error {
		events := make([]bus.Data, len(numbers))
		for i, n := range numbers {
			events[i] = happened{n}
		}
		return s.Add(ctx, tx, aggregate, events...)
	}))
}

func (s *sender) backlog() int64 {
	s.t.Helper()
	n, err := s.Backlog(s.t.Context())
	require.NoError(s.t, err)
	return n
}

func pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, clock.Sleep(t.Context(), clock.System(), d))
	synctest.Wait()
}

func TestEventsAreNumberedByAggregateAndPublishedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		s.relay()
		s.add("a", 0, 1)
		s.add("b", 0)
		s.add("a", 2)
		s.add("a")
		synctest.Wait()
		var got []string
		ids := map[string]bool{}
		for _, e := range s.bus.events {
			var data happened
			require.NoError(t, json.Unmarshal(e.Data, &data))
			require.Equal(t, "test", e.Source)
			require.Equal(t, happened{}.EventType(), e.Type)
			require.False(t, e.Time.IsZero())
			ids[e.ID] = true
			got = append(got, fmt.Sprintf("%s-%d=%d", e.Subject, e.Sequence, data.N))
		}
		require.Equal(t, []string{"a-1=0", "a-2=1", "b-1=0", "a-3=2"}, got)
		require.Len(t, ids, 4)
		pass(t, moment)
		require.Zero(t, s.backlog())
	})
}

// moment is how soon what the bus has taken is marked sent at the latest.
const moment = 50 * time.Millisecond

func TestWhatTheBusHasTakenIsMarkedAMomentLaterOrByWhoComesNext(t *testing.T) {
	// On PostgreSQL the relay has a transaction open anyway.
	bubbleOn(t, dbtest.OpenSQLite, func(t *testing.T, s *sender) {
		stop := s.relay()
		s.add("a", 0)
		synctest.Wait()
		require.Len(t, s.bus.events, 1)
		require.EqualValues(t, 1, s.backlog(), "not by a transaction of its own")
		s.add("b", 0)
		require.EqualValues(t, 1, s.backlog(), "the next marks the first")
		refused := errors.New("refused")
		synctest.Wait()
		require.ErrorIs(t, s.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return errors.Join(s.Add(ctx, tx, "c", happened{0}), refused)
		}), refused)
		require.EqualValues(t, 1, s.backlog(), "one that comes to nothing marks nothing")
		pass(t, moment)
		require.Zero(t, s.backlog())
		s.add("a", 1)
		synctest.Wait()
		stop()
		require.Zero(t, s.backlog(), "a relay that ends leaves nothing to be published again")
		require.Len(t, s.bus.events, 3)
	})
}

func TestWhatWasRolledBackIsNotPublished(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		s.relay()
		refused := errors.New("refused")
		require.ErrorIs(t, s.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return errors.Join(s.Add(ctx, tx, "a", happened{0}), refused)
		}), refused)
		s.add("a", 1)
		synctest.Wait()
		require.Len(t, s.bus.events, 1)
		require.EqualValues(t, 1, s.bus.events[0].Sequence, "and leaves no gap")
	})
}

func TestABusThatIsAwayIsTriedAgainWithGrowingPauses(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		s.bus.fail = func([]bus.Event) error { return errors.New("away") }
		s.relay()
		s.add("a", 0)
		pass(t, time.Minute)
		require.EqualValues(t, 1, s.backlog())
		require.InDelta(t, 60/5+6, len(s.bus.calls), 3)
		require.GreaterOrEqual(t, s.bus.calls[5].Sub(s.bus.calls[4]), 2*s.bus.calls[2].Sub(s.bus.calls[1]))
		s.bus.fail = nil
		s.add("a", 1)
		pass(t, 5*time.Second)
		require.Len(t, s.bus.events, 2)
		require.Zero(t, s.backlog())
	})
}

func TestALongBacklogLeavesWholeAndInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		const many = 1000
		numbers := make([]int, many)
		s.add("a", numbers...)
		s.bus.fail = func(events []bus.Event) error {
			require.LessOrEqual(t, len(events), 256)
			if len(s.bus.calls) == 3 {
				return errors.New("away for a moment")
			}
			return nil
		}
		s.relay()
		pass(t, time.Second)
		require.Len(t, s.bus.events, many)
		for i, e := range s.bus.events {
			require.EqualValues(t, i+1, e.Sequence)
		}
	})
}

func TestWhatNobodyWasWokenForIsFoundByPolling(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		s.relay()
		// Another process on the same database has an outbox of its own.
		other := outbox.New("test", s.db, s.bus, clock.System(), slog.New(slog.DiscardHandler), outbox.Options{})
		synctest.Wait()
		require.NoError(t, s.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return other.Add(ctx, tx, "a", happened{}) }))
		pass(t, 3*time.Second)
		require.Len(t, s.bus.events, 1)
	})
}

func TestWhatWasSentIsKeptForItsRetention(t *testing.T) {
	bubble(t, func(t *testing.T, s *sender) {
		s.relay()
		s.add("a", 0)
		kept := db.NewStatement(`SELECT count(*) FROM outbox`)
		var n int
		pass(t, 15*time.Minute)
		require.NoError(t, kept.QueryRow(t.Context(), s.db.Read()).Scan(&n))
		require.Equal(t, 1, n)
		pass(t, 20*time.Minute)
		require.NoError(t, kept.QueryRow(t.Context(), s.db.Read()).Scan(&n))
		require.Zero(t, n)
		s.add("a", 1)
		synctest.Wait()
		require.EqualValues(t, 2, s.bus.events[1].Sequence, "the count goes on")
	})
}
