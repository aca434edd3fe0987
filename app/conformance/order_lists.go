package conformance

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// orderLists are what finding and reading orders promises.
func orderLists() []promise {
	return []promise{
		{"customers see their own orders, staff see all", seesOrders},
		{"another's order is as if it did not exist", ordersArePrivate},
		{"orders are found by status, user and time", filtersOrders},
		{"an order is expanded with what others own", expandsOrder},
	}
}

func ids(orders []Order) []string {
	var list []string
	for _, o := range orders {
		list = append(list, o.ID)
	}
	return list
}

func seesOrders(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	c := w.newcomer(t)
	first, second := w.confirmed(t, c, line(sku, 1)), w.confirmed(t, c, line(sku, 1))
	require.ElementsMatch(t, []string{first.ID, second.ID}, ids(all[Order](t, c, "/orders", nil)))
	a := c.Get(t, "/orders").Want(t, http.StatusOK)
	for _, o := range elements(t, part(t, a.Body, "items")) {
		shape(t, o, orderFields...)
	}
	require.ElementsMatch(t, []string{first.ID, second.ID}, ids(all[Order](t, w.staff, "/orders", url.Values{"user_id": {c.User.ID}})))
	require.NotContains(t, ids(all[Order](t, w.other, "/orders", nil)), first.ID)
	w.anyone.Get(t, "/orders").Want(t, http.StatusUnauthorized)
	theirs := w.other.Get(t, "/orders?user_id="+c.User.ID)
	if theirs.Status == http.StatusOK {
		require.NotContains(t, ids(decode[List[Order]](t, theirs).Items), first.ID)
	} else {
		theirs.Refused(t, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
}

func ordersArePrivate(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	const missing = "0193f3a0-0000-7000-8000-000000000000"
	for suffix, method := range map[string]string{"": "GET", "/events": "GET", "/cancellation": "POST"} {
		var body any
		if method == "POST" {
			body = fields{"reason": "x"}
		}
		theirs := w.other.Do(t, method, "/orders/"+o.ID+suffix, body).Problem(t, http.StatusNotFound, "orders.order_not_found")
		nobodys := w.other.Do(t, method, "/orders/"+missing+suffix, body).Problem(t, http.StatusNotFound, "orders.order_not_found")
		require.Equal(t, nobodys.Detail, theirs.Detail)
		w.anyone.Do(t, method, "/orders/"+o.ID+suffix, body).Want(t, http.StatusUnauthorized)
	}
	for _, suffix := range []string{"/shipments", "/delivery", "/refunds"} {
		for _, who := range []*Caller{w.other, w.customer} {
			who.Post(t, "/orders/"+o.ID+suffix, fields{}).Refused(t, http.StatusForbidden)
		}
	}
	for _, id := range []string{"nonsense", "%27", "1", o.ID + "x"} {
		w.customer.Get(t, "/orders/"+id).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
	require.Equal(t, "confirmed", w.order(t, o.ID).Status)
}

func filtersOrders(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 50)
	c := w.newcomer(t)
	confirmed := w.confirmed(t, c, line(sku, 1))
	rejected := w.buy(t, c, "tok_decline", line(sku, 1))
	list := func(query url.Values) []string { return ids(all[Order](t, c, "/orders", query)) }
	require.Equal(t, []string{confirmed.ID}, list(url.Values{"status": {"confirmed"}}))
	require.Equal(t, []string{rejected.ID}, list(url.Values{"status": {"rejected"}}))
	require.Empty(t, list(url.Values{"status": {"delivered"}}))
	between := confirmed.PlacedAt.Add(rejected.PlacedAt.Sub(confirmed.PlacedAt) / 2).Format(time.RFC3339Nano)
	require.NotContains(t, list(url.Values{"placed_before": {between}}), rejected.ID)
	require.Contains(t, list(url.Values{"placed_before": {between}}), confirmed.ID)
	require.NotContains(t, list(url.Values{"placed_after": {between}}), confirmed.ID)
	require.Contains(t, list(url.Values{"placed_after": {confirmed.PlacedAt.Add(-time.Second).Format(time.RFC3339)}}), confirmed.ID)
	require.Empty(t, list(url.Values{"placed_after": {"2100-01-01T00:00:00Z"}}))
	require.Empty(t, list(url.Values{"placed_before": {"2001-01-01T00:00:00+02:00"}}))
	for _, bad := range []string{"status=lost", "user_id=nonsense", "placed_after=yesterday", "placed_before=2024-13-01T00:00:00Z", "unknown=1"} {
		w.staff.Get(t, "/orders?"+bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
}

func expandsOrder(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	plain := w.customer.Get(t, "/orders/"+o.ID).Want(t, http.StatusOK)
	for _, who := range []*Caller{w.customer, w.staff} {
		a := who.Get(t, "/orders/"+o.ID+"?expand=user,products").Want(t, http.StatusOK)
		shape(t, a.Body, append([]string{"user", "products"}, orderFields...)...)
		user := part(t, a.Body, "user")
		shape(t, user, userFields...)
		require.Contains(t, string(user), w.customer.User.ID)
		products := elements(t, part(t, a.Body, "products"))
		require.Len(t, products, 1)
		shape(t, products[0], productFields...)
		require.Contains(t, string(products[0]), p.ID)
		require.NotContains(t, string(products[0]), "on_hand", "stock is for staff")
		require.Equal(t, "[]", string(part(t, a.Body, "warnings")), "nothing is missing")
	}
	only := w.customer.Get(t, "/orders/"+o.ID+"?expand=user").Want(t, http.StatusOK)
	shape(t, only.Body, "user", "warnings")
	require.NotContains(t, string(only.Body), `"products"`)
	w.customer.Get(t, "/orders/"+o.ID+"?expand=password").Refused(t, http.StatusUnprocessableEntity)
	require.NotContains(t, string(plain.Body), `"user":`)
}
