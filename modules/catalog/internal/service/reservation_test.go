package service_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogtest"
	"stoa/platform/errs"
)

func TestServiceKeepsTheContract(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, func(t *testing.T) (catalog.Service, catalogtest.Shop) {
		s := open(t)
		return s.Service, s
	})
}

func TestReservationsExpire(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 3)
	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	s.clock.Advance(30 * time.Minute)
	s.reserve(t, "order-2", catalog.Item{SKU: "lamp", Quantity: 1})

	s.clock.Advance(30*time.Minute - time.Microsecond)
	n, err := s.ExpireBatch(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	s.clock.Advance(time.Microsecond)
	n, err = s.ExpireBatch(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s.wantStock(t, "lamp", 3, 1)

	events := s.published(t)
	require.Len(t, events, 1)
	require.Equal(t, "order-1", events[0].Subject)
	var released catalog.StockReleased
	require.NoError(t, json.Unmarshal(events[0].Data, &released))
	require.Equal(t, catalog.StockReleased{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 2}}}, released)

	_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 2}}})
	require.ErrorIs(t, err, catalog.ErrReservationClosed)
}

func TestExpiredReservationIsHonouredWhileItCanBe(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 3)
	s.sell(t, "chair", 1)
	for _, order := range []string{"order-1", "order-2"} {
		s.reserve(t, order, catalog.Item{SKU: "lamp", Quantity: 1})
	}
	s.reserve(t, "order-3", catalog.Item{SKU: "lamp", Quantity: 1}, catalog.Item{SKU: "chair", Quantity: 1})
	s.clock.Advance(time.Hour)

	// One is past its time, but has not been given back.
	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
	s.wantStock(t, "lamp", 2, 2)

	n, err := s.ExpireBatch(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	s.wantStock(t, "lamp", 2, 0)

	// One has been given back and is still there.
	for range 2 {
		require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-2"}))
		s.wantStock(t, "lamp", 1, 0)
	}
	// Of one only a part is there, so nothing of it is taken.
	s.reserve(t, "order-4", catalog.Item{SKU: "chair", Quantity: 1})
	require.ErrorIs(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-3"}), catalog.ErrReservationClosed)
	s.wantStock(t, "lamp", 1, 0)
	s.wantStock(t, "chair", 1, 1)

	// What was committed late comes back like the rest.
	r, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-2"})
	require.NoError(t, err)
	require.True(t, r.Returned)
	s.wantStock(t, "lamp", 2, 0)
}

func TestReleasingIsPublishedOnceAndOnlyWhereSomethingCameBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 9)
	s.reserve(t, "held", catalog.Item{SKU: "lamp", Quantity: 1})
	s.reserve(t, "sold", catalog.Item{SKU: "lamp", Quantity: 2})
	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "sold"}))
	for range 3 {
		for _, order := range []string{"held", "sold", "nothing"} {
			_, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order})
			require.NoError(t, err)
		}
	}
	got := map[string]bool{}
	for _, e := range s.published(t) {
		var released catalog.StockReleased
		require.NoError(t, json.Unmarshal(e.Data, &released))
		require.NotContains(t, got, released.OrderID)
		got[released.OrderID] = released.Returned
	}
	require.Equal(t, map[string]bool{"held": false, "sold": true}, got)
}

func TestCancelledOrderGivesItsStockBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 3)
	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
	for range 2 {
		require.NoError(t, s.db.Write(t.Context(), s.OrderCanceled("order-1")))
		s.wantStock(t, "lamp", 3, 0)
	}
	lines, err := s.ListMovements(t.Context(), "lamp", "", 10)
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.Equal(t, []any{"return", int64(2), "order-1"}, []any{lines[0].Kind, lines[0].Quantity, *lines[0].OrderID})
	require.Equal(t, []any{"sale", int64(-2), "order-1"}, []any{lines[1].Kind, lines[1].Quantity, *lines[1].OrderID})
	require.Nil(t, lines[2].OrderID)
	require.Len(t, s.published(t), 1)
}

func TestInsufficientStockSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 3)
	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-1", Items: []catalog.Item{{SKU: "lamp", Quantity: 4}}})
	e, ok := errs.As(err)
	require.True(t, ok)
	require.Equal(t, map[string]any{"sku": "lamp", "available": int64(3)}, e.Details)
}

func TestDeletedVariantsOrdersStillEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	lamp := s.sell(t, "lamp", 5)
	s.reserve(t, "order-1", catalog.Item{SKU: "lamp", Quantity: 2})
	s.reserve(t, "order-2", catalog.Item{SKU: "lamp", Quantity: 1})
	require.NoError(t, s.DeleteVariant(t.Context(), lamp.ProductID, "lamp", nil))

	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "order-3", Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
	require.ErrorIs(t, err, catalog.ErrVariantNotFound)
	require.NoError(t, s.Commit(t.Context(), catalog.CommitRequest{OrderID: "order-1"}))
	_, err = s.Release(t.Context(), catalog.ReleaseRequest{OrderID: "order-2"})
	require.NoError(t, err)
	s.wantStock(t, "lamp", 3, 0)

	// The SKU comes back with what it was left with.
	again := s.Sell(t, catalog.Offer{SKU: "lamp", Title: "New lamp", Price: usd(100)})
	s.wantStock(t, "lamp", 3, 0)
	require.Equal(t, []string{"new-lamp"}, slugs(s.all(t, inStock(true))))
	offers, err := s.GetOffers(t.Context(), catalog.GetOffersRequest{SKUs: []string{"lamp"}})
	require.NoError(t, err)
	again.Available = 3
	require.Equal(t, []catalog.Offer{again}, offers)
}

func TestAClockThatLeapsExpiresReservationsAtASteadyPace(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 1000)
	const orders = 100
	for i := range orders {
		s.reserve(t, fmt.Sprintf("order-%d", i), catalog.Item{SKU: "lamp", Quantity: 1})
	}
	s.clock.Advance(24 * time.Hour)
	for left := orders; left > 0; {
		n, err := s.ExpireBatch(t.Context())
		require.NoError(t, err)
		require.Positive(t, n)
		require.LessOrEqual(t, n, 32)
		left -= n
		s.wantStock(t, "lamp", 1000, int64(left))
	}
}

func TestWorkerReleasesWhatExpires(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 1000)
	for i := range 40 {
		s.reserve(t, fmt.Sprintf("order-%d", i), catalog.Item{SKU: "lamp", Quantity: 1})
	}
	stop := s.run(t, s.ReleaseExpired)
	s.clock.AwaitTimers(1)
	s.clock.Advance(time.Hour)
	s.clock.AwaitTimers(1) // the first batch is done, and a pause follows
	s.wantStock(t, "lamp", 1000, 8)
	s.clock.Advance(time.Second)
	s.clock.AwaitTimers(1)
	s.wantStock(t, "lamp", 1000, 0)
	stop()
}
