package inbox_test

import (
	"context"
	"errors"
	"fmt"
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
	"stoa/platform/inbox"
)

// refusing has the commit fail of a transaction that stores an event of
// "refused", until refuses is emptied.
var refusing = dbtest.Migration(`-- +goose Up
CREATE TABLE diary (entry INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL);
CREATE TABLE refuses (aggregate TEXT PRIMARY KEY);
INSERT INTO refuses VALUES ('refused');
CREATE TABLE nowhere (id INTEGER PRIMARY KEY);
CREATE TABLE astray (id INTEGER REFERENCES nowhere (id) DEFERRABLE INITIALLY DEFERRED);
-- +goose StatementBegin
CREATE TRIGGER refuse AFTER INSERT ON inbox WHEN NEW.aggregate IN (SELECT aggregate FROM refuses)
BEGIN INSERT INTO astray VALUES (1); END;
-- +goose StatementEnd
-- +goose Down
SELECT 1;
`)

var refuseNothing = db.NewStatement(`DELETE FROM refuses`)

func TestAHandlerWhoseEventCouldNotBeStoredHasNoEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDeskOn(t, dbtest.OpenSQLite(t, "desk", refusing), inbox.Options{})
		d.open()
		synctest.Wait()
		require.Error(t, d.Deliver(t.Context(), []bus.Event{event("refused", 1)}))
		synctest.Wait()
		require.Equal(t, 1, d.called(), "it had begun")
		pass(t, time.Minute)
		require.Empty(t, d.diary())

		require.NoError(t, d.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := refuseNothing.Exec(ctx, tx)
			return err
		}))
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("refused", 1), event("refused", 2)}))
		synctest.Wait()
		require.Equal(t, "refused-1 refused-2", d.diary())
		require.Equal(t, 3, d.called())
	})
}

func TestATransactionThatIsRunAgainCallsNoHandlerTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inbox.Options{})
	d.open()
	var busy sync.WaitGroup
	defer busy.Wait()
	ended := make(chan struct{})
	defer close(ended)
	spoilt := errors.New("spoilt")
	// Others fail in the same transaction, so that it is begun anew without them.
	for range 4 {
		busy.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if err := d.db.Write(context.Background(), func(context.Context, *db.Tx) error { return spoilt }); !errors.Is(err, spoilt) {
					t.Error(err)
					return
				}
			}
		})
	}
	const many = 100
	for n := range int64(many) {
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", n+1), event(fmt.Sprint("b", n), 1)}))
	}
	require.Eventually(t, func() bool {
		pending, _, err := d.Backlog(t.Context())
		return err == nil && pending == 0
	}, 30*time.Second, time.Millisecond)
	require.Equal(t, 2*many, d.called())
}

func TestAnEventOvertakesNoneThatIsBeingTriedAgain(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		d.open()
		synctest.Wait()
		d.fail(func(bus.Event) error { return errors.New("not yet") })
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		synctest.Wait()
		d.fail(nil)
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 2)}))
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("b", 1)}))
		synctest.Wait()
		require.Equal(t, "b-1", d.diary())
		pass(t, time.Second)
		require.Equal(t, "b-1 a-1 a-2", d.diary())
	})
}

func TestWhoWaitsForAnAggregateIsServedAtOnce(t *testing.T) {
	bubble(t, inbox.Options{}, func(t *testing.T, d *desk) {
		goOn := make(chan struct{})
		d.fail(func(e bus.Event) error {
			if e.Sequence == 1 {
				<-goOn
			}
			return nil
		})
		d.open()
		synctest.Wait()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 3), event("a", 2)}))
		synctest.Wait()
		began := time.Now()
		close(goOn)
		synctest.Wait()
		require.Equal(t, "a-1 a-2 a-3", d.diary())
		require.Zero(t, time.Since(began), "nobody waited for the poll")
	})
}

