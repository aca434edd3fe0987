package catalogtest_test

import (
	"errors"
	"testing"
	"time"

	"context"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogtest"
	"stoa/platform/clock"
	"stoa/platform/money"
)

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, func(*testing.T) (catalog.Service, catalogtest.Shop) {
		f := catalogtest.NewFake(clock.System())
		return f, f
	})
}

func TestFakeReservationsExpire(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 1)
	f := catalogtest.NewFake(c)
	f.Sell(t, catalog.Offer{SKU: "lamp", Title: "Lamp", Price: money.Money{Amount: 100, Currency: "USD"}, Available: 1})
	_, err := f.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "a", Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
	require.NoError(t, err)
	c.Advance(catalogtest.ReservationTTL)
	require.EqualValues(t, 1, f.Stock(t, "lamp").Available)
	_, err = f.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "b", Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
	require.NoError(t, err)
	require.ErrorIs(t, f.Commit(t.Context(), catalog.CommitRequest{OrderID: "a"}), catalog.ErrReservationClosed)
	require.NoError(t, f.Commit(t.Context(), catalog.CommitRequest{OrderID: "b"}))
}

func TestFakeCanBeAway(t *testing.T) {
	t.Parallel()
	f := catalogtest.NewFake(clock.System())
	away := errors.New("away")
	f.Before(func(_ context.Context, method string) error {
		if method == "GetOffers" {
			return away
		}
		return nil
	})
	_, err := f.GetOffers(t.Context(), catalog.GetOffersRequest{})
	require.ErrorIs(t, err, away)
	_, err = f.GetProducts(t.Context(), catalog.GetProductsRequest{})
	require.NoError(t, err)
}
