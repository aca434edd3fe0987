package provider

import (
	"context"
	"errors"
	"time"

	"stoa/modules/payments"
	"stoa/platform/clock"
)

// methodCard is the one method the sandbox knows.
const methodCard = "card"

// The tokens that decide what becomes of an authorisation.
const (
	tokenApprove           = "tok_approve"
	tokenDecline           = "tok_decline"
	tokenInsufficientFunds = "tok_insufficient_funds"
	tokenSlow              = "tok_slow"
	tokenFlaky             = "tok_flaky"
	tokenTimeout           = "tok_timeout"
)

const (
	// slowness is how long tok_slow takes.
	slowness = 2 * time.Second
	// flakes is how many attempts of an order fail with tok_flaky.
	flakes = 2
)

// errFlaky is the temporary error of tok_flaky.
var errFlaky = errors.New("sandbox: a temporary fault, as asked for by the token")

// Sandbox is a provider that moves no money. What it decides follows from the
// token and the number of the attempt alone, so it remembers nothing.
type Sandbox struct{ clock clock.Clock }

// NewSandbox gives a sandbox whose time is c's.
func NewSandbox(c clock.Clock) *Sandbox { return &Sandbox{c} }

// Name is "sandbox".
func (*Sandbox) Name() string { return "sandbox" }

// Local is true.
func (*Sandbox) Local() bool { return true }

// Check knows cards and the sandbox's tokens.
func (*Sandbox) Check(method, token string) error {
	if method != methodCard {
		return payments.ErrUnknownMethod.With("the sandbox takes the method %q and no other", methodCard)
	}
	switch token {
	case tokenApprove, tokenDecline, tokenInsufficientFunds, tokenSlow, tokenFlaky, tokenTimeout:
		return nil
	}
	return payments.ErrUnknownMethod.With("the sandbox does not know this token")
}

// Authorize decides by the token.
func (s *Sandbox) Authorize(ctx context.Context, r Request) (string, error) {
	switch r.Token {
	case tokenApprove:
	case tokenDecline:
		return "", payments.ErrDeclined
	case tokenInsufficientFunds:
		return "", payments.ErrInsufficientFunds
	case tokenSlow:
		if err := clock.Sleep(ctx, s.clock, slowness); err != nil {
			return "", err
		}
	case tokenFlaky:
		if r.Attempt <= flakes {
			return "", errFlaky
		}
	case tokenTimeout:
		<-ctx.Done()
		return "", ctx.Err()
	default:
		return "", payments.ErrUnknownMethod
	}
	return reference(r), nil
}

// Capture always succeeds.
func (*Sandbox) Capture(_ context.Context, r Request) (string, error) { return reference(r), nil }

// Void always succeeds.
func (*Sandbox) Void(_ context.Context, r Request) (string, error) { return reference(r), nil }

// Refund always succeeds.
func (*Sandbox) Refund(_ context.Context, r Request) (string, error) { return reference(r), nil }

// reference is the same for the same key.
func reference(r Request) string { return "sandbox_" + r.Key }
