package saga_test

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

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/errs"
	"stoa/platform/saga"
)

// trip is the data of the sagas here: what was booked, and a secret.
type trip struct {
	Booked []string `json:"booked"`
	Token  string   `json:"token"`
}

var (
	errFull = errs.New(errs.Conflict, "test.full", "there is no room")
	errLate = errs.New(errs.Timeout, "test.late", "it took too long")
)

var migrations = dbtest.Migration(`-- +goose Up
CREATE TABLE diary (entry INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, what TEXT NOT NULL);
-- +goose Down
DROP TABLE diary;
`)

var (
	write = db.NewStatement(`INSERT INTO diary (id, what) VALUES ($1, $2)`)
	read  = db.NewStatement(`SELECT what FROM diary WHERE id = $1 ORDER BY entry`)
	state = db.NewStatement(`SELECT state, data FROM sagas WHERE id = $1`)
)

// agency is a saga of three steps over neighbours that can be made to fail, and
// a diary of what was committed.
type agency struct {
	t  *testing.T
	db *db.DB

	mu     sync.Mutex
	calls  []string                                                       // of neighbours, in their order
	answer map[string]func(ctx context.Context, attempt int) error        // by call; nil is well
	effect map[string]func(ctx context.Context, tx *db.Tx, run int) error // by effect; nil is well
	runs   map[string]int
	ended  chan string
	trace  func(saga.Point)
}

func newAgency(t *testing.T) *agency {
	return &agency{
		t: t, db: dbtest.Open(t, "agency", migrations), runs: map[string]int{}, ended: make(chan string, 1000),
		answer: map[string]func(context.Context, int) error{}, effect: map[string]func(context.Context, *db.Tx, int) error{},
	}
}

func (a *agency) call(ctx context.Context, name string) error {
	a.mu.Lock()
	a.calls = append(a.calls, name)
	n := 0
	for _, c := range a.calls {
		if c == name {
			n++
		}
	}
	answer := a.answer[name]
	a.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, n)
}

func (a *agency) called() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.calls, " ")
}

func (a *agency) note(id, what string) db.Effect {
	return func(ctx context.Context, tx *db.Tx) error {
		a.mu.Lock()
		a.runs[what]++
		n, effect := a.runs[what], a.effect[what]
		a.mu.Unlock()
		if effect != nil {
			if err := effect(ctx, tx, n); err != nil {
				return err
			}
		}
		_, err := write.Exec(ctx, tx, id, what)
		return err
	}
}

func (a *agency) step(name string) saga.Step[trip] {
	return saga.Step[trip]{
		Name: name,
		Do: func(ctx context.Context, id string, data *trip) (db.Effect, error) {
			if err := a.call(ctx, name); err != nil {
				return nil, err
			}
			data.Booked = append(data.Booked, name)
			return a.note(id, name), nil
		},
		Undo: func(ctx context.Context, id string, _ *trip) (db.Effect, error) {
			if err := a.call(ctx, "no-"+name); err != nil {
				return nil, err
			}
			return a.note(id, "no-"+name), nil
		},
	}
}

func (a *agency) saga() saga.Saga[trip] {
	return saga.Saga[trip]{
		Kind:  "trip",
		Steps: []saga.Step[trip]{a.step("flight"), a.step("hotel"), a.step("car")},
		Done: func(ctx context.Context, tx *db.Tx, id string, data *trip) error {
			tx.AfterCommit(func() { a.ended <- id })
			return a.note(id, "done:"+strings.Join(data.Booked, "+"))(ctx, tx)
		},
		Undone: func(ctx context.Context, tx *db.Tx, id string, _ *trip, cause *errs.Error) error {
			tx.AfterCommit(func() { a.ended <- id })
			return a.note(id, "undone:"+cause.Code)(ctx, tx)
		},
		Late: errLate,
	}
}

