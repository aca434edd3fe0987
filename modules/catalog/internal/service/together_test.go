package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/db/dbtest"
)

// What several callers, and several instances, do at the same time. On SQLite
// they follow one another; on PostgreSQL they truly meet.

func TestTheLastOneIsSoldOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 1)
	instances := []*service.Service{s.Service, s.instance()}
	var sold atomic.Int64
	together(50, func(i int) {
		_, err := instances[i%2].Reserve(t.Context(), catalog.ReserveRequest{OrderID: fmt.Sprint("order-", i), Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
		if err == nil {
			sold.Add(1)
		} else if !errors.Is(err, catalog.ErrInsufficientStock) {
			t.Error(err)
		}
	})
	require.EqualValues(t, 1, sold.Load())
	s.wantStock(t, "lamp", 1, 1)
	require.Empty(t, s.all(t, inStock(true)))
	s.requireBalance(t.Context(), t)
}

func TestOneOrderEndsInOneWayWhoeverSpeaksFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 100)
	s.sell(t, "chair", 100)
	for round := range 10 {
		order := fmt.Sprint("order-", round)
		items := []catalog.Item{{SKU: "lamp", Quantity: 2}, {SKU: "chair", Quantity: 1}}
		s.reserve(t, order, items...)
		if round%2 == 0 {
			s.clock.Advance(time.Hour)
		}
		together(12, func(i int) {
			switch i % 4 {
			case 0:
				_, _ = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: items})
			case 1:
				_ = s.Commit(t.Context(), catalog.CommitRequest{OrderID: order})
			case 2:
				_, _ = s.ExpireBatch(t.Context())
			default:
				_, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order})
				if err != nil {
					t.Error(err)
				}
			}
		})
		// It was released, so all of it is back.
		s.wantStock(t, "lamp", 100, 0)
		s.wantStock(t, "chair", 100, 0)
	}
	s.requireBalance(t.Context(), t)
}

func TestWhatExpiredIsCommittedOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 100)
	for round := range 10 {
		order := fmt.Sprint("order-", round)
		s.reserve(t, order, catalog.Item{SKU: "lamp", Quantity: 1})
		s.clock.Advance(time.Hour)
		_, err := s.ExpireBatch(t.Context())
		require.NoError(t, err)
		together(8, func(int) {
			if err := s.Commit(t.Context(), catalog.CommitRequest{OrderID: order}); err != nil {
				t.Error(err)
			}
		})
		s.wantStock(t, "lamp", int64(99-round), 0)
	}
	s.requireBalance(t.Context(), t)
}

func TestOrdersOfTheSameGoodsInOppositeOrderDoNotStopEachOther(t *testing.T) {
	t.Parallel()
	s := open(t)
	var items []catalog.Item
	for i := range 6 {
		sku := fmt.Sprint("sku-", i)
		s.sell(t, sku, 40)
		items = append(items, catalog.Item{SKU: sku, Quantity: 1})
	}
	together(40, func(i int) {
		mine := slices.Clone(items)
		if i%2 == 0 {
			slices.Reverse(mine)
		}
		order := fmt.Sprint("order-", i)
		if _, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: mine}); err != nil {
			t.Error(err)
		}
		if i%4 == 0 {
			if _, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, item := range items {
		s.wantStock(t, item.SKU, 40, 30)
	}
	s.requireBalance(t.Context(), t)
}

func TestAdjustmentsNeverGoBelowWhatIsReserved(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 20)
	together(60, func(i int) {
		var err error
		if i%2 == 0 {
			_, err = s.Adjust(t.Context(), "lamp", -1, "broken")
		} else {
			_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: fmt.Sprint("order-", i), Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
		}
		if err != nil && !errors.Is(err, catalog.ErrInsufficientStock) {
			t.Error(err)
		}
	})
	i, err := s.GetInventory(t.Context(), "lamp")
	require.NoError(t, err)
	require.Zero(t, i.Available)
	s.requireBalance(t.Context(), t)
}

// Both variants of a product are sold out, or one is while the other comes back.
func TestTheListOfWhatIsInStockFollowsAllVariants(t *testing.T) {
	t.Parallel()
	s := open(t)
	const rounds = 12
	for round := range rounds {
		a, b := fmt.Sprintf("a-%d", round), fmt.Sprintf("b-%d", round)
		s.create(t, service.NewProduct{Title: "Lamp", Variants: []service.NewVariant{
			{SKU: a, Options: map[string]string{"Size": "a"}, Price: usd(1)}, {SKU: b, Options: map[string]string{"Size": "b"}, Price: usd(1)},
		}})
		s.adjust(t, a, 1)
		s.adjust(t, b, 1)
	}
	require.Len(t, s.all(t, inStock(true)), rounds)
	sellOut := func(t *testing.T, order, sku string) {
		if _, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: []catalog.Item{{SKU: sku, Quantity: 1}}}); err != nil {
			t.Error(err)
		}
	}
	for round := range rounds {
		together(2, func(i int) { sellOut(t, fmt.Sprintf("order-%d-%d", round, i), fmt.Sprintf("%c-%d", 'a'+i, round)) })
	}
	require.Empty(t, s.all(t, inStock(true)))
	for round := range rounds {
		together(2, func(i int) {
			if _, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: fmt.Sprintf("order-%d-%d", round, i)}); err != nil {
				t.Error(err)
			}
		})
	}
	require.Len(t, s.all(t, inStock(true)), rounds)
}

