// Package paymentstest is for the tests of payments' neighbours: an in-memory
// payments.Service that decides by token as the sandbox does, and the suite
// that every implementation of the contract passes.
//
// Only tests import it. It imports nothing of the module but the contract.
package paymentstest

import (
	"context"
	"slices"
	"sync"

	"stoa/modules/payments"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// The tokens that decide what becomes of an authorisation.
const (
	TokenApprove           = "tok_approve"
	TokenDecline           = "tok_decline"
	TokenInsufficientFunds = "tok_insufficient_funds"
	TokenSlow              = "tok_slow"    // approved; time does not pass in the fake
	TokenFlaky             = "tok_flaky"   // twice ErrProviderUnavailable, then approved
	TokenTimeout           = "tok_timeout" // ErrProviderUnavailable, at once in the fake
)

// MethodCard is the method that goes with the tokens.
const MethodCard = "card"

// Fake is a payments.Service in memory. It is safe for concurrent use.
type Fake struct {
	clock clock.Clock

	mu       sync.Mutex
	orders   map[string]*account
	refunds  map[string]payments.Refund
	failures map[string][]error
	calls    map[string]int
	events   []bus.Data
}

var _ payments.Service = (*Fake)(nil)

// account is an order's money.
type account struct {
	payment payments.Payment
	amount  money.Money // that was asked for
	refusal error       // of the authorisation; it stands
	closed  bool
}

// NewFake gives an empty fake that takes times and ids from c.
func NewFake(c clock.Clock) *Fake {
	return &Fake{
		clock:    c,
		orders:   map[string]*account{},
		refunds:  map[string]payments.Refund{},
		failures: map[string][]error{},
		calls:    map[string]int{},
	}
}

// FailNext has the next calls of a method, such as "Capture", fail with these
// errors, one a call and in this order, before they do anything.
func (f *Fake) FailNext(method string, failures ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures[method] = append(f.failures[method], failures...)
}

// Calls gives how often a method was called.
func (f *Fake) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Events gives what the module would have published, oldest first.
func (f *Fake) Events() []bus.Data {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// enter counts a call and gives the failure that waits for it.
func (f *Fake) enter(ctx context.Context, method string) error {
	f.calls[method]++
	if err := ctx.Err(); err != nil {
		return err
	}
	waiting := f.failures[method]
	if len(waiting) == 0 {
		return nil
	}
	f.failures[method] = waiting[1:]
	return waiting[0]
}

// CheckMethod knows cards and the tokens above.
func (f *Fake) CheckMethod(ctx context.Context, r payments.CheckMethodRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "CheckMethod"); err != nil {
		return err
	}
	return checkMethod(r.Method, r.Token)
}

func checkMethod(method, token string) error {
	known := []string{TokenApprove, TokenDecline, TokenInsufficientFunds, TokenSlow, TokenFlaky, TokenTimeout}
	if method != MethodCard || !slices.Contains(known, token) {
		return payments.ErrUnknownMethod
	}
	return nil
}

// Authorize decides by the token.
func (f *Fake) Authorize(ctx context.Context, r payments.AuthorizeRequest) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "Authorize"); err != nil {
		return payments.Payment{}, err
	}
	if r.OrderID == "" {
		return payments.Payment{}, errs.ErrInvalid.Field("order_id", "must not be empty")
	}
	if r.Amount.IsNegative() {
		return payments.Payment{}, errs.ErrInvalid.Field("amount", "must not be negative")
	}
	if err := r.Amount.Check(); err != nil {
		return payments.Payment{}, err
	}
	a, known := f.orders[r.OrderID]
	switch {
	case known && a.closed:
		return payments.Payment{}, payments.ErrClosed
	case known && a.amount != r.Amount:
		return payments.Payment{}, payments.ErrRequestMismatch
	case known && a.refusal != nil:
		return payments.Payment{}, a.refusal
	case known && a.payment.Status != payments.StatusNone:
		return a.copy(), nil
	}
	if err := checkMethod(r.Method, r.Token); err != nil {
		return payments.Payment{}, err
	}
	if !known {
		a = f.open(r.OrderID, r.Amount)
	}
	failed := len(a.payment.Attempts)
	switch {
	case r.Amount.IsZero():
	case r.Token == TokenDecline:
		a.refusal = payments.ErrDeclined
	case r.Token == TokenInsufficientFunds:
		a.refusal = payments.ErrInsufficientFunds
	case r.Token == TokenTimeout, r.Token == TokenFlaky && failed < 2:
		f.attempt(a, "authorize", "failed", payments.ErrProviderUnavailable.Code)
		return payments.Payment{}, payments.ErrProviderUnavailable
	}
	if a.refusal != nil {
		e, _ := errs.As(a.refusal)
		f.attempt(a, "authorize", "declined", e.Code)
		return payments.Payment{}, a.refusal
	}
	f.attempt(a, "authorize", "succeeded", "")
	a.payment.Status = payments.StatusAuthorized
	a.payment.Authorized = r.Amount
	a.payment.ProviderReference = "fake_" + a.payment.ID
	return a.copy(), nil
}

// open begins an order's payment.
func (f *Fake) open(orderID string, amount money.Money) *account {
	now, nothing := f.clock.Now(), money.Money{Currency: amount.Currency}
	a := &account{amount: amount, payment: payments.Payment{
		ID: f.clock.ID(), OrderID: orderID, Status: payments.StatusNone,
		Authorized: nothing, Captured: nothing, Refunded: nothing, Provider: "fake",
		Attempts: []payments.Attempt{}, Refunds: []payments.Refund{}, CreatedAt: now, UpdatedAt: now,
	}}
	f.orders[orderID] = a
	return a
}

