package conformance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cancellation is what calling an order off promises.
func cancellation() []promise {
	return []promise{
		{"before it is confirmed nothing is taken", cancelsPending},
		{"after it is confirmed stock and money go back", cancelsConfirmed},
		{"staff may cancel, others may not", whoCancels},
		{"it is done once", cancelsOnce},
		{"what was shipped is not cancelled", shippedStays},
		{"an order that is cancelled while it is paid is one or the other", cancelsRacingCapture},
	}
}

// wantCanceled waits until an order is cancelled and everything has gone back.
func (w *world) wantCanceled(t testing.TB, id string) []string {
	t.Helper()
	w.until(t, id, 20*time.Second, func(o Order) bool {
		return o.Status == "canceled" && o.Payment.Captured == o.Payment.Refunded && o.Payment.Status != "authorized"
	})
	eventually(t, 20*time.Second, "the money goes back", func() error {
		kept, err := w.money(t, id)
		if kept != 0 {
			err = fmt.Errorf("%d is kept", kept)
		}
		return err
	})
	return w.eventTypes(t, id, "order_canceled")
}

func cancelsPending(t *testing.T, w *world) {
	for _, token := range []string{"tok_timeout", "tok_slow"} {
		sku, _ := w.sell(t, usd(1999), 5)
		o := decode[Order](t, w.customer.Post(t, "/orders", orderBody(token, line(sku, 2))).Want(t, http.StatusCreated))
		w.cancel(t, w.customer, o.ID)
		steps := w.wantCanceled(t, o.ID)
		require.NotContains(t, steps, "order_confirmed")
		require.NotContains(t, steps, "order_rejected")
		w.settled(t, sku, 5, 0)
	}
}

func cancelsConfirmed(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	o := w.confirmed(t, w.customer, line(sku, 2))
	w.wantStock(t, sku, 3, 0)
	w.cancel(t, w.customer, o.ID)
	w.wantCanceled(t, o.ID)
	w.eventTypes(t, o.ID, "order_canceled", "payment_refunded", "stock_released")
	w.settled(t, sku, 5, 0)
	var returned int64
	for _, m := range all[Movement](t, w.staff, "/inventory/"+sku+"/movements", nil) {
		if m.Kind == "return" {
			returned += m.Quantity
			require.Equal(t, o.ID, *m.OrderID)
		}
	}
	require.EqualValues(t, 2, returned)
	p := w.payment(t, o.ID)
	require.Equal(t, "refunded", p.Status)
	require.Equal(t, o.Total, p.Refunded)
	now := w.until(t, o.ID, 20*time.Second, func(o Order) bool { return o.Payment.Status == "refunded" })
	require.Equal(t, PaymentSummary{"refunded", o.Total, o.Total}, now.Payment)
	require.Equal(t, o.Items, now.Items)
}

func whoCancels(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	path := "/orders/" + o.ID + "/cancellation"
	w.other.Post(t, path, fields{"reason": "x"}).Problem(t, http.StatusNotFound, "orders.order_not_found")
	w.anyone.Post(t, path, fields{"reason": "x"}).Want(t, http.StatusUnauthorized)
	for _, bad := range []string{`{"reason":5}`, `{"reason":"x","status":"confirmed"}`, `{"reason":"x","refund":{"amount":1}}`, `[]`} {
		w.customer.Post(t, path, bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	require.Equal(t, "confirmed", w.order(t, o.ID).Status)
	w.cancel(t, w.staff, o.ID)
	w.wantCanceled(t, o.ID)
	w.settled(t, sku, 5, 0)
}

func cancelsOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 3))
	accepted := 0
	for _, a := range together(10, func(int) *Answer {
		return w.customer.Try(t.Context(), http.MethodPost, base+"/orders/"+o.ID+"/cancellation", fields{"reason": "again and again"})
	}) {
		if a.Status == http.StatusAccepted {
			accepted++
		} else {
			a.Problem(t, http.StatusConflict, "orders.invalid_transition")
		}
	}
	require.Positive(t, accepted)
	w.wantCanceled(t, o.ID)
	w.settled(t, sku, 5, 0)
	require.Equal(t, o.Total, w.payment(t, o.ID).Refunded)
	count := 0
	for _, step := range types(w.events(t, o.ID)) {
		if step == "order_canceled" {
			count++
		}
	}
	require.Equal(t, 1, count)
	w.staff.Post(t, "/orders/"+o.ID+"/shipments", fields{"carrier": "Post", "tracking_number": "1"}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	w.staff.Post(t, "/orders/"+o.ID+"/delivery", fields{}).Problem(t, http.StatusConflict, "orders.invalid_transition")
}

func shippedStays(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	w.staff.Post(t, "/orders/"+o.ID+"/shipments", fields{"carrier": "Post", "tracking_number": "1"}).Want(t, http.StatusCreated)
	for _, who := range []*Caller{w.customer, w.staff} {
		who.Post(t, "/orders/"+o.ID+"/cancellation", fields{"reason": "x"}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	}
	w.wantStock(t, sku, 4, 0)
	require.Equal(t, "captured", w.payment(t, o.ID).Status)
}

func cancelsRacingCapture(t *testing.T, w *world) {
	const orders = 40
	sku, _ := w.sell(t, usd(250), orders)
	placed := together(orders, func(i int) string {
		a := w.customer.Try(t.Context(), http.MethodPost, base+"/orders", orderBody("tok_approve", line(sku, 1)))
		if a.Status != http.StatusCreated {
			t.Errorf("%s", a)
			return ""
		}
		id := decode[Order](t, a).ID
		// Some at once, some when the payment is under way, some after it.
		for range i % 8 {
			w.customer.Try(t.Context(), http.MethodGet, base+"/orders/"+id, nil)
		}
		if c := w.customer.Try(t.Context(), http.MethodPost, base+"/orders/"+id+"/cancellation", fields{"reason": "racing"}); c.Status != http.StatusAccepted {
			t.Errorf("%s", c)
		}
		return id
	})
	require.False(t, t.Failed())
	for _, id := range placed {
		w.wantCanceled(t, id)
	}
	w.settled(t, sku, orders, 0)
}
