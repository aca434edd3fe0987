package conformance

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// inventory is what stock and its ledger promise.
func inventory() []promise {
	return []promise{
		{"an adjustment changes what is on hand and stands in the ledger", adjusts},
		{"stock never falls below zero", neverBelowZero},
		{"of many who take the last at once none takes too much", adjustsAtOnce},
		{"bad adjustments are refused", badAdjustments},
		{"an adjustment is made once for a key", adjustsOnce},
		{"what is reserved cannot be adjusted away", reservedStays},
		{"stock is for staff", stockIsForStaff},
	}
}

func adjusts(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(100), 0)
	a := w.staff.Get(t, "/inventory/"+sku).Want(t, http.StatusOK)
	shape(t, a.Body, "sku", "on_hand", "reserved", "available")
	w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": 7, "reason": "delivery"}).Want(t, http.StatusCreated)
	w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": -2, "reason": "broken"}).Want(t, http.StatusCreated)
	w.wantStock(t, sku, 5, 0)
	ledger := w.staff.Get(t, "/inventory/"+sku+"/movements").Want(t, http.StatusOK)
	for _, m := range elements(t, part(t, ledger.Body, "items")) {
		shape(t, m, "id", "kind", "quantity", "order_id", "reason", "at")
	}
	var reasons []string
	for _, m := range decode[List[Movement]](t, ledger).Items {
		require.Nil(t, m.OrderID)
		require.NotEmpty(t, m.Kind)
		require.NotNil(t, m.Reason)
		reasons = append(reasons, *m.Reason)
	}
	require.ElementsMatch(t, []string{"delivery", "broken"}, reasons)
	require.EqualValues(t, 5, get[Product](t, w.anyone, "/products/"+p.ID).Variants[0].Stock.Available)
}

func neverBelowZero(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 3)
	w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": -4, "reason": "lost"}).Problem(t, http.StatusConflict, "catalog.insufficient_stock")
	w.wantStock(t, sku, 3, 0)
	w.adjust(t, sku, -3)
	w.wantStock(t, sku, 0, 0)
}

func adjustsAtOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 10)
	taken := 0
	for _, a := range together(30, func(int) *Answer {
		return w.staff.Try(t.Context(), http.MethodPost, base+"/inventory/"+sku+"/adjustments", fields{"delta": -1, "reason": "taken"})
	}) {
		if a.Status == http.StatusCreated {
			taken++
		} else {
			a.Problem(t, http.StatusConflict, "catalog.insufficient_stock")
		}
	}
	require.Equal(t, 10, taken)
	w.wantStock(t, sku, 0, 0)
}

func badAdjustments(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 3)
	path := "/inventory/" + sku + "/adjustments"
	for _, bad := range []string{
		`{}`, `{"delta":0,"reason":"x"}`, `{"delta":1.5,"reason":"x"}`, `{"delta":"1","reason":"x"}`, `{"delta":null,"reason":"x"}`, `{"reason":"x"}`,
		`{"delta":9223372036854775808,"reason":"x"}`, `{"delta":1e400,"reason":"x"}`, `{"delta":1,"reason":5}`, `{"delta":1,"reason":"x","sku":"y"}`, `{"delta":1,"reason":"x","Delta":2}`,
		`{"delta":9223372036854775807,"reason":"x"}`,
	} {
		w.staff.Post(t, path, bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	w.wantStock(t, sku, 3, 0)
	w.staff.Get(t, "/inventory/no-such-sku").Problem(t, http.StatusNotFound, "catalog.variant_not_found")
	w.staff.Get(t, "/inventory/no-such-sku/movements").Problem(t, http.StatusNotFound, "catalog.variant_not_found")
	w.staff.Post(t, "/inventory/no-such-sku/adjustments", fields{"delta": 1, "reason": "x"}).Problem(t, http.StatusNotFound, "catalog.variant_not_found")
}

func adjustsOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 0)
	path, k := "/inventory/"+sku+"/adjustments", unique("key")
	body := fields{"delta": 5, "reason": "delivery"}
	first := w.staff.Post(t, path, body, key(k)).Want(t, http.StatusCreated)
	w.wantReplayed(t, first, w.staff.Post(t, path, body, key(k)))
	w.staff.Post(t, path, fields{"delta": 6, "reason": "delivery"}, key(k)).Problem(t, http.StatusUnprocessableEntity, "idempotency.key_reused")
	w.wantStock(t, sku, 5, 0)
}

func reservedStays(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.holding(t, w.customer, line(sku, 3))
	w.wantStock(t, sku, 5, 3)
	w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": -3, "reason": "lost"}).Problem(t, http.StatusConflict, "catalog.insufficient_stock")
	w.adjust(t, sku, -2)
	w.wantStock(t, sku, 3, 3)
	w.cancel(t, w.customer, o.ID)
	w.settled(t, sku, 3, 0)
}

func stockIsForStaff(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	path := "/inventory/" + sku
	for method, path := range map[string]string{"GET": path, "POST": path + "/adjustments"} {
		w.anyone.Do(t, method, path, nil).Want(t, http.StatusUnauthorized)
		w.customer.Do(t, method, path, nil).Want(t, http.StatusForbidden)
	}
	w.customer.Get(t, path+"/movements").Want(t, http.StatusForbidden)
	w.customer.Post(t, path+"/adjustments", fields{"delta": 100, "reason": "gift"}).Want(t, http.StatusForbidden)
	w.wantStock(t, sku, 5, 0)
}
