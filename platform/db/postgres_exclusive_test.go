package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

func TestOneAtATimeIsExclusive(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "test", migrations)
	d, other := dbtest.Reopen(t, "test", at), dbtest.Reopen(t, "test", at)
	entered, leave := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- d.Exclusive(t.Context(), "pull", func(context.Context) error {
			close(entered)
			<-leave
			return errRefused
		})
	}()
	<-entered
	in := make(chan struct{})
	go func() {
		second <- other.Exclusive(t.Context(), "pull", func(context.Context) error {
			close(in)
			return nil
		})
	}()
	require.NoError(t, other.Exclusive(t.Context(), "push", func(context.Context) error { return nil }), "another name is another matter")
	select {
	case <-in:
		t.Fatal("two at once")
	case <-time.After(300 * time.Millisecond):
	}
	gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, other.Exclusive(gone, "pull", func(context.Context) error { t.Error("two at once"); return nil }))
	close(leave)
	require.ErrorIs(t, <-first, errRefused)
	require.NoError(t, <-second)
}

func TestExclusivenessThatIsLostIsTold(t *testing.T) {
	t.Parallel()
	w, at := newWire(t, dbtest.PostgresWith(t, "test", migrations))
	d := openWith(t, "test", at, db.Options{})
	err := d.Exclusive(t.Context(), "pull", func(ctx context.Context) error {
		w.set(false)
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorIs(t, err, db.ErrUnavailable)
	require.NoError(t, d.Exclusive(t.Context(), "pull", func(context.Context) error { return nil }))
}

func TestACloseWaitsForWhatRuns(t *testing.T) {
	t.Parallel()
	d, err := db.OpenPostgres(t.Context(), "test", dbtest.PostgresWith(t, "test", migrations), db.Options{})
	require.NoError(t, err)
	held, free := make(chan struct{}), make(chan struct{})
	first, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { close(held); <-free; return add("a")(ctx, tx) })
	}()
	<-held
	go func() { closed <- d.Close() }()
	require.Eventually(t, func() bool { return errors.Is(d.Write(t.Context(), add("b")), db.ErrUnavailable) }, 5*time.Second, time.Millisecond)
	close(free)
	require.NoError(t, <-first)
	require.NoError(t, <-closed)
}
