package db_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
)

var errRefused = errors.New("refused")

// outcome is what a Write came to.
type outcome struct {
	err   error
	panic any
}

// atOnce runs changes in one transaction, in the order given: they queue up
// behind one that holds the writer. It is called in a bubble.
func atOnce(t *testing.T, d *db.DB, changes ...db.Effect) []outcome {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- d.Write(t.Context(), func(context.Context, *db.Tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	outcomes := make([]chan outcome, len(changes))
	for i, change := range changes {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			var o outcome
			defer func() {
				o.panic = recover()
				outcomes[i] <- o
			}()
			o.err = d.Write(t.Context(), change)
		}()
		synctest.Wait() // it is in the queue
	}
	close(free)
	require.NoError(t, <-first)
	list := make([]outcome, len(changes))
	for i := range list {
		list[i] = <-outcomes[i]
	}
	return list
}

func add(name string) db.Effect {
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := insert.Exec(ctx, tx, name)
		return err
	}
}

func addThen(name string, then func() error) db.Effect {
	return func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(add(name)(ctx, tx), then())
	}
}

func refuse() error { return errRefused }

func TestOneThatFailsTakesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		list := atOnce(t, d,
			addThen("a", refuse), add("b"), addThen("c", refuse), add("d"), add("b"), addThen("e", refuse))
		for i, fails := range []bool{true, false, true, false, true, true} {
			require.Equal(t, fails, list[i].err != nil, "%d: %v", i, list[i].err)
		}
		require.ErrorIs(t, list[0].err, errRefused)
		require.True(t, db.IsUnique(list[4].err), "%v", list[4].err)
		require.Equal(t, "b d", names(t, d))
	})
}

func TestOneThatPanicsTakesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	for _, at := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := open(t)
				changes := []db.Effect{add("a"), add("b"), add("c")}
				changes[at] = addThen("x", func() error { panic("a defect") })
				list := atOnce(t, d, changes...)
				for i, o := range list {
					require.NoError(t, o.err)
					if i == at {
						require.Contains(t, o.panic, "a defect")
						require.Contains(t, o.panic, "write_test.go", "the stack of where it was")
						continue
					}
					require.Nil(t, o.panic)
				}
				require.Equal(t, strings.Join([][]string{{"b", "c"}, {"a", "c"}, {"a", "b"}}[at], " "), names(t, d))
			})
		})
	}
}

func TestOneThatEndsTheWriterIsToldToAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openSQLite(t) // one transaction has them all
		for _, o := range atOnce(t, d, add("a"), addThen("b", func() error { runtime.Goexit(); return nil }), add("c")) {
			require.ErrorIs(t, o.err, db.ErrUnavailable, "what is lost is not answered as if it was kept")
		}
		require.ErrorIs(t, d.Write(t.Context(), add("d")), db.ErrUnavailable)
		require.Empty(t, names(t, d))
	})
}

func TestACommitThatFailsIsToldToAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openSQLite(t) // one transaction has them all
		orphan := db.NewStatement(`INSERT INTO children (parent) VALUES ('nobody')`)
		list := atOnce(t, d, add("a"), func(ctx context.Context, tx *db.Tx) error {
			_, err := orphan.Exec(ctx, tx) // is found out when it is committed
			return err
		})
		for _, o := range list {
			require.ErrorIs(t, o.err, db.ErrUnavailable)
		}
		require.Empty(t, names(t, d))
		require.NoError(t, d.Write(t.Context(), add("b")))
		require.Equal(t, "b", names(t, d))
	})
}

func TestACallerWhoGoesAwayWhileItWaitsIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openSQLite(t) // one transaction has them all
		list := atOnce(t, d, add("a"), func(ctx context.Context, tx *db.Tx) error { return add("b")(ctx, tx) })
		require.NoError(t, errors.Join(list[0].err, list[1].err))

		held, free := make(chan struct{}), make(chan struct{})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			first <- d.Write(t.Context(), func(context.Context, *db.Tx) error { close(held); <-free; return nil })
		}()
		<-held
		ctx, cancel := context.WithCancel(t.Context())
		go func() { second <- d.Write(ctx, add("c")) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-second, context.Canceled, "at once, though the writer is held")
		close(free)
		require.NoError(t, <-first)
		require.Equal(t, "a b", names(t, d))
	})
}