// TestWhatIsReadWhileItIsHandledIsNotHandledAgain has events come one after the
// other to an inbox that looks all the time.
func TestWhatIsReadWhileItIsHandledIsNotHandledAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inbox.Options{})
	d.open()
	ended := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				d.Wake()
			}
		}
	})
	const many = 500
	for n := range int64(many) {
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event(fmt.Sprint(n), 1)}))
	}
	require.Eventually(t, func() bool {
		pending, _, err := d.Backlog(t.Context())
		return err == nil && pending == 0
	}, 30*time.Second, time.Millisecond)
	close(ended)
	looking.Wait()
	require.Equal(t, many, d.called())
}

func TestWhatComesAfterTheEndIsLeftToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, inbox.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		require.Zero(t, d.called())
		next := inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
		require.NoError(t, next.Handle(d.handler()))
		d.Inbox = next
		d.open()
		synctest.Wait()
		require.Equal(t, "a-1", d.diary())
	})
}

// letters is an inbox whose handler changes nothing here.
func letters(t *testing.T, test func(t *testing.T, d *desk, pending func() int64)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, inbox.Options{})
		d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
		require.NoError(t, d.Handle(quiet(d)))
		d.open()
		synctest.Wait()
		test(t, d, func() int64 {
			pending, _, err := d.Backlog(t.Context())
			require.NoError(t, err)
			return pending
		})
	})
}

func TestWhatChangesNothingIsMarkedDoneAMomentLaterOrByWhoComesNext(t *testing.T) {
	letters(t, func(t *testing.T, d *desk, pending func() int64) {
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		synctest.Wait()
		require.Equal(t, 1, d.called())
		require.EqualValues(t, 1, pending(), "not by a transaction of its own")
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("b", 1)}))
		synctest.Wait()
		require.EqualValues(t, 1, pending(), "the next marks the first")
		pass(t, 50*time.Millisecond)
		require.Zero(t, pending())
		pass(t, time.Hour)
		require.Equal(t, 2, d.called())
	})
}

func TestNobodyWaitsForWhatChangesNothing(t *testing.T) {
	letters(t, func(t *testing.T, d *desk, _ func() int64) {
		began := time.Now()
		var events []bus.Event
		for n := range int64(10) {
			events = append(events, event("a", n+1))
		}
		for n := range 50 {
			events = append(events, event(fmt.Sprint("b", n), 1))
		}
		require.NoError(t, d.Deliver(t.Context(), events[:5]))
		require.NoError(t, d.Deliver(t.Context(), events[5:]))
		synctest.Wait()
		require.Equal(t, 60, d.called())
		require.Zero(t, time.Since(began))
	})
}

func TestManyWhoChangeNothingAreEachHandledOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inbox.Options{})
	d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
	require.NoError(t, d.Handle(quiet(d)))
	d.open()
	const sources, each = 8, 100
	var delivering sync.WaitGroup
	for s := range sources {
		delivering.Go(func() {
			for n := range int64(each) {
				if err := d.Deliver(t.Context(), []bus.Event{event(fmt.Sprint("a", s), n+1), event(fmt.Sprint("b", s, "/", n), 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	delivering.Wait()
	require.Eventually(t, func() bool {
		pending, _, err := d.Backlog(t.Context())
		return err == nil && pending == 0
	}, 30*time.Second, time.Millisecond)
	require.Equal(t, 2*sources*each, d.called())
}

// quiet is a handler that changes nothing here.
func quiet(d *desk) inbox.Handler {
	return inbox.Handler{Name: "write", Types: []string{happened}, Handle: func(context.Context, bus.Event) (db.Effect, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls = append(d.calls, time.Now())
		return nil, nil
	}}
}

func TestWhatIsDoneIsMarkedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, inbox.Options{})
		d.Inbox = inbox.New("desk", d.db, clock.System(), slog.New(slog.DiscardHandler), inbox.Options{})
		require.NoError(t, d.Handle(quiet(d)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, d.Deliver(t.Context(), []bus.Event{event("a", 1)}))
		synctest.Wait()
		cancel()
		require.NoError(t, <-ended)
		pending, _, err := d.Backlog(t.Context())
		require.NoError(t, err)
		require.Zero(t, pending)
	})
}