// runner gives a runner that works until stop is called.
func (a *agency) runner() (r *saga.Runner[trip], stop func()) {
	r = saga.NewRunner(a.saga(), a.db, clock.System(), slog.New(slog.DiscardHandler), saga.Options{Trace: func(p saga.Point) {
		if a.trace != nil {
			a.trace(p)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx) }()
	return r, sync.OnceFunc(func() {
		cancel()
		require.NoError(a.t, <-stopped)
	})
}

func (a *agency) start(r *saga.Runner[trip], id string) {
	a.t.Helper()
	require.NoError(a.t, a.db.Write(a.t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return r.Start(ctx, tx, id, trip{Token: "secret"}, time.Now().Add(30*time.Second))
	}))
}

func (a *agency) diary(id string) string {
	a.t.Helper()
	rows, err := read.Query(a.t.Context(), a.db.Read(), id)
	require.NoError(a.t, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var what string
		require.NoError(a.t, rows.Scan(&what))
		list = append(list, what)
	}
	require.NoError(a.t, rows.Err())
	return strings.Join(list, " ")
}

func (a *agency) state(id string) (now saga.State, data string) {
	a.t.Helper()
	require.NoError(a.t, state.QueryRow(a.t.Context(), a.db.Read(), id).Scan(&now, &data))
	return now, data
}

// bubble runs a test in which time passes only while everything waits.
func bubble(t *testing.T, test func(t *testing.T, a *agency)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newAgency(t)) })
}

func TestAllThatASagaDoesIsCommittedAtItsEndAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		var points []saga.Point
		a.trace = func(p saga.Point) { points = append(points, p) }
		r, stop := a.runner()
		a.start(r, "one")
		require.Equal(t, "one", <-a.ended)
		stop()
		require.Equal(t, "flight hotel car", a.called())
		require.Equal(t, "flight hotel car done:flight+hotel+car", a.diary("one"))
		require.Equal(t, []saga.Point{
			{"trip", "one", "flight", "do"}, {"trip", "one", "hotel", "do"}, {"trip", "one", "car", "do"}, {"trip", "one", "", "commit"},
		}, points)
		now, data := a.state("one")
		require.Equal(t, saga.Completed, now)
		require.Equal(t, "{}", data, "what a saga had to remember is wiped when it ends")
	})
}

func TestNothingRunsOfASagaThatWasNotCommitted(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		r, stop := a.runner()
		defer stop()
		require.ErrorIs(t, a.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			require.NoError(t, r.Start(ctx, tx, "one", trip{}, time.Now().Add(time.Minute)))
			return errFull
		}), errFull)
		synctest.Wait()
		require.Empty(t, a.called())
	})
}

func TestAFailureUndoesWhatWasDoneInReverse(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		a.answer["car"] = func(context.Context, int) error { return errFull.With("no cars") }
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		<-a.ended
		require.Equal(t, "flight hotel car no-car no-hotel no-flight", a.called(), "also the one of which it is not known")
		require.Equal(t, "flight hotel no-car no-hotel no-flight undone:test.full", a.diary("one"))
		now, data := a.state("one")
		require.Equal(t, saga.Undone, now)
		require.Equal(t, "{}", data)
	})
}

func TestAnUnknownFailureUndoesAndIsToldAsInternal(t *testing.T) {
	for name, fail := range map[string]func(context.Context, int) error{
		"error": func(context.Context, int) error { return errors.New("a defect") },
		"panic": func(context.Context, int) error { panic("a defect") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *agency) {
				a.answer["hotel"] = fail
				r, stop := a.runner()
				defer stop()
				a.start(r, "one")
				<-a.ended
				require.Equal(t, "flight no-hotel no-flight undone:internal", a.diary("one"))
			})
		})
	}
}

func TestATemporaryFailureIsTriedAgainWithGrowingPauses(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		var at []time.Time
		a.answer["hotel"] = func(_ context.Context, attempt int) error {
			at = append(at, time.Now())
			if attempt < 5 {
				return errs.ErrUnavailable
			}
			return nil
		}
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		<-a.ended
		require.Equal(t, "flight hotel hotel hotel hotel hotel car", a.called(), "what is done is not done again")
		require.Equal(t, "flight hotel car done:flight+hotel+car", a.diary("one"))
		for i := 2; i < len(at); i++ {
			require.Greater(t, at[i].Sub(at[i-1]), at[i-1].Sub(at[i-2]))
		}
	})
}

