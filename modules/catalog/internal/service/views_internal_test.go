package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// What was read of a product before it changed is not remembered after it,
// which no test can bring about from outside.
func TestWhatChangedWhileItWasReadIsNotRemembered(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 1)
	v := newViews(c, func(context.Context) (int64, error) { return 0, errors.ErrUnsupported })
	view := &View{ID: "id", JSON: []byte("{}"), readAt: c.Now()}
	for what, change := range map[string]func(){
		"it changed":    func() { v.forget(7) },
		"something did": v.forgetAll,
	} {
		mark := v.mark(7)
		change()
		v.put(7, mark, view)
		require.Nil(t, v.get(7), what)

		v.put(7, v.mark(7), view)
		require.Equal(t, view, v.get(7))
		change()
		require.Nil(t, v.get(7), what)
	}
}

// Where it can be told that nobody else has written, what is remembered holds on.
func TestWhatNobodyElseChangedIsRememberedOn(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 1)
	asked := make(chan struct{})
	answers := make(chan int64)
	v := newViews(c, func(context.Context) (int64, error) {
		asked <- struct{}{}
		version := <-answers
		if version == 0 {
			return 0, errors.ErrUnsupported
		}
		return version, nil
	})
	answer := func(version int64) {
		t.Helper()
		<-asked
		answers <- version
		require.Eventually(t, func() bool { return !v.checking.Load() }, 10*time.Second, time.Millisecond)
	}
	view := &View{ID: "id", JSON: []byte("{}"), readAt: c.Now()}
	v.put(7, v.mark(7), view)
	c.Advance(viewCheck + time.Microsecond)
	require.Equal(t, view, v.get(7))
	answer(3) // the first look tells nothing of what was before
	require.Nil(t, v.get(7))

	view = &View{ID: "id", JSON: []byte("{}"), readAt: c.Now()}
	v.put(7, v.mark(7), view)
	for range 5 {
		c.Advance(viewCheck + time.Microsecond)
		require.Equal(t, view, v.get(7))
		answer(3)
	}
	c.Advance(viewCheck + time.Microsecond)
	require.Equal(t, view, v.get(7))
	answer(4)
	require.Nil(t, v.get(7), "somebody else has written")

	// Nobody knows: it holds as long as it does by itself.
	view = &View{ID: "id", JSON: []byte("{}"), readAt: c.Now()}
	v.put(7, v.mark(7), view)
	c.Advance(viewTTL)
	require.Equal(t, view, v.get(7))
	answer(0)
	c.Advance(time.Microsecond)
	require.Nil(t, v.get(7))
	answer(0)
}
