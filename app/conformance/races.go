package conformance

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// races are what holds when many want the same thing at once.
func races() []promise {
	return []promise{
		{"200 checkouts of one cart make one order", checkoutsAtOnce},
		{"of 50 buyers of the last unit one gets it", lastUnit},
		{"many buyers of several things take no more than there is", crossingOrders},
		{"a price that changes meanwhile is charged as it was shown", priceChangesMeanwhile},
	}
}

func checkoutsAtOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 500)
	cart := newCart(t, w.customer, line(sku, 2))
	var made []Order
	for _, a := range together(200, func(int) *Answer {
		return w.customer.Try(t.Context(), http.MethodPost, base+"/orders", checkoutBody("tok_approve", cart.ID))
	}) {
		if a.Status == http.StatusCreated {
			made = append(made, decode[Order](t, a))
		} else {
			a.Problem(t, http.StatusConflict, "orders.cart_checked_out")
		}
	}
	require.Len(t, made, 1)
	require.Equal(t, "confirmed", w.decided(t, made[0].ID).Status)
	w.settled(t, sku, 498, 0)
}

func lastUnit(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 1)
	buyers := []*Caller{w.customer, w.other, w.newcomer(t)}
	confirmed := 0
	for _, a := range together(50, func(i int) *Answer {
		return buyers[i%len(buyers)].Try(t.Context(), http.MethodPost, base+"/orders", orderBody("tok_approve", line(sku, 1)), wait(30))
	}) {
		if a.Status != http.StatusCreated {
			a.Problem(t, http.StatusConflict, "catalog.insufficient_stock")
			continue
		}
		switch o := decode[Order](t, a.Want(t, http.StatusCreated)); o.Status {
		case "confirmed":
			confirmed++
		default:
			require.Equal(t, "rejected", o.Status)
			require.Equal(t, "catalog.insufficient_stock", o.Failure.Code)
		}
	}
	require.Equal(t, 1, confirmed)
	w.settled(t, sku, 0, 0)
}

func crossingOrders(t *testing.T, w *world) {
	const units = 12
	one, _ := w.sell(t, usd(100), units)
	two, _ := w.sell(t, usd(100), units)
	var confirmed int64
	for _, a := range together(40, func(i int) *Answer {
		items := []fields{line(one, 1), line(two, 1)}
		if i%2 == 1 {
			items[0], items[1] = items[1], items[0]
		}
		return w.customer.Try(t.Context(), http.MethodPost, base+"/orders", orderBody("tok_approve", items...), wait(30))
	}) {
		if a.Status == http.StatusCreated && decode[Order](t, a).Status == "confirmed" {
			confirmed++
		}
	}
	require.EqualValues(t, units, confirmed, "all that there is finds a buyer, and no more")
	w.settled(t, one, 0, 0)
	w.settled(t, two, 0, 0)
}

func priceChangesMeanwhile(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(100), 100)
	prices := []int64{100, 200}
	answers := together(20, func(i int) *Answer {
		if i%4 == 0 {
			return w.staff.Try(t.Context(), http.MethodPatch, base+"/products/"+p.ID+"/variants/"+sku, fields{"price": usd(prices[i/4%2])})
		}
		body := orderBody("tok_approve", line(sku, 2))
		body["expected_total"] = usd(200)
		return w.customer.Try(t.Context(), http.MethodPost, base+"/orders", body, wait(30))
	})
	for i, a := range answers {
		switch {
		case i%4 == 0:
			require.Equal(t, http.StatusOK, a.Status, "%s", a)
		case a.Status == http.StatusCreated:
			o := decode[Order](t, a)
			require.Equal(t, usd(200), o.Total, "what was expected is what is charged")
			require.Equal(t, usd(200), o.Payment.Captured)
		default:
			a.Problem(t, http.StatusConflict, "orders.price_changed")
		}
	}
}
