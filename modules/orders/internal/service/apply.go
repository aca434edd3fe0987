package service

import (
	"fmt"
	"slices"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/platform/db"
)

// apply gives what an order comes to once an event has happened to it. It is
// all there is between the events and what is read: changes go through it when
// they are made, and again when projections are made anew. It decides nothing
// and depends on nothing else.
func apply(o store.Order, id string, sequence int64, at time.Time, f fact) store.Order {
	switch f := f.(type) {
	case orderPlaced:
		o = store.Order{
			ID: id, Number: f.Number, UserID: f.UserID, Status: orders.StatusPending, Currency: f.Currency,
			Items: db.NewJSON(f.Items), Subtotal: f.Subtotal.Amount, ShippingTotal: f.ShippingTotal.Amount,
			TaxTotal: f.TaxTotal.Amount, DiscountTotal: f.DiscountTotal.Amount, Total: f.Total.Amount,
			Stock: store.StockNone, PaymentStatus: payments.StatusNone, RefundIDs: db.NewJSON([]string{}),
			PlacedAt: db.NewTime(at),
		}
	case stockReserved:
		o.Stock = store.StockReserved
	case paymentAuthorized:
		o.PaymentStatus = payments.StatusAuthorized
	case stockCommitted:
		o.Stock = store.StockCommitted
	case paymentCaptured:
		o.PaymentStatus, o.Captured = payments.StatusCaptured, f.Amount.Amount
	case orderConfirmed:
		o.Status = orders.StatusConfirmed
	case orderRejected:
		o.Status, o.FailureCode, o.FailureMessage = orders.StatusRejected, f.Code, f.Message
	case orderCanceled:
		o.Status, o.FailureCode, o.FailureMessage = orders.StatusCanceled, codeCanceled, f.Reason
	case orderShipped:
		o.Status = orders.StatusShipped
	case orderDelivered:
		o.Status = orders.StatusDelivered
	case paymentVoided:
		o.PaymentStatus = payments.StatusVoided
	case paymentRefunded:
		o.RefundIDs = db.NewJSON(append(slices.Clone(o.RefundIDs.V), f.RefundID))
		o.Captured = max(o.Captured, f.Captured.Amount)
		o.Refunded += f.Amount.Amount
		o.PaymentStatus = payments.StatusPartiallyRefunded
		if o.Refunded >= o.Captured {
			o.PaymentStatus = payments.StatusRefunded
		}
	case stockReleased:
		o.Stock = store.StockReleased
	}
	o.Version = sequence
	if at.After(o.UpdatedAt.Time) {
		o.UpdatedAt = db.NewTime(at)
	}
	return o
}

// codeCanceled is the failure of an order that was called off.
const codeCanceled = "orders.canceled"

// known tells whether an order has had this already: neighbours may tell of a
// thing more than once, and so may the checkout that asked for it.
func known(o store.Order, f fact) bool {
	switch f := f.(type) {
	case stockReserved:
		return o.Stock != store.StockNone
	case stockCommitted:
		return o.Stock == store.StockCommitted || o.Stock == store.StockReleased
	case stockReleased:
		return o.Stock == store.StockReleased
	case paymentAuthorized:
		return o.PaymentStatus != payments.StatusNone
	case paymentCaptured:
		return o.PaymentStatus != payments.StatusNone && o.PaymentStatus != payments.StatusAuthorized
	case paymentVoided:
		return o.PaymentStatus != payments.StatusNone && o.PaymentStatus != payments.StatusAuthorized
	case paymentRefunded:
		return slices.Contains(o.RefundIDs.V, f.RefundID)
	}
	return false
}

// follows are the states an order may be in for something to happen to it.
var follows = map[string][]string{
	orders.EventOrderConfirmed: {orders.StatusPending},
	orders.EventOrderRejected:  {orders.StatusPending},
	orders.EventOrderCanceled:  {orders.StatusPending, orders.StatusConfirmed},
	orders.EventOrderShipped:   {orders.StatusConfirmed},
	orders.EventOrderDelivered: {orders.StatusShipped},
}

// allowed tells whether something may happen to an order as it is. Errors:
// orders.ErrInvalidTransition.
func allowed(o store.Order, f fact) error {
	from, limited := follows[f.eventType()]
	if limited && !slices.Contains(from, o.Status) {
		return orders.ErrInvalidTransition.With("the order is %s", o.Status)
	}
	return nil
}

// fold gives what the whole stream of an order comes to.
func fold(events []store.Event) (o store.Order, err error) {
	for i, e := range events {
		f, err := decode(e.Type, e.Data)
		if err != nil {
			return store.Order{}, fmt.Errorf("order %s, event %d: %w", e.OrderID, e.Sequence, err)
		}
		if _, placed := f.(orderPlaced); e.Sequence != int64(i+1) || placed != (i == 0) {
			return store.Order{}, fmt.Errorf("order %s: its event %d is %s with sequence %d", e.OrderID, i+1, e.Type, e.Sequence)
		}
		o = apply(o, e.OrderID, e.Sequence, e.At.Time, f)
	}
	return o, nil
}
