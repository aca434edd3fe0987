package orderstest_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders"
	"stoa/modules/orders/orderstest"
	"stoa/platform/clock"
)

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	orderstest.Run(t, func(*testing.T) (orders.Service, orderstest.Shop) {
		f := orderstest.NewFake(clock.System())
		return f, f
	})
}

func TestFakeCanBeAway(t *testing.T) {
	t.Parallel()
	f := orderstest.NewFake(clock.System())
	o := f.Place(t)
	away := errors.New("away")
	f.Fail(away)
	_, err := f.GetOrder(t.Context(), orders.GetOrderRequest{ID: o.ID})
	require.ErrorIs(t, err, away)
}