func TestProductsThatChangeWhileTheirStockDoesAreListedAsTheyAre(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 1)
	for round := range 12 {
		order := fmt.Sprint("order-", round)
		together(3, func(i int) {
			var err error
			switch i {
			case 0:
				status := []string{catalog.StatusActive, catalog.StatusDraft}[round%2]
				_, err = s.PatchProduct(t.Context(), "the-lamp", service.ProductPatch{Status: &status}, nil)
			case 1:
				_, _, err = s.PatchVariant(t.Context(), "the-lamp", "lamp", service.VariantPatch{Price: ptr(usd(int64(round)))}, nil)
			default:
				_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
			}
			if err != nil {
				t.Error(err)
			}
		})
		require.Empty(t, s.all(t, inStock(true)))
		_, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: order})
		require.NoError(t, err)
		list := s.all(t, inStock(true))
		require.Len(t, list, 1)
		require.EqualValues(t, round, list[0].Variants[0].Price.Amount)
		require.Len(t, s.all(t, service.ListQuery{Sort: service.SortPrice, Status: list[0].Status}), 1)
	}
}

func TestNoChangeOfAProductIsLost(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, service.NewProduct{Title: "Lamp"})
	const n = 16
	together(n, func(i int) {
		if _, _, err := s.AddVariant(t.Context(), p.ID, service.NewVariant{SKU: fmt.Sprint("sku-", i), Price: usd(1), Options: map[string]string{"No": fmt.Sprint(i)}}, nil); err != nil {
			t.Error(err)
		}
	})
	p, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.Len(t, p.Variants, n)
	require.EqualValues(t, n+1, p.Version)
	require.Len(t, p.Options[0].Values, n)

	// Of those who change one version, one does.
	stale := errors.New("another version")
	var changed atomic.Int64
	together(8, func(i int) {
		_, err := s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr(fmt.Sprint("Lamp ", i))}, func(version int64) error {
			if version != n+1 {
				return stale
			}
			return nil
		})
		if err == nil {
			changed.Add(1)
		} else if !errors.Is(err, stale) {
			t.Error(err)
		}
	})
	require.EqualValues(t, 1, changed.Load())
}

func TestSlugsAndSKUsAreGivenOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	const n = 16
	together(n, func(int) {
		if _, err := s.CreateProduct(t.Context(), service.NewProduct{Title: "Lamp", Status: catalog.StatusActive}); err != nil {
			t.Error(err)
		}
	})
	list := slugs(s.all(t, service.ListQuery{}))
	require.Len(t, slices.Compact(sorted(list)), n, "%v", list)

	var made atomic.Int64
	together(n, func(i int) {
		_, err := s.CreateProduct(t.Context(), service.NewProduct{
			Title: "Chair", Slug: fmt.Sprint("chair-", i%2), Status: catalog.StatusActive, Variants: []service.NewVariant{{SKU: fmt.Sprint("chair-", i%3), Price: usd(1)}},
		})
		switch {
		case err == nil:
			made.Add(1)
		case !errors.Is(err, catalog.ErrSlugTaken) && !errors.Is(err, catalog.ErrSKUTaken):
			t.Error(err)
		}
	})
	require.EqualValues(t, 2, made.Load())
}

func TestTwoMovesNeverMakeACycle(t *testing.T) {
	t.Parallel()
	s := open(t)
	for round := range 10 {
		var pair [2]catalog.Category
		for i := range pair {
			pair[i] = s.category(t, fmt.Sprintf("c%d-%d", round, i), nil)
		}
		var moved, cycles atomic.Int64
		together(2, func(i int) {
			_, err := s.PatchCategory(t.Context(), pair[i].ID, service.CategoryPatch{Move: true, ParentID: &pair[1-i].ID})
			switch {
			case err == nil:
				moved.Add(1)
			case errors.Is(err, catalog.ErrCategoryCycle):
				cycles.Add(1)
			default:
				t.Error(err)
			}
		})
		require.EqualValues(t, 1, moved.Load())
		require.EqualValues(t, 1, cycles.Load())
	}
}

