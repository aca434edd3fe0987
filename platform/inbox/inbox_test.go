package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/errs"
	"stoa/platform/inbox"
)

const happened = "stoa.test.happened.v1"

var migrations = dbtest.Migration(`-- +goose Up
CREATE TABLE diary (entry INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL);
-- +goose Down
DROP TABLE diary;
`)

var (
	write = db.NewStatement(`INSERT INTO diary (event_id) VALUES ($1)`)
	read  = db.NewStatementFor(`SELECT coalesce(group_concat(event_id, ' '), '') FROM (SELECT event_id FROM diary ORDER BY entry)`,
		`SELECT coalesce(string_agg(event_id, ' ' ORDER BY entry), '') FROM diary`)
)

// desk is an inbox with one handler that writes a diary, and may fail.
type desk struct {
	*inbox.Inbox
	t  *testing.T
	db *db.DB

	mu    sync.Mutex
	calls []time.Time
	fails func(e bus.Event) error                      // outside the transaction
	spoil func(ctx context.Context, e bus.Event) error // inside it
}

func newDesk(t *testing.T, o inbox.Options) *desk {
	return newDeskOn(t, dbtest.Open(t, "desk", migrations), o)
}

func newDeskOn(t *testing.T, at *db.DB, o inbox.Options) *desk {
	d := &desk{t: t, db: at}
	d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), o)
	require.NoError(t, d.Handle(d.handler()))
	return d
}

func (d *desk) handler() inbox.Handler {
	return inbox.Handler{Name: "write", Types: []string{happened}, Handle: func(_ context.Context, e bus.Event) (db.Effect, error) {
		d.mu.Lock()
		d.calls = append(d.calls, time.Now())
		fails, spoil := d.fails, d.spoil
		d.mu.Unlock()
		if fails != nil {
			if err := fails(e); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context, tx *db.Tx) error {
			if _, err := write.Exec(ctx, tx, e.ID); err != nil {
				return err
			}
			if spoil != nil {
				return spoil(ctx, e)
			}
			return nil
		}, nil
	}}
}

// open runs handlers until the test ends.
func (d *desk) open() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		require.NoError(d.t, <-ended)
	})
}

func (d *desk) diary() string {
	d.t.Helper()
	var all string
	require.NoError(d.t, read.QueryRow(d.t.Context(), d.db.Read()).Scan(&all))
	return all
}

// fail has the handler fail from now on, or go well where fn is nil.
func (d *desk) fail(fn func(e bus.Event) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fn
}

// spoilt has the handler's effect fail from now on, or go well where fn is nil.
func (d *desk) spoilt(fn func(ctx context.Context, e bus.Event) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spoil = fn
}

func (d *desk) called() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.calls)
}

func event(aggregate string, n int64) bus.Event {
	return bus.Event{
		ID: fmt.Sprintf("%s-%d", aggregate, n), Source: "test", Type: happened, Subject: aggregate, Sequence: n,
		Time: time.Now().UTC(), Data: []byte(`{}`),
	}
}

func pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, clock.Sleep(t.Context(), clock.System(), d))
	synctest.Wait()
}

// bubble runs a test in which time passes only while everything waits.
func bubble(t *testing.T, o inbox.Options, test func(t *testing.T, d *desk)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newDesk(t, o)) })
}

func TestAnEventThatComesTwiceTakesEffectOnce(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1), event("a", 1)}))
		d.open()
		synctest.Wait()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1), event("a", 2)}))
		synctest.Wait()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 2), event("a", 1)}))
		synctest.Wait()
		require.Equal(t, "a-1 a-2", d.diary())
		require.Equal(t, 2, d.called())
	})
}

func TestWhatIsForNobodyIsNotKept(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		e := event("a", 1)
		e.Type = "stoa.test.happened.v2"
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{e}))
		pending, _, err := d.Backlog(t.Context())
		require.NoError(t, err)
		require.Zero(t, pending)
		require.Equal(t, []string{happened}, d.Types())
		require.Error(t, d.Handle(inbox.Handler{Name: "write"}), "a name is given once")
	})
}

func TestAFaultIsTriedAgainWithGrowingPausesAndThenParked(t *testing.T) {
	for name, fail := range map[string]func(bus.Event) error{
		"error": func(bus.Event) error { return errors.New("a defect") },
		"panic": func(bus.Event) error { panic("a defect") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
				d.fail(fail)
				d.open()
				require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1), event("a", 2)}))
				pass(t, 5*time.Minute)
				calls := d.calls
				require.Len(t, calls, 8)
				for i := 2; i < len(calls); i++ {
					require.Greater(t, calls[i].Sub(calls[i-1]), calls[i-1].Sub(calls[i-2]))
				}
				letters, err := d.DeadLetters(t.Context(), 0, 10)
				require.NoError(t, err)
				require.Len(t, letters, 1)
				require.Equal(t, "a-1", letters[0].Event.ID)
				require.EqualValues(t, 8, letters[0].Attempts)
				require.Contains(t, letters[0].Error, "a defect")
				letters, err = d.DeadLetters(t.Context(), letters[0].ID, 10)
				require.NoError(t, err)
				require.Empty(t, letters, "that is the last page")

				d.fail(nil)
				require.NoError(t, d.Replay(t.Context(), 1))
				synctest.Wait()
				require.Equal(t, "a-1 a-2", d.diary())
				require.ErrorIs(t, d.Replay(t.Context(), 1), inbox.ErrNotParked)
			})
		})
	}
}

