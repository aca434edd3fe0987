package conformance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// payment is what becomes of an order by how its payment goes.
func payment() []promise {
	return []promise{
		{"an approved payment confirms", func(t *testing.T, w *world) { paid(t, w, "tok_approve") }},
		{"a slow payment confirms", func(t *testing.T, w *world) { paid(t, w, "tok_slow") }},
		{"a payment that fails twice confirms and charges once", func(t *testing.T, w *world) { paid(t, w, "tok_flaky") }},
		{"a declined payment rejects", func(t *testing.T, w *world) { refused(t, w, "tok_decline") }},
		{"insufficient funds reject", func(t *testing.T, w *world) { refused(t, w, "tok_insufficient_funds") }},
		{"a payment is shown to staff", showsPayment},
	}
}

func paid(t *testing.T, w *world, token string) {
	sku, _ := w.sell(t, usd(1999), 5)
	var o Order
	spent := took(func() { o = w.buy(t, w.customer, token, line(sku, 2)) })
	require.Equal(t, "confirmed", o.Status, "%+v", o)
	if token == "tok_slow" {
		require.GreaterOrEqual(t, spent, 1900*time.Millisecond)
	}
	require.Equal(t, PaymentSummary{"captured", o.Total, usd(0)}, o.Payment)
	p := w.payment(t, o.ID)
	require.Equal(t, "captured", p.Status)
	require.Equal(t, o.Total, p.Authorized)
	require.Equal(t, o.Total, p.Captured, "charged once")
	require.Equal(t, usd(0), p.Refunded)
	w.settled(t, sku, 3, 0)
	require.NotContains(t, types(w.events(t, o.ID)), "order_rejected")
}

func refused(t *testing.T, w *world, token string) {
	sku, _ := w.sell(t, usd(1999), 5)
	o := w.buy(t, w.customer, token, line(sku, 2))
	require.Equal(t, "rejected", o.Status, "%+v", o)
	require.NotNil(t, o.Failure)
	require.Regexp(t, `^payments\.`, o.Failure.Code)
	require.NotEmpty(t, o.Failure.Message)
	require.Equal(t, usd(0), o.Payment.Captured)
	require.Contains(t, []string{"none", "voided"}, o.Payment.Status)
	w.settled(t, sku, 5, 0)
	steps := w.eventTypes(t, o.ID, "order_rejected", "stock_reserved", "stock_released")
	require.NotContains(t, steps, "payment_captured")
	require.NotContains(t, steps, "order_confirmed")
	kept, err := w.money(t, o.ID)
	require.NoError(t, err)
	require.Zero(t, kept)
	w.staff.Post(t, "/orders/"+o.ID+"/shipments", fields{"carrier": "Post", "tracking_number": "1"}).Problem(t, http.StatusConflict, "orders.invalid_transition")
	w.customer.Post(t, "/orders/"+o.ID+"/cancellation", fields{"reason": "x"}).Problem(t, http.StatusConflict, "orders.invalid_transition")
}

func neverAnswers(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	o := decode[Order](t, w.customer.Post(t, "/orders", orderBody("tok_timeout", line(sku, 2))).Want(t, http.StatusCreated))
	w.timedOut(t, o, sku, checkoutTimeout)
}

func shortTimeout(t *testing.T, shared *world) {
	w := openEmpty(t, shared.topology, "orders.checkout_timeout=2s", "payments.provider_timeout=1s")
	w.customer = w.newcomer(t)
	sku, _ := w.sell(t, usd(1999), 5)
	o := decode[Order](t, w.customer.Post(t, "/orders", orderBody("tok_timeout", line(sku, 2))).Want(t, http.StatusCreated))
	w.timedOut(t, o, sku, 8*time.Second)
	require.Equal(t, "confirmed", w.buy(t, w.customer, "tok_approve", line(sku, 5)).Status)
}

// timedOut waits until a pending order is rejected and gives all back.
func (w *world) timedOut(t *testing.T, o Order, sku string, within time.Duration) {
	t.Helper()
	require.Equal(t, "pending", o.Status)
	o = w.until(t, o.ID, within, func(o Order) bool { return o.Status != "pending" })
	require.Equal(t, "rejected", o.Status, "%+v", o)
	require.NotNil(t, o.Failure)
	require.NotEmpty(t, o.Failure.Code)
	w.settled(t, sku, 5, 0)
	steps := w.eventTypes(t, o.ID, "order_rejected", "stock_released")
	require.NotContains(t, steps, "payment_captured")
	eventually(t, within, "no money is held", func() error {
		kept, err := w.money(t, o.ID)
		if kept != 0 {
			err = fmt.Errorf("%d is kept", kept)
		}
		return err
	})
}

func showsPayment(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	o := w.confirmed(t, w.customer, line(sku, 1))
	text := w.paymentOf(t, o.ID)
	require.NotNil(t, text)
	shape(t, text, paymentFields...)
	p := w.payment(t, o.ID)
	require.Equal(t, o.ID, p.OrderID)
	require.Equal(t, "sandbox", p.Provider)
	require.NotEmpty(t, p.ProviderReference)
	require.NotEmpty(t, part(t, text, "attempts"))
	require.NotContains(t, string(text), "tok_approve", "a means of payment is not shown")
	w.customer.Get(t, "/payments?order_id="+o.ID).Want(t, http.StatusForbidden)
	w.anyone.Get(t, "/payments?order_id="+o.ID).Want(t, http.StatusUnauthorized)
	require.Nil(t, w.paymentOf(t, "0193f3a0-0000-7000-8000-000000000000"))
	for _, bad := range []string{"", "?order_id=", "?order_id=nonsense", "?order_id=" + o.ID + "&x=1", "?order_id=%27"} {
		w.staff.Get(t, "/payments"+bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusNotFound)
	}
}
