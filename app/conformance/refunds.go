package conformance

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// refunds are what giving money back promises.
func refunds() []promise {
	return []promise{
		{"part of the money goes back, and then the rest", refundsInParts},
		{"never more than was captured goes back", refundsTooMuch},
		{"of 50 refunds at once as many succeed as there is money for", refundsAtOnce},
		{"bad refunds are refused", badRefunds},
		{"nothing goes back that was not taken", refundsNothingUnpaid},
		{"a refund is made once for a key", refundsOnce},
		{"a cancellation gives back what a refund has left", refundsThenCancels},
	}
}

func refundBody(cents int64) fields { return fields{"amount": usd(cents), "reason": "damaged"} }

// paidOrder is a confirmed order of 10.00 USD.
func (w *world) paidOrder(t testing.TB) (o Order, sku string) {
	t.Helper()
	sku, _ = w.sell(t, usd(1000), 5)
	return w.confirmed(t, w.customer, line(sku, 1)), sku
}

// wantRefunded waits until order and payment say that so much went back.
func (w *world) wantRefunded(t testing.TB, o Order, cents int64, status string) {
	t.Helper()
	p := w.payment(t, o.ID)
	require.Equal(t, []any{status, o.Total, usd(cents)}, []any{p.Status, p.Captured, p.Refunded})
	w.until(t, o.ID, 20*time.Second, func(now Order) bool {
		return now.Payment == PaymentSummary{status, o.Total, usd(cents)}
	})
}

func refundsInParts(t *testing.T, w *world) {
	o, _ := w.paidOrder(t)
	path := "/orders/" + o.ID + "/refunds"
	a := w.staff.Post(t, path, refundBody(300)).Want(t, http.StatusCreated)
	shape(t, a.Body, "id", "amount", "reason")
	r := decode[Refund](t, a)
	require.Regexp(t, uuidV7, r.ID)
	require.Equal(t, usd(300), r.Amount)
	require.Equal(t, "damaged", r.Reason)
	w.wantRefunded(t, o, 300, "partially_refunded")
	w.staff.Post(t, path, refundBody(700)).Want(t, http.StatusCreated)
	w.wantRefunded(t, o, 1000, "refunded")
	w.eventTypes(t, o.ID, "payment_refunded")
	require.Equal(t, "confirmed", w.order(t, o.ID).Status)
}

func refundsTooMuch(t *testing.T, w *world) {
	o, _ := w.paidOrder(t)
	path := "/orders/" + o.ID + "/refunds"
	w.staff.Post(t, path, refundBody(1001)).Problem(t, http.StatusConflict, "payments.refund_exceeds_capture")
	w.staff.Post(t, path, refundBody(600)).Want(t, http.StatusCreated)
	w.staff.Post(t, path, refundBody(401)).Problem(t, http.StatusConflict, "payments.refund_exceeds_capture")
	w.staff.Post(t, path, refundBody(9223372036854775807)).Refused(t, http.StatusConflict, http.StatusUnprocessableEntity)
	w.wantRefunded(t, o, 600, "partially_refunded")
}

func refundsAtOnce(t *testing.T, w *world) {
	o, _ := w.paidOrder(t)
	made := 0
	for _, a := range together(50, func(int) *Answer {
		return w.staff.Try(t.Context(), http.MethodPost, base+"/orders/"+o.ID+"/refunds", refundBody(90))
	}) {
		if a.Status == http.StatusCreated {
			made++
		} else {
			a.Problem(t, http.StatusConflict, "payments.refund_exceeds_capture")
		}
	}
	require.Equal(t, 11, made, "11 × 0.90 of 10.00")
	w.wantRefunded(t, o, 990, "partially_refunded")
}

func badRefunds(t *testing.T, w *world) {
	o, _ := w.paidOrder(t)
	path := "/orders/" + o.ID + "/refunds"
	for _, bad := range []fields{
		{}, refundBody(0), refundBody(-1), {"amount": 100, "reason": "x"}, {"amount": "1.00", "reason": "x"}, {"amount": fields{"amount": 1.5, "currency": "USD"}, "reason": "x"},
		{"amount": money.Money{Amount: 100, Currency: "EUR"}, "reason": "x"}, {"amount": usd(100), "reason": 5}, {"amount": usd(100), "reason": "x", "status": "done"},
	} {
		w.staff.Post(t, path, bad).Refused(t, http.StatusUnprocessableEntity, http.StatusConflict)
	}
	w.staff.Post(t, "/orders/0193f3a0-0000-7000-8000-000000000000/refunds", refundBody(1)).Refused(t, http.StatusNotFound)
	for _, who := range []*Caller{w.customer, w.other} {
		who.Post(t, path, refundBody(100)).Want(t, http.StatusForbidden)
	}
	w.anyone.Post(t, path, refundBody(100)).Want(t, http.StatusUnauthorized)
	w.wantRefunded(t, o, 0, "captured")
}

func refundsNothingUnpaid(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1000), 5)
	rejected := w.buy(t, w.customer, "tok_decline", line(sku, 1))
	w.staff.Post(t, "/orders/"+rejected.ID+"/refunds", refundBody(100)).Refused(t, http.StatusConflict, http.StatusNotFound)
	pending := w.holding(t, w.customer, line(sku, 1))
	w.staff.Post(t, "/orders/"+pending.ID+"/refunds", refundBody(100)).Refused(t, http.StatusConflict, http.StatusNotFound)
	w.cancel(t, w.customer, pending.ID)
	w.settled(t, sku, 5, 0)
}

func refundsOnce(t *testing.T, w *world) {
	o, _ := w.paidOrder(t)
	path, k := "/orders/"+o.ID+"/refunds", unique("key")
	first := w.staff.Post(t, path, refundBody(100), key(k)).Want(t, http.StatusCreated)
	for range 3 {
		w.wantReplayed(t, first, w.staff.Post(t, path, refundBody(100), key(k)))
	}
	w.staff.Post(t, path, refundBody(200), key(k)).Problem(t, http.StatusUnprocessableEntity, "idempotency.key_reused")
	w.wantRefunded(t, o, 100, "partially_refunded")

	// A refusal is an answer too.
	tooMuch := unique("key")
	refusal := w.staff.Post(t, path, refundBody(5000), key(tooMuch)).Want(t, http.StatusConflict)
	again := w.staff.Post(t, path, refundBody(5000), key(tooMuch))
	require.Equal(t, string(refusal.Body), string(again.Body))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
}

func refundsThenCancels(t *testing.T, w *world) {
	o, sku := w.paidOrder(t)
	w.staff.Post(t, "/orders/"+o.ID+"/refunds", refundBody(400)).Want(t, http.StatusCreated)
	w.cancel(t, w.customer, o.ID)
	w.wantCanceled(t, o.ID)
	w.wantRefunded(t, o, 1000, "refunded")
	w.settled(t, sku, 5, 0)
}
