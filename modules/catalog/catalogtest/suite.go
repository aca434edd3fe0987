package catalogtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// Shop fills the catalog under test and looks behind its contract. Fake is one.
type Shop interface {
	// Sell puts an active product with one variant on sale, with
	// offer.Available on hand, and gives the offer as GetOffers does.
	Sell(t testing.TB, offer catalog.Offer) catalog.Offer
	// Withdraw archives a product.
	Withdraw(t testing.TB, productID string)
	// Stock tells how many of a variant there are, as staff see it.
	Stock(t testing.TB, sku string) catalog.Stock
}

// Run holds a catalog.Service to its contract. Each test asks open for a
// catalog of its own.
func Run(t *testing.T, open func(t *testing.T) (catalog.Service, Shop)) {
	tests := map[string]func(t *testing.T, s subject){
		"offers are what can be bought now":              testOffers,
		"products are given whatever their status":       testProducts,
		"all items are reserved or none":                 testReserveAllOrNone,
		"reserving twice is done once":                   testReserveTwice,
		"committing takes reserved stock out":            testCommit,
		"releasing gives reserved stock back":            testReleaseReserved,
		"releasing returns committed stock":              testReleaseCommitted,
		"an order that was released reserves no more":    testReleaseFirst,
		"requests that make no sense are refused":        testInvalid,
		"one of many buyers gets the last":               testLastUnit,
		"calls for one order at once are done once":      testOneOrderAtOnce,
		"stock is what the calls of many orders left it": testManyOrders,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, shop := open(t)
			test(t, subject{service, shop})
		})
	}
}

type subject struct {
	catalog.Service
	shop Shop
}

func (s subject) sell(t *testing.T, sku string, onHand int64) catalog.Offer {
	t.Helper()
	return s.shop.Sell(t, catalog.Offer{
		SKU: sku, Title: "The " + sku, Price: money.Money{Amount: 1999, Currency: "USD"}, Available: onHand,
	})
}

func (s subject) requireStock(t *testing.T, sku string, onHand, reserved int64) {
	t.Helper()
	stock := s.shop.Stock(t, sku)
	require.NotNil(t, stock.OnHand)
	require.NotNil(t, stock.Reserved)
	require.Equal(t, []int64{onHand, reserved, onHand - reserved}, []int64{*stock.OnHand, *stock.Reserved, stock.Available},
		"on hand, reserved, available of %s", sku)
}

func (s subject) reserve(t *testing.T, order string, items ...catalog.Item) catalog.Reservation {
	t.Helper()
	r, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: items})
	require.NoError(t, err)
	return r
}

func testOffers(t *testing.T, s subject) {
	lamp, chair := s.sell(t, "lamp", 3), s.sell(t, "chair", 5)
	gone := s.sell(t, "gone", 1)
	s.shop.Withdraw(t, gone.ProductID)
	s.reserve(t, "order-1", catalog.Item{SKU: "chair", Quantity: 2})

	offers, err := s.GetOffers(t.Context(), catalog.GetOffersRequest{SKUs: []string{"chair", "lamp", "gone", "unknown", "lamp"}})
	require.NoError(t, err)
	chair.Available = 3
	require.ElementsMatch(t, []catalog.Offer{lamp, chair}, offers)

	offers, err = s.GetOffers(t.Context(), catalog.GetOffersRequest{})
	require.NoError(t, err)
	require.Empty(t, offers)
}

func testProducts(t *testing.T, s subject) {
	lamp, gone := s.sell(t, "lamp", 3), s.sell(t, "gone", 1)
	s.shop.Withdraw(t, gone.ProductID)

	products, err := s.GetProducts(t.Context(), catalog.GetProductsRequest{
		IDs: []string{gone.ProductID, lamp.ProductID, "01890a5d-ac96-774b-bcce-b302099a8057", gone.ProductID},
	})
	require.NoError(t, err)
	require.Len(t, products, 2)
	for _, p := range products {
		require.Len(t, p.Variants, 1)
		require.Nil(t, p.Variants[0].Stock.OnHand, "customers are told what is available, no more")
		require.Nil(t, p.Variants[0].Stock.Reserved)
		switch p.ID {
		case lamp.ProductID:
			require.Equal(t, catalog.StatusActive, p.Status)
			require.Equal(t, lamp.Title, p.Title)
			require.Equal(t, lamp.Price, p.Variants[0].Price)
			require.EqualValues(t, 3, p.Variants[0].Stock.Available)
		default:
			require.Equal(t, gone.ProductID, p.ID)
			require.Equal(t, catalog.StatusArchived, p.Status)
		}
	}
}

func testReserveAllOrNone(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	s.sell(t, "chair", 1)

	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{
		{SKU: "lamp", Quantity: 2}, {SKU: "chair", Quantity: 2},
	}})
	require.ErrorIs(t, err, catalog.ErrInsufficientStock)
	s.requireStock(t, "lamp", 3, 0)
	s.requireStock(t, "chair", 1, 0)

	_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{
		{SKU: "lamp", Quantity: 2}, {SKU: "unknown", Quantity: 1},
	}})
	require.ErrorIs(t, err, catalog.ErrVariantNotFound)
	s.requireStock(t, "lamp", 3, 0)

	// What failed is not held against the order.
	r := s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 3}, catalog.Item{SKU: "chair", Quantity: 1})
	require.Equal(t, "order-1", r.OrderID)
	require.ElementsMatch(t, []catalog.Item{{SKU: "lamp", Quantity: 3}, {SKU: "chair", Quantity: 1}}, r.Items)
	require.False(t, r.ExpiresAt.IsZero())
	s.requireStock(t, "lamp", 3, 3)
	s.requireStock(t, "chair", 1, 1)
}