func TestATemporaryFaultIsWaitedOutForADay(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		d.fail(func(bus.Event) error { return fmt.Errorf("ask a neighbour: %w", errs.ErrUnavailable) })
		d.open()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		pass(t, 10*time.Minute)
		age := db.NewStatement(`UPDATE inbox SET received_at = received_at - $1`)
		require.NoError(t, d.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := age.Exec(ctx, tx, (23 * time.Hour).Microseconds())
			return err
		}))
		_, parked, err := d.Backlog(t.Context())
		require.NoError(t, err)
		require.Zero(t, parked)
		before := d.called()
		pass(t, 5*time.Minute)
		require.InDelta(t, 5, d.called()-before, 1, "once a minute in the end")
		require.NoError(t, d.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := age.Exec(ctx, tx, time.Hour.Microseconds())
			return err
		}))
		pass(t, time.Minute)
		_, parked, err = d.Backlog(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, parked)

		require.NoError(t, d.Replay(t.Context(), 1))
		pass(t, time.Second)
		_, parked, err = d.Backlog(t.Context())
		require.NoError(t, err)
		require.Zero(t, parked, "whoever replays it gives it more than one try")
	})
}

func TestAnEffectThatFailsLeavesNothing(t *testing.T) {
	for name, fail := range map[string]func(context.Context, bus.Event) error{
		"error": func(context.Context, bus.Event) error { return errors.New("a defect") },
		"panic": func(context.Context, bus.Event) error { panic("a defect") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
				d.spoilt(fail)
				d.open()
				require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
				pass(t, 50*time.Millisecond)
				require.Empty(t, d.diary())
				d.spoilt(nil)
				pass(t, time.Second)
				require.Equal(t, "a-1", d.diary())
			})
		})
	}
}

func TestAHandlerThatIsGoneLeavesDeadLetters(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
		d.open()
		pass(t, time.Minute)
		letters, err := d.DeadLetters(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Len(t, letters, 1)
		require.Contains(t, letters[0].Error, `"write"`)
	})
}

func TestAtMostSoManyHandlersRunAtOnce(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		var running, most atomic.Int64
		goOn := make(chan struct{})
		d.fail(func(bus.Event) error {
			most.Store(max(most.Load(), running.Add(1)))
			<-goOn
			running.Add(-1)
			return nil
		})
		d.open()
		var events []bus.Event
		for i := range 40 {
			events = append(events, event(fmt.Sprint(i), 1))
		}
		require.NoError(t, d.Deliver(t.Context(), events))
		synctest.Wait()
		require.EqualValues(t, 16, most.Load())
		close(goOn)
		synctest.Wait()
		require.Len(t, strings.Fields(d.diary()), 40)
		require.EqualValues(t, 16, most.Load())
	})
}

func TestEachEventIsHandledOnceWhereNothingFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inbox.Options{})
	const aggregates, each = 30, 10
	var done sync.WaitGroup
	done.Add(aggregates * each)
	d.spoilt(func(context.Context, bus.Event) error { done.Done(); return nil })
	d.open()
	for n := int64(1); n <= each; n++ {
		for a := range aggregates {
			require.NoError(t, d.Deliver(t.Context(), []bus.Event{event(fmt.Sprint(a), n)}))
		}
	}
	done.Wait()
	require.Equal(t, aggregates*each, d.called(), "a handler is not called for what is done")
}

func TestWhatIsDoneIsForgottenAfterItsRetention(t *testing.T) {
	bubble(t, inbox.Options{Retention: 20 * time.Minute}, func(t *testing.T, d *desk) {
		d.open()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		synctest.Wait()
		d.fail(func(bus.Event) error { return errors.New("a defect") })
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("b", 1)}))
		kept := db.NewStatement(`SELECT state FROM inbox WHERE event_id = $1`)
		var state string
		pass(t, 15*time.Minute)
		require.NoError(t, kept.QueryRow(t.Context(), d.db.Read(), "a-1").Scan(&state))
		pass(t, 20*time.Minute)
		require.ErrorIs(t, kept.QueryRow(t.Context(), d.db.Read(), "a-1").Scan(&state), sql.ErrNoRows)
		require.NoError(t, kept.QueryRow(t.Context(), d.db.Read(), "b-1").Scan(&state))
		require.Equal(t, "parked", state, "nothing is forgotten that is not done")
	})
}
