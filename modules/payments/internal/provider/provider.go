// Package provider is the port through which payments speaks to whoever moves
// the money, and the sandbox behind it that the shop has on board.
//
// The service calls a Provider and the module's wiring makes one. It knows
// neither database nor order: what was asked before, and what it means for the
// order, is the service's to remember.
package provider

import (
	"context"

	"stoa/platform/money"
)

// Provider moves money. Every call carries a key: calling again with the same
// one takes effect once and gives the same answer, so that a call whose answer
// was lost is made again.
//
// A call returns what the provider calls the thing it made, for people who
// compare books. Its error is final where it is one of payments.ErrDeclined,
// payments.ErrInsufficientFunds and payments.ErrUnknownMethod: it was not done
// and never will be under this key. Any other error, the end of ctx included,
// leaves open whether it took effect.
type Provider interface {
	// Name is what a payment shows as its provider.
	Name() string

	// Local tells that the provider decides within this process and keeps
	// nothing: a process that dies with an answer takes the whole effect with
	// it. Then there is nothing to write down before a call is made.
	Local() bool

	// Check tells whether this kind of method and token can be tried, without
	// asking anybody. Errors: payments.ErrUnknownMethod.
	Check(method, token string) error

	// Authorize sets the amount aside for Capture or Void.
	Authorize(ctx context.Context, r Request) (reference string, err error)

	// Capture takes what was authorised, all of it.
	Capture(ctx context.Context, r Request) (reference string, err error)

	// Void gives up what was authorised and not captured. Where the request has
	// no reference, it is not known whether the authorisation under
	// AuthorizationKey ever took effect; after Void it has none, even if it
	// arrives later.
	Void(ctx context.Context, r Request) (reference string, err error)

	// Refund gives back the amount, part of what was captured or all of it.
	Refund(ctx context.Context, r Request) (reference string, err error)
}

// Request is one call.
type Request struct {
	// Key names the effect: the same key is the same effect.
	Key string
	// Attempt counts the calls made for the order, from 1, whatever they were for.
	Attempt int64
	OrderID string
	Amount  money.Money

	// Method and Token are the means of payment: of Authorize alone.
	Method, Token string

	// AuthorizationKey is the key of the order's authorisation, Reference what
	// the provider answered it with: of the other calls.
	AuthorizationKey, Reference string
}
