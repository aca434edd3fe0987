package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// checkoutTimeout is orders.checkout_timeout where nothing else is configured,
// and a little for the machine.
const checkoutTimeout = 30*time.Second + 10*time.Second

// holding places an order whose payment never answers, so that it stays
// pending, and waits until its stock is reserved. The test cancels it.
func (w *world) holding(t testing.TB, c *Caller, items ...fields) Order {
	t.Helper()
	o := decode[Order](t, c.Post(t, "/orders", orderBody("tok_timeout", items...)).Want(t, http.StatusCreated))
	require.Equal(t, "pending", o.Status)
	eventually(t, 10*time.Second, "stock is reserved", func() error {
		for _, e := range w.events(t, o.ID) {
			if e.Type == "stock_reserved" {
				return nil
			}
		}
		return fmt.Errorf("the order is %s", w.order(t, o.ID).Status)
	})
	return o
}

// cancel asks for the cancellation of an order.
func (w *world) cancel(t testing.TB, c *Caller, id string) Order {
	t.Helper()
	a := c.Post(t, "/orders/"+id+"/cancellation", fields{"reason": "changed my mind"}).Want(t, http.StatusAccepted)
	shape(t, a.Body, orderFields...)
	return decode[Order](t, a)
}

// decided waits until an order has left pending.
func (w *world) decided(t testing.TB, id string) Order {
	t.Helper()
	return w.until(t, id, checkoutTimeout, func(o Order) bool { return o.Status != "pending" })
}

// until waits for something to become true of an order.
func (w *world) until(t testing.TB, id string, within time.Duration, is func(Order) bool) Order {
	t.Helper()
	var o Order
	eventually(t, within, "the order "+id, func() error {
		if o = w.order(t, id); !is(o) {
			return fmt.Errorf("it is %s, its payment %+v, its failure %+v", o.Status, o.Payment, o.Failure)
		}
		return nil
	})
	return o
}

// settled waits until the stock of a SKU is what it should be once all is
// quiet, and holds the ledger to it. What is reserved is not looked at again: an
// order that is cancelled at once may still be reserving, and gives that back.
func (w *world) settled(t testing.TB, sku string, onHand, reserved int64) {
	t.Helper()
	eventually(t, 20*time.Second, "the stock of "+sku, func() error {
		has, held, _ := w.stock(t, sku)
		if has != onHand || held != reserved {
			return fmt.Errorf("%d on hand and %d reserved, not %d and %d", has, held, onHand, reserved)
		}
		return nil
	})
	w.wantMoved(t, sku, onHand)
}

// stepTypes are the types that a step of an order can have.
var stepTypes = []string{
	"order_placed", "stock_reserved", "payment_authorized", "stock_committed", "payment_captured", "order_confirmed", "order_rejected",
	"order_canceled", "order_shipped", "order_delivered", "payment_voided", "payment_refunded", "stock_released",
}

// events reads the steps of an order and holds them to be gapless from 1.
func (w *world) events(t testing.TB, id string) []Event {
	t.Helper()
	events := get[List[Event]](t, w.staff, "/orders/"+id+"/events").Items
	gapless(t, events)
	return events
}

func gapless(t testing.TB, events []Event) {
	t.Helper()
	require.NotEmpty(t, events)
	require.Equal(t, "order_placed", events[0].Type)
	for i, e := range events {
		require.EqualValues(t, i+1, e.Sequence, "gapless from 1: %+v", events)
		require.Contains(t, stepTypes, e.Type)
	}
}

func types(events []Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.Type)
	}
	return list
}

// eventTypes waits until the steps of an order have all these types and gives
// all of them.
func (w *world) eventTypes(t testing.TB, id string, want ...string) []string {
	t.Helper()
	var have []string
	eventually(t, 20*time.Second, "the steps of the order", func() error {
		have = types(w.events(t, id))
		for _, one := range want {
			found := false
			for _, h := range have {
				found = found || h == one
			}
			if !found {
				return fmt.Errorf("%s is not among %v", one, have)
			}
		}
		return nil
	})
	return have
}

// paymentOf reads the payment of an order as it is written; nil where none was
// ever tried. It may be the answer itself, or the one item of a list.
func (w *world) paymentOf(t testing.TB, orderID string) json.RawMessage {
	t.Helper()
	a := w.staff.Get(t, "/payments?order_id="+orderID)
	if a.Status == http.StatusNotFound {
		a.Problem(t, http.StatusNotFound, "payments.payment_not_found")
		return nil
	}
	a.Want(t, http.StatusOK)
	var list struct {
		Items *[]json.RawMessage `json:"items"`
	}
	require.NoError(t, json.Unmarshal(a.Body, &list), "%s", a)
	switch {
	case list.Items == nil:
		return a.Body
	case len(*list.Items) == 0:
		return nil
	}
	require.Len(t, *list.Items, 1, "an order has one payment: %s", a)
	return (*list.Items)[0]
}

// payment reads the payment of an order, which there must be.
func (w *world) payment(t testing.TB, orderID string) Payment {
	t.Helper()
	text := w.paymentOf(t, orderID)
	require.NotNil(t, text, "the order %s has no payment", orderID)
	return decode[Payment](t, &Answer{Body: text})
}

// money tells what of an order's money is with the shop: nothing where no
// payment was tried, and an error where some of it is neither here nor there.
func (w *world) money(t testing.TB, orderID string) (kept int64, err error) {
	t.Helper()
	text := w.paymentOf(t, orderID)
	if text == nil {
		return 0, nil
	}
	p := decode[Payment](t, &Answer{Body: text})
	if p.Status == "authorized" {
		return 0, fmt.Errorf("money is set aside: %+v", p)
	}
	if p.Captured.Amount > p.Authorized.Amount || p.Refunded.Amount > p.Captured.Amount {
		return 0, fmt.Errorf("more is captured than was authorised, or refunded than was captured: %+v", p)
	}
	return p.Captured.Amount - p.Refunded.Amount, nil
}

// wantReplayed holds an answer to be the first one again, byte for byte.
func (w *world) wantReplayed(t testing.TB, first, again *Answer) {
	t.Helper()
	again.Want(t, first.Status)
	require.Equal(t, string(first.Body), string(again.Body), "byte for byte")
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"), "%s", again)
	require.Empty(t, first.Header.Get("Idempotent-Replayed"), "%s", first)
	for _, name := range []string{"Content-Type", "Location", "ETag"} {
		require.Equal(t, first.Header.Get(name), again.Header.Get(name), "%s of %s", name, again)
	}
}

// newCart makes a cart with items in it.
func newCart(t testing.TB, c *Caller, items ...fields) Cart {
	t.Helper()
	cart := decode[Cart](t, c.Post(t, "/carts", fields{}).Want(t, http.StatusCreated))
	for _, i := range items {
		a := c.Put(t, "/carts/"+cart.ID+"/items/"+i["sku"].(string), fields{"quantity": i["quantity"]}).Want(t, http.StatusOK)
		cart = decode[Cart](t, a)
	}
	return cart
}