func (f *Fake) attempt(a *account, operation, outcome, code string) {
	now := f.clock.Now()
	a.payment.UpdatedAt = now
	a.payment.Attempts = append(a.payment.Attempts, payments.Attempt{
		Number: int64(len(a.payment.Attempts)) + 1, Operation: operation, Outcome: outcome, Code: code, At: now,
	})
}

// Capture takes what was authorised.
func (f *Fake) Capture(ctx context.Context, r payments.CaptureRequest) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "Capture"); err != nil {
		return payments.Payment{}, err
	}
	a, known := f.orders[r.OrderID]
	switch {
	case known && a.closed:
		return payments.Payment{}, payments.ErrClosed
	case !known || a.payment.Status == payments.StatusNone:
		return payments.Payment{}, payments.ErrNotAuthorized
	case a.payment.Status == payments.StatusAuthorized:
		f.attempt(a, "capture", "succeeded", "")
		a.payment.Status = payments.StatusCaptured
		a.payment.Captured = a.payment.Authorized
	}
	return a.copy(), nil
}

// Cancel gives everything back.
func (f *Fake) Cancel(ctx context.Context, r payments.CancelRequest) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "Cancel"); err != nil {
		return payments.Payment{}, err
	}
	a, known := f.orders[r.OrderID]
	if !known {
		a = &account{payment: payments.Payment{
			OrderID: r.OrderID, Status: payments.StatusNone, Attempts: []payments.Attempt{}, Refunds: []payments.Refund{},
		}}
		f.orders[r.OrderID] = a
	}
	a.closed = true
	switch a.payment.Status {
	case payments.StatusAuthorized:
		f.attempt(a, "void", "succeeded", "")
		a.payment.Status = payments.StatusVoided
		f.events = append(f.events, payments.Voided{OrderID: r.OrderID, Amount: a.payment.Authorized})
	case payments.StatusCaptured, payments.StatusPartiallyRefunded:
		left, err := a.payment.Captured.Sub(a.payment.Refunded)
		if err != nil {
			return payments.Payment{}, err
		}
		if !left.IsZero() {
			f.giveBack(a, payments.Refund{ID: f.clock.ID(), OrderID: r.OrderID, Amount: left, Reason: "the order was cancelled"})
		}
	}
	return a.copy(), nil
}

// Refund gives part of what was captured back.
func (f *Fake) Refund(ctx context.Context, r payments.RefundRequest) (payments.Refund, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "Refund"); err != nil {
		return payments.Refund{}, err
	}
	if r.RefundID == "" {
		return payments.Refund{}, errs.ErrInvalid.Field("refund_id", "must not be empty")
	}
	if r.Amount.Amount <= 0 {
		return payments.Refund{}, errs.ErrInvalid.Field("amount", "must be more than 0")
	}
	if earlier, known := f.refunds[r.RefundID]; known {
		if earlier.OrderID != r.OrderID || earlier.Amount != r.Amount {
			return payments.Refund{}, payments.ErrRequestMismatch
		}
		return earlier, nil
	}
	a, known := f.orders[r.OrderID]
	if !known || a.payment.ID == "" {
		return payments.Refund{}, payments.ErrPaymentNotFound
	}
	left, err := a.payment.Captured.Sub(a.payment.Refunded)
	if err != nil {
		return payments.Refund{}, err
	}
	more, err := r.Amount.Compare(left)
	if err != nil {
		return payments.Refund{}, err
	}
	if more > 0 {
		return payments.Refund{}, payments.ErrRefundExceedsCapture
	}
	return f.giveBack(a, payments.Refund{ID: r.RefundID, OrderID: r.OrderID, Amount: r.Amount, Reason: r.Reason}), nil
}

// giveBack refunds an amount that is known to be left.
func (f *Fake) giveBack(a *account, r payments.Refund) payments.Refund {
	f.attempt(a, "refund", "succeeded", "")
	r.CreatedAt = f.clock.Now()
	p := &a.payment
	p.Refunded.Amount += r.Amount.Amount // no more than was captured
	p.Status = payments.StatusPartiallyRefunded
	if p.Refunded == p.Captured {
		p.Status = payments.StatusRefunded
	}
	p.Refunds = append(p.Refunds, r)
	f.refunds[r.ID] = r
	f.events = append(f.events, payments.Refunded{
		OrderID: r.OrderID, RefundID: r.ID, Amount: r.Amount, TotalRefunded: p.Refunded, Captured: p.Captured, Reason: r.Reason,
	})
	return r
}

// GetPayment gives the payment of an order.
func (f *Fake) GetPayment(ctx context.Context, r payments.GetPaymentRequest) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx, "GetPayment"); err != nil {
		return payments.Payment{}, err
	}
	a, known := f.orders[r.OrderID]
	if !known || a.payment.ID == "" {
		return payments.Payment{}, payments.ErrPaymentNotFound
	}
	return a.copy(), nil
}

// copy gives the payment, sharing nothing.
func (a *account) copy() payments.Payment {
	p := a.payment
	p.Attempts = slices.Clone(p.Attempts)
	p.Refunds = slices.Clone(p.Refunds)
	return p
}
