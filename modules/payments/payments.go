// Package payments is the contract of the payments module: the money that an
// order takes and gives back, through a payment provider.
//
// Owns payments, refunds and their ledger. Needs no other module; listens to
// what orders publishes. Publishes Refunded and Voided. Neighbours import this
// package and nothing else of the module; it drags no implementation in.
package payments

import (
	"context"
	"time"

	"stoa/platform/money"
)

// Name is the module's name: in configuration, in the directory and in codes of errors.
const Name = "payments"

// Service is what neighbours may ask of payments. An order has one payment.
// Every call is idempotent: by order, and Refund by its own id. A customer is
// charged at most once whatever is repeated.
type Service interface {
	// CheckMethod tells whether the provider knows this kind of method and token.
	// Errors: ErrUnknownMethod.
	CheckMethod(ctx context.Context, r CheckMethodRequest) error

	// Authorize asks the provider to set the amount aside. A refusal stands: the
	// same order is refused again whatever token comes with it. Nothing (an
	// amount of 0) is set aside without asking the provider.
	// Errors: ErrDeclined, ErrInsufficientFunds, ErrUnknownMethod,
	// ErrRequestMismatch (the order's payment is of another amount), invalid
	// amounts: final. ErrProviderUnavailable: try again. ErrClosed: the order was
	// cancelled before.
	Authorize(ctx context.Context, r AuthorizeRequest) (Payment, error)

	// Capture takes the amount that was authorised.
	// Errors: ErrNotAuthorized, ErrClosed, ErrDeclined (the provider no longer
	// stands by its authorisation): final. ErrProviderUnavailable: try again.
	Capture(ctx context.Context, r CaptureRequest) (Payment, error)

	// Cancel gives everything back, whatever was done: an authorisation is
	// voided, what was captured and not yet refunded is refunded. An order of
	// which nothing is known can take no money from now on; the answer then holds
	// its id and StatusNone and no more.
	// Errors: ErrProviderUnavailable: try again.
	Cancel(ctx context.Context, r CancelRequest) (Payment, error)

	// Refund gives part of what was captured back. What is on its way back
	// already counts as gone.
	// Errors: ErrRefundExceedsCapture, ErrPaymentNotFound, ErrDeclined (the
	// provider refuses), ErrRequestMismatch (the id is another refund's), invalid
	// amounts: final. ErrProviderUnavailable: it is under way and will be tried
	// until it is known what came of it; ask again with the same RefundID to learn.
	Refund(ctx context.Context, r RefundRequest) (Refund, error)

	// GetPayment gives the payment of an order.
	// Errors: ErrPaymentNotFound, also where no payment was ever tried.
	GetPayment(ctx context.Context, r GetPaymentRequest) (Payment, error)
}

// CheckMethodRequest asks about a means of payment.
type CheckMethodRequest struct {
	Method string `json:"method"`
	Token  string `json:"token"`
}

// AuthorizeRequest asks for an amount for an order.
type AuthorizeRequest struct {
	OrderID string      `json:"order_id"`
	Amount  money.Money `json:"amount"`
	Method  string      `json:"method"`
	Token   string      `json:"token"`
}

// CaptureRequest names the order whose authorised amount is taken.
type CaptureRequest struct {
	OrderID string `json:"order_id"`
}

// CancelRequest names the order whose money goes back.
type CancelRequest struct {
	OrderID string `json:"order_id"`
}

// RefundRequest asks for part of an order's money back.
type RefundRequest struct {
	// RefundID is made by the caller; the same id is the same refund.
	RefundID string      `json:"refund_id"`
	OrderID  string      `json:"order_id"`
	Amount   money.Money `json:"amount"`
	Reason   string      `json:"reason"`
}

// GetPaymentRequest names the order whose payment is asked for.
type GetPaymentRequest struct {
	OrderID string `json:"order_id"`
}

// Payment is what became of an order's money. Its amounts are sums over the
// ledger: Authorized is all that was ever set aside, also when it was captured
// or voided since.
type Payment struct {
	ID                string      `json:"id" format:"uuid"`
	OrderID           string      `json:"order_id" format:"uuid"`
	Status            string      `json:"status" enum:"none,authorized,captured,voided,partially_refunded,refunded"`
	Authorized        money.Money `json:"authorized"`
	Captured          money.Money `json:"captured"`
	Refunded          money.Money `json:"refunded"`
	Provider          string      `json:"provider"`
	ProviderReference string      `json:"provider_reference"`
	// Attempts are the calls to the provider, oldest first.
	Attempts  []Attempt `json:"attempts"`
	Refunds   []Refund  `json:"refunds"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// The states of a payment.
const (
	StatusNone              = "none"
	StatusAuthorized        = "authorized"
	StatusCaptured          = "captured"
	StatusVoided            = "voided"
	StatusPartiallyRefunded = "partially_refunded"
	StatusRefunded          = "refunded"
)

// Attempt is one call to the provider. One that failed, or is pending because
// the process ended meanwhile, may have taken effect: it is repeated under the
// same idempotency key until the answer is known.
type Attempt struct {
	Number    int64     `json:"number"`
	Operation string    `json:"operation" enum:"authorize,capture,void,refund"`
	Outcome   string    `json:"outcome" enum:"pending,succeeded,declined,failed"`
	Code      string    `json:"code" doc:"why it did not succeed, empty where it did"`
	At        time.Time `json:"at"`
}

// What an attempt is for, and what came of it.
const (
	OperationAuthorize = "authorize"
	OperationCapture   = "capture"
	OperationVoid      = "void"
	OperationRefund    = "refund"

	OutcomePending   = "pending"
	OutcomeSucceeded = "succeeded"
	OutcomeDeclined  = "declined" // for good
	OutcomeFailed    = "failed"   // for now
)

// Refund is money that went back.
type Refund struct {
	ID        string      `json:"id" format:"uuid"`
	OrderID   string      `json:"order_id" format:"uuid"`
	Amount    money.Money `json:"amount"`
	Reason    string      `json:"reason"`
	CreatedAt time.Time   `json:"created_at"`
}
