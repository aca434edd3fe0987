package service_test

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/db"
)

// view gives a product as customers see it.
func view(t testing.TB, s *service.Service, idOrSlug string) catalog.Product {
	t.Helper()
	v, err := s.ViewProduct(t.Context(), idOrSlug)
	require.NoError(t, err)
	var p catalog.Product
	require.NoError(t, json.Unmarshal(v.JSON, &p))
	require.Equal(t, []any{p.ID, p.Slug, p.Version}, []any{v.ID, v.Slug, v.Version})
	return p
}

func TestCustomersSeeWhatChangedAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	home := s.category(t, "home", nil)
	n := shirt("shirt")
	n.CategoryIDs = []string{home.ID}
	p := s.create(t, n)
	ctx, small := t.Context(), p.Variants[0].SKU
	seen := func() catalog.Product {
		bySlug := view(t, s.Service, "shirt")
		require.Equal(t, bySlug, view(t, s.Service, p.ID))
		page, _, err := s.ListViews(ctx, service.ListQuery{Limit: 1})
		require.NoError(t, err)
		var listed catalog.Product
		require.NoError(t, json.Unmarshal(page[0].JSON, &listed))
		require.Equal(t, bySlug, listed)
		return bySlug
	}
	staff := func() catalog.Product {
		got, err := s.GetProduct(ctx, p.ID)
		require.NoError(t, err)
		for i := range got.Variants {
			got.Variants[i].Stock = catalog.Stock{Available: got.Variants[i].Stock.Available}
		}
		return got
	}
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"adjustment", func() error { _, err := s.Adjust(ctx, small, 9, ""); return err }},
		{"reservation", func() error {
			_, err := s.Adjust(ctx, small, 1, "")
			require.NoError(t, err)
			_, err = s.Reserve(ctx, catalog.ReserveRequest{OrderID: "o", Items: []catalog.Item{{SKU: small, Quantity: 1}}})
			return err
		}},
		{"release", func() error { _, err := s.Release(ctx, catalog.ReleaseRequest{OrderID: "o"}); return err }},
		{"patch", func() error {
			_, err := s.PatchProduct(ctx, p.ID, service.ProductPatch{Title: ptr("Another")}, nil)
			return err
		}},
		{"variant", func() error {
			_, _, err := s.AddVariant(ctx, p.ID, service.NewVariant{SKU: "XL", Price: usd(5)}, nil)
			return err
		}},
		{"category", func() error {
			_, err := s.PatchCategory(ctx, home.ID, service.CategoryPatch{Name: ptr("House"), Slug: ptr("house")})
			return err
		}},
	} {
		seen()
		require.NoError(t, change.do(), change.what)
		require.Equal(t, staff(), seen(), change.what)
	}

	// A slug that another product has taken is the other's.
	_, err := s.PatchProduct(ctx, p.ID, service.ProductPatch{Slug: ptr("old-shirt")}, nil)
	require.NoError(t, err)
	other := s.create(t, service.NewProduct{Slug: "shirt", Title: "Other"})
	require.Equal(t, other.ID, view(t, s.Service, "shirt").ID)
	require.Equal(t, p.ID, view(t, s.Service, "old-shirt").ID)

	require.NoError(t, s.ArchiveProduct(ctx, p.ID, nil))
	_, err = s.ViewProduct(ctx, p.ID)
	require.ErrorIs(t, err, catalog.ErrProductNotFound)
	page, _, err := s.ListViews(ctx, service.ListQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page, 1)
}

func TestExpiryAndImportsAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	lamp := s.sell(t, "lamp", 1)
	s.reserve(t, "order", catalog.Item{SKU: "lamp", Quantity: 1})
	require.Zero(t, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
	s.clock.Advance(time.Hour)
	require.Zero(t, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
	_, err := s.ExpireBatch(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
}

// Instances share a server's database; a file has one, and commands beside it.
func TestWhatAnotherInstanceChangedIsSeenAtOnceAndWhatACommandDidWithinASecond(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := s.instance()
	lamp := s.sell(t, "lamp", 1)
	require.EqualValues(t, 1, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
	_, err := other.Adjust(t.Context(), "lamp", 4, "")
	require.NoError(t, err)
	if s.db.Dialect() == db.SQLite {
		require.EqualValues(t, 1, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available, "it is remembered")
		s.clock.Advance(time.Second + time.Microsecond)
	}
	require.EqualValues(t, 5, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
}

func TestNobodySeesLessThanTheyHaveDone(t *testing.T) {
	t.Parallel()
	s := open(t)
	lamp := s.sell(t, "lamp", 1)
	var (
		stop    atomic.Bool
		readers sync.WaitGroup
	)
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				if _, err := s.ViewProduct(t.Context(), lamp.ProductID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range int64(100) {
		s.adjust(t, "lamp", 1)
		require.Equal(t, 2+i, view(t, s.Service, lamp.ProductID).Variants[0].Stock.Available)
	}
	stop.Store(true)
	readers.Wait()
}
