package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/inbox"
)

// process gives one more process on the inbox at a URL.
func process(t *testing.T, at string, handle func(ctx context.Context, e bus.Event) error) *desk {
	t.Helper()
	d := &desk{t: t, db: dbtest.Reopen(t, "desk", at)}
	d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
	require.NoError(t, d.Handle(inbox.Handler{Name: "write", Types: []string{happened}, Handle: func(ctx context.Context, e bus.Event) (db.Effect, error) {
		if err := handle(ctx, e); err != nil {
			return nil, err
		}
		return func(ctx context.Context, tx *db.Tx) error {
			_, err := write.Exec(ctx, tx, e.ID)
			return err
		}, nil
	}}))
	return d
}

func TestSeveralProcessesRunEachHandlerOnceAndInOrder(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "desk", migrations)
	var (
		mu    sync.Mutex
		calls = map[string]int{}
	)
	handle := func(_ context.Context, e bus.Event) error {
		mu.Lock()
		defer mu.Unlock()
		calls[e.ID]++
		return nil
	}
	const aggregates, each = 8, 30
	var delivering sync.WaitGroup
	processes := []*desk{process(t, at, handle), process(t, at, handle), process(t, at, handle)}
	for i, d := range processes {
		d.open()
		delivering.Go(func() {
			for a := i; a < aggregates; a += len(processes) {
				for n := range int64(each) {
					if err := d.Deliver(t.Context(), []bus.Event{event(fmt.Sprint(a), n+1)}); err != nil {
						t.Error(err)
					}
					for _, other := range processes {
						other.Wake() // they all look at once
					}
				}
			}
		})
	}
	delivering.Wait()
	require.Eventually(t, func() bool {
		pending, _, err := processes[0].Backlog(t.Context())
		return err == nil && pending == 0
	}, 30*time.Second, 10*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, calls, aggregates*each)
	for id, n := range calls {
		require.Equal(t, 1, n, id)
	}
	last := map[string]int{}
	for _, id := range strings.Fields(processes[0].diary()) {
		var aggregate string
		var n int
		aggregate, number, _ := strings.Cut(id, "-")
		_, err := fmt.Sscan(number, &n)
		require.NoError(t, err)
		require.Equal(t, last[aggregate]+1, n, "the events of %s", aggregate)
		last[aggregate] = n
	}
}

func TestWhatAProcessLeavesUndoneAnotherDoesAtOnce(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "desk", migrations)
	began := make(chan struct{})
	first := process(t, at, func(ctx context.Context, _ bus.Event) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, first.Deliver(t.Context(), []bus.Event{event("a", 1)}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	<-began
	second := process(t, at, func(context.Context, bus.Event) error { return nil })
	second.open()
	cancel()
	require.NoError(t, <-ended)
	require.Eventually(t, func() bool { return second.diary() == "a-1" }, 10*time.Second, 10*time.Millisecond)
}

var (
	leaseToTheDead = db.NewStatementFor("", `UPDATE inbox SET lease = 'dead', due_at = $1`)
	leaseIsTaken   = db.NewStatementFor("", `UPDATE inbox SET lease = 'another'`)
)

func TestWhatAProcessThatDiedHadIsDoneOnceItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := process(t, dbtest.PostgresWith(t, "desk", migrations), func(context.Context, bus.Event) error { return nil })
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1), event("a", 2)}))
		require.NoError(t, d.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := leaseToTheDead.Exec(ctx, tx, db.NewTime(time.Now().Add(30*time.Second)))
			return err
		}))
		d.open()
		pass(t, 29*time.Second)
		require.Empty(t, d.diary())
		pass(t, 3*time.Second)
		require.Equal(t, "a-1 a-2", d.diary())
	})
}

func TestAHandlerThatTakesLongKeepsItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := dbtest.PostgresWith(t, "desk", migrations)
		calls := 0
		slow := func(ctx context.Context, _ bus.Event) error {
			calls++
			return clock.Sleep(ctx, clock.System(), 2*time.Minute)
		}
		first, second := process(t, at, slow), process(t, at, slow)
		require.NoError(t, first.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		first.open()
		synctest.Wait()
		second.open()
		pass(t, 3*time.Minute)
		require.Equal(t, 1, calls)
		require.Equal(t, "a-1", second.diary())
	})
}

func TestWhoHasLostItsLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"done": nil, "failed": errors.New("a defect")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d *desk
				d = process(t, dbtest.PostgresWith(t, "desk", migrations), func(ctx context.Context, _ bus.Event) error {
					return errors.Join(fails, d.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
						_, err := leaseIsTaken.Exec(ctx, tx)
						return err
					}))
				})
				require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
				d.open()
				pass(t, 5*time.Second)
				require.Empty(t, d.diary(), "it is another's")
				var attempts int
				require.NoError(t, d.db.Read().NewSelect().Table("inbox").Column("attempts").Scan(t.Context(), &attempts))
				require.Zero(t, attempts)
			})
		})
	}
}
