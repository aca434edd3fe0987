package saga_test

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/saga"
)

func TestNothingThatIsDoneIsLostWhereItsCommitFails(t *testing.T) {
	for name, fail := range map[string]func(context.Context, *db.Tx, int) error{
		"database away": func(_ context.Context, _ *db.Tx, run int) error {
			if run < 4 {
				return db.ErrUnavailable
			}
			return nil
		},
		"panic": func(_ context.Context, _ *db.Tx, run int) error {
			if run < 4 {
				panic("a defect")
			}
			return nil
		},
	} {
		for _, where := range []string{"flight", "car", "done:flight+hotel+car"} {
			t.Run(name+" at "+where, func(t *testing.T) {
				bubble(t, func(t *testing.T, a *agency) {
					a.effect[where] = fail
					r, stop := a.runner()
					defer stop()
					a.start(r, "one")
					<-a.ended
					entries := strings.Split(a.diary("one"), " ")
					slices.Sort(entries)
					require.Len(t, entries, 4, "%v", entries)
					require.Equal(t, []string{"car", "done:flight+hotel+car", "flight", "hotel"}, entries)
				})
			})
		}
	}
}

func TestNothingThatIsUndoneIsLostWhereItsCommitFails(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		a.answer["car"] = func(context.Context, int) error { return errFull }
		a.effect["hotel"] = func(_ context.Context, _ *db.Tx, run int) error {
			if run < 3 {
				return db.ErrUnavailable
			}
			return nil
		}
		a.effect["no-hotel"] = a.effect["hotel"]
		r, stop := a.runner()
		defer stop()
		a.start(r, "one")
		<-a.ended
		require.Equal(t, "flight hotel no-car no-hotel no-flight undone:test.full", a.diary("one"))
	})
}

// TestACrashAnywhere ends the runner after each thing it does, one after the
// other, and has another go on.
func TestACrashAnywhereLosesNothing(t *testing.T) {
	for name, fails := range map[string]bool{"that goes well": false, "that is undone": true} {
		t.Run("a saga "+name, func(t *testing.T) {
			for n, more := 1, true; more; n++ {
				t.Run(fmt.Sprintf("crash %d", n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a := newAgency(t)
						more = crashed(t, a, fails, n)
						want := "flight hotel car done:flight+hotel+car"
						if fails {
							want = "flight hotel no-car no-hotel no-flight undone:test.full"
						}
						require.Equal(t, want, a.diary("one"))
					})
				})
			}
		})
	}
}

// crashed runs a saga whose runner dies at the nth point. It is false where
// there are fewer.
func crashed(t *testing.T, a *agency, fails bool, n int) bool {
	if fails {
		a.answer["car"] = func(context.Context, int) error { return errFull }
	}
	points := 0
	died := make(chan struct{})
	a.trace = func(saga.Point) {
		if points++; points == n {
			close(died)
			runtime.Goexit() // as a process that is killed: nothing after this happens
		}
	}
	r, stop := a.runner()
	a.start(r, "one")
	select {
	case <-a.ended:
	case <-died:
		synctest.Wait()
	}
	stop()
	if points < n {
		return false
	}
	a.trace = nil
	_, stop = a.runner()
	defer stop()
	if a.db.Dialect() == db.Postgres {
		pass(t, 12*time.Second) // another process might have it, until its lease is over
	}
	synctest.Wait()
	return true
}

// TestACrashThatLastsTooLong ends the runner after each step it has called, of
// which nothing is committed, and has another find it after the deadline.
func TestACrashThatLastsTooLongUndoesAllThatMayHaveBeenDone(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprintf("crash %d", n), func(t *testing.T) {
			bubble(t, func(t *testing.T, a *agency) {
				points := 0
				a.trace = func(saga.Point) {
					if points++; points == n {
						runtime.Goexit()
					}
				}
				r, stop := a.runner()
				a.start(r, "one")
				synctest.Wait()
				stop()
				pass(t, time.Minute)
				a.trace = nil
				a.answer["no-car"] = func(_ context.Context, attempt int) error { // also where that takes several tries
					if attempt < 3 {
						return errs.ErrUnavailable
					}
					return nil
				}
				_, stop = a.runner()
				defer stop()
				<-a.ended
				require.Equal(t, "no-car no-hotel no-flight undone:test.late", a.diary("one"))
			})
		})
	}
}

func TestAnotherRunnerGoesOnWhenALeaseIsOver(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		var died atomic.Bool
		a.trace = func(saga.Point) {
			if !died.Swap(true) {
				runtime.Goexit()
			}
		}
		r, stop := a.runner()
		_, stopOther := a.runner()
		defer stopOther()
		synctest.Wait()
		a.start(r, "one")
		synctest.Wait()
		stop()
		began := time.Now()
		<-a.ended
		require.Equal(t, "flight flight hotel car", a.called())
		require.Equal(t, "flight hotel car done:flight+hotel+car", a.diary("one"))
		require.InDelta(t, 10, time.Since(began).Seconds(), 1.1)
	})
}

func TestALeaseIsKeptForAsLongAsAStepTakes(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		goOn := make(chan struct{})
		a.answer["hotel"] = func(context.Context, int) error { <-goOn; return nil }
		r, stop := a.runner()
		defer stop()
		_, stopOther := a.runner()
		defer stopOther()
		synctest.Wait()
		a.start(r, "one")
		pass(t, 29*time.Second)
		close(goOn)
		<-a.ended
		require.Equal(t, "flight hotel car", a.called())
	})
}

func TestManySagasAtOnceEachEndOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		r, stop := a.runner()
		defer stop()
		_, stopOther := a.runner()
		defer stopOther()
		synctest.Wait()
		const many = 100
		var starting sync.WaitGroup
		for i := range many {
			starting.Go(func() { a.start(r, fmt.Sprint(i)) })
		}
		starting.Wait()
		ended := map[string]int{}
		for range many {
			ended[<-a.ended]++
		}
		require.Len(t, ended, many)
		for i := range many {
			require.Equal(t, "flight hotel car done:flight+hotel+car", a.diary(fmt.Sprint(i)))
		}
	})
}

func TestASagaThatCannotBeReadHoldsNothingUp(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		broken := db.NewStatement(`INSERT INTO sagas (kind, id, state, step, data, due_at, deadline_at, started_at) VALUES ('trip', $1, 'running', 0, $2, $3, $4, $3)`)
		now := time.Now()
		require.NoError(t, a.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for id, data := range map[string]string{"broken": `{"booked": 7}`, "whole": `{}`} {
				if _, err := broken.Exec(ctx, tx, id, data, db.NewTime(now), db.NewTime(now.Add(time.Minute))); err != nil {
					return err
				}
			}
			return nil
		}))
		_, stop := a.runner()
		defer stop()
		require.Equal(t, "whole", <-a.ended)
	})
}

func TestEndedSagasAreForgottenAfterAWeek(t *testing.T) {
	bubble(t, func(t *testing.T, a *agency) {
		r, stop := a.runner()
		defer stop()
		for _, id := range []string{"young", "old"} {
			a.start(r, id)
			<-a.ended
		}
		age := db.NewStatement(`UPDATE sagas SET ended_at = $1 WHERE id = 'old'`)
		require.NoError(t, a.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := age.Exec(ctx, tx, db.NewTime(time.Now().Add(-7*24*time.Hour)))
			return err
		}))
		pass(t, 11*time.Minute)
		a.state("young")
		require.ErrorIs(t, state.QueryRow(t.Context(), a.db.Read(), "old").Scan(new(string), new(string)), sql.ErrNoRows)
	})
}
