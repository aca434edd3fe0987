package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
)

// Two transactions sell out a variant of one product each, and neither has
// committed when the other looks whether something is left.
func TestTwoTransactionsThatSellOutAProductTakeItOffTheListOfWhatIsInStock(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenPostgres(t, catalog.Name, catalogmigrations.FS)
	for round := range 20 {
		p := product(fmt.Sprint("lamp-", round))
		skus := [2]string{fmt.Sprint("a-", round), fmt.Sprint("b-", round)}
		for i, sku := range skus {
			p.Variants = append(p.Variants, catalog.Variant{
				ID: sku, SKU: sku, Price: money.Money{Amount: 1, Currency: "USD"}, Position: int64(i), Stock: catalog.Stock{Available: 1},
			})
		}
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return store.InsertProducts(ctx, tx, []*store.Product{p}, nil)
		}))
		listed := func() int {
			list, err := store.List(t.Context(), d.Read(), store.ByAge, store.Filter{Scopes: []store.Scope{store.ScopeInStock}}, store.Position{}, 10)
			require.NoError(t, err)
			return len(list)
		}
		require.Equal(t, 1, listed())
		var held, sold sync.WaitGroup
		held.Add(2)
		for _, sku := range skus {
			sold.Go(func() {
				if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					_, err := store.Hold(ctx, tx, []catalog.Item{{SKU: sku, Quantity: 1}})
					held.Done()
					held.Wait()
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		sold.Wait()
		require.Zero(t, listed(), "round %d", round)
	}
}
