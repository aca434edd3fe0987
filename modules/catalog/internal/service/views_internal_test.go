package service

import (
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
	v := newViews(c)
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
