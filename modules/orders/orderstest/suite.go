package orderstest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders"
)

// Shop places orders with what is under test. Fake is one.
type Shop interface {
	// Place has an order placed and confirmed, and gives it.
	Place(t testing.TB) orders.Order
}

// Run holds an orders.Service to its contract. Each test asks open for a shop
// of its own.
func Run(t *testing.T, open func(t *testing.T) (orders.Service, Shop)) {
	tests := map[string]func(t *testing.T, s orders.Service, shop Shop){
		"an order is given as it is":             testGet,
		"an order that is not there is an error": testUnknown,
		"nobody is answered who has gone":        testGone,
		"what was given is the caller's own":     testShared,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, shop := open(t)
			test(t, s, shop)
		})
	}
}

func testGet(t *testing.T, s orders.Service, shop Shop) {
	first, second := shop.Place(t), shop.Place(t)
	for _, want := range []orders.Order{first, second} {
		got, err := s.GetOrder(t.Context(), orders.GetOrderRequest{ID: want.ID})
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, orders.StatusConfirmed, got.Status)
		require.NotEmpty(t, got.Items)
	}
}

func testUnknown(t *testing.T, s orders.Service, shop Shop) {
	shop.Place(t)
	for _, id := range []string{"", "nonsense", "0193f3a0-0000-7000-8000-000000000000"} {
		_, err := s.GetOrder(t.Context(), orders.GetOrderRequest{ID: id})
		require.ErrorIs(t, err, orders.ErrOrderNotFound)
	}
}

func testGone(t *testing.T, s orders.Service, shop Shop) {
	o := shop.Place(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.GetOrder(ctx, orders.GetOrderRequest{ID: o.ID})
	require.Error(t, err)
	require.NotErrorIs(t, err, orders.ErrOrderNotFound)
}

func testShared(t *testing.T, s orders.Service, shop Shop) {
	want := shop.Place(t)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			got, err := s.GetOrder(t.Context(), orders.GetOrderRequest{ID: want.ID})
			if err != nil {
				t.Error(err)
				return
			}
			got.Items[0].Title = "changed"
		})
	}
	asking.Wait()
	got, err := s.GetOrder(t.Context(), orders.GetOrderRequest{ID: want.ID})
	require.NoError(t, err)
	require.Equal(t, want, got)
}
