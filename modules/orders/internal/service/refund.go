package service

import (
	"context"
	"errors"

	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/platform/db"
	"stoa/platform/idempotency"
	"stoa/platform/money"
)

// Refund is money of an order that went back.
type Refund = payments.Refund

// RefundOrder gives a customer part of the money back. Payments alone knows
// what is left of it. The refund's id is bound to the request before payments
// is asked, so that asking again asks for the same refund. Errors:
// orders.ErrOrderNotFound, payments.ErrRefundExceedsCapture,
// payments.ErrDeclined, payments.ErrProviderUnavailable, errs.ErrInvalid, and
// what match returns.
func (s *Service) RefundOrder(ctx context.Context, orderID string, amount money.Money, reason string, match Match) (Refund, error) {
	o, err := store.ReadOrder(ctx, s.DB.Read(), orderID, "")
	if err != nil {
		return Refund{}, err
	}
	var bad problems
	bad.text("body.reason", &reason, maxReason)
	if amount.Currency != o.Currency {
		bad.add("body.amount.currency", "must be %s, in which the order is", o.Currency)
	}
	if amount.Amount <= 0 {
		bad.add("body.amount.amount", "must be more than 0")
	}
	if err := bad.error(); err != nil {
		return Refund{}, err
	}
	id, asked := idempotency.Claimed(ctx)
	if !asked {
		if err := match.check(o.Version); err != nil {
			return Refund{}, err
		}
		id = s.Clock.ID()
		if err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return idempotency.Claim(ctx, tx, id) }); err != nil {
			return Refund{}, err
		}
	}
	r, err := s.Payments.Refund(ctx, payments.RefundRequest{RefundID: id, OrderID: orderID, Amount: amount, Reason: reason})
	if errors.Is(err, payments.ErrPaymentNotFound) {
		return Refund{}, payments.ErrRefundExceedsCapture.With("nothing was captured for this order")
	}
	if err != nil {
		return Refund{}, err
	}
	// Payments tells of it by an event too; whichever comes first is noted.
	_, err = s.change(ctx, orderID, "", nil, func(_ context.Context, _ *db.Tx, d *draft) error {
		return d.note(r.CreatedAt, paymentRefunded{
			RefundID: r.ID, Amount: r.Amount, Captured: money.Money{Amount: d.Captured, Currency: d.Currency}, Reason: r.Reason,
		})
	})
	return r, err
}