func TestACallerWhoGoesAwayWhileItIsServedTakesNothingWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		list := atOnce(t, d, add("a"), func(ctx context.Context, tx *db.Tx) error { return add("b")(ctx, tx) })
		require.NoError(t, errors.Join(list[0].err, list[1].err))

		go func() {
			gone <- d.Write(ctx, func(inner context.Context, tx *db.Tx) error {
				cancel()
				require.NoError(t, inner.Err(), "its statements go on")
				_, ends := inner.Deadline()
				require.False(t, ends)
				return add("c")(inner, tx)
			})
		}()
		require.NoError(t, <-gone, "it was done, and that is told")
		require.Equal(t, "a b c", names(t, d))
	})
}

func TestADeadlineThatHasPassedIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-ctx.Done()
		require.ErrorIs(t, d.Write(ctx, add("a")), context.DeadlineExceeded)
		require.Empty(t, names(t, d))
	})
}

func TestAWriteInsideAWriteIsRefused(t *testing.T) {
	t.Parallel()
	d, other := open(t), open(t)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		require.ErrorIs(t, d.Write(ctx, add("a")), db.ErrNestedWrite)
		require.NoError(t, other.Write(ctx, add("b")), "another database is another matter")
		return add("c")(ctx, tx)
	}))
	require.Equal(t, "c", names(t, d))
	require.Equal(t, "b", names(t, other))
}

func TestWhatFollowsTheCommitFollowsTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		var said []string
		say := func(name string, then error) db.Effect {
			return func(ctx context.Context, tx *db.Tx) error {
				for _, what := range []string{"first", "second"} {
					tx.AfterCommit(func() {
						require.Contains(t, names(t, d), name)
						said = append(said, name+" "+what)
					})
				}
				return errors.Join(add(name)(ctx, tx), then)
			}
		}
		atOnce(t, d, say("a", nil))
		atOnce(t, d, say("b", errRefused))
		require.Equal(t, []string{"a first", "a second"}, said)
	})
}

func TestWhatPrecedesTheCommitIsPartOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		// gather has names gathered by all who call it, and written once.
		type gathered struct{ names []string }
		gather := func(name string) db.Effect {
			return func(_ context.Context, tx *db.Tx) error {
				g, ok := tx.Value("gathered").(*gathered)
				if !ok {
					g = &gathered{}
					tx.Set("gathered", g)
					tx.BeforeCommit(func(ctx context.Context, tx *db.Tx) error {
						if strings.Contains(strings.Join(g.names, "+"), "bad") {
							return errRefused
						}
						return add(strings.Join(g.names, "+"))(ctx, tx)
					})
				}
				g.names = append(g.names, name)
				return nil
			}
		}
		both := func(a, b string) db.Effect {
			return func(ctx context.Context, tx *db.Tx) error {
				return errors.Join(gather(a)(ctx, tx), gather(b)(ctx, tx))
			}
		}
		list := atOnce(t, d, both("a", "b"), both("bad", "c"), both("d", "e"), addThen("f", refuse))
		require.NoError(t, errors.Join(list[0].err, list[2].err))
		require.ErrorIs(t, list[1].err, errRefused)
		require.Equal(t, "a+b d+e", names(t, d), "each transaction has its own")
	})
}

func TestAFullDiskFailsWhoFillsItAndNobodyIsToldWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openSQLite(t) // one transaction has them all
		limit := func(pages string) {
			require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, "PRAGMA max_page_count = "+pages)
				return err
			}))
		}
		limit("1") // SQLite makes it as many as there are
		list := atOnce(t, d, add("a"), add(strings.Repeat("x", 1<<20)), add("b"))
		require.ErrorIs(t, list[1].err, db.ErrUnavailable)
		var kept []string
		for i, name := range map[int]string{0: "a", 2: "b"} {
			if list[i].err == nil {
				kept = append(kept, name)
			}
		}
		require.ElementsMatch(t, kept, strings.Fields(names(t, d)))
		limit("1000000")
		require.NoError(t, d.Write(t.Context(), add(strings.Repeat("x", 1<<20))))
	})
}

func TestACloseRefusesWhatStillWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openAt(t, t.TempDir()+"/closing.db")
		held, free := make(chan struct{}), make(chan struct{})
		first, second, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() {
			first <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { close(held); <-free; return add("a")(ctx, tx) })
		}()
		<-held
		go func() { second <- d.Write(t.Context(), add("b")) }()
		synctest.Wait()
		go func() { closed <- d.Close() }()
		synctest.Wait()
		require.ErrorIs(t, d.Write(t.Context(), add("c")), db.ErrUnavailable)
		close(free)
		require.NoError(t, <-first, "the one that runs is waited for")
		require.NoError(t, <-closed)
		if err := <-second; err != nil { // it may have been taken before the end
			require.ErrorIs(t, err, db.ErrUnavailable)
		}
	})
}