func TestTheDeadlineUndoes(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context, int) error
		diary  string
	}{
		"a step that never answers": {
			func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
			"flight no-hotel no-flight undone:test.late",
		},
		"a neighbour that is too slow": {
			func(ctx context.Context, _ int) error { <-ctx.Done(); return errs.ErrTimeout.Because(ctx.Err()) },
			"flight no-hotel no-flight undone:test.late",
		},
		"a step that always fails": { // it was out of hand, so what was called is not known
			func(context.Context, int) error { return errs.ErrUnavailable },
			"flight no-car no-hotel no-flight undone:test.late",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *agency) {
				a.answer["hotel"] = c.answer
				r, stop := a.runner()
				defer stop()
				began := time.Now()
				a.start(r, "one")
				<-a.ended
				require.Equal(t, c.diary, a.diary("one"))
				require.InDelta(t, 30, time.Since(began).Seconds(), 0.1)
			})
		})
	}
}

func TestUndoingGoesOnUntilItSucceeds(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		a.answer["car"] = func(context.Context, int) error { return errFull }
		a.answer["no-hotel"] = func(_ context.Context, attempt int) error {
			switch {
			case attempt < 10:
				return errs.ErrUnavailable
			case attempt < 20:
				return errors.New("a defect")
			}
			return nil
		}
		r, stop := a.runner()
		defer stop()
		began := time.Now()
		a.start(r, "one")
		<-a.ended
		require.Equal(t, "flight hotel no-car no-hotel no-flight undone:test.full", a.diary("one"))
		require.Greater(t, time.Since(began), time.Minute, "the deadline does not end it")
	})
}

func TestWhatIsTakenOutOfItsHandsIsAbandoned(t *testing.T) {
	for _, at := range []string{"flight", "car", "done:flight+hotel+car"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *agency) {
				a.effect[at] = func(context.Context, *db.Tx, int) error { return fmt.Errorf("cancelled: %w", saga.ErrAbandoned) }
				r, stop := a.runner()
				defer stop()
				a.start(r, "one")
				synctest.Wait()
				require.Equal(t, "flight hotel car", a.called(), "nothing is undone")
				require.Empty(t, a.diary("one"), "nothing of the transaction stays")
				now, data := a.state("one")
				require.Equal(t, saga.Abandoned, now)
				require.Equal(t, "{}", data)
			})
		})
	}
}

func TestAbandonedWhileItIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		a.answer["car"] = func(context.Context, int) error { return errFull }
		a.effect["undone:test.full"] = func(context.Context, *db.Tx, int) error { return saga.ErrAbandoned }
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		synctest.Wait()
		require.Equal(t, "flight hotel", a.diary("one"))
		now, _ := a.state("one")
		require.Equal(t, saga.Abandoned, now)
	})
}

func TestASlowStepDoesNotHoldBackWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		goOn := make(chan struct{})
		a.answer["hotel"] = func(context.Context, int) error { <-goOn; return nil }
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		pass(t, 20*time.Millisecond)
		require.Empty(t, a.diary("one"), "a quick step is worth waiting for")
		pass(t, 10*time.Millisecond)
		require.Equal(t, "flight", a.diary("one"))
		close(goOn)
		<-a.ended
		require.Equal(t, "flight hotel car done:flight+hotel+car", a.diary("one"))
	})
}

func TestAbandonedInTheMiddleOfASlowStep(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		goOn := make(chan struct{})
		a.answer["hotel"] = func(context.Context, int) error { <-goOn; return nil }
		a.effect["flight"] = func(context.Context, *db.Tx, int) error { return saga.ErrAbandoned }
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		pass(t, 30*time.Millisecond)
		close(goOn)
		synctest.Wait()
		require.Equal(t, "flight hotel", a.called(), "the next step is not begun")
		now, _ := a.state("one")
		require.Equal(t, saga.Abandoned, now)
	})
}

// pass lets time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, clock.Sleep(t.Context(), clock.System(), d))
	synctest.Wait()
}
