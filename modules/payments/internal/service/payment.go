package service

import (
	"context"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/store"
	"stoa/platform/errs"
)

// cancelReason is the reason of the refund that a cancellation makes.
const cancelReason = "the order was cancelled"

// Authorize has the provider set the amount aside.
func (s *Service) Authorize(ctx context.Context, r payments.AuthorizeRequest) (payments.Payment, error) {
	if err := checkAuthorize(r); err != nil {
		return payments.Payment{}, err
	}
	return answer(s.withKnown(ctx, r.OrderID, s.unknown(r.OrderID), func(a *account) error {
		switch {
		case a.Closed:
			return payments.ErrClosed
		case a.known() && a.Asked != r.Amount:
			return payments.ErrRequestMismatch.With("the payment of this order is of %s", a.Asked)
		case a.Refusal != "":
			return a.refusal()
		case a.Status != payments.StatusNone:
			return nil
		}
		if err := s.provider.Check(r.Method, r.Token); err != nil {
			return err
		}
		a.ask(r.Amount)
		if err := s.perform(ctx, a, operation{name: payments.OperationAuthorize, method: r.Method, token: r.Token}); err != nil {
			return err
		}
		return s.closed(ctx, a)
	}))
}

func checkAuthorize(r payments.AuthorizeRequest) error {
	switch {
	case r.OrderID == "":
		return errs.ErrInvalid.Field("order_id", "must not be empty")
	case r.Amount.IsNegative():
		return errs.ErrInvalid.Field("amount", "must not be negative")
	}
	return r.Amount.Check()
}

// Capture has the provider take what was authorised.
func (s *Service) Capture(ctx context.Context, r payments.CaptureRequest) (payments.Payment, error) {
	return answer(s.with(ctx, r.OrderID, func(a *account) error {
		switch {
		case a.Closed:
			return payments.ErrClosed
		case a.Status == payments.StatusNone:
			return payments.ErrNotAuthorized
		case a.Status != payments.StatusAuthorized:
			return nil
		}
		if err := s.perform(ctx, a, operation{name: payments.OperationCapture}); err != nil {
			return err
		}
		return s.closed(ctx, a)
	}))
}

// closed undoes what the provider did while another instance cancelled the
// order. What cannot be undone now, Settle undoes later.
func (s *Service) closed(ctx context.Context, a *account) error {
	if !a.Closed {
		return nil
	}
	if err := s.settle(ctx, a); err != nil {
		return payments.ErrClosed.Because(err)
	}
	return payments.ErrClosed
}

// Cancel gives everything back and lets the order take nothing any more.
func (s *Service) Cancel(ctx context.Context, r payments.CancelRequest) (payments.Payment, error) {
	if r.OrderID == "" {
		return payments.Payment{}, errs.ErrInvalid.Field("order_id", "must not be empty")
	}
	return answer(s.with(ctx, r.OrderID, func(a *account) error {
		if !a.Closed {
			a.Closed, a.UpdatedAt = true, s.clock.Now()
			// Others must know before the provider does. Where the provider is this
			// process, they learn both at once, if there is anything to ask it.
			if _, open := a.next(); !open || !s.provider.Local() {
				if err := s.save(ctx, a); err != nil {
					return err
				}
			}
		}
		return s.settle(ctx, a)
	}))
}

// Refund has the provider give part of what was captured back.
func (s *Service) Refund(ctx context.Context, r payments.RefundRequest) (payments.Refund, error) {
	if err := checkRefund(r); err != nil {
		return payments.Refund{}, err
	}
	var made payments.Refund
	_, err := s.with(ctx, r.OrderID, func(a *account) error {
		refund, err := s.reserved(ctx, a, r)
		if err != nil {
			return err
		}
		made = refund.Refund
		switch refund.State {
		case store.RefundDone:
			return nil
		case store.RefundRefused:
			return payments.ErrDeclined.With("the provider refuses this refund")
		}
		return s.perform(ctx, a, operation{name: payments.OperationRefund, refund: refund})
	})
	if err != nil {
		return payments.Refund{}, err
	}
	return made, nil
}

func checkRefund(r payments.RefundRequest) error {
	switch {
	case r.RefundID == "":
		return errs.ErrInvalid.Field("refund_id", "must not be empty")
	case r.Amount.Amount <= 0:
		return errs.ErrInvalid.Field("amount", "must be more than 0")
	}
	return nil
}

// reserved gives the refund that was asked for under this id, or sets its
// amount aside.
func (s *Service) reserved(ctx context.Context, a *account, r payments.RefundRequest) (store.Refund, error) {
	if earlier := a.refund(r.RefundID); earlier != nil {
		if earlier.Amount != r.Amount {
			return store.Refund{}, payments.ErrRequestMismatch.With("this refund is of %s", earlier.Amount)
		}
		return *earlier, nil
	}
	order, err := store.OrderOfRefund(ctx, s.db.Read(), r.RefundID)
	if err != nil {
		return store.Refund{}, err
	}
	switch {
	case order != "" && order != a.OrderID:
		return store.Refund{}, payments.ErrRequestMismatch
	case !a.known():
		return store.Refund{}, payments.ErrPaymentNotFound
	}
	return a.reserve(payments.Refund{ID: r.RefundID, OrderID: r.OrderID, Amount: r.Amount, Reason: r.Reason, CreatedAt: s.clock.Now()})
}

// answer gives a payment as the contract has it.
func answer(a *account, err error) (payments.Payment, error) {
	if err != nil {
		return payments.Payment{}, err
	}
	return a.answer(), nil
}