func testReserveTwice(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	first := s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	require.Equal(t, first, s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2}))
	s.requireStock(t, "lamp", 3, 2)

	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
	require.Equal(t, first, s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2}))
	s.requireStock(t, "lamp", 1, 0)
}

func testCommit(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	// Of another order: a network that repeats may repeat this after what follows.
	require.ErrorIs(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-0"}), catalog.ErrReservationClosed)

	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	s.requireStock(t, "lamp", 3, 2)
	for range 2 {
		require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
		s.requireStock(t, "lamp", 1, 0)
	}
}

func testReleaseReserved(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	for range 2 {
		r, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-1"})
		require.NoError(t, err)
		require.Equal(t, catalog.Release{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 2}}}, r)
		s.requireStock(t, "lamp", 3, 0)
	}
	require.ErrorIs(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}), catalog.ErrReservationClosed)
	s.requireStock(t, "lamp", 3, 0)
}

func testReleaseCommitted(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
	for range 2 {
		r, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-1"})
		require.NoError(t, err)
		require.Equal(t, catalog.Release{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 2}}, Returned: true}, r)
		s.requireStock(t, "lamp", 3, 0)
	}
	require.ErrorIs(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}), catalog.ErrReservationClosed)
}

func testReleaseFirst(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	r, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-1"})
	require.NoError(t, err)
	require.Equal(t, "order-1", r.OrderID)
	require.Empty(t, r.Items)
	require.False(t, r.Returned)

	_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
	require.ErrorIs(t, err, catalog.ErrReservationClosed)
	s.requireStock(t, "lamp", 3, 0)
}

func testInvalid(t *testing.T, s subject) {
	s.sell(t, "lamp", 3)
	for _, r := range []catalog.ReserveRequest{
		{Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}},
		{OrderID: "order-1"},
		{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp"}}},
		{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: -1}}},
		{OrderID: "order-1", Items: []catalog.Item{{SKU: "", Quantity: 1}}},
		{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 1}, {SKU: "lamp", Quantity: 1}}},
	} {
		_, err := s.Reserve(t.Context(), r)
		require.ErrorIs(t, err, errs.ErrInvalid, "%+v", r)
	}
	require.ErrorIs(t, s.Commit(t.Context(), catalog.CommitRequest{}), errs.ErrInvalid)
	_, err := s.Release(t.Context(), catalog.ReleaseRequest{})
	require.ErrorIs(t, err, errs.ErrInvalid)
	_, err = s.GetOffers(t.Context(), catalog.GetOffersRequest{SKUs: make([]string, catalog.MaxBatch+1)})
	require.ErrorIs(t, err, errs.ErrInvalid)
	_, err = s.GetProducts(t.Context(), catalog.GetProductsRequest{IDs: make([]string, catalog.MaxBatch+1)})
	require.ErrorIs(t, err, errs.ErrInvalid)
	s.requireStock(t, "lamp", 3, 0)
}

func testLastUnit(t *testing.T, s subject) {
	s.sell(t, "lamp", 1)
	var got atomic.Int64
	atOnce(50, func(i int) {
		_, err := s.Reserve(t.Context(), catalog.ReserveRequest{
			OrderID: fmt.Sprintf("order-%d", i), Items: []catalog.Item{{SKU: "lamp", Quantity: 1}},
		})
		if err == nil {
			got.Add(1)
			return
		}
		if e, ok := errs.As(err); !ok || !e.Is(catalog.ErrInsufficientStock) {
			t.Errorf("buyer %d: %v", i, err)
		}
	})
	require.EqualValues(t, 1, got.Load())
	s.requireStock(t, "lamp", 1, 1)
}

func testOneOrderAtOnce(t *testing.T, s subject) {
	s.sell(t, "lamp", 9)
	atOnce(20, func(int) {
		if _, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 4}}}); err != nil {
			t.Error(err)
		}
	})
	s.requireStock(t, "lamp", 9, 4)
	atOnce(20, func(int) {
		if err := s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}); err != nil {
			t.Error(err)
		}
	})
	s.requireStock(t, "lamp", 5, 0)
	atOnce(20, func(int) {
		if _, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-1"}); err != nil {
			t.Error(err)
		}
	})
	s.requireStock(t, "lamp", 9, 0)
}

func testManyOrders(t *testing.T, s subject) {
	s.sell(t, "lamp", 30)
	s.sell(t, "chair", 30)
	var sold, open atomic.Int64
	atOnce(40, func(i int) {
		order := fmt.Sprintf("order-%d", i)
		items := []catalog.Item{{SKU: "lamp", Quantity: 1}, {SKU: "chair", Quantity: 1}}
		if i%2 == 0 { // the other way round, for those who lock in the order they are told
			items[0], items[1] = items[1], items[0]
		}
		if _, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: items}); err != nil {
			// Sold out. Who gives up says so: else a call that was repeated on its way
			// could still come when there is stock again.
			if _, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order}); err != nil {
				t.Errorf("order %d: %v", i, err)
			}
			return
		}
		var err error
		switch i % 3 {
		case 0:
			err = s.Commit(t.Context(), catalog.CommitRequest{OrderID: order})
			sold.Add(1)
		case 1:
			_, err = s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order})
		default:
			open.Add(1)
		}
		if err != nil {
			t.Errorf("order %d: %v", i, err)
		}
	})
	for _, sku := range []string{"lamp", "chair"} {
		s.requireStock(t, sku, 30-sold.Load(), open.Load())
	}
}

// atOnce calls fn n times at the same time and waits for all.
func atOnce(n int, fn func(i int)) {
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	calls.Wait()
}
