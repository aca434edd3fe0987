package conformance

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// fulfilment is what shipping and delivering promise.
func fulfilment() []promise {
	return []promise{
		{"an order is shipped and then delivered", ships},
		{"nothing is shipped before it is confirmed", shipsNothingUnpaid},
		{"of many who ship it at once one does", shipsOnce},
		{"bad shipments are refused", badShipments},
	}
}

var parcel = fields{"carrier": "Royal Mail", "tracking_number": "RM123456789GB"}

func ships(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	w.staff.Post(t, "/orders/"+o.ID+"/delivery", fields{}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	a := w.staff.Post(t, "/orders/"+o.ID+"/shipments", parcel).Want(t, http.StatusCreated)
	require.Contains(t, string(a.Body), "RM123456789GB")
	shipped := w.order(t, o.ID)
	require.Equal(t, "shipped", shipped.Status)
	require.Greater(t, shipped.Version, o.Version)
	w.staff.Post(t, "/orders/"+o.ID+"/delivery", fields{}).Want(t, http.StatusCreated)
	require.Equal(t, "delivered", get[Order](t, w.customer, "/orders/"+o.ID).Status)
	w.staff.Post(t, "/orders/"+o.ID+"/delivery", fields{}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	w.staff.Post(t, "/orders/"+o.ID+"/shipments", parcel).Problem(t, http.StatusConflict, "orders.invalid_transition")
	steps := types(w.events(t, o.ID))
	require.Equal(t, []string{"order_confirmed", "order_shipped", "order_delivered"}, steps[len(steps)-3:])
	mine := get[List[Event]](t, w.customer, "/orders/"+o.ID+"/events").Items
	require.Len(t, mine, len(steps), "the owner may read the steps")
}

func shipsNothingUnpaid(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.holding(t, w.customer, line(sku, 1))
	w.staff.Post(t, "/orders/"+o.ID+"/shipments", parcel).Problem(t, http.StatusConflict, "orders.invalid_transition")
	w.staff.Post(t, "/orders/"+o.ID+"/delivery", fields{}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	require.Equal(t, "pending", w.order(t, o.ID).Status)
	w.cancel(t, w.customer, o.ID)
	w.settled(t, sku, 5, 0)
}

func shipsOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	shipped := 0
	for _, a := range together(8, func(int) *Answer {
		return w.staff.Try(t.Context(), http.MethodPost, base+"/orders/"+o.ID+"/shipments", parcel)
	}) {
		if a.Status == http.StatusCreated {
			shipped++
		} else {
			a.Problem(t, http.StatusConflict, "orders.invalid_transition")
		}
	}
	require.Equal(t, 1, shipped)

	k := unique("key")
	o = w.confirmed(t, w.customer, line(sku, 1))
	first := w.staff.Post(t, "/orders/"+o.ID+"/shipments", parcel, key(k)).Want(t, http.StatusCreated)
	w.wantReplayed(t, first, w.staff.Post(t, "/orders/"+o.ID+"/shipments", parcel, key(k)))
	require.Equal(t, "shipped", w.order(t, o.ID).Status)
}

func badShipments(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	path := "/orders/" + o.ID + "/shipments"
	for _, bad := range []fields{{"carrier": 5, "tracking_number": "1"}, {"carrier": "Post", "tracking_number": "1", "status": "delivered"}, {"carrier": "Po\x00st", "tracking_number": "1"}} {
		w.staff.Post(t, path, bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	w.staff.Post(t, "/orders/0193f3a0-0000-7000-8000-000000000000/shipments", parcel).Problem(t, http.StatusNotFound, "orders.order_not_found")
	w.staff.Post(t, "/orders/0193f3a0-0000-7000-8000-000000000000/delivery", fields{}).Problem(t, http.StatusNotFound, "orders.order_not_found")
	w.customer.Post(t, path, parcel).Want(t, http.StatusForbidden)
	w.anyone.Post(t, path, parcel).Want(t, http.StatusUnauthorized)
	require.Equal(t, "confirmed", w.order(t, o.ID).Status)
}
