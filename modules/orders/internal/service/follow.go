package service

import (
	"context"
	"errors"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/modules/users"
	"stoa/platform/bus"
	"stoa/platform/db"
)

// OnStockReleased notes that an order's stock went back.
func (s *Service) OnStockReleased(_ context.Context, e bus.Event, r catalog.StockReleased) (db.Effect, error) {
	return s.heard(r.OrderID, e.Time, stockReleased{Returned: r.Returned}), nil
}

// OnPaymentVoided notes that an order's money was never taken.
func (s *Service) OnPaymentVoided(_ context.Context, e bus.Event, v payments.Voided) (db.Effect, error) {
	return s.heard(v.OrderID, e.Time, paymentVoided{Amount: v.Amount}), nil
}

// OnPaymentRefunded notes that money of an order went back.
func (s *Service) OnPaymentRefunded(_ context.Context, e bus.Event, r payments.Refunded) (db.Effect, error) {
	return s.heard(r.OrderID, e.Time, paymentRefunded{
		RefundID: r.RefundID, Amount: r.Amount, Captured: r.Captured, Reason: r.Reason,
	}), nil
}

// heard gives the effect of something that a neighbour tells of an order.
func (s *Service) heard(id string, at time.Time, f fact) db.Effect {
	return func(ctx context.Context, tx *db.Tx) error {
		d, err := s.draft(ctx, tx, id, "")
		if errors.Is(err, orders.ErrOrderNotFound) {
			return nil // it was made for something else than an order of ours
		}
		if err != nil {
			return err
		}
		return d.note(at, f)
	}
}

// OnUserDeleted erases where a user's orders went, and their carts. The orders
// stay: the shop has to account for them.
func (s *Service) OnUserDeleted(_ context.Context, _ bus.Event, u users.Deleted) (db.Effect, error) {
	return func(ctx context.Context, tx *db.Tx) error {
		return store.EraseUser(ctx, tx, u.UserID, db.NewTime(s.Clock.Now()))
	}, nil
}