func TestProductsArePutIntoCategoriesThatMove(t *testing.T) {
	t.Parallel()
	s := open(t)
	roots := []catalog.Category{s.category(t, "home", nil), s.category(t, "garden", nil)}
	lamps := s.category(t, "lamps", &roots[0])
	for round := range 8 {
		p := s.create(t, service.NewProduct{Title: "Lamp", CategoryIDs: []string{lamps.ID}})
		together(4, func(i int) {
			var err error
			switch i {
			case 0:
				_, err = s.PatchCategory(t.Context(), lamps.ID, service.CategoryPatch{Move: true, ParentID: &roots[(round+1)%2].ID})
			case 1:
				_, err = s.CreateProduct(t.Context(), service.NewProduct{Title: "Lamp", Status: catalog.StatusActive, CategoryIDs: []string{lamps.ID}})
			case 2:
				_, err = s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr(fmt.Sprint("Lamp ", round))}, nil)
			default:
				_, err = s.PatchProduct(t.Context(), p.ID, service.ProductPatch{CategoryIDs: &[]string{}}, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
		here := roots[(round+1)%2]
		for _, root := range roots {
			want := 0
			if root.ID == here.ID {
				want = round + 1
			}
			require.Len(t, s.all(t, service.ListQuery{Category: root.Path}), want, "round %d, %s", round, root.Path)
		}
		require.Len(t, s.all(t, service.ListQuery{Category: here.Path + "/lamps"}), round+1)
	}
}

func TestACategoryIsDeletedOrFilled(t *testing.T) {
	t.Parallel()
	s := open(t)
	for round := range 10 {
		c := s.category(t, fmt.Sprint("c-", round), nil)
		var deleted, filled error
		together(2, func(i int) {
			if i == 0 {
				deleted = s.DeleteCategory(t.Context(), c.ID)
			} else {
				_, filled = s.CreateProduct(t.Context(), service.NewProduct{Title: "Lamp", Status: catalog.StatusActive, CategoryIDs: []string{c.ID}})
			}
		})
		require.True(t, (deleted == nil) != (filled == nil), "%v, %v", deleted, filled)
		if deleted != nil {
			require.ErrorIs(t, deleted, catalog.ErrCategoryInUse)
		}
	}
}

func TestTheDemoIsFilledOnce(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	const demo = `[{"title":"Lamp","categories":["home"],"variants":[{"sku":"lamp","price":1,"quantity":3}]}]`
	var made atomic.Int64
	together(6, func(int) {
		n, err := s.FillDemo(t.Context(), strings.NewReader(demo))
		if err != nil {
			t.Error(err)
		}
		made.Add(int64(n))
	})
	require.EqualValues(t, 1, made.Load())
	s.sound(t)
}

// Files are imported while staff change what they name and customers buy it.
func TestImportsMeetOthersWhoChangeTheSame(t *testing.T) {
	t.Parallel()
	s := openTicking(t)
	const products = 300
	imports := 4
	if dbtest.Raced {
		imports = 2
	}
	file := func(price int) string {
		var b strings.Builder
		b.WriteString("slug,title,categories,sku,price,quantity\n")
		for p := range products {
			fmt.Fprintf(&b, "p-%d,Product %d,c%d/d%d,s-%d,%d,%d\n", p, p, p%3, price%5, p, price, 50+price%7)
		}
		return b.String()
	}
	s.good(t, file(1), csvFile)
	together(5, func(i int) {
		for n := range 15 {
			var err error
			sku, slug := fmt.Sprint("s-", n*20), fmt.Sprint("p-", n*20)
			switch i {
			case 0, 1:
				if n < imports {
					var done service.Import
					done, err = importService(s.db, s.time()).ImportFile(t.Context(), strings.NewReader(file(2+2*n+i)), "x.csv", csvFile, func(service.Import) {})
					if err == nil && done.ErrorsTotal > 0 {
						err = fmt.Errorf("%+v", done.Errors)
					}
				}
			case 2:
				_, err = s.PatchProduct(t.Context(), slug, service.ProductPatch{Vendor: ptr(fmt.Sprint("Vendor ", n))}, nil)
			case 3:
				_, err = s.Adjust(t.Context(), sku, 1, "found")
			default:
				order := fmt.Sprint("order-", n)
				_, err = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: []catalog.Item{{SKU: sku, Quantity: 2}}})
				if err == nil && n%2 == 0 {
					err = s.Commit(t.Context(), catalog.CommitRequest{OrderID: order})
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	s.sound(t)
	require.EqualValues(t, products, s.count(t, `SELECT count(*) FROM products`))
	require.EqualValues(t, 15, s.count(t, `SELECT count(*) FROM products WHERE vendor LIKE 'Vendor %'`), "what a file says nothing of stays")
}
