package service

import (
	"context"
	"time"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/store"
	"stoa/platform/clock"
)

const (
	// settlePause is how long after the provider's deadline a payment is looked
	// at that nobody has brought to rest: by then, whoever began it is gone.
	settlePause = 30 * time.Second
	// settleEvery is how often such payments are looked for.
	settleEvery = 15 * time.Second
	// settleBatch is how many are looked at in one go.
	settleBatch = 100
)

// settle does at the provider what is left to do until the payment is at rest:
// refunds whose outcome is not known, and, once the order is cancelled,
// everything that it still has.
func (s *Service) settle(ctx context.Context, a *account) error {
	for {
		o, open := a.next()
		if !open {
			return nil
		}
		if o.name == payments.OperationRefund && o.refund.ID == "" {
			left, err := a.left()
			if err != nil {
				return err
			}
			o.refund, err = a.reserve(payments.Refund{
				ID: s.clock.ID(), OrderID: a.OrderID, Amount: left, Reason: cancelReason, CreatedAt: s.clock.Now(),
			})
			if err != nil {
				return err
			}
		}
		if err := s.perform(ctx, a, o); err != nil {
			return err
		}
	}
}

// Settle brings payments to rest that nobody else does, because a process died
// or a provider was away, until ctx ends.
func (s *Service) Settle(ctx context.Context) error {
	for {
		if err := s.settleDue(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "open payments were not looked at", "error", err)
		}
		if clock.Sleep(ctx, s.clock, settleEvery) != nil {
			return nil
		}
	}
}

func (s *Service) settleDue(ctx context.Context) error {
	orders, err := store.Unsettled(ctx, s.db.Read(), s.clock.Now(), settleBatch)
	if err != nil {
		return err
	}
	for _, order := range orders {
		_, err := s.with(ctx, order, func(a *account) error {
			if a.SettleAt.IsZero() || a.SettleAt.After(s.clock.Now()) {
				return nil // somebody was quicker
			}
			return s.settle(ctx, a)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.WarnContext(ctx, "a payment is not at rest", "order", order, "error", err)
		}
	}
	return nil
}
