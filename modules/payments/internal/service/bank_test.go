package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
)

// bank is a provider outside of the process, as the port wants one to be: it
// remembers keys, and what it did stays done whatever becomes of the answer.
// Its books are what the module's ledger is held against.
type bank struct {
	*provider.Sandbox // decides by the token

	mu       sync.Mutex
	answers  map[string]answer // by key
	accounts map[string]*bankAccount
	inFlight map[string]int // calls that run, by order
	most     int            // of one order that ever ran at once
	calls    int
	// fault decides what goes wrong with a call; nil is nothing.
	fault func(operation string, r provider.Request) fault
}

type answer struct {
	reference string
	err       error
}

// bankAccount is what a bank did for an order.
type bankAccount struct {
	dead                                   bool // what was not authorised by now never is
	authorized, captured, voided, refunded int64
	captures, voids                        int
}

// fault is what goes wrong with a call.
type fault int

const (
	none        fault = iota
	lostRequest       // nothing is done, an error comes back
	lostAnswer        // it is done, an error comes back
	crashBefore       // the process dies before it is done
	crashAfter        // the process dies after it is done
)

var (
	errLine  = errors.New("the line is dead")
	errCrash = errors.New("the process died")
)

func newBank(s *provider.Sandbox) *bank {
	return &bank{Sandbox: s, answers: map[string]answer{}, accounts: map[string]*bankAccount{}, inFlight: map[string]int{}}
}

func (*bank) Name() string { return "bank" }

func (*bank) Local() bool { return false }

func (b *bank) account(orderID string) *bankAccount {
	a, known := b.accounts[orderID]
	if !known {
		a = &bankAccount{}
		b.accounts[orderID] = a
	}
	return a
}

// once does a thing once for a key, with the fault that is due.
func (b *bank) once(operation string, r provider.Request, do func(a *bankAccount) answer) (string, error) {
	b.mu.Lock()
	b.calls++
	b.inFlight[r.OrderID]++
	b.most = max(b.most, b.inFlight[r.OrderID])
	f := none
	if b.fault != nil {
		f = b.fault(operation, r)
	}
	defer func() {
		b.inFlight[r.OrderID]--
		b.mu.Unlock()
	}()
	switch f {
	case lostRequest:
		return "", errLine
	case crashBefore:
		panic(errCrash)
	}
	done, before := b.answers[r.Key]
	if !before {
		done = do(b.account(r.OrderID))
		b.answers[r.Key] = done
	}
	switch f {
	case lostAnswer:
		return "", errLine
	case crashAfter:
		panic(errCrash)
	}
	return done.reference, done.err
}

func (b *bank) Authorize(ctx context.Context, r provider.Request) (string, error) {
	// What the token makes temporary is so before the bank has taken it up.
	if _, err := b.Sandbox.Authorize(ctx, r); err != nil && !errors.Is(err, payments.ErrDeclined) && !errors.Is(err, payments.ErrInsufficientFunds) {
		return "", err
	}
	return b.once("authorize", r, func(a *bankAccount) answer {
		if a.dead {
			return answer{err: payments.ErrDeclined}
		}
		reference, err := b.Sandbox.Authorize(ctx, r)
		if err == nil {
			a.authorized = r.Amount.Amount
		}
		return answer{reference, err}
	})
}

func (b *bank) Capture(_ context.Context, r provider.Request) (string, error) {
	return b.once("capture", r, func(a *bankAccount) answer {
		if a.authorized == 0 || a.voided != 0 || !strings.HasPrefix(r.Reference, "sandbox_") {
			return answer{err: payments.ErrDeclined}
		}
		a.captures++
		a.captured = a.authorized
		return answer{reference: "capture_" + r.OrderID}
	})
}

func (b *bank) Void(_ context.Context, r provider.Request) (string, error) {
	return b.once("void", r, func(a *bankAccount) answer {
		a.dead = true
		if a.captured != 0 {
			return answer{err: payments.ErrDeclined}
		}
		if a.authorized != a.voided {
			a.voids++
		}
		a.voided = a.authorized
		return answer{reference: "void_" + r.OrderID}
	})
}

func (b *bank) Refund(_ context.Context, r provider.Request) (string, error) {
	return b.once("refund", r, func(a *bankAccount) answer {
		if r.Amount.Amount > a.captured-a.refunded {
			return answer{err: payments.ErrDeclined}
		}
		a.refunded += r.Amount.Amount
		return answer{reference: fmt.Sprintf("refund_%d", a.refunded)}
	})
}
