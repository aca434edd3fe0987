package service

import (
	"fmt"
	"slices"
	"time"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/store"
	"stoa/platform/bus"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// account is an order's payment with what has changed since it was read. Its
// methods are the rules of what may become of money; they touch nothing else.
type account struct {
	store.Payment
	changes store.Changes
	events  []bus.Data
}

// ask says what the order is to pay. It is said once.
func (a *account) ask(amount money.Money) {
	nothing := money.Money{Currency: amount.Currency}
	a.Asked = amount
	a.Authorized, a.Captured, a.Voided, a.Refunding, a.Refunded = nothing, nothing, nothing, nothing, nothing
}

// known tells whether a payment was ever asked for; where an unknown order was
// cancelled, none was.
func (a *account) known() bool { return a.Asked.Currency != "" }

// begin adds an attempt that is about to be made and gives its number. Earlier
// ones for the same thing that nobody has ended are not waited for: this one
// will tell what came of them.
func (a *account) begin(o operation, now time.Time) int64 {
	for _, earlier := range a.Attempts {
		if earlier.Outcome == payments.OutcomePending && earlier.Operation == o.name && earlier.RefundID == o.refund.ID {
			a.end(earlier.Number, payments.OutcomeFailed, codeInterrupted, "")
		}
	}
	number := int64(len(a.Attempts)) + 1
	attempt := store.Attempt{RefundID: o.refund.ID, Attempt: payments.Attempt{
		Number: number, Operation: o.name, Outcome: payments.OutcomePending, At: now,
	}}
	a.Attempts = append(a.Attempts, attempt)
	a.changes.Attempts = append(a.changes.Attempts, attempt)
	a.UpdatedAt = now
	return number
}

// end records what came of an attempt.
func (a *account) end(number int64, outcome, code, reference string) {
	attempt := &a.Attempts[number-1]
	attempt.Outcome, attempt.Code, attempt.Reference = outcome, code, reference
	i := slices.IndexFunc(a.changes.Attempts, func(c store.Attempt) bool { return c.Number == number })
	if i < 0 {
		a.changes.Attempts = append(a.changes.Attempts, *attempt)
		return
	}
	a.changes.Attempts[i] = *attempt
}

// succeed records that the provider did what an attempt was for. Where it is
// known already, because somebody else made the same call, only the attempt
// ends.
func (a *account) succeed(o operation, number int64, reference string, now time.Time) error {
	a.end(number, payments.OutcomeSucceeded, "", reference)
	a.UpdatedAt = now
	switch o.name {
	case payments.OperationAuthorize:
		if a.Status == payments.StatusNone {
			a.Status, a.Authorized, a.ProviderReference = payments.StatusAuthorized, a.Asked, reference
			a.enter(store.EntryAuthorized, "", a.Asked, now)
		}
	case payments.OperationCapture:
		if a.Status == payments.StatusAuthorized {
			a.Status, a.Captured = payments.StatusCaptured, a.Authorized
			a.enter(store.EntryCaptured, "", a.Authorized, now)
		}
	case payments.OperationVoid:
		if a.Status == payments.StatusAuthorized {
			a.Status, a.Voided = payments.StatusVoided, a.Authorized
			a.enter(store.EntryVoided, "", a.Authorized, now)
			a.events = append(a.events, payments.Voided{OrderID: a.OrderID, Amount: a.Voided})
		}
	case payments.OperationRefund:
		return a.refunded(o.refund.ID, now)
	}
	return nil
}

// refuse records that the provider will not do what an attempt was for.
func (a *account) refuse(o operation, number int64, code string, now time.Time) error {
	a.end(number, payments.OutcomeDeclined, code, "")
	a.UpdatedAt = now
	switch o.name {
	case payments.OperationAuthorize:
		if a.Status == payments.StatusNone {
			a.Refusal = code
		}
	case payments.OperationRefund:
		return a.release(o.refund.ID)
	}
	return nil
}

// fail records that it is not known what came of an attempt, or that it came to
// nothing for now.
func (a *account) fail(number int64, code string, now time.Time) {
	a.end(number, payments.OutcomeFailed, code, "")
	a.UpdatedAt = now
}

// enter adds to the ledger.
func (a *account) enter(kind, refundID string, amount money.Money, now time.Time) {
	a.changes.Entries = append(a.changes.Entries, store.Entry{Kind: kind, RefundID: refundID, Amount: amount.Amount, At: now})
}

// left is what was captured and neither went back nor is on its way.
func (a *account) left() (money.Money, error) {
	kept, err := a.Captured.Sub(a.Refunded)
	if err != nil {
		return money.Money{}, err
	}
	return kept.Sub(a.Refunding)
}

// reserve sets aside what is to go back, so that nothing else takes it.
// Errors: payments.ErrRefundExceedsCapture, money.ErrCurrencyMismatch.
func (a *account) reserve(r payments.Refund) (store.Refund, error) {
	left, err := a.left()
	if err != nil {
		return store.Refund{}, err
	}
	more, err := r.Amount.Compare(left)
	if err != nil {
		return store.Refund{}, err
	}
	if more > 0 {
		return store.Refund{}, payments.ErrRefundExceedsCapture.With("of what was captured %s is left", left).Detail("left", left)
	}
	if a.Refunding, err = a.Refunding.Add(r.Amount); err != nil {
		return store.Refund{}, err
	}
	refund := store.Refund{Refund: r, State: store.RefundPending}
	a.Refunds = append(a.Refunds, refund)
	a.changes.Refunds = append(a.changes.Refunds, refund)
	return refund, nil
}

// refunded records that a refund went through.
func (a *account) refunded(id string, now time.Time) error {
	r := a.refund(id)
	if r == nil || r.State != store.RefundPending {
		return nil
	}
	if err := a.release(id); err != nil {
		return err
	}
	total, err := a.Refunded.Add(r.Amount)
	if err != nil {
		return err
	}
	a.Refunded = total
	a.Status = payments.StatusPartiallyRefunded
	if a.Refunded == a.Captured {
		a.Status = payments.StatusRefunded
	}
	a.setState(r, store.RefundDone)
	a.enter(store.EntryRefunded, id, r.Amount, now)
	a.events = append(a.events, payments.Refunded{
		OrderID: a.OrderID, RefundID: id, Amount: r.Amount, TotalRefunded: total, Captured: a.Captured, Reason: r.Reason,
	})
	return nil
}

// release gives up what was set aside for a refund.
func (a *account) release(id string) error {
	r := a.refund(id)
	if r == nil || r.State != store.RefundPending {
		return nil
	}
	rest, err := a.Refunding.Sub(r.Amount)
	if err != nil {
		return err
	}
	a.Refunding = rest
	a.setState(r, store.RefundRefused)
	return nil
}

func (a *account) setState(r *store.Refund, state string) {
	r.State = state
	i := slices.IndexFunc(a.changes.Refunds, func(c store.Refund) bool { return c.ID == r.ID })
	if i < 0 {
		a.changes.Refunds = append(a.changes.Refunds, *r)
		return
	}
	a.changes.Refunds[i] = *r
}

// refund finds a refund by its id; nil where there is none.
func (a *account) refund(id string) *store.Refund {
	i := slices.IndexFunc(a.Refunds, func(r store.Refund) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &a.Refunds[i]
}

// unanswered tells whether the last attempt of an operation may have taken
// effect without our knowing.
func (a *account) unanswered(operation string) bool {
	for _, attempt := range slices.Backward(a.Attempts) {
		switch attempt.Operation {
		case operation:
			return attempt.Outcome == payments.OutcomePending || attempt.Outcome == payments.OutcomeFailed
		case payments.OperationVoid:
			if attempt.Outcome == payments.OutcomeSucceeded {
				return false // whatever it was, it is undone
			}
		}
	}
	return false
}

// next gives what must be done at the provider before the payment is at rest;
// false where it is. A refund without an id is one to be made of what is left.
func (a *account) next() (operation, bool) {
	for _, r := range a.Refunds {
		if r.State == store.RefundPending {
			return operation{name: payments.OperationRefund, refund: r}, true
		}
	}
	if !a.Closed {
		return operation{}, false
	}
	switch a.Status {
	case payments.StatusNone:
		return operation{name: payments.OperationVoid}, a.unanswered(payments.OperationAuthorize)
	case payments.StatusAuthorized:
		if a.unanswered(payments.OperationCapture) {
			// It may be taken already. Taking it under the same key tells; then it is refunded.
			return operation{name: payments.OperationCapture}, true
		}
		return operation{name: payments.OperationVoid}, true
	case payments.StatusCaptured, payments.StatusPartiallyRefunded:
		return operation{name: payments.OperationRefund}, a.Refunded != a.Captured
	}
	return operation{}, false
}

// due tells whether there is something to be done that is worth trying without
// being asked: what the provider has refused needs a person.
func (a *account) due() bool {
	o, open := a.next()
	if n := len(a.Attempts); open && n > 0 {
		last := a.Attempts[n-1]
		return last.Operation != o.name || last.Outcome != payments.OutcomeDeclined
	}
	return open
}

// refusal gives the error with which the provider refused the payment.
func (a *account) refusal() error {
	for _, known := range finalRefusals {
		if known.Code == a.Refusal {
			return known
		}
	}
	return payments.ErrDeclined
}

// finalRefusals are the errors after which a provider has not done what was
// asked and never will.
var finalRefusals = [...]*errs.Error{payments.ErrDeclined, payments.ErrInsufficientFunds, payments.ErrUnknownMethod}

// answer gives the payment as the contract shows it.
func (a *account) answer() payments.Payment {
	p := a.Payment.Payment
	p.Attempts = make([]payments.Attempt, len(a.Attempts))
	for i, attempt := range a.Attempts {
		p.Attempts[i] = attempt.Attempt
	}
	p.Refunds = []payments.Refund{}
	for _, r := range a.Refunds {
		if r.State == store.RefundDone {
			p.Refunds = append(p.Refunds, r.Refund)
		}
	}
	if !a.known() {
		return payments.Payment{OrderID: a.OrderID, Status: payments.StatusNone, Attempts: p.Attempts, Refunds: p.Refunds}
	}
	return p
}

// operation is something to be done at the provider.
type operation struct {
	name          string
	refund        store.Refund // of a refund
	method, token string       // of an authorisation
}

// key names the effect at the provider. It follows from what is to be done
// alone, so that whoever does it again does it under the same.
func (a *account) key(o operation) string {
	switch {
	case o.name == payments.OperationRefund:
		return fmt.Sprintf("%s:refund:%s", a.OrderID, o.refund.ID)
	case o.name == payments.OperationVoid && a.Status == payments.StatusNone:
		// Another effect than a void of what is known: should the authorisation
		// arrive after it, it is voided under a key that was not used.
		return a.OrderID + ":void-unanswered"
	}
	return a.OrderID + ":" + o.name
}

// amount is how much an operation is about.
func (a *account) amount(o operation) money.Money {
	if o.name == payments.OperationRefund {
		return o.refund.Amount
	}
	return a.Asked
}
