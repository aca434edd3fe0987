package service_test

import (
	"testing"

	"stoa/modules/orders"
	"stoa/modules/orders/orderstest"
)

// Place has an order confirmed: see orderstest.Shop.
func (s *shop) Place(testing.TB) orders.Order { return s.buy("tok_approve", "lamp") }

func TestServiceKeepsItsContract(t *testing.T) {
	t.Parallel()
	orderstest.Run(t, func(t *testing.T) (orders.Service, orderstest.Shop) {
		s := newShop(t)
		s.sell("lamp", usd(1999), 100)
		s.open()
		return s, s
	})
}
