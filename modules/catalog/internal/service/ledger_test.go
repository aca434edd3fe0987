package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// ledger is what the tables say of the stock of all SKUs.
const ledger = `SELECT s.sku, s.on_hand, s.reserved,
	(SELECT coalesce(sum(quantity), 0) FROM movements m WHERE m.sku = s.sku),
	(SELECT coalesce(sum(%s), 0) FROM reservations r, %s WHERE r.state = 'held' AND %s = s.sku)
	FROM stock s`

var readLedger = db.NewStatementFor(
	fmt.Sprintf(ledger, `json_extract(i.value, '$.quantity')`, `json_each(r.items) i`, `json_extract(i.value, '$.sku')`),
	fmt.Sprintf(ledger, `(i->>'quantity')::bigint`, `json_array_elements(r.items::json) i`, `i->>'sku'`))

// requireBalance holds stock against the ledger and against what orders hold.
func (s *shop) requireBalance(ctx context.Context, t require.TestingT) {
	rows, err := readLedger.Query(ctx, s.db.Read())
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var (
			sku                          string
			onHand, reserved, sum, holds int64
		)
		require.NoError(t, rows.Scan(&sku, &onHand, &reserved, &sum, &holds))
		require.Equal(t, sum, onHand, "the ledger of %s adds up", sku)
		require.Equal(t, holds, reserved, "what is reserved of %s is held by orders", sku)
		require.GreaterOrEqual(t, onHand, reserved)
	}
	require.NoError(t, rows.Err())
}

// held is what the model knows of an order.
type held struct {
	state string
	items []catalog.Item
	until time.Time
}

func TestStockIsWhatOrdersAndTheLedgerLeaveIt(t *testing.T) {
	t.Parallel()
	skus := []string{"lamp", "chair", "table"}
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		onHand, reserved := map[string]int64{}, map[string]int64{}
		orders := map[string]*held{}
		for _, sku := range skus {
			s.sell(t, sku, 5)
			onHand[sku] = 5
		}
		available := func(sku string) int64 { return onHand[sku] - reserved[sku] }
		order := func(rt *rapid.T) string { return fmt.Sprintf("order-%d", rapid.IntRange(1, 5).Draw(rt, "order")) }
		known := func(id string) *held {
			if orders[id] == nil {
				orders[id] = &held{}
			}
			return orders[id]
		}
		fits := func(items []catalog.Item) bool {
			for _, item := range items {
				if available(item.SKU) < item.Quantity {
					return false
				}
			}
			return true
		}
		change := func(items []catalog.Item, hand, res int64) {
			for _, item := range items {
				onHand[item.SKU] += hand * item.Quantity
				reserved[item.SKU] += res * item.Quantity
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": func(rt *rapid.T) {
				id := order(rt)
				var items []catalog.Item
				for _, sku := range skus {
					if n := rapid.Int64Range(0, 3).Draw(rt, sku); n > 0 {
						items = append(items, catalog.Item{SKU: sku, Quantity: n})
					}
				}
				if len(items) == 0 {
					rt.Skip()
				}
				o := known(id)
				_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: id, Items: items})
				switch {
				case o.state == "released" || o.state == "expired":
					require.ErrorIs(rt, err, catalog.ErrReservationClosed)
				case o.state != "":
					require.NoError(rt, err)
				case !fits(items):
					require.ErrorIs(rt, err, catalog.ErrInsufficientStock)
				default:
					require.NoError(rt, err)
					*o = held{"held", items, s.clock.Now().Add(time.Hour)}
					change(items, 0, 1)
				}
			},
			"commit": func(rt *rapid.T) {
				id := order(rt)
				o := known(id)
				err := s.Commit(t.Context(), catalog.CommitRequest{OrderID: id})
				switch {
				case o.state == "held":
					require.NoError(rt, err)
					change(o.items, -1, -1)
					o.state = "committed"
				case o.state == "committed":
					require.NoError(rt, err)
				case o.state == "expired" && fits(o.items):
					require.NoError(rt, err)
					change(o.items, -1, 0)
					o.state = "committed"
				default:
					require.ErrorIs(rt, err, catalog.ErrReservationClosed)
				}
			},
			"release": func(rt *rapid.T) {
				id := order(rt)
				o := known(id)
				_, err := s.Release(t.Context(), catalog.ReleaseRequest{OrderID: id})
				require.NoError(rt, err)
				switch o.state {
				case "held":
					change(o.items, 0, -1)
				case "committed":
					change(o.items, 1, 0)
				}
				o.state = "released"
			},
			"adjust": func(rt *rapid.T) {
				sku := rapid.SampledFrom(skus).Draw(rt, "sku")
				delta := rapid.Int64Range(-4, 4).Filter(func(n int64) bool { return n != 0 }).Draw(rt, "delta")
				_, err := s.Adjust(t.Context(), sku, delta, "")
				if available(sku)+delta < 0 {
					require.ErrorIs(rt, err, catalog.ErrInsufficientStock)
					return
				}
				require.NoError(rt, err)
				onHand[sku] += delta
			},
			"wait": func(rt *rapid.T) {
				s.clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(rt, "minutes")) * time.Minute)
				_, err := s.ExpireBatch(t.Context())
				require.NoError(rt, err)
				for _, o := range orders {
					if o.state == "held" && !o.until.After(s.clock.Now()) {
						change(o.items, 0, -1)
						o.state = "expired"
					}
				}
			},
			"": func(rt *rapid.T) {
				for _, sku := range skus {
					i, err := s.GetInventory(t.Context(), sku)
					require.NoError(rt, err)
					require.Equal(rt, []int64{onHand[sku], reserved[sku]}, []int64{i.OnHand, i.Reserved}, "on hand and reserved of %s", sku)
				}
				s.requireBalance(t.Context(), rt)
			},
		})
	})
}

func TestConcurrentOrdersLeaveTheLedgerBalanced(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 40)
	s.sell(t, "chair", 40)
	together(60, func(i int) {
		id := fmt.Sprintf("order-%d", i%30) // every order twice
		items := []catalog.Item{{SKU: "lamp", Quantity: int64(1 + i%3)}, {SKU: "chair", Quantity: 1}}
		_, _ = s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: id, Items: items})
		if i%2 == 0 {
			_ = s.Commit(t.Context(), catalog.CommitRequest{OrderID: id})
		}
		if i%5 == 0 {
			_, _ = s.Release(t.Context(), catalog.ReleaseRequest{OrderID: id})
		}
		_, _ = s.Adjust(t.Context(), "lamp", int64(1-i%4), "")
	})
	s.requireBalance(t.Context(), t)
}
