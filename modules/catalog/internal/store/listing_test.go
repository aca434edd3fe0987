package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
)

// What is new is listed at the end of a transaction, in which it may have been
// changed and sold out again.
func TestWhatIsMadeAndChangedAtOnceIsListedAsItIsInTheEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, catalog.Name, catalogmigrations.FS)
	sold := func(title string, left int64) *store.Product {
		p := product(title)
		p.Vendor = "Oak"
		p.Variants = []catalog.Variant{{ID: title, SKU: title, Price: money.Money{Amount: 1, Currency: "USD"}, Stock: catalog.Stock{Available: left}}}
		return p
	}
	lamp, mug, vase := sold("lamp", 1), sold("mug", 1), sold("vase", 1)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := store.InsertProducts(ctx, tx, []*store.Product{lamp, mug}, nil); err != nil {
			return err
		}
		renamed := *lamp
		renamed.Title, renamed.Vendor, renamed.Version = "wall lamp", "Ash", 2
		if err := store.UpdateProduct(ctx, tx, lamp, &renamed, nil); err != nil {
			return err
		}
		if _, err := store.Hold(ctx, tx, []catalog.Item{{SKU: "mug", Quantity: 1}}); err != nil {
			return err
		}
		return store.InsertProducts(ctx, tx, []*store.Product{vase}, nil)
	}))
	listed := func(scopes ...store.Scope) (numbers []int64) {
		list, err := store.List(t.Context(), d.Read(), store.ByTitle, store.Filter{Scopes: scopes}, store.Position{}, 10)
		require.NoError(t, err)
		for _, p := range list {
			numbers = append(numbers, p.Number)
		}
		return numbers
	}
	require.Equal(t, []int64{mug.Number, vase.Number, lamp.Number}, listed())
	require.Equal(t, []int64{mug.Number, vase.Number}, listed(store.VendorScope("Oak")))
	require.Equal(t, []int64{lamp.Number}, listed(store.VendorScope("Ash")))
	require.Equal(t, []int64{vase.Number, lamp.Number}, listed(store.ScopeInStock))

	bowl := sold("bowl", 1)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		hold := func(sku string) error {
			_, err := store.Hold(ctx, tx, []catalog.Item{{SKU: sku, Quantity: 1}})
			return err
		}
		return errors.Join(hold("vase"), store.InsertProducts(ctx, tx, []*store.Product{bowl}, nil), hold("bowl"))
	}))
	require.Equal(t, []int64{bowl.Number, mug.Number, vase.Number, lamp.Number}, listed())
	require.Equal(t, []int64{lamp.Number}, listed(store.ScopeInStock))
}
